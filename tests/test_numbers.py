"""Limits that keep rare cases in bounds, as numbers: saturation, steps of hints, temperatures,
colours between pixels."""

import numpy as np
import pytest
import torch

from cinn_hub import hints as hinting
from cinn_hub import photos
from cinn_hub.latent import Latent
from cinn_hub.networks import saturated

SHAPES = {"1x1": (200, 1, 1), "2x2": (6, 8, 8), "4x4": (6, 16, 16)}


def test_saturation_leaves_small_values_and_bounds_large_ones():
    x = torch.tensor([0.0, 0.1, -0.1, 8.0, -1e6, 1e6])
    expected = torch.tensor([0.0, 0.1, -0.1, 8 / 2**0.5, -8.0, 8.0])
    torch.testing.assert_close(saturated(x), expected, atol=1e-4, rtol=0)


@pytest.mark.parametrize("distance", [9.0, 60.0])
def test_a_hint_moves_a_latent_by_bounded_steps(distance):
    """x = 100 z: a colour that lies far away in z is walked to, `STEPS` bounded steps at most."""
    spots, wanted = torch.ones(1, 1, 1), torch.full((1, 1), 100 * distance)
    seen = []

    def decode(z):
        seen.append(z.detach())
        return (100 * z[:, :1])[..., None, None]

    end = hinting.guide(decode, torch.zeros(1, 2), spots, wanted, torch.zeros(1, 2), [1e9])
    walked = torch.cat(seen[1:])
    lengths = (walked[1:] - walked[:-1]).norm(dim=1)
    assert lengths.max() <= hinting.LONGEST_STEP * 1.001 < distance
    assert end[0, 0] == pytest.approx(min(distance, hinting.LONGEST_STEP * hinting.STEPS), rel=0.01)


def test_every_level_has_its_own_temperature():
    scale = {"1x1": 0.2, "2x2": 1.0, "4x4": 3.0}
    plain, center = Latent.standard(SHAPES, [1, 2]), Latent.standard(SHAPES, [3])
    latent, around = plain.around(None, scale), plain.around(center, scale)
    assert latent.temperature == around.temperature == scale
    for name, factor in scale.items():
        z, middle = plain.levels[name], center.levels[name]
        torch.testing.assert_close(latent.levels[name], factor * z)
        torch.testing.assert_close(around.levels[name], middle + factor * (z - middle))


def test_enlarging_makes_no_colour_beyond_the_small_ones():
    """Where L leaps, slope * L would leap beyond all colours that the model gave."""
    board = np.indices((16, 16)).sum(0) % 2
    ab = np.stack([60 * board - 30, 30 - 60 * board], -1).astype(np.float32)
    lightness = (40 + 20 * board).repeat(25, 0).repeat(25, 1).astype(np.float32)
    lightness[12::25, 12::25] = 100
    lightness[6::25, 6::25] = 0
    enlargement = photos.GuidedEnlargement.of(ab, lightness)
    slope = enlargement.coefficients[12::25, 12::25, 0]
    assert (slope * 40).max() > 45  # so that without limits the leaps of L would be seen
    large = enlargement.rows(lightness, slice(0, len(lightness)))
    assert np.abs(large).max() <= 30
