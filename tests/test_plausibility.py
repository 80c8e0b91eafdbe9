"""How believable colours are, by probabilities that are known."""

import math

import pytest
import torch
from helpers import ROOT

import cinn_hub
from cinn_hub.color_classes import expected_chroma, log_prob, plausibility


def peaked(a, b, spacing=10.0, per_axis=11, share=0.9):
    """Log-probabilities that believe in one colour everywhere, and a little in all others."""
    p = torch.full((per_axis, per_axis), (1 - share) / (per_axis**2 - 1))
    p[int(a / spacing) + per_axis // 2, int(b / spacing) + per_axis // 2] = share
    return p.log().flatten()[None, :, None, None].expand(1, -1, 4, 4)


def flat(a, b):
    return torch.tensor([a, b], dtype=torch.float32).view(1, 2, 1, 1).expand(1, 2, 16, 16)


def test_a_colour_on_the_grid_has_the_probability_of_its_class():
    found = log_prob(peaked(20, -30), flat(20, -30)[..., :4, :4], 10.0)
    assert torch.allclose(found, torch.full((1, 4, 4), math.log(0.9)))


def test_a_colour_between_classes_is_shared_among_them():
    log_p = torch.randn(1, 25, 1, 1).log_softmax(1)
    found = log_prob(log_p, torch.tensor([2.5, 0.0]).view(1, 2, 1, 1), 10.0)
    grey, red = log_p[0, 12, 0, 0], log_p[0, 17, 0, 0]
    assert found.item() == pytest.approx((0.75 * grey + 0.25 * red).item(), abs=1e-6)


def test_the_expected_chroma_is_that_of_the_classes():
    assert expected_chroma(peaked(30, 40, share=1 - 1e-6), 10.0).item() == pytest.approx(
        50, abs=0.01
    )


@pytest.mark.parametrize("other", [(0, 0), (-30, -40), (40, -30), (6, 8), (49, 49)])
def test_what_is_believed_is_more_plausible_than(other):
    colors = torch.cat([flat(30, 40), flat(*other)])
    right, wrong = plausibility(peaked(30, 40), colors, 10.0).tolist()
    assert right > wrong + 0.1


def test_every_colouring_has_its_plausibility_and_it_is_that_of_its_classes():
    model = cinn_hub.load("imagenet", device="cpu")
    prepared = model.prepare(ROOT / "examples" / "coffee.jpg")
    results = model.colorize(prepared, n=3, seed=1)
    ab = torch.stack([torch.from_numpy(result.ab).permute(2, 0, 1) for result in results])
    expected = model.plausibility(ab, torch.zeros(3), prepared.condition).tolist()
    assert [result.plausibility for result in results] == pytest.approx(expected, abs=1e-4)
    assert len(set(expected)) == 3
