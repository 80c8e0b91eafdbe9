"""Thousands of answers in bounded memory, and NaN that never becomes a picture."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from helpers import color_picture

from cinn_hub.errors import CheckpointError, CinnHubError
from cinn_hub.flow import Condition, Flow
from cinn_hub.latent import AT_ONCE, MOST_ROWS, Latent, batches
from cinn_hub.models.digit_cinn import DigitCINN, DigitConfig

BAD = [math.nan, math.inf, -math.inf]


@pytest.fixture(scope="module")
def digits():
    torch.manual_seed(0)
    config = DigitConfig(hidden=(8, 8, 8), dense=8, bins=4, directions=("slant",))
    return DigitCINN(config).eval().requires_grad_(False)


@pytest.fixture
def rows_at_once(monkeypatch):
    """How many rows each pass through the flow had."""
    seen, whole = [], Flow.inverse

    def inverse(self, latents, condition, **options):
        seen.append(len(next(iter(latents.values()))))
        return whole(self, latents, condition, **options)

    monkeypatch.setattr(Flow, "inverse", inverse)
    return seen


def test_many_answers_are_decoded_a_few_at_once(small_model, rows_at_once):
    n = 2 * AT_ONCE + 3
    results = small_model.colorize(color_picture(), n, seed=5, pool=None)
    assert rows_at_once == [AT_ONCE, AT_ONCE, 3]
    assert [r.settings["sample"] for r in results] == [str(i) for i in range(n)]
    assert {r.settings["seed"] for r in results} == {"5"}
    few = small_model.colorize(color_picture(), 2, seed=5, pool=None)
    np.testing.assert_allclose(results[1].ab, few[1].ab, atol=1e-4)
    condition = small_model.prepare(color_picture()).condition
    last = small_model.draws(condition, n, seed=5, pool=None)[n - 1]
    assert results[-1].latent == last and results[-1].latent != results[0].latent


def test_every_move_is_bounded(small_model, digits, rows_at_once):
    photo, a, b = color_picture(), *small_model.draw(2, seed=1)
    small_model.interpolate(photo, a, b, steps=AT_ONCE + 1)
    small_model.similar(photo, a, n=AT_ONCE + 1, seed=1)
    small_model.explore(photo, side=9, seed=1)
    small_model.colorize(photo, latent=small_model.draw(AT_ONCE + 1, seed=1))
    digits.sample([1, 2, 3], n=AT_ONCE + 1, seed=1)
    assert max(rows_at_once) <= AT_ONCE and len(rows_at_once) == 2 * 4 + 3 * 2


@pytest.mark.parametrize(("conditions", "n"), [(1, 200), (3, 100), (100, 1), (30, 5), (2, 1)])
def test_batches_keep_rows_and_conditions_together(conditions, n):
    rows = torch.arange(conditions * n, dtype=torch.float32)[:, None]
    condition = Condition(only=torch.arange(conditions, dtype=torch.float32)[:, None])
    seen = []
    for latent, part in batches(Latent({"z": rows}), condition):
        assert len(latent) <= AT_ONCE and len(latent) % part.rows == 0
        own = part["only"].repeat_interleave(len(latent) // part.rows, 0)
        seen += zip(latent.levels["z"][:, 0].tolist(), own[:, 0].tolist(), strict=True)
    assert seen == [(float(i), float(i // n)) for i in range(conditions * n)]
    with pytest.raises(CinnHubError, match="give each the same number"):
        list(batches(Latent({"z": torch.ones(5, 1)}), Condition(only=torch.ones(2, 1))))


@pytest.mark.parametrize("n", [0, -1, MOST_ROWS + 1, 10**400, 2.5, math.nan, True, "8", None])
def test_a_number_of_answers_out_of_range_is_refused(small_model, digits, n):
    for ask in (
        lambda: small_model.colorize(color_picture(), n),
        lambda: small_model.similar(color_picture(), small_model.draw(1), n),
        lambda: digits.sample(3, n),
        lambda: small_model.interpolate(
            color_picture(), *small_model.draw(2, seed=1), steps=n if n != 1 else 0
        ),
    ):
        with pytest.raises(CinnHubError, match=f"must be a whole number from [12] to {MOST_ROWS}"):
            ask()


def with_value(latent, value, level=0):
    name = list(latent.levels)[level]
    levels = {k: z.clone() for k, z in latent.levels.items()}
    levels[name].view(-1)[0] = value
    return Latent(levels, latent.settings)


@pytest.mark.parametrize("value", [*BAD, 1e30, -3e38])
@pytest.mark.parametrize("level", [0, 1, 2, 3])
def test_latents_that_are_not_finite_make_no_picture(small_model, value, level):
    bad, photo = with_value(small_model.draw(1, seed=1), value, level), color_picture()
    for move in (
        lambda: small_model.colorize(photo, latent=bad),
        lambda: small_model.colorize(photo, latent=bad, hints=[(20, 20, "#bb5544")]),
        lambda: small_model.interpolate(photo, bad, small_model.draw(1, seed=2), steps=3),
        lambda: small_model.similar(photo, bad, n=1),
        lambda: small_model.transfer(bad, onto=photo, keep=1.0),
    ):
        with pytest.raises(CinnHubError, match="finite"):
            move()


@pytest.mark.parametrize("value", BAD)
def test_latents_of_files_are_finite(tmp_path, small_model, value):
    with_value(small_model.draw(1, seed=1), value).save(tmp_path / "z.safetensors")
    with pytest.raises(CheckpointError, match="finite"):
        Latent.load(tmp_path / "z.safetensors")


@pytest.mark.parametrize("value", [*BAD, 1e308])
def test_no_amount_is_nan(small_model, digits, value):
    photo, z = color_picture(), small_model.draw(1, seed=1)
    result = small_model.colorize(photo, latent=z)[0]
    for move in (
        lambda: small_model.temperature(value),
        lambda: small_model.draw(1, temperature=value),
        lambda: small_model.draw(1, temperature={"mood": value}),
        lambda: z.scale(value),
        lambda: z.slerp(z, value),
        lambda: z.renewed(z, value),
        lambda: small_model.similar(photo, z, amount=value),
        lambda: small_model.transfer(photo, onto=photo, keep=value),
        lambda: small_model.transfer(photo, onto=photo, keep={"mood": value}),
        lambda: small_model.explore(photo, side=value),
        lambda: small_model.colorize(photo, 1, hints=[(value, 20, "#bb5544")]),
        lambda: small_model.colorize(photo, 1, hints=[(20, value, "#bb5544")]),
        lambda: result.with_intensity(value),
    ):
        with pytest.raises(CinnHubError):
            move()
    for reach in (math.nan, -math.inf):
        with pytest.raises(CinnHubError, match="reach"):
            small_model.colorize(photo, 1, hints=[(20, 20, "#bb5544")], reach=reach)
    if abs(value) != 1e308:
        with pytest.raises(CinnHubError, match="finite"):
            digits.moved(digits.draw(1, seed=1), [value])


def test_a_model_of_huge_weights_makes_no_picture(small_model, tmp_path):
    """All of them finite, every matrix invertible; what comes out is not finite."""
    small_model.save(tmp_path, torch.float32)
    model = type(small_model).from_folder(tmp_path)
    for name, weight in model.named_parameters():
        if name.endswith("last.bias") or "mean_and_scale.bias" in name:
            weight.data.fill_(3e38)
    photo = color_picture()
    for move in (
        lambda: model.colorize(photo, 1, seed=1),
        lambda: model.score(photo),
        lambda: model.latent_of(photo),
        lambda: model.sample(model.prepare(photo).condition, 1),
    ):
        with pytest.raises(CinnHubError, match="not finite numbers"):
            move()


def test_pixels_of_digits_are_finite(digits):
    broken = dataclasses.replace(digits.draw(1, seed=1))
    for value in BAD:
        with pytest.raises(CinnHubError, match="finite"):
            digits.write(with_value(broken, value), 3)
        with pytest.raises(CinnHubError):
            digits.classify(np.full((28, 28), value, np.float32))
