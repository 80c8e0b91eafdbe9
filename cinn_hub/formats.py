"""The formats of files: which photos are read, which pictures and films are written, and what else
people take for photos.

Python, the command line and the app all read this one table. A format that Pillow writes needs a
line here and nothing else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Format:
    """A format of files.

    Attributes:
        name: as people know it.
        suffixes: of its files, in lower case; what is written gets the first.
        pillow: what Pillow calls it; "" if OpenCV writes it.
        head: pattern of how its files begin; "" if that does not tell.
        still, film: options of the encoder for one picture, and for several; None if the format
            is not written so.
        lossy: whether pictures have a quality, 1 to 100.
        transparent: whether pictures may have an alpha channel.
        longest_side: of a picture that can be written, in pixels.
    """

    name: str
    suffixes: tuple[str, ...]
    pillow: str = ""
    head: bytes = b""
    still: Mapping[str, object] | None = None
    film: Mapping[str, object] | None = None
    lossy: bool = False
    transparent: bool = True
    longest_side: int = 2**31 - 1

    @property
    def suffix(self) -> str:
        return self.suffixes[0]


FORMATS = (
    Format(
        "PNG",
        (".png", ".apng"),
        "PNG",
        rb"\x89PNG\r\n",
        {"compress_level": 1},  # level 6 takes five times as long
    ),
    Format(
        "JPEG",
        (".jpg", ".jpeg", ".jpe", ".jfif", ".mpo"),
        "JPEG",
        rb"\xff\xd8\xff",
        {"subsampling": 0},
        lossy=True,
        transparent=False,
        longest_side=65_535,
    ),
    Format(
        "TIFF",
        (".tif", ".tiff"),
        "TIFF",
        rb"II[*+]\0|MM\0[*+]",
        {"compression": "tiff_adobe_deflate"},
    ),
    Format(
        "WebP",
        (".webp",),
        "WEBP",
        rb"RIFF.{4}WEBP",
        {},
        {"quality": 85},
        lossy=True,
        longest_side=16_383,
    ),
    Format("GIF", (".gif",), "GIF", rb"GIF8[79]a", film={}),
    Format("MP4", (".mp4",), film={}),
    Format("AVIF", (".avif",), "AVIF", rb".{4}ftypavi[fs]"),
    Format("HEIC", (".heic", ".heif", ".hif"), "HEIF", rb".{4}ftyp(hei[cmsx]|hev[cx]|m[is]f1)"),
    Format("BMP", (".bmp",), "BMP", rb"BM.{4}\0\0\0\0"),
    Format(
        "JPEG 2000",
        (".jp2", ".j2k", ".j2c", ".jpx", ".jpf"),
        "JPEG2000",
        rb"\0\0\0\x0cjP  \r\n|\xff\x4f\xff\x51",
    ),
    Format("PPM", (".ppm", ".pgm", ".pbm", ".pnm"), "PPM", rb"P[1-6]\s+[#\d]"),
    Format("Photoshop", (".psd",), "PSD", rb"8BPS\0\x01"),
    Format("PCX", (".pcx",), "PCX"),
    Format("TGA", (".tga",), "TGA"),
    Format("DIB", (".dib",), "DIB"),
)
STILLS = tuple(format for format in FORMATS if format.still is not None)
FILMS = tuple(format for format in FORMATS if format.film is not None)
PHOTOS = tuple(format for format in FORMATS if format.pillow)


def suffixes_of(formats: Sequence[Format]) -> tuple[str, ...]:
    """All of them, such as (".png", ".jpg", ".jpeg")."""
    return tuple(suffix for format in formats for suffix in format.suffixes)


def format_of(path: str | os.PathLike[str], formats: Sequence[Format]) -> Format | None:
    """The one of the formats that a file has by its suffix; None if it has another."""
    suffix = Path(path).suffix.lower()
    return next((format for format in formats if suffix in format.suffixes), None)


RAW = "raw file of a camera", "develop it to a TIFF or JPEG first"
OTHER_KINDS = {  # how files begin that hold no photo that is read, what they are, what to do
    rb"PK\x03\x04": ("ZIP archive", "unpack it and give the folder"),
    rb"Rar!|7z\xbc\xaf|\x1f\x8b|BZh\d|\xfd7zXZ": ("archive", "unpack it and give the folder"),
    rb"%PDF": ("PDF", "save its pages as PNG or TIFF"),
    rb"%!PS|\xc5\xd0\xd3\xc6": ("PostScript file", "save it as PNG or TIFF"),
    rb"FUJIFILMCCD-RAW|II(RO|RS|U\0)|MMOR|.{8}CR\x02\0|.{4}ftypcrx": RAW,
    rb"\xff\x0a|.{4}JXL ": ("JPEG XL picture", "save it as JPEG or PNG"),
    rb"\x1aE\xdf\xa3|.{8}AVI |.{4}(moov|ftyp(iso|mp4|M4V|qt|3gp|avc1))": (
        "film",
        "save one of its frames as a picture",
    ),
    rb"8BPS\0\x02": ("large Photoshop document", "save it as TIFF"),
    rb"gimp xcf": ("document of GIMP", "export it as PNG or TIFF"),
    rb"AT&TFORM": ("DjVu file", "save its pages as PNG or TIFF"),
}
HEAD = 64  # bytes of a file that tell all of these


def other_kind(head: bytes) -> tuple[str, str] | None:
    """What a file is that begins so and holds no photo that is read, and what to do with it."""
    kinds = (kind for start, kind in OTHER_KINDS.items() if re.match(start, head, re.DOTALL))
    return next(kinds, None)


def format_of_content(head: bytes) -> Format | None:
    """The format of a photo that begins so, whatever its file is called."""
    if other_kind(head):
        return None
    formats = (format for format in PHOTOS if format.head)
    return next((f for f in formats if re.match(f.head, head, re.DOTALL)), None)
