"""sRGB <-> CIE Lab (D65), gamut and chroma: pure functions on arrays.

L is in [0, 100], a and b in about [-110, 110], all float32; pictures are (H, W, 3).
"""

from __future__ import annotations

import cv2
import numpy as np

STRIP = 1 << 20  # pixels worked on at once, to bound memory
# How far linear light may lie outside [0, 1] and count as inside: OpenCV's own error in Lab, which
# grows with the luminance Y. Without it some saturated 8-bit colours would be moved.
TOLERANCE, TOLERANCE_PER_Y = 2e-5, 6e-3
# linear sRGB of XYZ relative to the white point, and XYZ back: IEC 61966-2-1, D65
RGB_OF_XYZ = np.array(
    [
        [3.0799349, -1.5371515, -0.5427834],
        [-0.9212342, 1.8759900, 0.0452442],
        [0.0528897, -0.2040413, 1.1511517],
    ],
    np.float32,
)


def to_lab(rgb: np.ndarray) -> np.ndarray:
    """sRGB (H, W, 3), uint8 or float in [0, 1] -> Lab (H, W, 3) float32."""
    if rgb.dtype == np.uint8:
        rgb = rgb.astype(np.float32) / 255
    return cv2.cvtColor(np.ascontiguousarray(rgb, np.float32), cv2.COLOR_RGB2LAB)


def lightness_of_grey(grey: np.ndarray) -> np.ndarray:
    """sRGB-coded greys (H, W), uint8, uint16 or float in [0, 1] -> L (H, W) float32, exactly.

    OpenCV's own conversion tells only about 500 greys apart.
    """
    if grey.dtype in (np.uint8, np.uint16):
        steps = np.iinfo(grey.dtype).max
        return lightness_of_grey(np.arange(steps + 1, dtype=np.float32) / steps)[grey]
    light = np.where(grey <= 0.04045, grey / 12.92, ((grey + 0.055) / 1.055) ** 2.4)
    compressed = np.where(light > (6 / 29) ** 3, np.cbrt(light), light * (29 / 6) ** 2 / 3 + 4 / 29)
    return (116 * compressed - 16).astype(np.float32)


def to_rgb(lab: np.ndarray) -> np.ndarray:
    """Lab (H, W, 3) float32 -> sRGB (H, W, 3) uint8.

    Colours outside sRGB lose chroma, not lightness: see `fit_gamut`.
    """
    out = np.empty(lab.shape, np.uint8)
    for rows in strips(lab.shape):
        fitted = fit_gamut(lab[rows])
        rgb = cv2.cvtColor(fitted, cv2.COLOR_LAB2RGB)
        out[rows] = np.clip(rgb * 255 + 0.5, 0, 255)
    return out


def strips(shape: tuple[int, ...]) -> list[slice]:
    """Slices of rows with about `STRIP` pixels each."""
    rows = max(1, STRIP // max(1, shape[1]))
    return [slice(start, start + rows) for start in range(0, shape[0], rows)]


def fit_gamut(lab: np.ndarray) -> np.ndarray:
    """Scales the chroma of colours outside sRGB down, at constant L and hue, until they fit.

    lab: (H, W, 3) float32; colours inside are returned as they are, bit for bit. Found by
    bisection, so what was outside ends just inside.
    """
    outside = ~in_gamut(lab)
    if not outside.any():
        return lab
    fitted = lab.copy()
    colors = lab[outside]
    low, high = np.zeros(len(colors), np.float32), np.ones(len(colors), np.float32)
    for _ in range(12):
        middle = (low + high) / 2
        inside = in_gamut(with_chroma(colors, middle))
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    fitted[outside] = with_chroma(colors, low)
    return fitted


def with_chroma(lab: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """lab (..., 3) with a and b multiplied by factor (...)."""
    return np.stack([lab[..., 0], lab[..., 1] * factor, lab[..., 2] * factor], -1)


def in_gamut(lab: np.ndarray) -> np.ndarray:
    """Whether each colour of (..., 3) lies inside sRGB, within the tolerance; (...) bool."""
    fy = (lab[..., 0] + 16) / 116
    xyz = [cube(fy + lab[..., 1] / 500), cube(fy), cube(fy - lab[..., 2] / 200)]
    tolerance = TOLERANCE + TOLERANCE_PER_Y * xyz[1]
    inside = np.ones(lab.shape[:-1], bool)
    for row in RGB_OF_XYZ:
        light = row[0] * xyz[0] + row[1] * xyz[1] + row[2] * xyz[2]
        inside &= (light >= -tolerance) & (light <= 1 + tolerance)
    return inside


def cube(t: np.ndarray) -> np.ndarray:
    """The inverse of Lab's compression: t^3, with a straight part near zero."""
    return np.where(t > 6 / 29, t * t * t, (t - 4 / 29) * (3 * (6 / 29) ** 2)).astype(np.float32)


def mean_chroma(ab: np.ndarray) -> float:
    """The mean distance from grey; ab is (H, W, 2)."""
    return float(np.hypot(ab[..., 0], ab[..., 1]).mean())
