"""What of a picture shows something: a model that has only seen photos colours all else at random.

Empty pictures, smooth gradients, pages of text, drawings of thin lines and of even areas stay
neutral as a whole; white and black borders, and even mats around a photo, where they are. Figures:
`python -m benchmarks.pages`.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from cinn_hub.photos.photo import squeeze

SIDE, COARSE_SIDE = 256, 64  # of the squares on which this is found
STROKE = 9  # of SIDE: wider than the strokes of writing
# Deviations of L: of grain, which averages out, and of a faded photo
EMPTY_SPREAD, FADED_SPREAD = 1.0, 2.0
# The share of it that is left without strokes and without a gradient: of a page, and less than any
# of the 600 photos of generic-val has, where the least is 0.23
PAGE_SHARE, PHOTO_SHARE = 0.1, 0.2
# The share of it that is even once strokes are left out: of 100 photos of generic-val at most 0.75
EVEN_PHOTO, EVEN_DRAWING = 0.85, 0.95
EVEN_WINDOW, EVEN_RANGE = 5, 0.3  # of SIDE, and of L in it
LEAST_BORDER, MOST_BORDER = 3, 51  # of SIDE
BORDER_SPREAD = 6.0  # how far a border's L may lie from its median
BORDER_SHARE = 0.95  # of its pixels, at least, lie so near
# of those behind it, at most; and where two other sides have borders
PICTURE_SHARE, LIKE_BORDER = 0.2, 0.7
BLACK, WHITE = 12.0, 85.0  # a border is darker than the first or lighter than the second
MAT_SPREAD = 2.0  # how much the sides of a mat, which may have any L, differ


@dataclass(frozen=True, eq=False)
class Content:
    """How much there is to colour, from 0 to 1.

    Attributes:
        detail: in the whole picture inside its borders.
        rows, columns: (H,) and (W,) float32, along each side: 0 in a border, 1 inside.
    """

    detail: float
    rows: np.ndarray
    columns: np.ndarray

    @classmethod
    def of(cls, lightness: np.ndarray) -> Content:
        """lightness: (H, W) float32 in [0, 100]."""
        small = squeeze(lightness, SIDE)
        top, bottom, left, right = borders(small)
        inside = small[top : SIDE - bottom, left : SIDE - right]
        height, width = lightness.shape
        return cls(detail(inside), weights(height, top, bottom), weights(width, left, right))


def detail(lightness: np.ndarray) -> float:
    """0 for an empty page, whatever is written on it in light or dark strokes; 1 for a photo."""
    kernel = np.ones((STROKE, STROKE), np.uint8)
    without_dark = cv2.morphologyEx(lightness, cv2.MORPH_CLOSE, kernel)
    without_light = cv2.morphologyEx(lightness, cv2.MORPH_OPEN, kernel)
    left = min(beyond_gradient(x) for x in (lightness, without_dark, without_light))
    spread = float(squeeze(lightness, COARSE_SIDE).std())
    if spread <= EMPTY_SPREAD:
        return 0.0
    seen = np.interp(spread, (EMPTY_SPREAD, FADED_SPREAD), (0, 1))
    seen *= np.interp(evenness(without_dark), (EVEN_PHOTO, EVEN_DRAWING), (1, 0))
    return float(seen * np.interp(left / spread, (PAGE_SHARE, PHOTO_SHARE), (0, 1)))


def evenness(lightness: np.ndarray) -> float:
    """The share of the places around which nothing changes, as in no photo, faded as it may be."""
    window = np.ones((EVEN_WINDOW, EVEN_WINDOW), np.uint8)
    changes = cv2.dilate(lightness, window) - cv2.erode(lightness, window)
    return float((changes < EVEN_RANGE).mean())


def beyond_gradient(lightness: np.ndarray) -> float:
    """The deviation of L from the nearest quadratic function of the place; grain averages out."""
    values = squeeze(lightness, COARSE_SIDE).ravel()
    y, x = (grid.ravel() for grid in np.mgrid[-1 : 1 : COARSE_SIDE * 1j, -1 : 1 : COARSE_SIDE * 1j])
    gradient = np.stack([np.ones_like(x), x, y, x * x, y * y, x * y], 1)
    return float((values - gradient @ np.linalg.lstsq(gradient, values, rcond=None)[0]).std())


def borders(lightness: np.ndarray) -> list[int]:
    """Rows or columns of the border at the top, bottom, left and right of L (SIDE, SIDE)."""
    sides = [lightness, lightness[::-1], lightness.T, lightness.T[::-1]]
    levels = [np.median(side[:LEAST_BORDER]) for side in sides]
    mat = [border(side, LIKE_BORDER, any_level=True) for side in sides]
    if all(mat) and np.ptp(levels) <= MAT_SPREAD:
        return mat
    found = [border(side, PICTURE_SHARE) for side in sides]
    return [border(side, LIKE_BORDER) for side in sides] if sum(map(bool, found)) > 1 else found


def border(lightness: np.ndarray, most: float, any_level: bool = False) -> int:
    """Rows of the border at the top of L (SIDE, SIDE), 0 without one.

    A border is white or black (or of `any_level`), of one lightness, and ends at once along the
    whole side: at most such a share of the pixels behind it are like it.
    """
    level = np.median(lightness[:LEAST_BORDER])
    if BLACK < level < WHITE and not any_level:
        return 0
    near = abs(lightness - level) <= BORDER_SPREAD
    flat = near.mean(1) >= BORDER_SHARE
    depth = SIDE if flat.all() else int(flat.argmin())
    if not LEAST_BORDER <= depth <= MOST_BORDER:
        return 0
    behind = near[depth + 2, SIDE // 4 : -SIDE // 4]  # without the borders at its ends
    return depth if behind.mean() <= most else 0


def weights(length: int, first: int, last: int) -> np.ndarray:
    """(length,) float32: 0 in borders of so many SIDE-ths, 1 between, with soft ends."""
    places = (np.arange(length, dtype=np.float32) + 0.5) * SIDE / length
    from_first = places - first if first else np.ones_like(places)
    from_last = SIDE - last - places if last else np.ones_like(places)
    return np.minimum(from_first, from_last).clip(0, 1)
