"""One picture in every way that files store it: one answer."""

import io
import os
import struct

import numpy as np
import pytest
import tifffile
from helpers import color_picture
from made_files import encoded, packed, tiff, with_chunk
from PIL import Image, ImageCms

from cinn_hub import photos
from cinn_hub.errors import PhotoError

GREY = np.asarray(color_picture(96, 64, seed=4).convert("L"))
EXPECTED = photos.read(GREY).lightness


def png(gamma):
    """A PNG with a gAMA chunk; its values make it the same picture."""
    values = np.round((GREY / 255) ** (2.2 * gamma) * 65535).astype(np.uint16)
    plain = encoded(Image.fromarray(values), "PNG")
    return with_chunk(plain, b"gAMA", struct.pack(">I", round(gamma * 100_000)))


def profile(space, gamma):
    """An ICC profile of greys or colours with this gamma."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    name = b"kTRC" if space == b"GRAY" else b"gTRC"
    head = bytearray(128)
    head[12:24], head[36:40] = b"mntr" + space + b"XYZ ", b"acsp"
    return bytes(head) + struct.pack(">I4sII", 1, name, 144, len(curve)) + curve


def light_coded(values, gamma):
    """sRGB-coded values as a profile of this gamma codes them."""
    light = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return light ** (1 / gamma)


UNIT = (GREY / 255).astype(np.float32)
WIDE = GREY.astype(np.uint16) * 257
IN_GAMMA = np.round(light_coded(UNIT, 1.8) * 65535).astype(np.uint16)
GREY_PROFILE, RGB_PROFILE = profile(b"GRAY", 1.8), profile(b"RGB ", 1.8)
LAB = np.dstack([EXPECTED, np.zeros((*EXPECTED.shape, 2))])
ALPHA = np.full_like(GREY, 200)

FILES = {
    "8 bits": tiff(GREY),
    "8 bits, white is zero": tiff(255 - GREY, photometric="miniswhite"),
    "16 bits": tiff(WIDE),
    "16 bits, big endian": tiff(WIDE.astype(">u2"), byteorder=">"),
    "16 bits, white is zero": tiff(65535 - WIDE, photometric="miniswhite"),
    "16 bits, deflate": tiff(WIDE, compression="zlib"),
    "16 bits, lzw": encoded(Image.fromarray(WIDE), "TIFF", compression="tiff_lzw"),
    "12 bits in 16": tiff(WIDE // 16, extratags=[(281, "H", 1, 4095, True)]),
    "32 bits": tiff(WIDE.astype(np.uint32) * 65537),
    "32 bits, white is zero": tiff(2**32 - 1 - WIDE.astype(np.uint32) * 65537,
                                  photometric="miniswhite"),
    "floats": tiff(UNIT),
    "floats, white is zero": tiff(1 - UNIT, photometric="miniswhite"),
    "floats of 16 bits": tiff(UNIT.astype(np.float16)),
    "floats of 64 bits": tiff(UNIT.astype(np.float64)),
    "floats of a declared scale": tiff(UNIT * 255, extratags=[(341, "f", 1, 255.0, True)]),
    **{f"{bits} bits, packed": packed(GREY, bits) for bits in (4, 10, 12, 14)},
    **{f"{bits} bits, packed, white is zero": packed(GREY, bits, True) for bits in (4, 10, 12)},
    "grey and alpha, 8 bits": tiff(np.dstack([GREY, ALPHA]), extrasamples=["unassalpha"]),
    "grey and alpha, 16 bits": tiff(np.dstack([WIDE, ALPHA * np.uint16(257)]),
                                   extrasamples=["unassalpha"]),
    "RGB, 16 bits": tiff(np.dstack([WIDE] * 3), photometric="rgb"),
    "RGB, 32 bits": tiff(np.dstack([WIDE.astype(np.uint32) * 65537] * 3), photometric="rgb"),
    "RGB, planes": tiff(np.stack([WIDE] * 3), photometric="rgb", planarconfig="separate"),
    "RGB, floats": tiff(np.dstack([UNIT] * 3), photometric="rgb"),
    "Lab, 8 bits": tiff(np.round(LAB * 2.55).astype(np.uint8), photometric="cielab"),
    "Lab, 16 bits": tiff(np.round(LAB * 655.35).astype(np.uint16), photometric="cielab"),
    "palette": encoded(Image.fromarray(GREY).convert("P"), "PNG"),
    "CMYK": encoded(Image.fromarray(GREY).convert("CMYK"), "TIFF"),
    "PNG, 16 bits": encoded(Image.fromarray(WIDE), "PNG"),
    **{f"PNG, gamma {gamma}": png(gamma) for gamma in (1.0, 0.45455, 0.625)},
    "profile, 8 bits": encoded(Image.fromarray((IN_GAMMA / 257).round().astype(np.uint8)), "PNG",
                               icc_profile=GREY_PROFILE),
    "profile, 16 bits": encoded(Image.fromarray(IN_GAMMA), "PNG", icc_profile=GREY_PROFILE),
    "profile, 16 bits, TIFF": tiff(IN_GAMMA, iccprofile=GREY_PROFILE),
    "profile of colours": encoded(Image.fromarray(IN_GAMMA), "PNG", icc_profile=RGB_PROFILE),
    "profile, palette": encoded(
        Image.fromarray((IN_GAMMA / 257).round().astype(np.uint8)).convert("P"), "PNG",
        icc_profile=GREY_PROFILE),
    "profile, alpha": encoded(
        Image.merge("LA", [Image.fromarray((IN_GAMMA / 257).round().astype(np.uint8)),
                           Image.fromarray(ALPHA)]), "PNG", icc_profile=GREY_PROFILE),
    "profile, floats": tiff((IN_GAMMA / 65535).astype(np.float32), iccprofile=GREY_PROFILE),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_one_picture_in_every_way_that_files_store_it(kind):
    photo = photos.read(FILES[kind])
    rounding = 4 if kind.startswith("4 bits") else 1.2
    assert np.abs(photo.lightness - EXPECTED).max() < rounding
    assert photo.rgb is None
    if "alpha" in kind:
        assert photo.alpha.min() == photo.alpha.max() == 200


def test_floats_beyond_white_are_white():
    values = UNIT.copy()
    values[0, 0] = 1.02
    assert np.abs(photos.read(tiff(values)).lightness - EXPECTED)[1:].max() < 0.1


@pytest.mark.parametrize(
    "data, message",
    [
        (tiff(UNIT * 255), "does not say which value is white"),
        (tiff(UNIT * np.nan), "has pixels that are not numbers"),
        (tiff(UNIT.astype(np.complex64)), "its samples are complex numbers"),
        (tiff(WIDE, extratags=[(50706, "B", 4, (1, 4, 0, 0), True)]), "a raw file of a camera"),
        (packed(GREY, 10, tags={259: 5}), "a TIFF that cannot be read .*imagecodecs"),
    ],
)
def test_tiffs_of_which_no_picture_can_be_made_get_a_sentence(data, message):
    with pytest.raises(PhotoError, match=message):
        photos.read(data)


def test_a_preview_is_not_the_photo():
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(GREY[::4, ::4], subfiletype=1, photometric="minisblack", metadata=None)
        file.write(WIDE, photometric="minisblack", metadata=None)
    photo = photos.read(buffer.getvalue())
    assert photo.size == (96, 64) and np.abs(photo.lightness - EXPECTED).max() < 0.1


def test_pages():
    pages = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    first, second = photos.read(data), photos.read(data, page=1)
    assert first.pages == second.pages == 2
    assert np.array_equal(second.lightness, photos.read(255 - GREY).lightness)
    with pytest.raises(PhotoError, match="has no page 3"):
        photos.read(data, page=2)


def test_streams_that_cannot_go_back(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(GREY).save(path)
    source, sink = os.pipe()
    with os.fdopen(source, "rb") as file:
        os.write(sink, path.read_bytes()[:60_000])
        os.close(sink)
        assert np.array_equal(photos.read(file).lightness, EXPECTED)
    with open(path, encoding="latin-1") as file, pytest.raises(PhotoError, match="as text"):
        photos.read(file)


def test_heic():
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(GREY)).save(buffer, quality=95)
    photo = photos.read(buffer.getvalue())
    assert np.abs(photo.lightness - EXPECTED).mean() < 2


def test_profiles_without_curves_are_left_out():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    data = encoded(Image.fromarray(WIDE), "PNG", icc_profile=lab)
    assert np.abs(photos.read(data).lightness - EXPECTED).max() < 0.1
