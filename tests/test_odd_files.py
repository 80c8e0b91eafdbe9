"""Odd files: rare kinds of TIFFs, metadata that cannot be read, and what is not a photo at all."""

import os
import struct
import zlib

import numpy as np
import pytest
from helpers import color_picture
from made_files import encoded, tiff, with_chunk, with_segment
from PIL import Image

from cinn_hub import color, photos
from cinn_hub.errors import PhotoError

PICTURE = color_picture(96, 64, seed=4)
RGB, GREY = np.asarray(PICTURE), np.asarray(PICTURE.convert("L"))
LAB = color.to_lab(RGB)
WIDE_GREY = GREY.astype(np.uint16) * 257


def lab(scale_of_light, scale, middle, dtype):
    """Lab with a and b around the middle of unsigned values."""
    ab = np.round(LAB[..., 1:] * scale + middle)
    return np.dstack([np.round(LAB[..., 0] * scale_of_light), ab]).astype(dtype)


STEPS = np.arange(65536).clip(0, 255) * 257
TIFFS = {
    "signed bytes": (tiff((GREY // 2).astype(np.int8)), GREY // 2 / 127),
    "16 bits, signed": (tiff((WIDE_GREY // 2).astype(np.int16)), GREY / 255),
    "a palette of 65536 colours": (
        tiff(GREY.astype(np.uint16), "palette", colormap=np.tile(STEPS, (3, 1)).astype(np.uint16)),
        GREY / 255,
    ),
    "Lab of ICC, 8 bits": (tiff(lab(2.55, 1, 128, np.uint8), "icclab"), RGB / 255),
    "Lab of ICC, 16 bits": (tiff(lab(652.8, 256, 2**15, np.uint16), "icclab"), RGB / 255),
    "BigTIFF": (tiff(WIDE_GREY, bigtiff=True), GREY / 255),
    "tiles": (tiff(RGB.astype(np.uint16) * 257, "rgb", tile=(32, 32)), RGB / 255),
    "grey and a mask": (tiff(np.dstack([GREY, 255 - GREY]), extrasamples=[0]), GREY / 255),
}


@pytest.mark.parametrize("kind", TIFFS)
def test_rare_tiffs(kind):
    data, expected = TIFFS[kind]
    photo = photos.read(data)
    assert np.abs(photo.lightness - photos.read(expected).lightness).max() < 1
    assert photo.alpha is None and (photo.rgb is not None) == (expected.ndim == 3)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientations_whoever_reads_the_pixels(orientation):
    """Pillow those of 8 bits, tifffile those of 16."""
    tag = [(274, "H", 1, orientation, True)]
    eight = photos.read(tiff(RGB, "rgb", extratags=tag))
    deep = photos.read(tiff(RGB.astype(np.uint16) * 257, "rgb", extratags=tag))
    assert eight.size == ((96, 64) if orientation < 5 else (64, 96))
    assert np.array_equal(eight.rgb, deep.rgb)


def test_a_transparent_grey_of_16_bits():
    plain = encoded(Image.fromarray(WIDE_GREY), "PNG")
    key = int(WIDE_GREY[0, 0])
    photo = photos.read(with_chunk(plain, b"tRNS", struct.pack(">H", key)))
    assert np.array_equal(photo.alpha == 0, key == WIDE_GREY)


PNG, JPEG = encoded(PICTURE, "PNG"), encoded(PICTURE, "JPEG", quality=95, subsampling=0)
MUCH = zlib.compress(bytes(5_000_000))
BROKEN = {
    "a text of 5 MB": with_chunk(PNG, b"zTXt", b"Comment\0\0" + MUCH),
    "a profile of 5 MB": with_chunk(PNG, b"iCCP", b"p\0\0" + MUCH),
    "a text with a wrong checksum": with_chunk(PNG, b"tEXt", b"A\0b", b"oops"),
    "a gamma of two bytes": with_chunk(PNG, b"gAMA", b"\1\1"),
    "EXIF with a wrong checksum": with_chunk(PNG, b"eXIf", b"II*\0", b"oops"),
    "an empty header of JFIF": with_segment(JPEG, 0xE0, b"JFIF\0"),
    "a profile without a number": with_segment(JPEG, 0xE2, b"ICC_PROFILE\0"),
    "a short note of Adobe": with_segment(JPEG, 0xEE, b"Adobe\0"),
    "cut IPTC": with_segment(JPEG, 0xED, b"Photoshop 3.0\x008BIM\4\4\0\0\0\0\0\xff"),
}


@pytest.mark.parametrize("kind", BROKEN)
def test_metadata_that_cannot_be_read_lose_no_picture(kind):
    photo = photos.read(BROKEN[kind])
    limit = 0.01 if BROKEN[kind].startswith(b"\x89PNG") else 3
    assert np.abs(photo.lightness - LAB[..., 0]).mean() < limit


def test_colours_of_a_jpeg_are_kept_where_its_metadata_are_lost():
    """The note of Adobe says that CMYK is stored turned."""
    whole = encoded(PICTURE.convert("CMYK"), "JPEG", quality=95)
    broken = with_segment(whole, 0xE2, b"ICC_PROFILE\0")
    assert np.array_equal(photos.read(broken).lightness, photos.read(whole).lightness)


OTHER_FILES = {
    b"%PDF-1.7": "is a PDF; save its pages as PNG",
    b"%!PS-Adobe-3.0 EPSF-3.0": "is a PostScript file",
    b"PK\3\4": "is a ZIP archive; unpack it",
    b"Rar!\x1a\7": "is an archive; unpack it",
    b"\0\0\0\x18ftypmp42": "is a film; save one of its frames",
    b"\0\0\0\x14ftypqt  ": "is a film",
    b"RIFF\0\0\0\0AVI LIST": "is a film",
    b"\0\0\0\x18ftypcrx ": "is a raw file of a camera; develop it",
    b"II*\0\x10\0\0\0CR\2\0": "is a raw file of a camera",
    b"FUJIFILMCCD-RAW 02": "is a raw file of a camera",
    b"IIU\0\x18\0\0\0": "is a raw file of a camera",
    b"\xff\x0a\xfa\x1f": "is a JPEG XL picture; save it as JPEG or PNG",
    b"<svg xmlns='x'/>": "is not a picture that can be read; give a photo",
}


@pytest.mark.parametrize("head", OTHER_FILES)
def test_what_people_take_for_photos_is_named(head):
    with pytest.raises(PhotoError, match=OTHER_FILES[head]) as caught:
        photos.read(head + bytes(200))
    assert str(caught.value).isprintable()


def test_a_file_larger_than_any_photo_is_not_read(tmp_path):
    path = tmp_path / "film.jpg"
    path.touch()
    os.truncate(path, 2**40)
    with pytest.raises(PhotoError, match="film.jpg has more than 2 GB; shrink the photo"):
        photos.read(path)


def test_a_file_that_was_opened_as_text_is_named(tmp_path):
    with open(tmp_path / "a.png", "w") as file, pytest.raises(PhotoError, match="mode 'wb'"):
        photos.save(PICTURE, file, format="png")
