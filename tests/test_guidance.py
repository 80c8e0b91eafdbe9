"""Hints: the spots get their colours, the rest follows, and bad hints get one sentence."""

import math

import numpy as np
import pytest
import torch

from cinn_hub import hints as hinting
from cinn_hub import photos
from cinn_hub.color import fit_gamut, lightness_of_grey, to_lab
from cinn_hub.errors import CinnHubError
from cinn_hub.latent import Latent


def colors_at(result, hints):
    spots = hinting.spot_weights(hinting.read_hints(hints, (96, 64)), (96, 64), 16).numpy()
    return np.einsum("hwc,khw->kc", result.ab, spots)


def test_colors_at_hints_come_nearer(small_model, photo):
    hints = [(20, 20, "#bb5544"), (80, 50, "#4466aa")]
    plain = small_model.colorize(photo, n=3, seed=1)
    hinted = small_model.colorize(photo, n=3, seed=1, hints=hints)
    lightness = photos.read(photo).lightness
    light = [lightness[y - 4 : y + 5, x - 4 : x + 5].mean() for x, y, _ in hints]
    wanted = [
        hinting.hinted_ab(hinting.Hint(*hint), at) for hint, at in zip(hints, light, strict=True)
    ]
    for before, after in zip(plain, hinted, strict=True):
        misses = [
            np.linalg.norm(colors_at(x, hints) - np.stack(wanted), axis=1) for x in (before, after)
        ]
        assert misses[1].mean() < 3 and misses[1].mean() < 0.3 * misses[0].mean()
        assert after.settings["hints"] == "20,20,#bb5544 80,50,#4466aa"
    assert not np.allclose(hinted[0].ab, hinted[1].ab, atol=1)  # still different answers
    again = small_model.colorize(photo, latent=hinted[1].latent)[0]
    np.testing.assert_allclose(again.ab, hinted[1].ab, atol=1e-3)


@pytest.mark.parametrize("reach", [0.5, 3.0, math.inf])
def test_a_linear_flow_gets_the_exact_posterior_mean(reach):
    """x = A z: the rest stays as it was within the reach, the hint holds within its doubt."""
    torch.manual_seed(0)
    side, a, rest = 4, 3 * torch.randn(32, 32) / 32**0.5, torch.randn(7, 32)
    spots = torch.zeros(1, side, side)
    spots[0, 1, 2] = 1
    start, wanted = 0.3 * torch.randn(1, 32), torch.tensor([[4.0, -3.0]])
    z = hinting.guide(
        lambda z: (z @ a.T).unflatten(1, (2, 4, 4)), start, spots, wanted, rest, [reach]
    )
    rows = a.unflatten(0, (2, 16))[:, 6] / hinting.DOUBT
    precision = torch.eye(32) + rest.T @ rest / reach**2 + rows.T @ rows
    missing = wanted[0] / hinting.DOUBT - rows @ start[0]
    expected = start[0] + torch.linalg.solve(precision, rows.T @ missing)
    torch.testing.assert_close(z[0], expected, atol=2e-3, rtol=0)


def test_the_reach_is_kept_with_the_answer(small_model, photo):
    hints = [(20, 20, "#bb5544")]
    far = small_model.colorize(photo, n=1, seed=1, hints=hints, reach=math.inf)[0]
    near = small_model.colorize(photo, n=1, seed=1, hints=hints, reach=5)[0]
    assert (far.settings["reach"], near.settings["reach"]) == ("inf", "5")
    assert not np.allclose(far.ab, near.ab, atol=0.5)
    for reach in (0, -1, math.nan, 10**400, "far", None):
        with pytest.raises(CinnHubError, match="The reach is .*; it must be above 0"):
            small_model.colorize(photo, n=1, hints=hints, reach=reach)
    for hints in (None, 3, "20,20,#bb5544"):
        with pytest.raises(CinnHubError, match=f"The hints are {hints!r}"):
            small_model.colorize(photo, n=1, hints=hints)


@pytest.mark.parametrize("lightness", [15.0, 50.0, 90.0])
def test_a_hint_has_its_colour_as_far_as_it_exists_at_the_lightness_there(lightness):
    blue = hinting.hinted_ab(hinting.Hint(0, 0, "#0000ff"), lightness)
    own = to_lab(np.array([[[0, 0, 255]]], np.uint8))[0, 0]
    fitted = fit_gamut(np.array([[[lightness, *own[1:]]]], np.float32))[0, 0, 1:]
    np.testing.assert_allclose(blue, fitted, atol=1e-3)
    assert np.hypot(*blue) < np.hypot(*own[1:])  # at none of these there is so vivid a blue


def test_hints_ask_for_colours_at_the_lightness_of_their_spots(small_model, monkeypatch):
    dark_and_light = np.full((64, 96), 40, np.uint8)
    dark_and_light[:, 48:] = 220
    asked, whole = [], hinting.hinted_ab
    monkeypatch.setattr(
        "cinn_hub.color_model.hinted_ab", lambda *pair: asked.append(pair[1]) or whole(*pair)
    )
    hints = [(20, 30, "#bb5544"), (80, 30, "#bb5544")]
    small_model.colorize(dark_and_light, n=1, hints=hints)
    expected = lightness_of_grey(np.array([[40, 220]], np.uint8))[0]
    np.testing.assert_allclose(asked, expected, atol=0.5)


def test_an_answer_does_not_depend_on_how_many_there_are(small_model, photo):
    hints = [(20, 20, "#bb5544"), (80, 50, "#4466aa")]
    one = small_model.colorize(photo, n=1, seed=1, hints=hints)
    four = small_model.colorize(photo, n=4, seed=1, hints=hints)
    np.testing.assert_allclose(one[0].ab, four[0].ab, atol=0.05)
    with pytest.raises(CinnHubError, match="There are 65 hints; give at most 64"):
        small_model.colorize(photo, n=1, hints=[(5, 5, "#aa3311")] * 65)


def test_each_hint_has_its_reach():
    """Two things that vary by themselves: what is near the firm hint stays, the other follows."""
    things = torch.eye(6)  # z: two spots, and two values of the rest beside each
    spots = things[[0, 3]]
    rest = torch.stack([things[0] + things[1], things[0] + things[2]])
    rest = torch.cat([rest, rest.roll(3, 1)])
    held = hinting.held_rest(rest, spots, [2.0, 20.0])
    torch.testing.assert_close(held, rest / torch.tensor([2.0, 2.0, 20.0, 20.0])[:, None])
    same = hinting.held_rest(rest, spots, [5.0, 5.0])
    torch.testing.assert_close(same, rest / 5)
    between = hinting.held_rest(spots.sum(0)[None], spots, [1.0, math.inf])
    torch.testing.assert_close(between, spots.sum(0)[None] * 0.5**0.5)


def test_hints_with_a_reach_and_without_colour(small_model, photo):
    prepared = small_model.prepare(photo)
    hints = [(20, 20, "#bb5544", 3), (80, 50, "#808080")]
    result = small_model.colorize(prepared, n=1, seed=1, hints=hints, reach=40)[0]
    assert result.settings["hints"] == "20,20,#bb5544,3 80,50,#808080"
    assert np.linalg.norm(colors_at(result, hints)[1]) < 4
    other = [(20, 20, "#bb5544", 3), (80, 50, "#808080", 40)]
    again = small_model.colorize(prepared, n=1, seed=1, hints=other, reach=7)[0]
    np.testing.assert_allclose(again.ab, result.ab, atol=1e-4)
    wide = small_model.colorize(prepared, n=1, seed=1, hints=[(20, 20, "#bb5544"), hints[1]])[0]
    assert not np.allclose(wide.ab, result.ab, atol=0.5)


def test_hints_on_answers_that_are_there(small_model, photo):
    answers = small_model.colorize(photo, n=3, seed=1)
    hints = [(20, 20, "#bb5544")]
    latents = [answer.latent for answer in answers[1:]]
    mended = small_model.colorize(photo, latent=latents, hints=hints)
    for number, result in enumerate(mended, 1):
        expected = small_model.colorize(photo, latent=answers[number].latent, hints=hints)[0]
        np.testing.assert_allclose(result.ab, expected.ab, atol=0.05)
        assert "hints" in result.settings
        assert result.settings.items() >= answers[number].settings.items()


def test_the_derivative_is_computed_once_a_photo(small_model, photo, monkeypatch):
    prepared = small_model.prepare(photo)
    hints = [(20, 20, "#bb5544")]
    first = small_model.colorize(prepared, n=1, seed=1, hints=hints)[0]
    monkeypatch.setattr(small_model, "coarse_ab", None)
    again = small_model.colorize(prepared.shrunk(50), n=1, seed=1, hints=hints)[0]
    assert np.array_equal(first.ab, again.ab)


def test_no_step_makes_it_worse():
    """On a function that no linear model fits, what is returned is never worse than the start."""
    spots = torch.ones(1, 1, 1)
    wanted = torch.tensor([[50.0]])
    wild = lambda z: (30 * torch.sin(3 * z[:, :1]) + z[:, :1] ** 3)[..., None, None]  # noqa: E731
    start = torch.linspace(-2, 2, 9)[:, None].repeat(1, 2)
    end = hinting.guide(wild, start, spots, wanted, torch.zeros(1, 2), [1.0])
    assert ((wild(end) - 50).abs() <= (wild(start) - 50).abs() + 1e-4).all()


@pytest.mark.parametrize(
    ("hint", "sentence"),
    [
        ((96, 10, "#aa3311"), "lies outside the photo; x must be from 0 to 95"),
        ((float("nan"), 10, "#aa3311"), "lies outside"),
        ((5, 5, "red"), "The colour of the hint is 'red'"),
        ((5, 5, "#aa3311", 0), "The reach is 0; it must be above 0"),
        ((5, 5, "#aa3311", 3, 4), "it must be"),
        ((5, 5, "#aa3311", "far"), "The hint is"),
        ((10**400, 5, "#aa3311"), "The hint is"),
        ((None, 5, "#aa3311"), "The hint is"),
        ((5, 5), r'The hint is \(5, 5\); it must be \(x, y, "#rrggbb"\)'),
    ],
)
def test_bad_hints(small_model, photo, hint, sentence):
    with pytest.raises(CinnHubError, match=sentence):
        small_model.colorize(photo, n=1, hints=[hint])


def test_latents_unflatten(small_model):
    z = small_model.draw(2, seed=0)
    back = z.unflattened(z.flatten())
    assert isinstance(back, Latent)
    assert all(torch.equal(back.levels[name], level) for name, level in z.levels.items())
