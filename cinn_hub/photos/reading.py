"""Reads photos from files, bytes, Pillow images and arrays."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

import numpy as np
from PIL import Image, ImageCms

from cinn_hub import color
from cinn_hub.errors import PhotoError
from cinn_hub.photos import tiff
from cinn_hub.photos.metadata import exif_of, metadata_of, metadata_of_tiff, orientation
from cinn_hub.photos.opening import (
    bytes_of,
    check_size,
    damaged,
    deep_colors,
    name_of,
    open_image,
    pages_of,
    without_metadata,
)
from cinn_hub.photos.photo import FLOAT, STRAIGHT, Photo, PhotoLike, Scale, Stored
from cinn_hub.photos.profiles import SRGB, Curve, applied, color_coding, grey_coding, grey_curve

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
        found = from_file(bytes_of(photo), name_of(photo), max_pixels, page)
    width, height = found.size
    if min(width, height) < LEAST_SIDE:
        raise PhotoError(
            f"{found.name} is {width} x {height} pixels; "
            f"it must have at least {LEAST_SIDE} on each side."
        )
    return found


def from_file(data: bytes, name: str, max_pixels: int, page: int) -> Photo:
    try:
        return from_whole_file(data, name, max_pixels, page)
    except MemoryError as error:
        raise PhotoError(f"{name} is too large for this machine's memory; shrink it.") from error
    except PhotoError as error:
        pixels = without_metadata(data)
        if pixels == data or isinstance(error.__cause__, MemoryError):
            raise
    return from_whole_file(pixels, name, max_pixels, page)


def from_whole_file(data: bytes, name: str, max_pixels: int, page: int) -> Photo:
    image = open_image(data, name, max_pixels, page)
    if image is not None and image.format == "PNG":
        values = deep_colors(data)
        if values is not None and "transparency" not in image.info:
            alpha = STRAIGHT if values.shape[2] == 4 else 0
            return from_image(image, name, Stored(values, Scale(16), 3, alpha, image.info))
    if image is None or (image.format == "TIFF" and tiff.is_misread(image, page)):
        return from_page(data, image, name, max_pixels, page)
    if image.format == "TIFF" and tiff.is_cut(image):
        with suppress(PhotoError):  # of a compression that tifffile does not know
            return from_page(data, image, name, max_pixels, page)
    return from_image(image, name)


def from_page(
    data: bytes, image: Image.Image | None, name: str, max_pixels: int, page: int
) -> Photo:
    """A page of a TIFF, read by tifffile; image: the same, if Pillow could open it."""
    stored = tiff.read_page(data, name, page, max_pixels)
    metadata = metadata_of(image) if image else metadata_of_tiff(exif_of(data))
    photo = replace(from_stored(stored), name=name, metadata=metadata, pages=stored.pages)
    return upright(photo, stored.orientation, stored.orientation)


def from_image(image: Image.Image, name: str, stored: Stored | None = None) -> Photo:
    """A Pillow image as a `Photo`; the image stays as it is.

    stored: the same picture, where Pillow has only 8 bits of it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # both before Pillow looks for more pages, and takes their tags for those of the first
            scale = scale_of(image) if image.mode in DEEP_GREYS else None
            held = orientation(exif_of(image))
            pages = pages_of(image)
            image.load()  # turns TIFFs upright, but not their resolution
            turned = orientation(exif_of(image))
            photo = from_stored(stored) if stored else from_pixels(image, name, scale)
            photo = replace(photo, name=name, metadata=metadata_of(image), pages=pages)
    except PhotoError:
        raise
    except MemoryError as error:
        raise PhotoError(f"{name} is too large for this machine's memory; shrink it.") from error
    except Exception as error:  # Pillow raises errors of many kinds on damaged files
        raise damaged(name, error) from error
    return upright(photo, turned, held)


def from_pixels(image: Image.Image, name: str, scale: Scale | None) -> Photo:
    """scale: of greys that Pillow gives as they are stored."""
    if image.mode == "LAB":
        return from_lab(tiff.lab_of(np.asarray(image)))
    if scale is not None:
        greys, key = np.asarray(image), image.info.get("transparency")
        stored = Stored(greys[..., None], scale, 1, info=image.info)
        stored.check(name)
        alpha = np.uint8(255) * (greys != key) if isinstance(key, int) else None
        return replace(from_stored(stored), alpha=alpha)
    profile, alpha = image.info.get("icc_profile"), None
    if {"A", "a"} & {*image.getbands()} or "transparency" in image.info:
        image = image.convert("RGBA")
        alpha = np.asarray(image.getchannel("A"))
    rgb = to_rgb(image, profile)
    if is_grey(rgb):
        photo = from_grey(rgb[..., 0], image.info)
    elif not profile and (curve := grey_coding(image.info)):
        photo = from_rgb(eight_bits(applied(curve, rgb)))
    else:
        photo = from_rgb(rgb)
    return replace(photo, alpha=alpha, has_profile=bool(profile))


def scale_of(image: Image.Image) -> Scale:
    if image.format == "TIFF":
        return tiff.scale_of(image.tag_v2.get)
    if image.mode == "F":
        return Scale(32, FLOAT)
    if image.mode == "I" and image.format is None:  # Pillow has 8 or 16 bits in this mode
        return Scale(8 if image.getextrema()[1] <= 255 else 16)
    return Scale(16)


def from_stored(stored: Stored) -> Photo:
    """Of colours, the lightness keeps all that the file declares."""
    if stored.scale is None:
        return from_lab(stored.values)
    size, info = stored.values.shape[:2], stored.info
    strips = color.strips(size)
    if all(is_grey(stored.unit(rows)) for rows in strips):
        grey = np.concatenate([stored.unit(rows)[..., 0] for rows in strips])
        photo = from_grey(grey, info)
    else:
        to_srgb = deep_coding(info)
        rgb, lightness = np.empty((*size, 3), np.uint8), np.empty(size, np.float32)
        for rows in strips:
            part = to_srgb(stored.unit(rows))
            rgb[rows], lightness[rows] = eight_bits(part), color.to_lab(part)[..., 0]
        photo = Photo(lightness, rgb)
    alpha = eight_bits(stored.opacity(slice(None))) if stored.alpha else None
    return replace(photo, alpha=alpha, has_profile=bool(info.get("icc_profile")))


def deep_coding(info: Mapping[str, object]) -> Curve:
    """Stored colours in [0, 1] to sRGB-coded ones; with 8 bits where a profile has tables."""
    profile = info.get("icc_profile")
    if not profile:
        return grey_coding(info) or (lambda values: values)

    def by_tables(values: np.ndarray) -> np.ndarray:
        return to_rgb(Image.fromarray(eight_bits(values)), profile) / np.float32(255)

    return color_coding(profile) or by_tables


def from_grey(grey: np.ndarray, info: Mapping[str, object]) -> Photo:
    """Greys of uint8 or in [0, 1], with the curve that the file declares."""
    return Photo(color.lightness_of_grey(applied(grey_coding(info), grey)))


def from_rgb(rgb: np.ndarray) -> Photo:
    lightness = np.empty(rgb.shape[:2], np.float32)
    for rows in color.strips(rgb.shape):
        lightness[rows] = color.to_lab(rgb[rows])[..., 0]
    return Photo(lightness, rgb)


def from_lab(lab: np.ndarray) -> Photo:
    return Photo(lab[..., 0].copy(), color.to_rgb(lab) if lab[..., 1:].any() else None)


def is_grey(colors: np.ndarray) -> bool:
    return all(np.array_equal(colors[..., 0], colors[..., i]) for i in range(1, colors.shape[-1]))


def eight_bits(unit: np.ndarray) -> np.ndarray:
    return np.round(unit.clip(0, 1) * 255).astype(np.uint8)


def to_rgb(image: Image.Image, profile: bytes | None) -> np.ndarray:
    """(H, W, 3) uint8 in sRGB; a profile of another kind of picture is left out.

    Greys stay as they are stored: their curve is applied later, without loss.
    """
    source = image if image.mode in ("RGB", "CMYK") else image.convert("RGB")
    rgb = np.asarray(source if source.mode == "RGB" else source.convert("RGB"))
    if profile and not (is_grey(rgb) and grey_curve(profile)):
        with suppress(ImageCms.PyCMSError, OSError, ValueError):
            profile = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            return np.asarray(ImageCms.profileToProfile(source, profile, SRGB, outputMode="RGB"))
    return rgb


def upright(photo: Photo, turned: int, held: int) -> Photo:
    """The photo as it is seen: its pixels are `turned`, its resolution `held`, as EXIF says it."""

    def turn(array: np.ndarray | None) -> np.ndarray | None:
        if array is None or turned == 1:
            return array
        array = array.swapaxes(0, 1) if turned >= 5 else array
        down = -1 if turned in (3, 4, 7, 8) else 1
        across = -1 if turned in (2, 3, 6, 7) else 1
        return np.ascontiguousarray(array[::down, ::across])

    lightness, rgb, alpha = turn(photo.lightness), turn(photo.rgb), turn(photo.alpha)
    dpi = photo.metadata.dpi
    metadata = replace(photo.metadata, dpi=dpi[::-1] if dpi and held >= 5 else dpi)
    return replace(photo, lightness=lightness, rgb=rgb, alpha=alpha, metadata=metadata)


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
    if array.dtype == np.uint8:
        return from_image(Image.fromarray(array), "photo")
    scale = Scale(16)
    if np.issubdtype(array.dtype, np.floating):
        scale = Scale(32, FLOAT)
        if not (np.isfinite(array).all() and array.min() >= 0 and array.max() <= 1):
            raise PhotoError(
                "The array has floats outside of [0, 1]; scale them (8-bit values: divide by 255)."
            )
    elif array.dtype != np.uint16:
        raise PhotoError(
            f"The array holds {array.dtype}; it must hold uint8, uint16 or floats in [0, 1]."
        )
    values = np.atleast_3d(array)
    channels = values.shape[2]
    return from_stored(Stored(values, scale, min(channels, 3), STRAIGHT * (channels == 4)))
