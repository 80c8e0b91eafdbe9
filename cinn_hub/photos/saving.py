"""Writes pictures, with the metadata of their photo: camera, date, colour space and more."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from PIL import ExifTags, Image, PngImagePlugin
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from cinn_hub.errors import PhotoError
from cinn_hub.files import local_path, reason_of, write_whole
from cinn_hub.formats import STILLS, Format, format_of, suffixes_of
from cinn_hub.photos.metadata import (
    MARKER_ROOM,
    Metadata,
    exif_to_write,
    metadata_of,
    photoshop_segment,
    png_profile,
)

TAG = ExifTags.Base
XMP_ROOM = 65_000  # bytes in a segment of a JPEG, less its header


def save(
    image: Image.Image,
    path: str | os.PathLike[str] | BinaryIO,
    settings: Mapping[str, str] | None = None,
    quality: int = 95,
    format: str | None = None,
) -> None:
    """Writes PNG, JPEG, WebP or TIFF, with the image's EXIF, XMP, IPTC, profile and resolution.

    The settings, which say how the colours were made, go in as text: in a PNG one by one, else as
    the EXIF entry Software. `quality` is that of JPEG and WebP. A file appears only when it is
    complete. Metadata that the format cannot hold is left out.

    Arguments:
        path: of the file, or a binary file that is open for writing.
        format: such as "png" or "jpeg"; by default by the suffix of the path.
    Raises:
        PhotoError: the format is unknown, the quality out of range, or the file cannot be written.
    """
    kind = format_to_write(path, format)
    if not 1 <= quality <= 100:
        raise PhotoError(f"The quality is {quality}; it must be from 1 to 100.")
    if isinstance(path, io.TextIOBase):
        raise PhotoError("The file was opened as text; open it with the mode 'wb'.")
    path = local_path(path) if isinstance(path, str | os.PathLike) else path
    name = path if isinstance(path, Path) else "The file"
    if max(image.size) > kind.longest_side:
        raise PhotoError(
            f"{name} cannot be written: {kind.name} takes {kind.longest_side} pixels on a side, "
            f"but the picture has {max(image.size)}; choose PNG or TIFF."
        )
    try:
        data = encoded(image, kind, settings or {}, quality)
        if isinstance(path, Path):
            write_whole(path, data)
        else:
            path.write(data)
    except (OSError, ValueError) as error:
        raise PhotoError(f"{name} cannot be written: {reason_of(error)}.") from error


def format_to_write(path: str | os.PathLike[str] | BinaryIO, format: str | None) -> Format:
    """The format of this name; without one, by the suffix of the path.

    Raises:
        PhotoError: it is unknown.
    """
    named = path if format is None else f"file.{format.lstrip('.')}"
    if not isinstance(named, str | os.PathLike):
        raise PhotoError('The format of an open file is unknown; give it, such as format="png".')
    if kind := format_of(named, STILLS):
        return kind
    suffixes = ", ".join(suffixes_of(STILLS))
    if format is None:
        raise PhotoError(f"{Path(named).name} has an unknown suffix; use one of {suffixes}.")
    raise PhotoError(f"The format is {format!r}; use one of {suffixes.replace('.', '')}.")


def encoded(image: Image.Image, kind: Format, settings: Mapping[str, str], quality: int) -> bytes:
    """The bytes of the file."""
    about = metadata_of(image)
    options = {**(kind.still or {}), **({"quality": quality} if kind.lossy else {})}
    options |= {"icc_profile": image.info.get("icc_profile"), "dpi": about.dpi}
    text = ", ".join(f"{key} {value}" for key, value in settings.items())
    software = f"cinn_hub; generated colours: {text}" if text and kind.name != "PNG" else None
    room = MARKER_ROOM if kind.name == "JPEG" else None
    exif = exif_to_write(about.exif, image.size, software, room)
    pixels = image.copy() if kind.transparent else on_white(image)
    pixels.info = {}  # encoders take things from there without being asked
    if kind.name == "TIFF":
        return tiff(pixels, given(options), exif, about)
    further = {"PNG": png_texts, "JPEG": jpeg_segments}.get(kind.name, xmp_alone)
    options |= {"exif": exif.tobytes() if exif else None, **further(about, settings)}
    buffer = io.BytesIO()
    pixels.save(buffer, kind.pillow, **given(options))
    return buffer.getvalue()


def given(options: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in options.items() if value is not None}


def on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image.getchannel("A") if image.mode == "RGBA" else None)
    return white


def png_texts(about: Metadata, settings: Mapping[str, str]) -> dict[str, object]:
    texts = PngImagePlugin.PngInfo()
    for key, value in settings.items():
        texts.add_text(f"cinn_hub:{key}", value)
    if about.xmp:
        texts.add_itxt("XML:com.adobe.xmp", about.xmp.decode("utf-8"))
    if about.iptc:
        texts.add_text("Raw profile type iptc", png_profile(about.iptc), zip=True)
    return {"pnginfo": texts}


def jpeg_segments(about: Metadata, settings: Mapping[str, str]) -> dict[str, object]:
    xmp = about.xmp
    if xmp and len(xmp) > XMP_ROOM:
        xmp = None
        warnings.warn("The XMP is too long for a JPEG and was left out.", stacklevel=2)
    return {"xmp": xmp, "extra": photoshop_segment(about.iptc) if about.iptc else None}


def xmp_alone(about: Metadata, settings: Mapping[str, str]) -> dict[str, object]:
    return {"xmp": about.xmp}


def tiff(image: Image.Image, options: Mapping, exif: Image.Exif, about: Metadata) -> bytes:
    """A TIFF whose tags about the photo are added by Pillow's own code, after the pixels.

    libtiff, which compresses them, is not handed any: it ends the process on some values.
    """
    buffer = io.BytesIO()
    image.save(buffer, "TIFF", **options)
    header, pixels = buffer.getvalue()[:8], buffer.getvalue()[8:]
    tags = ImageFileDirectory_v2(header)
    buffer.seek(tags.next)
    tags.load(buffer)
    own = dict(tags)  # Pillow writes those entries alone that have been read
    tags.update({**exif, **given({TAG.XMLPacket: about.xmp, TAG.IPTCNAA: about.iptc})})
    # and adds to the places of the strips where the directory ends
    tags[TAG.StripOffsets] = tuple(place - len(header) for place in own[TAG.StripOffsets])
    start = len(header).to_bytes(4, "little")
    return header[:4] + start + tags.tobytes(len(header)) + pixels
