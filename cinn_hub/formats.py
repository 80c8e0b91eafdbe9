"""The formats of files: which photos are read, and which pictures and films are written.

Python, the command line and the app all read this one table. A format that Pillow writes needs a
line here and nothing else.
"""

from __future__ import annotations

import os
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
        still, film: options of the encoder for one picture, and for several; None if the format
            is not written so.
        lossy: whether pictures have a quality, 1 to 100.
        transparent: whether pictures may have an alpha channel.
        longest_side: of a picture that can be written, in pixels.
    """

    name: str
    suffixes: tuple[str, ...]
    pillow: str = ""
    still: Mapping[str, object] | None = None
    film: Mapping[str, object] | None = None
    lossy: bool = False
    transparent: bool = True
    longest_side: int = 2**31 - 1

    @property
    def suffix(self) -> str:
        return self.suffixes[0]


FORMATS = (
    Format("PNG", (".png",), "PNG", {"compress_level": 1}),  # level 6 takes five times as long
    Format(
        "JPEG",
        (".jpg", ".jpeg", ".jpe", ".jfif"),
        "JPEG",
        {"subsampling": 0},
        lossy=True,
        transparent=False,
        longest_side=65_535,
    ),
    Format("TIFF", (".tif", ".tiff"), "TIFF", {"compression": "tiff_adobe_deflate"}),
    Format("WebP", (".webp",), "WEBP", {}, {"quality": 85}, lossy=True, longest_side=16_383),
    Format("GIF", (".gif",), "GIF", film={}),
    Format("MP4", (".mp4",), film={}),
    Format("AVIF", (".avif",), "AVIF"),
    Format("HEIC", (".heic", ".heif", ".hif"), "HEIF"),
    Format("BMP", (".bmp",), "BMP"),
    Format("JPEG 2000", (".jp2",), "JPEG2000"),
    Format("PPM", (".ppm", ".pgm"), "PPM"),
    Format("Photoshop", (".psd",), "PSD"),
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
