"""Pictures written whole, with what their photo's file said of camera, date and colour space."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from PIL import ExifTags, Image, PngImagePlugin

from cinn_hub.errors import PhotoError
from cinn_hub.files import whole_file

TAG = ExifTags.Base

SAVE_OPTIONS: dict[str, dict[str, object]] = {
    ".png": {"format": "PNG", "compress_level": 1},  # level 6 takes five times as long
    ".jpg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".jpeg": {"format": "JPEG", "quality": 95, "subsampling": 0},
    ".webp": {"format": "WEBP", "quality": 95},
    ".tif": {"format": "TIFF", "compression": "tiff_adobe_deflate"},
    ".tiff": {"format": "TIFF", "compression": "tiff_adobe_deflate"},
}


def save(
    image: Image.Image,
    path: str | os.PathLike[str],
    settings: Mapping[str, str] | None = None,
    quality: int = 95,
) -> None:
    """Writes PNG, JPEG, WebP or TIFF by the suffix, with the image's EXIF, profile and dpi.

    The settings, which say how the colours were made, go in as text: in a PNG one by one, else as
    the EXIF entry Software. `quality` is that of JPEG and WebP. The file appears only when it is
    complete.

    Raises:
        PhotoError: another suffix or quality, or a place that cannot be written to.
    """
    path = Path(path)
    if path.suffix.lower() not in SAVE_OPTIONS:
        raise PhotoError(
            f"{path.name} has no suffix that can be written; use {', '.join(SAVE_OPTIONS)}."
        )
    if not 1 <= quality <= 100:
        raise PhotoError(f"The quality is {quality}; it must be from 1 to 100.")
    options = dict(SAVE_OPTIONS[path.suffix.lower()])
    if "quality" in options:
        options["quality"] = quality
    options |= {key: image.info[key] for key in ("exif", "icc_profile", "dpi") if key in image.info}
    if options["format"] == "JPEG" and image.mode == "RGBA":
        white = Image.new("RGB", image.size, "white")
        white.paste(image, mask=image.getchannel("A"))
        image = white
    if options["format"] == "PNG" and settings:
        options["pnginfo"] = PngImagePlugin.PngInfo()
        for key, value in settings.items():
            options["pnginfo"].add_text(f"cinn_hub:{key}", value)
    elif settings:
        exif = Image.Exif()
        exif.load(options.get("exif", b""))
        told = ", ".join(f"{key} {value}" for key, value in settings.items())
        exif[TAG.Software] = f"cinn_hub; colours made by {told}"
        options["exif"] = exif.tobytes()
    try:
        with whole_file(path) as unfinished:
            image.save(unfinished, **options)
    except (OSError, ValueError) as error:  # ValueError: more pixels than the format has room for
        said = getattr(error, "strerror", None) or error
        raise PhotoError(f"{path} cannot be written: {said}.") from error
