"""One colour picture of 16 bits in every colour space: one answer, and nothing lost in shadows."""

import struct
import zlib

import cv2
import numpy as np
import pytest
from helpers import color_picture
from made_files import encoded, tiff, with_chunk
from PIL import Image

from cinn_hub import color, photos
from cinn_hub.errors import PhotoError

PICTURE = np.asarray(color_picture(96, 64, seed=5)) / 255 * 0.9 + 0.05
EXPECTED = color.to_lab(PICTURE)[..., 0]
SRGB = [(0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.71410)]
# The primaries, adapted to D50, and the gamma
SPACES = {
    "sRGB's primaries, linear": (SRGB, 1.0),
    "Adobe RGB": (
        [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)],
        2.19921875,
    ),
    "ProPhoto": (
        [(0.79767, 0.28804, 0.0), (0.13519, 0.71188, 0.0), (0.03134, 0.00009, 0.82491)],
        1.8,
    ),
    "Rec. 2020, linear": (
        [(0.67348, 0.27904, -0.00194), (0.16567, 0.67536, 0.02998), (0.12505, 0.04561, 0.79684)],
        1.0,
    ),
}


def fixed(*values):
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def profile(primaries, gamma):
    """A display profile of version 2: primaries and one gamma."""
    curve = b"curv\0\0\0\0" + struct.pack(">IHH", 1, round(gamma * 256), 0)
    tags = {b"wtpt": b"XYZ \0\0\0\0" + fixed(0.9642, 1.0, 0.8249)}
    for name, primary in zip("rgb", primaries, strict=True):
        tags[f"{name}XYZ".encode()] = b"XYZ \0\0\0\0" + fixed(*primary)
        tags[f"{name}TRC".encode()] = curve
    place, entries = 132 + 12 * len(tags), b""
    for name, data in tags.items():
        entries += struct.pack(">4sII", name, place, len(data))
        place += len(data)
    head = bytearray(128)
    head[:12] = struct.pack(">I4sI", place, b"lcms", 0x02100000)
    head[12:24], head[36:40] = b"mntrRGB XYZ ", b"acsp"
    head[68:80] = fixed(0.9642, 1.0, 0.8249)
    return bytes(head) + struct.pack(">I", len(tags)) + entries + b"".join(tags.values())


def coded(srgb, space):
    """sRGB-coded colours in [0, 1] as this space stores them."""
    primaries, gamma = SPACES[space]
    light = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    there = light @ np.array(SRGB) @ np.linalg.inv(np.array(primaries))
    assert there.min() > -0.01
    return there.clip(0, 1) ** (1 / gamma)


def wide(unit):
    return np.round(unit * 65535).astype(np.uint16)


def png(values):
    """A PNG of 16 bits: RGB or RGBA."""
    return cv2.imencode(".png", values[..., [2, 1, 0, 3][: values.shape[2]]])[1].tobytes()


def files(picture, space):
    values, icc = wide(coded(picture, space)), profile(*SPACES[space])
    return {
        "TIFF": tiff(values, "rgb", iccprofile=icc),
        "TIFF in planes": tiff(
            np.moveaxis(values, 2, 0).copy(), "rgb", planarconfig="separate", iccprofile=icc
        ),
        "TIFF of 32 bits": tiff(values.astype(np.uint32) * 65537, "rgb", iccprofile=icc),
        "TIFF of floats": tiff(coded(picture, space).astype(np.float32), "rgb", iccprofile=icc),
        "PNG": with_chunk(png(values), b"iCCP", b"p\0\0" + zlib.compress(icc)),
    }


@pytest.mark.parametrize("space", SPACES)
def test_one_picture_in_every_space(space):
    for kind, data in files(PICTURE, space).items():
        photo = photos.read(data)
        assert np.abs(photo.lightness - EXPECTED).max() < 0.5, kind
        assert np.abs(photo.rgb - 255 * PICTURE).max() <= 1.5, kind
        assert photo.has_profile


@pytest.mark.parametrize("space", ["Adobe RGB", "ProPhoto"])
def test_8_and_16_bits_agree(space):
    """8 bits are converted by LittleCMS."""
    eight = np.round(255 * coded(PICTURE, space)).astype(np.uint8)
    photo = photos.read(encoded(Image.fromarray(eight), "PNG", icc_profile=profile(*SPACES[space])))
    assert np.abs(photo.lightness - EXPECTED).mean() < 0.5


@pytest.mark.parametrize("space", [name for name in SPACES if "linear" in name])
def test_shadows_keep_their_steps(space):
    """8 bits of a linear space have four steps in the darkest eighth."""
    dark = 0.13 * PICTURE
    expected = color.to_lab(dark)[..., 0]
    for kind, data in files(dark, space).items():
        assert np.abs(photos.read(data).lightness - expected).max() < 0.3, kind


def test_without_a_profile():
    values = wide(PICTURE)
    linear = wide(coded(PICTURE, "sRGB's primaries, linear"))
    for data in (
        tiff(values, "rgb"),
        png(values),
        tiff(values, "rgb", predictor=True, compression="zlib"),
    ):
        assert np.abs(photos.read(data).lightness - EXPECTED).max() < 0.2
    # a gAMA chunk is for a display of gamma 2.2
    photo = photos.read(with_chunk(png(linear), b"gAMA", struct.pack(">I", 100_000)))
    assert np.abs(photo.lightness - EXPECTED).max() < 1.5


def test_alpha_is_kept():
    alpha = np.full((64, 96, 1), 200 * 257, np.uint16)
    values = np.dstack([wide(PICTURE), alpha])
    straight = tiff(values, "rgb", extrasamples=["unassalpha"])
    multiplied = np.dstack([wide(PICTURE * 200 / 255), alpha])
    for data in (png(values), straight, tiff(multiplied, "rgb", extrasamples=["assocalpha"])):
        photo = photos.read(data)
        assert (photo.alpha == 200).all()
        assert np.abs(photo.lightness - EXPECTED).max() < 0.2


def test_samples_that_are_not_alpha_are_left_out():
    mask = np.zeros((64, 96, 1), np.uint16)
    for extra in ([mask], [mask, mask]):
        data = tiff(np.dstack([wide(PICTURE), *extra]), "rgb", extrasamples=[0] * len(extra))
        photo = photos.read(data)
        assert photo.alpha is None and np.abs(photo.lightness - EXPECTED).max() < 0.2


def test_a_deep_png_that_ends_early_gets_a_sentence():
    whole = png(wide(PICTURE))
    with pytest.raises(PhotoError, match="is damaged or incomplete"):
        photos.read(whole[: len(whole) // 2])
