"""Pictures of a photo with colours: the small ab enlarged along the edges of the photo's own L."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol, Self

import cv2
import numpy as np
from PIL import Image

from cinn_hub import color
from cinn_hub.photos.content import Content
from cinn_hub.photos.photo import Photo, fit_within, squeeze
from cinn_hub.photos.profiles import SRGB

NO_COLORS = np.zeros((1, 1, 2), np.float32)
GUIDE_SIDE = 512  # long side at which the guided filter finds its coefficients
GUIDE_RADIUS = 0.6  # of its window, in cells of the small ab
GUIDE_EPSILON = 4.0**2  # contrast of L, squared, above which an edge of L is an edge of colour
GUIDE_PASSES = 2


class Enlargement(Protocol):
    """A way of enlarging a small ab on a photo's L."""

    @classmethod
    def of(cls, ab: np.ndarray, lightness: np.ndarray) -> Self:
        """ab: (s, s, 2) of the whole picture squeezed; lightness: (H, W) in [0, 100]."""
        ...

    def rows(self, lightness: np.ndarray, rows: slice) -> np.ndarray:
        """ab (rows, W, 2) for these rows of the whole lightness (H, W)."""
        ...


@dataclass(frozen=True)
class GuidedEnlargement:
    """ab = slope * L + offset, both found at about 512 px: edges of colour follow edges of L.

    The fast guided filter of He and Sun 2015, in two passes: the second works on what the first
    left out, and the rest is added as it is, so that the small ab is met. Calling it with L at any
    size and a range of rows gives ab there.
    """

    coefficients: np.ndarray  # (h, w, 4): slopes of a and b, offsets of a and b
    lowest: np.ndarray
    highest: np.ndarray

    @classmethod
    def of(cls, ab: np.ndarray, lightness: np.ndarray) -> GuidedEnlargement:
        """ab: (s, s, 2) of the whole picture squeezed; lightness: (H, W) in [0, 100]."""
        size = fit_within(lightness.shape[::-1], GUIDE_SIDE)
        guide = cv2.resize(lightness, size, interpolation=cv2.INTER_AREA)[..., None]
        radius = max(1, round(GUIDE_RADIUS * max(size) / len(ab)))
        mean_guide = box(guide, radius)
        variance = box(guide * guide, radius) - mean_guide**2
        slope, offset, missing = 0.0, 0.0, ab
        for _ in range(GUIDE_PASSES):
            wanted = cv2.resize(missing, size, interpolation=cv2.INTER_LINEAR)
            mean_wanted = box(wanted, radius)
            covariance = box(guide * wanted, radius) - mean_guide * mean_wanted
            step = covariance / (variance + GUIDE_EPSILON)
            slope = slope + box(step, radius)
            offset = offset + box(mean_wanted - step * mean_guide, radius)
            missing = ab - squeeze(slope * guide + offset, len(ab))
        offset = offset + cv2.resize(missing, size, interpolation=cv2.INTER_LINEAR)
        return cls(np.concatenate([slope, offset], -1), ab.min((0, 1)), ab.max((0, 1)))

    def rows(self, lightness: np.ndarray, rows: slice) -> np.ndarray:
        """ab (rows, W, 2) for these rows of the whole lightness (H, W)."""
        part = lightness[rows]
        height, width = lightness.shape
        down, across = self.coefficients.shape[0] / height, self.coefficients.shape[1] / width
        place = np.array(
            [[across, 0, across / 2 - 0.5], [0, down, (rows.start + 0.5) * down - 0.5]]
        )
        local = cv2.warpAffine(
            self.coefficients,
            place,
            part.shape[::-1],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        ab = local[..., :2] * part[..., None] + local[..., 2:]
        return np.clip(ab, self.lowest, self.highest, out=ab)


def box(values: np.ndarray, radius: int) -> np.ndarray:
    """The mean over a square window around each pixel; (H, W, C) -> the same."""
    side = 2 * radius + 1
    means = cv2.boxFilter(values, cv2.CV_32F, (side, side), borderType=cv2.BORDER_REFLECT)
    return means.reshape(values.shape)


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
        lightness: (H, W) float32; ab: (h, w, 2) float32, of the picture squeezed to a square.
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
    ab: np.ndarray = NO_COLORS,
    way: type[Enlargement] = GuidedEnlargement,
    hinted: bool = False,
    flat: float | None = None,
) -> Image.Image:
    """The photo with these colours, or in grey, with its alpha; `info` has its metadata.

    For a preview, shrink the photo before. ab, way, hinted, flat: see `paint`.
    """
    rgb, alpha = paint(photo.lightness, ab, flat, way, hinted), photo.alpha
    image = Image.fromarray(rgb if alpha is None else np.dstack([rgb, alpha]))
    image.info |= {key: value for key, value in vars(photo.metadata).items() if value}
    if photo.has_profile:
        image.info["icc_profile"] = SRGB.tobytes()
    return image
