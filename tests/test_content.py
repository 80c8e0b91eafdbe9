"""Pages, drawings, gradients and borders stay neutral; photos keep every colour."""

import cv2
import numpy as np
import pytest
from helpers import ROOT
from PIL import Image

from benchmarks.pages import BORDER, made_pages
from cinn_hub import photos
from cinn_hub.photos.content import Content

COLORS = np.full((16, 16, 2), 50, np.float32)
PAGES = made_pages()
BORDERED = [name for name in PAGES if name.startswith("border")]
PHOTOS = sorted((ROOT / "examples").rglob("*.jpg"))


def spread(image):
    """How far each pixel is from grey, in steps of 8 bits."""
    return np.ptp(np.asarray(image)[..., :3].astype(int), axis=2)


@pytest.mark.parametrize("name", sorted(PAGES.keys() - set(BORDERED)))
@pytest.mark.parametrize("scale", [1, 0.4, 2])
def test_pages_stay_neutral(name, scale):
    page = PAGES[name]
    photo = photos.read(page.resize((round(page.width * scale), round(page.height * scale))))
    assert spread(photos.render(photo, COLORS)).max() <= 2
    assert spread(photos.render(photo, COLORS, flat=65)).max() <= 2


def test_a_drawing_gets_the_colours_that_hints_ask_for():
    photo = photos.read(PAGES["line art"])
    assert spread(photos.render(photo, COLORS, hinted=True)).mean() > 10
    assert spread(photos.render(photos.shrunk(photo, 200), COLORS, hinted=True)).mean() > 10


@pytest.mark.parametrize("name", BORDERED)
def test_borders_stay_neutral_and_the_picture_does_not(name):
    image = photos.render(photos.read(PAGES[name]), COLORS)
    inside = (slice(BORDER + 4, -BORDER - 4),) * 2
    border = np.ones(image.size[::-1], bool)
    border[BORDER - 4 : -BORDER + 4, BORDER - 4 : -BORDER + 4] = False
    assert spread(image)[border].max() <= 2
    assert spread(image)[inside].mean() > 30


@pytest.mark.parametrize("tone", [5, 225, 250])
def test_one_border_alone(tone):
    values = np.random.default_rng(0).integers(90, 160, (200, 300)).astype(np.uint8)
    values[:, -20:] = tone
    content = Content.of(photos.read(values).lightness)
    assert content.columns[-20:].max() < 0.1 < 0.9 < content.columns[:-22].min()
    assert content.rows.min() == 1


def test_an_edge_in_between_is_left_alone():
    values = np.random.default_rng(0).integers(160, 200, (200, 300)).astype(np.uint8)
    values[:20] = 120  # a wall, a sky
    content = Content.of(photos.read(values).lightness)
    assert content.rows.min() == content.columns.min() == 1


@pytest.mark.parametrize("tone", [60, 128, 180])
def test_a_mat_of_any_grey_stays_neutral(tone):
    page = np.full((380, 320), tone, np.uint8)
    noise = np.random.default_rng(0).integers(30, 250, (50, 40)).astype(np.uint8)
    page[40:340, 40:280] = cv2.resize(noise, (240, 300), interpolation=cv2.INTER_CUBIC)
    shown = spread(photos.render(photos.read(page), COLORS))
    mat = np.ones(page.shape, bool)
    mat[36:344, 36:284] = False
    assert shown[mat].max() <= 2 and np.median(shown[60:320, 60:260]) > 10


def test_a_map_of_even_areas_stays_neutral():
    page = np.full((400, 300), 240, np.uint8)
    page[300:] = 205  # the sea
    for radius in range(20, 140, 12):
        cv2.circle(page, (150, 180), radius, 60, 1)
    cv2.line(page, (0, 50), (299, 330), 30, 3)
    assert spread(photos.render(photos.read(page), COLORS)).mean() < 6


@pytest.mark.parametrize("contrast", [1, 0.3])
def test_photos_keep_their_colours_even_faded(contrast):
    assert len(PHOTOS) > 3
    for path in PHOTOS:
        grey = np.asarray(Image.open(path).convert("L"), np.float32)
        faded = (128 + contrast * (grey - 128)).astype(np.uint8)
        content = Content.of(photos.read(faded).lightness)
        assert content.detail == 1, path.name
        assert content.rows.min() == content.columns.min() == 1, path.name
