"""Reads photos from files, bytes, Pillow images and arrays."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import BinaryIO

import numpy as np
from PIL import Image, ImageCms

from cinn_hub import color
from cinn_hub.errors import PhotoError
from cinn_hub.photos import tiff
from cinn_hub.photos.metadata import Metadata, metadata_of, orientation
from cinn_hub.photos.opening import (
    check_size,
    damaged,
    deep_colors,
    name_of,
    open_image,
    open_source,
    pages_of,
    without_words,
)
from cinn_hub.photos.photo import Photo, PhotoLike
from cinn_hub.photos.profiles import (
    Curve,
    applied,
    coding,
    profile_curve,
    profile_of_colors,
    profile_space,
)

MAX_PIXELS = 100_000_000
LEAST_SIDE = 16  # pixels; below that there is nothing to recognise
DEEP_GREYS = ("I;16", "I;16B", "I;16L", "I;16N", "I", "F")


def read(photo: PhotoLike | Photo, max_pixels: int = MAX_PIXELS, page: int = 0) -> Photo:
    """Reads JPEG, PNG, TIFF, WebP, AVIF, HEIC (with pillow-heif), GIF, BMP, JPEG 2000, PPM and PSD.

    Orientation is applied; what files declare of their tones and colours (profiles, gAMA, white as
    zero, bits, the largest sample) is used; greys keep their precision. The size is checked before
    decoding. The argument is never changed.

    Arguments:
        photo: path, bytes, binary file, Pillow image, or array (H, W[, 1|3|4]) of uint8, uint16 or
            floats in [0, 1].
        page: of a TIFF or an animation, counted from 0; `pages` of the result says how many.

    Raises:
        PhotoError: it cannot be read; the message says why, and what to do.
    """
    if isinstance(photo, Photo):
        return photo
    if isinstance(photo, np.ndarray):
        found = from_array(photo)
    elif isinstance(photo, Image.Image):
        check_size(photo, name_of(photo), max_pixels)
        found = from_image(photo, name_of(photo))
    else:
        found = from_file(open_source(photo), name_of(photo), max_pixels, page)
    width, height = found.size
    if min(width, height) < LEAST_SIDE:
        raise PhotoError(
            f"{found.name} is {width} x {height} pixels; "
            f"it must have at least {LEAST_SIDE} on each side."
        )
    return found


def from_file(source: BinaryIO, name: str, max_pixels: int, page: int) -> Photo:
    try:
        return from_whole_file(source, name, max_pixels, page)
    except PhotoError:
        bare = without_words(source)
        if bare is None:
            raise
    return from_whole_file(bare, name, max_pixels, page)


def from_whole_file(source: BinaryIO, name: str, max_pixels: int, page: int) -> Photo:
    image = open_image(source, name, max_pixels, page)
    if image is None:
        return from_page(tiff.read_page(source, name, page, max_pixels), name)
    if image.format == "TIFF":
        if tiff.is_raw(image):
            raise tiff.raw_error(name)
        if tiff.is_misread(image) or (page == 0 and tiff.is_preview(image)):
            return from_page(tiff.read_page(source, name, page, max_pixels), name)
        if tiff.is_cut(image):
            with suppress(PhotoError):  # of a compression that tifffile does not know
                return from_page(tiff.read_page(source, name, page, max_pixels), name)
    values = deep_colors(source) if image.format == "PNG" else None
    return from_image(image, name, values)


def from_image(image: Image.Image, name: str, values: np.ndarray | None = None) -> Photo:
    """A Pillow image as a `Photo`; the image stays as it is.

    values: the same picture, RGB or RGBA of uint16, where Pillow has only 8 bits of it.
    """
    tags = dict(getattr(image, "tag_v2", {}))
    pages = pages_of(image)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            held = orientation(image)
            image.load()  # turns TIFFs upright, but not their resolution
            turned = orientation(image)
            deep = values is not None and "transparency" not in image.info
            photo = from_values(image, values) if deep else from_pixels(image, name, tags)
            about = metadata_of(image)
            about = across_is_down(about) if held >= 5 > turned else about
            photo = replace(photo, name=name, metadata=about, pages=pages)
    except PhotoError:
        raise
    except MemoryError as error:
        raise PhotoError(f"{name} is too large for this machine's memory; shrink it.") from error
    except Exception as error:  # Pillow raises errors of many kinds on damaged files
        raise damaged(name, error) from error
    return upright(photo, turned)


def from_pixels(image: Image.Image, name: str, tags: dict) -> Photo:
    profile = image.info.get("icc_profile")
    has_profile = bool(profile)
    if image.mode in DEEP_GREYS:
        samples, greys = deep_samples(image, tags), np.asarray(image)
        samples.check(greys, name)
        photo = from_grey(samples.unit(greys), profile, image.info)
        key = image.info.get("transparency")
        alpha = np.uint8(255) * (greys != key) if isinstance(key, int) else None
        return replace(photo, alpha=alpha, has_profile=has_profile)
    if image.mode == "LAB":
        lab = np.asarray(image)
        return from_lab(tiff.lab_of(lab))
    alpha = None
    if "A" in image.getbands() or "a" in image.getbands() or "transparency" in image.info:
        image = to_mode(image, "RGBA")
        alpha = np.asarray(image.getchannel("A"))
    rgb = to_rgb(image, profile)
    if is_grey(rgb):
        photo = from_grey(rgb[..., 0], profile, image.info)
    elif not profile and (curve := coding(None, image.info)):
        photo = from_rgb(eight_bits(applied(curve, rgb)))
    else:
        photo = from_rgb(rgb)
    return replace(photo, alpha=alpha, has_profile=has_profile)


def from_values(image: Image.Image, values: np.ndarray) -> Photo:
    """RGB or RGBA (H, W, 3 or 4) of uint16, with what the image says of its colours."""
    profile = image.info.get("icc_profile")

    def unit(rows: slice) -> np.ndarray:
        return values[rows, :, :3] / np.float32(65535)

    photo = from_deep(unit, values.shape[:2], profile, image.info)
    alpha = np.round(values[..., 3] / 257).astype(np.uint8) if values.shape[2] == 4 else None
    return replace(photo, alpha=alpha, has_profile=bool(profile))


def deep_samples(image: Image.Image, tags: dict) -> tiff.Samples:
    """The scale of greys that Pillow gives as they are stored."""
    if image.format == "TIFF":
        return tiff.samples_of(tags)
    if image.mode == "F":
        return tiff.Samples(32, tiff.FLOAT)
    if image.mode == "I" and image.format is None:  # Pillow has 8 or 16 bits in this mode
        return tiff.Samples(8 if image.getextrema()[1] <= 255 else 16)
    return tiff.Samples(16)


def from_grey(grey: np.ndarray, profile: bytes | None, info: dict) -> Photo:
    """Greys of uint8 or in [0, 1], with the curve that the file declares."""
    return Photo(color.lightness_of_grey(applied(coding(profile, info), grey)))


def from_page(page: tiff.Page, name: str) -> Photo:
    """A page that tifffile has read as a `Photo`."""
    whole = slice(None)
    if page.samples is None:
        return described(from_lab(page.values), page, name)
    if page.colors == 1:
        photo = from_grey(page.unit(whole)[..., 0], page.profile, {})
    else:
        photo = from_deep(page.unit, page.values.shape[:2], page.profile, {})
    alpha = eight_bits(page.alpha(whole)) if page.alpha_kind else None
    photo = replace(photo, alpha=alpha, has_profile=bool(page.profile))
    return described(photo, page, name)


def described(photo: Photo, page: tiff.Page, name: str) -> Photo:
    """The photo with what its file says of it, turned upright."""
    photo = replace(photo, name=name, metadata=page.metadata, pages=page.pages)
    return upright(photo, page.orientation)


def from_rgb(rgb: np.ndarray) -> Photo:
    if is_grey(rgb):
        return Photo(color.lightness_of_grey(rgb[..., 0]))
    lightness = np.empty(rgb.shape[:2], np.float32)
    for rows in color.strips(rgb.shape):
        lightness[rows] = color.to_lab(rgb[rows])[..., 0]
    return Photo(lightness, rgb)


def from_deep(
    unit: Callable[[slice], np.ndarray], size: tuple[int, int], profile: bytes | None, info: dict
) -> Photo:
    """Colours of more than 8 bits, of which the lightness keeps all that the file declares.

    unit: rows -> RGB (rows, W, 3) in [0, 1] as it is stored; size: (H, W).
    """
    strips = color.strips(size)
    if all(is_grey(unit(rows)) for rows in strips):
        return from_grey(np.concatenate([unit(rows)[..., 0] for rows in strips]), profile, info)
    to_srgb = deep_coding(profile, info)
    rgb, lightness = np.empty((*size, 3), np.uint8), np.empty(size, np.float32)
    for rows in strips:
        part = to_srgb(unit(rows))
        rgb[rows], lightness[rows] = eight_bits(part), color.to_lab(part)[..., 0]
    return Photo(lightness, rgb)


def deep_coding(profile: bytes | None, info: dict) -> Curve:
    """Stored colours in [0, 1] to sRGB-coded ones; with 8 bits where a profile has tables."""
    if profile is None:
        return coding(None, info) or (lambda values: values)

    def by_tables(values: np.ndarray) -> np.ndarray:
        return to_rgb(Image.fromarray(eight_bits(values)), profile) / np.float32(255)

    return profile_of_colors(profile) or by_tables


def from_lab(lab: np.ndarray) -> Photo:
    if not lab[..., 1:].any():
        return Photo(lab[..., 0].copy())
    return Photo(lab[..., 0].copy(), color.to_rgb(lab))


def is_grey(rgb: np.ndarray) -> bool:
    return np.array_equal(rgb[..., 0], rgb[..., 1]) and np.array_equal(rgb[..., 1], rgb[..., 2])


def eight_bits(unit: np.ndarray) -> np.ndarray:
    return np.round(unit.clip(0, 1) * 255).astype(np.uint8)


def to_rgb(image: Image.Image, profile: bytes | None) -> np.ndarray:
    """(H, W, 3) uint8 in sRGB; a profile of another kind of picture is left out.

    Greys stay as they are stored: their curve is applied later, without loss.
    """
    source = to_mode(image, "RGB") if image.mode in ("RGBA", "P", "PA", "RGBX", "YCbCr") else image
    if profile_space(profile) == {"RGB": "RGB", "CMYK": "CMYK"}.get(source.mode, "none"):
        rgb = np.asarray(to_mode(source, "RGB"))
        if source.mode == "RGB" and is_grey(rgb) and profile_curve(profile):
            return rgb
        try:
            to_srgb = ImageCms.profileToProfile(
                source,
                ImageCms.ImageCmsProfile(io.BytesIO(profile)),
                ImageCms.createProfile("sRGB"),
                outputMode="RGB",
            )
            return np.asarray(to_srgb)
        except (ImageCms.PyCMSError, OSError, ValueError):
            pass
    return np.asarray(to_mode(source, "RGB"))


def to_mode(image: Image.Image, mode: str) -> Image.Image:
    return image if image.mode == mode else image.convert(mode)


def upright(photo: Photo, turned: int) -> Photo:
    """The photo as EXIF's orientation (1 to 8) says that it is seen."""
    if turned == 1:
        return photo

    def turn(array: np.ndarray | None) -> np.ndarray | None:
        if array is None:
            return None
        if turned >= 5:
            array = array.swapaxes(0, 1)
        if turned in (3, 4, 7, 8):
            array = array[::-1]
        if turned in (2, 3, 6, 7):
            array = array[:, ::-1]
        return np.ascontiguousarray(array)

    return replace(
        photo,
        lightness=turn(photo.lightness),
        rgb=turn(photo.rgb),
        alpha=turn(photo.alpha),
        metadata=across_is_down(photo.metadata) if turned >= 5 else photo.metadata,
    )


def across_is_down(metadata: Metadata) -> Metadata:
    """The same of a photo that was turned by a right angle."""
    return replace(metadata, dpi=metadata.dpi and metadata.dpi[::-1])


def from_array(array: np.ndarray) -> Photo:
    """(H, W[, 1|3|4]) of uint8, uint16, or floats in [0, 1], as a `Photo`."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise PhotoError(
            f"The array has the shape {array.shape}; it must be (H, W) or (H, W, 1, 3 or 4)."
        )
    if 0 in array.shape:
        raise PhotoError(f"The array of shape {array.shape} has no pixels; give a photo.")
    if array.dtype in (np.uint8, np.uint16):
        unit = array
    elif np.issubdtype(array.dtype, np.floating):
        unit = array.astype(np.float32)
        if not (np.isfinite(unit).all() and unit.min() >= 0 and unit.max() <= 1):
            raise PhotoError(
                "The array has floats outside of [0, 1]; scale them (8-bit values: divide by 255)."
            )
    else:
        raise PhotoError(
            f"The array holds {array.dtype}; it must hold uint8, uint16 or floats in [0, 1]."
        )
    if unit.ndim == 2:
        return Photo(color.lightness_of_grey(unit))
    scale = {np.uint8: 1, np.uint16: 255 / 65535}.get(unit.dtype.type, 255)
    eight = np.round(unit * scale).astype(np.uint8)
    alpha = eight[..., 3].copy() if eight.shape[2] == 4 else None
    return replace(from_rgb(np.ascontiguousarray(eight[..., :3])), alpha=alpha)
