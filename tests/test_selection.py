"""Of many draws a few that differ and are believable; and the colours that one spot may have."""

import numpy as np
import pytest
import torch
from helpers import ROOT

from cinn_hub import choosing
from cinn_hub.choosing import possible_colors
from cinn_hub.color import to_lab
from cinn_hub.errors import CinnHubError


def flat(*colors):
    """One colouring of one colour for each (a, b), (N, 2, 8, 8)."""
    return torch.tensor(colors, dtype=torch.float32)[..., None, None].expand(-1, -1, 8, 8)


def test_the_chosen_ones_lie_far_apart_and_the_safest_is_first():
    ab = flat((0, 1), (0, 0), (30, 0), (31, 0), (0, 30), (0, 31), (90, 0))
    chosen = choosing.choose(ab, torch.tensor([0.1, 0.0, 1.0, 1.1, 1.2, 1.3, 9.0]), 3)
    assert chosen[0] == 1
    assert sorted(row // 2 for row in chosen) == [0, 1, 2]


def test_the_least_believable_are_left_out():
    ab = flat(*[(k, 0) for k in range(9)], (90, 0))
    surprises = choosing.surprise(ab, torch.zeros(2, 8, 8), torch.full((2, 8, 8), 10.0))
    assert surprises.argmax() == 9
    assert surprises[3].item() == pytest.approx((3 / 13) ** 2)
    assert 9 not in choosing.choose(ab, surprises, 5)
    assert sorted(choosing.choose(ab, surprises, 10)) == list(range(10))


def test_each_next_one_is_far_from_all_that_are_chosen():
    line = flat(*[(k, 0) for k in range(10)])
    assert choosing.choose(line, torch.arange(10.0), 3) == [0, 7, 3]  # 8 and 9: not believable


def test_equal_draws_are_chosen_once_each():
    assert sorted(choosing.choose(flat(*[(5, 5)] * 6), torch.zeros(6), 4)) == [0, 1, 2, 3]


def test_a_pool_gives_samples_of_the_same_seed(small_model, photo):
    all_draws = small_model.colorize(photo, n=12, seed=4)
    chosen = small_model.colorize(photo, n=3, seed=4, pool=12)
    samples = [int(result.settings["sample"]) for result in chosen]
    assert len(set(samples)) == 3
    for sample, result in zip(samples, chosen, strict=True):
        np.testing.assert_allclose(result.ab, all_draws[sample].ab, atol=1e-4)
        assert result.settings["pool"] == "12" and result.settings["seed"] == "4"
    again = small_model.colorize(photo, n=3, seed=4, pool=12)
    assert [result.settings["sample"] for result in again] == [str(i) for i in samples]


def test_the_best_of_a_pool_differ_more_and_begin_safely(imagenet):
    prepared = imagenet.prepare(ROOT / "examples" / "coffee.jpg")
    first, chosen = (imagenet.colorize(prepared, n=6, seed=0, pool=pool) for pool in (None, 24))
    pairs = np.triu_indices(6, 1)
    least = []
    for results in (first, chosen):
        coarse = np.stack([r.ab.reshape(8, 8, 8, 8, 2).mean((1, 3)).ravel() for r in results])
        least.append(np.linalg.norm(coarse[:, None] - coarse[None], axis=2)[pairs].min())
    assert least[1] > 1.3 * least[0]
    expected, spread = imagenet.expected_ab(prepared.condition, 64)
    ab = torch.from_numpy(np.stack([r.ab for r in chosen])).permute(0, 3, 1, 2)
    assert choosing.surprise(ab, expected, spread).argmin() == 0


def test_a_pool_with_hints(small_model, photo):
    hints = [(20, 20, "#bb5544")]
    result = small_model.colorize(photo, n=2, seed=4, pool=8, hints=hints)[1]
    number = int(result.settings["sample"])
    expected = small_model.colorize(photo, n=number + 1, seed=4, hints=hints)[number]
    np.testing.assert_allclose(result.ab, expected.ab, atol=0.05)


def test_modes_are_merged_and_come_with_their_probability():
    ab = np.array([[0, 0], [0, 11], [40, 30], [-40, 30], [40, 30.5]], np.float32)
    probabilities = np.array([0.3, 0.2, 0.2, 0.1, 0.2])
    found = possible_colors(probabilities, ab, 60.0, 6)
    assert [round(one.probability, 3) for one in found] == [0.5, 0.4, 0.1]
    rgb = np.array([list(bytes.fromhex(one.color[1:])) for one in found], np.uint8)
    np.testing.assert_allclose(to_lab(rgb[None])[0][:, 0], 60, atol=0.7)
    np.testing.assert_allclose(to_lab(rgb[None])[0][1], [60, 40, 30.25], atol=1.5)
    assert len(possible_colors(probabilities, ab, 60.0, 2)) == 2
    assert [one.color for one in possible_colors(probabilities, ab, 0.0, 6)] == ["#000000"]


def test_colors_at_a_spot(small_model, photo):
    prepared = small_model.prepare(photo)
    found = small_model.colors_at(prepared, 20, 20)
    assert 1 <= len(found) <= 6
    assert found == small_model.colors_at(photo, 20, 20)
    shares = [one.probability for one in found]
    assert shares == sorted(shares, reverse=True) and sum(shares) <= 1 + 1e-5
    hint = (20, 20, found[-1].color)
    assert len(small_model.colorize(prepared, n=1, hints=[hint])) == 1
    with pytest.raises(CinnHubError, match="lies outside the photo; x must be from 0 to 95"):
        small_model.colors_at(prepared, 96, 3)
    with pytest.raises(CinnHubError, match="n is 0"):
        small_model.colors_at(prepared, 20, 20, n=0)
