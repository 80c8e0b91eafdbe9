"""Motion between two pictures: where each pixel was before, where that is not known, and cuts.

Flow by DIS (Kroeger et al. 2016), both ways; it is trusted where there and back leads home, as in
Sundaram et al. 2010, and where the pixel looks as it did. Figures: `python -m benchmarks.film`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import cv2
import numpy as np

from cinn_hub.photos.photo import fit_within

SIDE = 448  # pixels on the longer side, at most: chroma of a 480p film has as many
GRAIN = 1.0  # pixels over which film grain is evened out
# How far from home there and back may lead, squared: of both ways' squares, and in pixels
ASTRAY, ASTRAY_PIXELS = 0.05, 2.0
LOOKS_ELSE = 4.0  # L by which a pixel looks unlike what it was
EMPTY = 2.0  # the deviation of L below which a picture shows nothing: between two fades
CUT = 0.75  # the correlation of a picture with the one before, moved, that is the least in a shot


@dataclass(frozen=True, eq=False)
class Motion:
    """From one picture to the next.

    Attributes:
        origin: (h, w, 2) float32, where each pixel was, as x and y in the picture before.
        known: (h, w) bool, whether that can be trusted.
        likeness: the correlation of the picture with the one before, moved.
    """

    origin: np.ndarray
    known: np.ndarray
    likeness: float

    @classmethod
    def between(cls, before: np.ndarray, now: np.ndarray) -> Motion:
        """before, now: (h, w) float32, see `guide_of`."""
        old, new = (cv2.convertScaleAbs(picture, alpha=2.55) for picture in (before, now))
        flow = cv2.DISOpticalFlow.create(cv2.DISOpticalFlow_PRESET_FAST)
        back, forth = flow.calc(new, old, None), flow.calc(old, new, None)
        places = grid(now.shape)
        origin = places + back
        home = moved(forth, origin) + back
        squares = np.square(back).sum(-1) + np.square(home - back).sum(-1)
        known = np.square(home).sum(-1) <= ASTRAY * squares + ASTRAY_PIXELS
        known &= ((origin >= 0) & (origin <= places[-1, -1])).all(-1)
        seen = moved(before, origin)
        slope, offset, likeness = line_between(seen, now)
        known &= abs(slope * seen + offset - now) <= LOOKS_ELSE
        return cls(origin, known, likeness)

    @property
    def is_cut(self) -> bool:
        return self.likeness < CUT

    def carry(self, values: np.ndarray) -> np.ndarray:
        """(h, w[, C]) of the picture before -> the same things' of this one; 0 if not known."""
        carried = moved(values, self.origin)
        carried[~self.known] = 0
        return carried


def guide_of(lightness: np.ndarray) -> np.ndarray:
    """L (H, W) -> L (h, w) at the size at which motion is found, without grain."""
    size = fit_within(lightness.shape[::-1], SIDE)
    small = cv2.resize(lightness, size, interpolation=cv2.INTER_AREA)
    return cv2.GaussianBlur(small, (0, 0), GRAIN)


@cache
def grid(shape: tuple[int, int]) -> np.ndarray:
    """x and y of each pixel, (h, w, 2) float32."""
    height, width = (np.arange(side, dtype=np.float32) for side in shape)
    return np.dstack(np.meshgrid(width, height))


def moved(values: np.ndarray, origin: np.ndarray) -> np.ndarray:
    return cv2.remap(values, origin, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def line_between(x: np.ndarray, y: np.ndarray) -> tuple[float, float, float]:
    """The slope and offset of y on x by least squares, and their correlation: an exposure that
    changes is no motion. What follows an empty picture is unlike it, unless it is empty, too."""
    spread, other = x.std(), y.std()
    if min(spread, other) < EMPTY:
        return 1.0, float(y.mean() - x.mean()), float(other < EMPTY)
    slope = ((x - x.mean()) * (y - y.mean())).mean() / spread**2
    return float(slope), float(y.mean() - slope * x.mean()), float(slope * spread / other)
