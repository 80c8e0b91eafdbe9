"""How stored values become sRGB-coded ones: profiles and gAMA chunks, at any depth."""

from __future__ import annotations

import struct
from collections.abc import Callable

import numpy as np

Curve = Callable[[np.ndarray], np.ndarray]
USUAL_GAMMA = 1 / 2.2  # of a gAMA chunk that leaves values as they are
# linear sRGB of XYZ whose white is D50, as in profiles: IEC 61966-2-1, with Bradford's adaptation
RGB_OF_D50 = np.array(
    [
        [3.1338561, -1.6168667, -0.4906146],
        [-0.9787684, 1.9161415, 0.0334540],
        [0.0719453, -0.2289914, 1.4052427],
    ],
    np.float32,
)
MOST_GAMMA = 10.0


def profile_space(profile: bytes | None) -> str | None:
    """The kind of picture that an ICC profile is for: "GRAY", "RGB", "CMYK", ..."""
    known = isinstance(profile, bytes) and len(profile) >= 132 and profile[36:40] == b"acsp"
    return profile[16:20].decode("latin-1").strip() if known else None


def profile_curve(profile: bytes | None) -> Curve | None:
    """Stored greys in [0, 1] to light, from the curve of an ICC profile of greys or colours.

    ICC.1:2010, 10.5 (curv) and 10.15 (para). None where there is no such curve.
    """
    space = profile_space(profile)
    if space not in ("GRAY", "RGB") or profile[20:24] != b"XYZ ":
        return None
    try:
        return curve_of(profile_tags(profile)[b"kTRC" if space == "GRAY" else b"gTRC"])
    except (KeyError, struct.error, ValueError):
        return None


def profile_of_colors(profile: bytes | None) -> Curve | None:
    """Stored colours (..., 3) in [0, 1] to sRGB-coded ones, by a profile's curves and primaries.

    ICC.1:2010, F.3. None where the profile has tables instead, or is not for RGB.
    """
    if profile_space(profile) != "RGB" or profile[20:24] != b"XYZ ":
        return None
    try:
        tags = profile_tags(profile)
        curves = [curve_of(tags[name]) for name in (b"rTRC", b"gTRC", b"bTRC")]
        primaries = [struct.unpack(">3i", tags[name][8:20]) for name in (b"rXYZ", b"gXYZ", b"bXYZ")]
    except (KeyError, struct.error, ValueError):
        return None
    if b"A2B0" in tags or None in curves:
        return None
    matrix = np.array(primaries, np.float32) / 65536 @ RGB_OF_D50.T

    def convert(values: np.ndarray) -> np.ndarray:
        light = np.stack([curve(values[..., i]) for i, curve in enumerate(curves)], -1)
        return srgb_coded(light @ matrix)

    return convert


def profile_tags(profile: bytes) -> dict[bytes, bytes]:
    """The tags of an ICC profile: ICC.1:2010, 7.3."""
    count = min(struct.unpack(">I", profile[128:132])[0], 100)
    entries = [
        struct.unpack(">4sII", profile[p : p + 12]) for p in range(132, 132 + 12 * count, 12)
    ]
    return {name: profile[start : start + size] for name, start, size in entries}


def curve_of(data: bytes) -> Curve | None:
    """The curve of an ICC tag."""
    if data[:4] == b"curv":
        (count,) = struct.unpack(">I", data[8:12])
        if count == 0:
            return lambda values: values
        if count == 1:
            gamma = struct.unpack(">H", data[12:14])[0] / 256
            return power(gamma)
        table = np.frombuffer(data[12 : 12 + 2 * count], ">u2").astype(np.float32) / 65535
        places = np.linspace(0, 1, len(table), dtype=np.float32)
        return lambda values: np.interp(values, places, table).astype(np.float32)
    if data[:4] == b"para":
        return parametric(data)
    return None


def parametric(data: bytes) -> Curve | None:
    kind = struct.unpack(">H", data[8:10])[0]
    if kind > 4:
        return None
    count = (1, 3, 4, 5, 7)[kind]
    g, *rest = (n / 65536 for n in struct.unpack(f">{count}i", data[12 : 12 + 4 * count]))
    a, b, c, d, e, f = 1.0, 0.0, 0.0, 0.0, 0.0, 0.0
    if kind in (1, 2):
        a, b = rest[:2]
        e = f = rest[2] if kind == 2 else 0.0
        d = -b / a if a else 0.0
    elif kind >= 3:
        a, b, c, d = rest[:4]
        e, f = rest[4:] if kind == 4 else (0.0, 0.0)

    def curve(values: np.ndarray) -> np.ndarray:
        bent = np.maximum(a * values + b, 0) ** g + e
        return np.where(values >= d, bent, c * values + f).clip(0, 1).astype(np.float32)

    return curve


def coding(profile: bytes | None, info: dict) -> Curve | None:
    """Stored values in [0, 1] to sRGB-coded ones, as the file declares; None where they are that.

    A profile counts more than the gAMA chunk of a PNG, for a display of gamma 2.2 (PNG, 13.13).
    """
    if profile:
        curve = profile_curve(profile)
        return None if curve is None else lambda values: srgb_coded(curve(values))
    gamma = info.get("gamma")
    if "srgb" in info or not isinstance(gamma, int | float) or not gamma > 0:
        return None
    return power(USUAL_GAMMA / gamma)


def power(gamma: float) -> Curve | None:
    if not 1 / MOST_GAMMA <= gamma <= MOST_GAMMA:
        return None
    return lambda values: (np.asarray(values, np.float32) ** gamma).astype(np.float32)


def srgb_coded(light: np.ndarray) -> np.ndarray:
    """Light in [0, 1] as sRGB-coded float32: IEC 61966-2-1."""
    light = np.asarray(light, np.float32).clip(0, 1)
    bent = 1.055 * light ** (1 / 2.4) - 0.055
    return np.where(light <= 0.0031308, 12.92 * light, bent).astype(np.float32)


def applied(curve: Curve | None, values: np.ndarray) -> np.ndarray:
    """The curve on uint8, or on floats in [0, 1]; float32 in [0, 1]."""
    if curve is None:
        return values
    if values.dtype == np.uint8:
        return curve(np.arange(256, dtype=np.float32) / 255)[values]
    return curve(values)
