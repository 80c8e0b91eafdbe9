"""How stored values become sRGB-coded ones: profiles and gAMA chunks, at any depth.

Pillow's ImageCms does this for 8 bits; here are the curves that it does not hand out.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping
from contextlib import suppress

import numpy as np
from PIL import ImageCms

Curve = Callable[[np.ndarray], np.ndarray]
USUAL_GAMMA = 1 / 2.2  # of a gAMA chunk that leaves values as they are
MOST_GAMMA = 10.0
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))


def grey_coding(info: Mapping[str, object]) -> Curve | None:
    """Stored values in [0, 1] to sRGB-coded ones; None where they are that already.

    A profile counts more than the gAMA chunk of a PNG, for a display of gamma 2.2 (PNG, 13.13).

    info: what the file declares, as Pillow names it: `icc_profile`, `gamma`, `srgb`.
    """
    if profile := info.get("icc_profile"):
        curve = grey_curve(profile)
        return curve and (lambda values: srgb_coded(curve(values)))
    gamma = info.get("gamma")
    if "srgb" in info or not isinstance(gamma, int | float) or not gamma > 0:
        return None
    return power(USUAL_GAMMA / gamma)


def grey_curve(profile: object) -> Curve | None:
    """Stored greys in [0, 1] to light, by an ICC profile of greys or colours, if it has a curve."""
    space, tags = profile_tags(profile)
    return curve_of(tags.get({b"GRAY": b"kTRC", b"RGB ": b"gTRC"}.get(space), b""))


def color_coding(profile: object) -> Curve | None:
    """Stored RGB (..., 3) in [0, 1] to sRGB-coded ones, by a profile's curves and primaries.

    ICC.1:2010, F.3. None where the profile has tables instead, or is not for RGB.
    """
    space, tags = profile_tags(profile)
    curves = [curve_of(tags.get(name, b"")) for name in (b"rTRC", b"gTRC", b"bTRC")]
    if space != b"RGB " or b"A2B0" in tags or None in curves:
        return None
    primaries = b"".join(tags.get(name, b"")[8:20] for name in (b"rXYZ", b"gXYZ", b"bXYZ"))
    if len(primaries) != 36:
        return None
    own = np.frombuffer(primaries, ">i4").reshape(3, 3) / 65536
    colors = SRGB.profile.red_colorant, SRGB.profile.green_colorant, SRGB.profile.blue_colorant
    matrix = (own @ np.linalg.inv([xyz for xyz, _ in colors])).astype(np.float32)

    def convert(values: np.ndarray) -> np.ndarray:
        light = np.stack([curve(values[..., i]) for i, curve in enumerate(curves)], -1)
        return srgb_coded(light @ matrix)

    return convert


def profile_tags(profile: object) -> tuple[bytes, dict[bytes, bytes]]:
    """For which colours an ICC profile is, such as b"RGB ", and its tags: ICC.1:2010, 7.2 and 7.3.

    Nothing of a profile that is damaged, or whose curves do not lead to XYZ.
    """
    if not isinstance(profile, bytes) or profile[20:24] + profile[36:40] != b"XYZ acsp":
        return b"", {}
    count = min(int.from_bytes(profile[128:132], "big"), 100)
    table = profile[132 : 132 + 12 * count]
    entries = struct.iter_unpack(">4sII", table[: len(table) // 12 * 12])
    return profile[16:20], {name: profile[start : start + size] for name, start, size in entries}


def curve_of(data: bytes) -> Curve | None:
    """The curve of an ICC tag: ICC.1:2010, 10.5 (curv) and 10.15 (para)."""
    with suppress(struct.error, ValueError, IndexError):
        if data[:4] == b"para":
            return parametric(data)
        if data[:4] == b"curv":
            (count,) = struct.unpack(">I", data[8:12])
            table = np.frombuffer(data, ">u2", count, 12).astype(np.float32)
            if count < 2:
                return power(table[0] / 256 if count else 1.0)
            places = np.linspace(0, 1, count, dtype=np.float32)
            return lambda values: np.interp(values, places, table / 65535).astype(np.float32)
    return None


def parametric(data: bytes) -> Curve:
    """(a x + b)^g + e from x = d on, c x + f below it."""
    kind = struct.unpack(">H", data[8:10])[0]
    numbers = (np.frombuffer(data, ">i4", (1, 3, 4, 5, 7)[kind], 12) / 65536).tolist()
    if kind in (1, 2):
        g, a, b, *constant = numbers
        numbers = (g, a, b, 0.0, -b / a if a else 0.0, *constant, *constant)
    g, a, b, c, d, e, f = (*numbers, *(1.0, 0.0, 0.0, 0.0, 0.0, 0.0)[len(numbers) - 1 :])

    def curve(values: np.ndarray) -> np.ndarray:
        bent = np.maximum(a * values + b, 0) ** g + e
        return np.where(values >= d, bent, c * values + f).clip(0, 1).astype(np.float32)

    return curve


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
