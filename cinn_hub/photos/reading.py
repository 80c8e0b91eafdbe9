"""Photos out of files, bytes, Pillow images and arrays."""

from __future__ import annotations

import io
import os
import warnings
from typing import Any

import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, UnidentifiedImageError

from cinn_hub import color
from cinn_hub.errors import PhotoError
from cinn_hub.photos.photo import Photo, PhotoLike

MAX_PIXELS = 100_000_000
LEAST_SIDE = 16  # pixels; below that there is nothing to recognise
SIXTEEN_BIT_MODES = ("I;16", "I;16B", "I;16L", "I", "F")
TAG = ExifTags.Base
DESCRIPTIVE_TAGS = (  # of a TIFF
    *(TAG.ImageDescription, TAG.Make, TAG.Model, TAG.Software, TAG.DateTime, TAG.Artist),
    *(TAG.Copyright, TAG.ExifOffset, TAG.GPSInfo, TAG.Orientation),
)
EXPECTED = "expected a photo such as JPEG, PNG, TIFF or WebP"


def read(photo: PhotoLike, max_pixels: int = MAX_PIXELS) -> Photo:
    """Reads anything that Pillow reads, and arrays (H, W[, 1|3|4]) of uint8, uint16 or [0, 1].

    Orientation is applied, colour profiles are converted to sRGB, 16-bit greys keep their
    precision, of an animation the first picture counts. The size is checked before decoding.

    Raises:
        PhotoError: what it is, what was expected, what to do.
    """
    if isinstance(photo, Photo):
        return photo
    if isinstance(photo, np.ndarray):
        found = from_array(photo)
    else:
        name = name_of(photo)
        found = from_image(open_image(photo, name, max_pixels), name, max_pixels)
    width, height = found.size
    if min(width, height) < LEAST_SIDE:
        raise PhotoError(
            f"{found.name} is {width} x {height} pixels; "
            f"a photo needs at least {LEAST_SIDE} on each side."
        )
    return found


def name_of(photo: PhotoLike) -> str:
    path = photo if isinstance(photo, str | os.PathLike) else getattr(photo, "name", None)
    path = path or getattr(photo, "filename", None)
    return os.path.basename(os.fspath(path)) if isinstance(path, str | os.PathLike) else "photo"


def open_image(photo: PhotoLike, name: str, max_pixels: int) -> Image.Image:
    if isinstance(photo, Image.Image):
        return photo
    if not isinstance(photo, str | os.PathLike | bytes) and not hasattr(photo, "read"):
        raise PhotoError(f"A {type(photo).__name__} is no photo; {EXPECTED}, as path or bytes.")
    source = io.BytesIO(photo) if isinstance(photo, bytes) else photo
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            return Image.open(source)
    except Image.DecompressionBombError as error:
        limit = min(max_pixels, 2 * Image.MAX_IMAGE_PIXELS) / 1e6  # Pillow has one of its own
        raise PhotoError(
            f"{name} has more than the {limit:.0f} megapixels that are read; shrink it."
        ) from error
    except FileNotFoundError as error:
        raise PhotoError(f"There is no photo {os.fspath(source)}; check the path.") from error
    except IsADirectoryError as error:
        raise PhotoError(f"{os.fspath(source)} is a folder; {EXPECTED}.") from error
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError) as error:
        raise PhotoError(f"{name} is no picture that can be read; {EXPECTED}.") from error


def from_image(image: Image.Image, name: str, max_pixels: int = MAX_PIXELS) -> Photo:
    """A Pillow image as a `Photo`."""
    pixels = image.width * image.height
    if pixels > max_pixels:
        raise PhotoError(
            f"{name} has {pixels / 1e6:.0f} megapixels, more than the limit of "
            f"{max_pixels / 1e6:.0f}; shrink it."
        )
    try:
        image.load()
    except (OSError, ValueError, SyntaxError, EOFError, IndexError) as error:
        raise PhotoError(
            f"{name} is damaged or incomplete ({error}); get the file again."
        ) from error
    image, exif = upright(image)
    dpi = image.info.get("dpi")
    said = {"exif": exif, "name": name, "has_profile": bool(image.info.get("icc_profile"))}
    said["dpi"] = tuple(map(float, dpi)) if dpi else None
    if image.mode in SIXTEEN_BIT_MODES:
        lightness = color.lightness_of_grey(sixteen_bit_grey(np.asarray(image), image.mode, name))
        return Photo(lightness, **said)
    alpha = None
    if "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
        image = to_mode(image, "RGBA")
        alpha = np.asarray(image.getchannel("A"))
    return from_rgb(np.asarray(to_srgb(image)), alpha, **said)


def upright(image: Image.Image) -> tuple[Image.Image, bytes | None]:
    """The image as its orientation says, and its EXIF without that.

    EXIF that cannot be read is left out: the pixels are worth more. Of a TIFF's tags only those
    that speak of the photo count, not those that say how the file was laid out.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exif = image.getexif()
            if image.format == "TIFF":
                for tag in [tag for tag in exif if tag not in DESCRIPTIVE_TAGS]:
                    del exif[tag]
            image = ImageOps.exif_transpose(image)
            exif.pop(TAG.Orientation, None)
            return image, exif.tobytes() if exif else None
    except Exception:  # Pillow raises errors of many kinds on damaged EXIF
        return image, None


def from_rgb(rgb: np.ndarray, alpha: np.ndarray | None, **said: Any) -> Photo:
    if np.array_equal(rgb[..., 0], rgb[..., 1]) and np.array_equal(rgb[..., 1], rgb[..., 2]):
        return Photo(color.lightness_of_grey(rgb[..., 0]), None, alpha, **said)
    lightness = np.empty(rgb.shape[:2], np.float32)
    for rows in color.strips(rgb.shape):
        lightness[rows] = color.to_lab(rgb[rows])[..., 0]
    return Photo(lightness, rgb, alpha, **said)


def to_srgb(image: Image.Image) -> Image.Image:
    """An RGB image in sRGB; a profile that cannot be used is ignored."""
    profile = image.info.get("icc_profile")
    if profile:
        source = image.convert("RGB") if image.mode in ("RGBA", "P", "LA", "PA") else image
        try:
            return ImageCms.profileToProfile(
                source,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    return to_mode(image, "RGB")


def to_mode(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)


def sixteen_bit_grey(values: np.ndarray, mode: str, name: str) -> np.ndarray:
    """Grey values of 16 bits, or floats of any scale, as float32 in [0, 1]."""
    values = values.astype(np.float32)
    if not np.isfinite(values).all():
        raise PhotoError(f"{name} has pixels that are no numbers; write the file again.")
    if mode == "F" and values.max(initial=0) <= 1:
        return values.clip(0, 1)
    return (values / (255 if mode in "FI" and values.max() <= 255 else 65535)).clip(0, 1)


def from_array(array: np.ndarray) -> Photo:
    """(H, W[, 1|3|4]) of uint8, uint16, or floats in [0, 1], as a `Photo`."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise PhotoError(
            f"An array of shape {array.shape} is no photo; expected (H, W) or (H, W, 1, 3 or 4)."
        )
    if 0 in array.shape:
        raise PhotoError(f"An array of shape {array.shape} holds no pixels.")
    if array.dtype in (np.uint8, np.uint16):
        unit = array
    elif np.issubdtype(array.dtype, np.floating):
        unit = array.astype(np.float32)
        if not (np.isfinite(unit).all() and unit.min() >= 0 and unit.max() <= 1):
            raise PhotoError("A photo of floats must have values in [0, 1]; divide it by 255.")
    else:
        raise PhotoError(
            f"An array of {array.dtype} is no photo; expected uint8, uint16 or floats in [0, 1]."
        )
    if unit.ndim == 2:
        return Photo(color.lightness_of_grey(unit))
    scale = {np.uint8: 1, np.uint16: 255 / 65535}.get(unit.dtype.type, 255)
    eight = np.round(unit * scale).astype(np.uint8)
    alpha = eight[..., 3].copy() if eight.shape[2] == 4 else None
    return from_rgb(np.ascontiguousarray(eight[..., :3]), alpha)
