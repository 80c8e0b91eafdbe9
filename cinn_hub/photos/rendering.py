"""Pictures of a photo with colours: at its own size, as a layer, as previews."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, ImageCms

from cinn_hub import color
from cinn_hub.errors import CinnHubError
from cinn_hub.photos.bilateral import JointBilateralEnlargement
from cinn_hub.photos.enlarging import GuidedEnlargement
from cinn_hub.photos.photo import Photo, fit_within, shrunk, squeeze

DETAIL_SIDE = 64
ENLARGEMENTS = {"guided": GuidedEnlargement, "joint-bilateral": JointBilateralEnlargement}
# Deviations of L, squeezed so far that grain averages out: an empty picture has less than the
# first; of 600 photos of generic-val, none has less than 5.4.
EMPTY_SPREAD, PHOTO_SPREAD = 1.0, 4.0


def paint(
    lightness: np.ndarray, ab: np.ndarray, flat: float | None = None, way: str = "guided"
) -> np.ndarray:
    """sRGB (H, W, 3) uint8 of this L with the small ab enlarged on it; L stays as it is.

    Arguments:
        flat: one L for all pixels of the result; the given one is then only what ab is enlarged on.
        way: of enlarging, one of `ENLARGEMENTS`.

    Raises:
        CinnHubError: the way is none of them.
    """
    if way not in ENLARGEMENTS:
        raise CinnHubError(f"The enlargement is {way!r}; it must be {' or '.join(ENLARGEMENTS)}.")
    enlargement = ENLARGEMENTS[way].of(ab * detail(lightness), lightness)
    rgb = np.empty((*lightness.shape, 3), np.uint8)
    for rows in color.strips(lightness.shape):
        colors = enlargement.rows(lightness, rows)
        light = lightness[rows] if flat is None else np.full_like(lightness[rows], flat)
        rgb[rows] = color.to_rgb(np.dstack([light, colors]))
    return rgb


def detail(lightness: np.ndarray) -> float:
    """How much there is to colour: 0 for a flat grey, 1 for a picture that shows anything.

    A model that has only seen photos colours an empty picture at random.
    """
    spread = float(squeeze(lightness, DETAIL_SIDE).std())
    return min(1.0, max(0.0, (spread - EMPTY_SPREAD) / (PHOTO_SPREAD - EMPTY_SPREAD)))


def render(photo: Photo, ab: np.ndarray, way: str = "guided") -> Image.Image:
    """The photo with these colours at its own size, with its alpha; `info` has its metadata.

    ab: (h, w, 2) float32, of the photo squeezed to a square; way: of enlarging it, see `paint`.
    """
    image = with_alpha(paint(photo.lightness, ab, way=way), photo.alpha)
    image.info |= {key: value for key, value in vars(photo.metadata).items() if value}
    if photo.has_profile:
        image.info["icc_profile"] = srgb_profile()
    return image


def render_layer(photo: Photo, ab: np.ndarray, lightness: float = 65.0) -> Image.Image:
    """The colours alone at the photo's own size, all of one lightness, with the photo's alpha."""
    return with_alpha(paint(photo.lightness, ab, flat=lightness), photo.alpha)


def render_preview(photo: Photo, ab: np.ndarray, long_side: int) -> Image.Image:
    """As `render`, shrunk to `long_side` pixels before anything is computed."""
    small = shrunk(photo, long_side)
    return with_alpha(paint(small.lightness, ab), small.alpha)


def render_grey_preview(photo: Photo, long_side: int) -> Image.Image:
    """The photo's L alone, shrunk to `long_side` pixels."""
    small = shrunk(photo, long_side)
    lab = np.dstack([small.lightness, np.zeros((*small.lightness.shape, 2), np.float32)])
    return with_alpha(color.to_rgb(lab), small.alpha)


def render_own_preview(photo: Photo, long_side: int) -> Image.Image:
    """The photo in its own colours, if it has any, shrunk to `long_side` pixels."""
    if photo.rgb is None:
        return render_grey_preview(photo, long_side)
    size = fit_within(photo.size, long_side)
    return Image.fromarray(cv2.resize(photo.rgb, size, interpolation=cv2.INTER_AREA))


def with_alpha(rgb: np.ndarray, alpha: np.ndarray | None) -> Image.Image:
    return Image.fromarray(rgb if alpha is None else np.dstack([rgb, alpha]))


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
