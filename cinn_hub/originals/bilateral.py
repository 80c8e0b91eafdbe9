"""The joint bilateral enlargement with which Ardizzone et al. 2019 made their pictures."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class JointBilateralEnlargement:
    """Each pixel takes the mean of the ab around it, most of pixels that are near and as light.

    Weights are Gaussians of distance and of difference in L (Kopf et al. 2007). It is made for
    pictures of 256 px: it takes a second for a few of them, and minutes for a large photo. See
    `GuidedEnlargement`, whose interface it has, for another way.

    Attributes:
        ab: (h, w, 2), of the whole picture squeezed; each pixel takes that of its nearest cell.
        reach: standard deviation of the distance, in pixels.
        contrast: standard deviation of the difference in L, in units of L.
    """

    ab: np.ndarray
    reach: float = 6.0
    contrast: float = 2.56

    @classmethod
    def of(cls, ab: np.ndarray, lightness: np.ndarray) -> JointBilateralEnlargement:
        return cls(ab)

    def rows(self, lightness: np.ndarray, rows: slice) -> np.ndarray:
        """ab (rows, W, 2) for these rows of the whole lightness (H, W)."""
        radius = math.ceil(3 * self.reach)
        height, width = lightness.shape
        top, bottom = max(0, rows.start - radius), min(height, rows.stop + radius)
        down = np.arange(top, bottom) * self.ab.shape[0] // height
        across = np.arange(width) * self.ab.shape[1] // width
        # beyond the picture L is infinite, so that nothing there counts
        margins = (
            (radius - (rows.start - top), radius - (bottom - min(rows.stop, height))),
            (radius, radius),
        )
        light = lightness[top:bottom].astype(np.float64)
        light = np.pad(light, margins, constant_values=np.inf)
        values = np.pad(self.ab[down][:, across].astype(np.float64), (*margins, (0, 0)))
        count = min(rows.stop, height) - rows.start
        middle = light[radius : radius + count, radius : radius + width]
        total, sums = np.zeros((count, width)), np.zeros((count, width, 2))
        for y in range(2 * radius):  # from -radius to radius - 1, as theirs
            for x in range(2 * radius):
                place = np.s_[y : y + count, x : x + width]
                far = ((y - radius) ** 2 + (x - radius) ** 2) / self.reach**2
                weight = np.exp(-0.5 * (far + ((light[place] - middle) / self.contrast) ** 2))
                total += weight
                sums += weight[..., None] * values[place]
        return (sums / total[..., None]).astype(np.float32)
