"""Pictures of a photo with colours: at its own size, as a layer, as previews."""

from __future__ import annotations

import cv2
import numpy as np
from PIL import Image, ImageCms

from cinn_hub import color
from cinn_hub.photos.content import Content
from cinn_hub.photos.enlarging import Enlargement, GuidedEnlargement
from cinn_hub.photos.photo import Photo, fit_within, shrunk


def paint(
    lightness: np.ndarray,
    ab: np.ndarray,
    flat: float | None = None,
    way: type[Enlargement] = GuidedEnlargement,
    hinted: bool = False,
) -> np.ndarray:
    """sRGB (H, W, 3) uint8 of this L with the small ab enlarged on it; L stays as it is.

    What shows nothing stays neutral: see `Content`.

    Arguments:
        flat: one L for all pixels of the result; the given one is then only what ab is enlarged on.
        way: of enlarging ab.
        hinted: somebody asked for these colours, so that a drawing gets them, too.
    """
    content = Content.of(lightness)
    enlargement = way.of(ab if hinted else ab * content.detail, lightness)
    rgb = np.empty((*lightness.shape, 3), np.uint8)
    for rows in color.strips(lightness.shape):
        inside = np.outer(content.rows[rows], content.columns)[..., None]
        colors = enlargement.rows(lightness, rows) * inside
        light = lightness[rows] if flat is None else np.full_like(lightness[rows], flat)
        rgb[rows] = color.to_rgb(np.dstack([light, colors]))
    return rgb


def render(
    photo: Photo,
    ab: np.ndarray,
    way: type[Enlargement] = GuidedEnlargement,
    hinted: bool = False,
) -> Image.Image:
    """The photo with these colours at its own size, with its alpha; `info` has its metadata.

    ab: (h, w, 2) float32, of the photo squeezed to a square; way, hinted: see `paint`.
    """
    image = with_alpha(paint(photo.lightness, ab, way=way, hinted=hinted), photo.alpha)
    image.info |= {key: value for key, value in vars(photo.metadata).items() if value}
    if photo.has_profile:
        image.info["icc_profile"] = srgb_profile()
    return image


def render_layer(
    photo: Photo, ab: np.ndarray, lightness: float = 65.0, hinted: bool = False
) -> Image.Image:
    """The colours alone at the photo's own size, all of one lightness, with the photo's alpha."""
    return with_alpha(paint(photo.lightness, ab, flat=lightness, hinted=hinted), photo.alpha)


def render_preview(
    photo: Photo, ab: np.ndarray, long_side: int, hinted: bool = False
) -> Image.Image:
    """As `render`, shrunk to `long_side` pixels before anything is computed."""
    small = shrunk(photo, long_side)
    return with_alpha(paint(small.lightness, ab, hinted=hinted), small.alpha)


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
