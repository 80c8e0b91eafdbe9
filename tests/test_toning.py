"""Toned is not coloured: a small part of `python -m benchmarks.tones`."""

import cv2
import numpy as np
import pytest
from helpers import ROOT, color_picture
from PIL import Image

from benchmarks.tones import toned_share
from benchmarks.tonings import COLORED, SEPIA, as_jpeg, eight, toned_ways
from cinn_hub import photos
from training.photos import find_photos

EXAMPLES = find_photos([ROOT / "examples"])
COLORS = find_photos([ROOT / "examples" / "moods"])


@pytest.mark.parametrize("way", toned_ways())
def test_toned_photos(way):
    share, count = toned_share(EXAMPLES, toned_ways()[way], of_grey=True, seed=1)
    assert count == len(EXAMPLES)
    assert share >= (0.4 if "stained" in way or "two of these" in way else 0.8)


@pytest.mark.parametrize("way", ["as they are", "with a scanner's cast", "coloured by hand"])
def test_colored_photos(way):
    share, count = toned_share(COLORS, COLORED[way], of_grey=False, seed=1)
    assert share <= (0.25 if "hand" in way else 0) and count == len(COLORS)


@pytest.mark.parametrize("place", [(100, 100), (0, 0), (0, 120), (226, 200)])
def test_one_red_thing_wherever_it_is(place):
    grey = np.repeat(np.asarray(color_picture(256, 256).convert("L"))[..., None], 3, axis=2)
    y, x = place
    grey[y : y + 40, x : x + 40] = grey[y : y + 40, x : x + 40] * [0.8, 0.15, 0.2]
    assert photos.is_colored(photos.read(grey))


def test_highlights_that_a_filter_has_clipped():
    """A bright sky with a sun, in sepia: near white, the hue changes fast with the lightness."""
    y, x = np.mgrid[0:1:120j, 0:1:160j]
    sky = 0.95 - 0.5 * y + 0.3 * np.exp(-80 * ((x - 0.8) ** 2 + (y - 0.2) ** 2))
    sepia = (sky[..., None].clip(0, 1) * SEPIA).clip(0, 1)
    assert not photos.is_colored(photos.read(eight(as_jpeg(sepia, 75))))


@pytest.mark.parametrize("strength", [0.2, 0.4])
@pytest.mark.parametrize("side", [np.s_[:], np.s_[:, ::-1], np.s_[::-1]])
def test_sepia_that_has_yellowed_on_one_side(strength, side):
    """Not by a slope, but in a strip along an edge."""
    toned = 0
    for source in EXAMPLES[:10]:
        grey = np.asarray(Image.open(source.path).convert("L").resize((160, 160))) / 255
        x = np.mgrid[0:1:160j, 0:1:160j][1][side][..., None]
        yellow = 1 - strength / (1 + np.exp(15 * (0.7 - x))) * np.array([0, 0.3, 1])
        picture = (grey[..., None] * SEPIA).clip(0, 1) * yellow
        toned += not photos.is_colored(photos.read(eight(picture)))
    assert toned >= 9


def test_greys_with_noise_and_faint_casts():
    grey = np.asarray(color_picture(256, 256).convert("L"))[..., None].astype(np.float32)
    noise = np.random.default_rng(0).normal(0, 6, (256, 256, 3))
    blurred = cv2.blur(grey + noise, (3, 3))
    for picture in (grey + noise, grey * [1, 0.97, 0.9], blurred + [9, 0, 0]):
        photo = photos.read(picture.clip(0, 255).astype(np.uint8))
        assert photo.rgb is not None and not photos.is_colored(photo)


@pytest.mark.parametrize("size", [(16, 16), (17, 400), (3000, 40)])
def test_any_size(size):
    colors = color_picture(*size)
    assert photos.is_colored(photos.read(colors))
    sepia = np.asarray(colors.convert("L"))[..., None] * [1, 0.85, 0.6]
    assert not photos.is_colored(photos.read(Image.fromarray(sepia.astype(np.uint8))))
