"""How believable colours are, by probabilities that are known."""

import math

import numpy as np
import pytest
import torch
from helpers import ROOT

from benchmarks.plausibility import turned, wins
from cinn_hub.choosing import FAINTEST, VIVIDNESS, VIVIDNESS_SPREAD, judge
from cinn_hub.networks import ColorBins

BINS = ColorBins(1, spacing=10.0, per_axis=11)


def peaked(a, b, share=0.9):
    """Log-probabilities that believe in one colour everywhere, and a little in all others."""
    p = torch.full((11, 11), (1 - share) / 120)
    p[a // 10 + 5, b // 10 + 5] = share
    return p.log().flatten()[None, :, None, None].expand(1, -1, 4, 4)


def flat(a, b):
    return torch.tensor([a, b], dtype=torch.float32).view(1, 2, 1, 1).expand(1, 2, 16, 16)


def test_a_colour_on_the_grid_has_the_probability_of_its_class():
    found = BINS.log_prob(peaked(20, -30), flat(20, -30)[..., :4, :4])
    assert torch.allclose(found, torch.full((1, 4, 4), math.log(0.9)))


def test_a_colour_between_classes_is_shared_among_them():
    log_p = torch.randn(1, 121, 1, 1).log_softmax(1)
    found = BINS.log_prob(log_p, torch.tensor([2.5, 0.0]).view(1, 2, 1, 1))
    grey, red = log_p[0, 60, 0, 0], log_p[0, 71, 0, 0]
    assert found.item() == pytest.approx((0.75 * grey + 0.25 * red).item(), abs=1e-6)


def test_the_expected_chroma_is_that_of_the_classes():
    log_p = peaked(30, 40, share=1 - 1e-6)
    assert BINS.expected_chroma(log_p).item() == pytest.approx(50, abs=0.01)


@pytest.mark.parametrize("other", [(0, 0), (-30, -40), (40, -30), (6, 8), (49, 49)])
def test_what_is_believed_is_more_plausible_than(other):
    colors = torch.cat([flat(30, 40), flat(*other)])
    right, wrong = judge(BINS, peaked(30, 40), colors).plausibility.tolist()
    assert right > wrong + 0.1


@pytest.mark.parametrize("share", [0.3, 3.0])
def test_what_is_much_paler_or_louder_than_expected_is_less_plausible(share):
    """Where nothing but vividness tells them apart: all classes are as likely."""
    even = torch.full((11, 11), 1 / 121).log().flatten()[None, :, None, None].expand(1, -1, 4, 4)
    usual = VIVIDNESS * BINS.expected_chroma(even)
    same, other = flat(usual, 0), flat(share * usual, 0).clamp(-50, 50)
    found = judge(BINS, even, torch.cat([same, other])).plausibility
    excess = (other[0, 0, 0, 0] + FAINTEST) / (usual + FAINTEST)
    assert found[0] - found[1] == pytest.approx(
        0.5 * (excess.log().item() / VIVIDNESS_SPREAD) ** 2, abs=1e-4
    )


def test_every_colouring_has_its_plausibility_and_it_is_that_of_its_classes(imagenet):
    prepared = imagenet.prepare(ROOT / "examples" / "coffee.jpg")
    results = imagenet.colorize(prepared, n=3, seed=1)
    ab = torch.stack([torch.from_numpy(result.ab).permute(2, 0, 1) for result in results])
    expected = imagenet.judge(ab, prepared.condition).plausibility.tolist()
    assert [result.plausibility for result in results] == pytest.approx(expected, abs=1e-4)
    assert len(set(expected)) == 3


def test_real_colours_are_more_plausible_than_grey_and_than_other_hues(imagenet):
    """A small part of `python -m benchmarks.plausibility`, on a few examples."""
    paths = sorted((ROOT / "examples" / "moods").iterdir())
    found = [wins(imagenet, imagenet.prepare(path)) for path in paths]
    assert len(found) >= 3 and np.mean(found) > 0.9


def test_turned_hues_are_as_vivid_as_before():
    ab = torch.randn(2, 2, 4, 4)
    assert torch.allclose(turned(ab, 90)[:, 0], -ab[:, 1], atol=1e-5)
    assert torch.allclose(turned(ab, 77).norm(dim=1), ab.norm(dim=1), atol=1e-5)
