"""Lab there and back, and colours outside sRGB that lose chroma instead of lightness."""

import numpy as np
import pytest

from benchmarks.features import colorfulness
from cinn_hub import color


@pytest.fixture
def rgb():
    return np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)


def test_lab_of_known_colors():
    known = np.array([[[255, 255, 255], [0, 0, 0], [255, 0, 0], [0, 0, 255]]], np.uint8)
    expected = [[100, 0, 0], [0, 0, 0], [53.24, 80.09, 67.2], [32.3, 79.19, -107.86]]
    np.testing.assert_allclose(color.to_lab(known)[0], expected, atol=0.15)


def test_lightness_of_greys():
    """CIE L* of sRGB greys: 0.5 is 53.39; monotonous at 16 bits, and the same at every depth."""
    known = color.lightness_of_grey(np.array([0.0, 0.5, 1.0]))
    assert known == pytest.approx([0, 53.389, 100], abs=1e-3)
    every = color.lightness_of_grey(np.arange(65536, dtype=np.uint16)[None])[0]
    assert (np.diff(every) > 0).all()
    eight = color.lightness_of_grey(np.arange(256, dtype=np.uint8)[None])[0]
    np.testing.assert_allclose(eight, every[::257], atol=1e-4)
    picture = np.repeat(np.arange(256, dtype=np.uint8)[None, :, None], 3, axis=2)
    np.testing.assert_allclose(color.to_lab(picture)[0, :, 0], eight, atol=0.35)


def test_every_8_bit_color_survives(rgb):
    back = color.to_rgb(color.to_lab(rgb)).astype(int)
    assert np.abs(back - rgb).max() <= 1


def test_colors_inside_are_not_touched(rgb):
    lab = color.to_lab(rgb)
    assert np.array_equal(color.fit_gamut(lab), lab)


def test_colors_outside_keep_lightness_and_hue():
    rng = np.random.default_rng(1)
    lab = np.dstack([rng.uniform(2, 98, (64, 64)), rng.uniform(-110, 110, (64, 64, 2))])
    lab = lab.astype(np.float32)
    outside = ~color.in_gamut(lab)
    assert 0.3 < outside.mean() < 0.95
    fitted = color.fit_gamut(lab)
    assert color.in_gamut(fitted).all()
    np.testing.assert_array_equal(fitted[..., 0], lab[..., 0])
    hue = np.arctan2(lab[..., 2], lab[..., 1])
    np.testing.assert_allclose(np.arctan2(fitted[..., 2], fitted[..., 1]), hue, atol=1e-3)
    ratio = np.hypot(*np.moveaxis(fitted[..., 1:], -1, 0)) / np.hypot(
        *np.moveaxis(lab[..., 1:], -1, 0)
    )
    assert (ratio[outside] < 1).all() and (ratio <= 1 + 1e-6).all()
    # just inside: a little more chroma is outside again
    more = fitted.copy()
    more[..., 1:] *= 1.03
    assert (~color.in_gamut(more))[outside].mean() > 0.95
    written = color.to_lab(color.to_rgb(lab))[..., 0]
    assert np.abs(written - lab[..., 0]).max() < 0.6  # 8-bit rounding


def test_strips_cover_all_rows_once():
    rows = [i for part in color.strips((4001, 3000)) for i in range(4001)[part]]
    assert rows == list(range(4001))
    assert color.strips((3, 5_000_000)) == [slice(0, 1), slice(1, 2), slice(2, 3)]


def test_measures_of_color():
    grey = np.full((8, 8, 3), 90, np.uint8)
    vivid = np.zeros((8, 8, 3), np.uint8)
    vivid[:, :4, 0] = vivid[:, 4:, 2] = 255
    assert colorfulness(grey) == 0
    assert colorfulness(vivid) > 80
    assert color.mean_chroma(np.full((4, 4, 2), [3.0, 4.0])) == pytest.approx(5)
