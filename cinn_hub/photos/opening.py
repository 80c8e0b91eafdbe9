"""Opens files and bytes of known formats as Pillow images; each failure is one sentence."""

from __future__ import annotations

import io
import os
import warnings
from contextlib import suppress
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from cinn_hub.errors import PhotoError
from cinn_hub.photos.photo import PhotoLike
from cinn_hub.photos.strangers import stranger
from cinn_hub.photos.tiff import MOST_PAGES

FORMATS = ("JPEG", "PNG", "TIFF", "WEBP", "AVIF", "BMP", "GIF", "JPEG2000", "PPM", "PSD")
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
LARGEST_FILE = 2_000_000_000  # bytes: more than any photo that is not too large has
EXPECTED = "give a photo such as JPEG, PNG, TIFF, WebP or HEIC"


def name_of(photo: PhotoLike) -> str:
    path = photo if isinstance(photo, str | os.PathLike) else getattr(photo, "name", None)
    path = path or getattr(photo, "filename", None)
    if not isinstance(path, str | os.PathLike):
        return "photo"
    # names on old disks need not be text, and must not stop what is written of them
    return os.path.basename(os.fsdecode(path)).encode("utf-8", "backslashreplace").decode()


def open_source(photo: PhotoLike) -> BinaryIO:
    """The photo as a binary file.

    Raises:
        PhotoError: it is not a path, bytes or a file, or the path cannot be opened.
    """
    if isinstance(photo, bytes | bytearray | memoryview):
        return io.BytesIO(photo)
    if hasattr(photo, "read"):
        return seekable(photo)
    if not isinstance(photo, str | os.PathLike):
        raise PhotoError(
            f"The photo is of type {type(photo).__name__}; give a path, bytes, an open file, a PIL "
            "image or an array."
        )
    path = os.fspath(photo)
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > LARGEST_FILE:
                raise PhotoError(
                    f"{path} has more than {LARGEST_FILE / 1e9:g} GB; shrink the photo."
                )
            return io.BytesIO(file.read())
    except FileNotFoundError as error:
        link = os.path.islink(path)
        text = "is a link to a file that is gone" if link else "does not exist; check the path"
        raise PhotoError(f"The photo {path} {text}.") from error
    except IsADirectoryError as error:
        raise PhotoError(f"{path} is a folder; {EXPECTED}.") from error
    except PermissionError as error:
        raise PhotoError(f"You may not read {path}; change its permissions.") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise PhotoError(f"{path!r} cannot be opened: {reason}.") from error


def seekable(file: BinaryIO) -> BinaryIO:
    """The file at its beginning; or, if it cannot go back, what is left of it."""
    try:
        if file.seekable():
            file.seek(0)
            if isinstance(file.read(0), bytes):
                return file
        data = file.read()
    except (OSError, ValueError, AttributeError) as error:
        raise PhotoError(f"The file cannot be read: {error}.") from error
    if not isinstance(data, bytes):
        raise PhotoError("The file was opened as text; open it with the mode 'rb'.")
    return io.BytesIO(data)


def open_image(source: BinaryIO, name: str, max_pixels: int, page: int = 0) -> Image.Image | None:
    """The image, not decoded yet; None for a TIFF of a kind that Pillow does not know.

    Raises:
        PhotoError: it is not a photo, has too many pixels, or too few pages.
    """
    head = source.read(16)
    source.seek(0)
    formats = FORMATS
    if head[4:8] == b"ftyp" and head[8:12] in HEIF_BRANDS:
        register_heif(name)
        formats = ("HEIF", "AVIF")
    elif text := stranger(head):
        raise PhotoError(f"{name} {text}.")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(source, formats=formats)
            check_size(image, name, max_pixels)
            if page:
                image.seek(page)
            return image
    except PhotoError:
        raise
    except Image.DecompressionBombError as error:
        limit = min(max_pixels, 2 * Image.MAX_IMAGE_PIXELS) / 1e6  # Pillow has one of its own
        raise PhotoError(f"{name} has more than {limit:.0f} megapixels; shrink it.") from error
    except EOFError as error:
        raise PhotoError(f"{name} has no page {page + 1}; choose an earlier one.") from error
    except Exception as error:  # Pillow raises errors of many kinds on damaged files
        if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
            return None
        if "HEIF" in formats:
            raise PhotoError(
                f"{name} is a HEIC photo that cannot be read; get the file again, or export it as "
                "JPEG."
            ) from error
        if isinstance(error, UnidentifiedImageError):
            raise PhotoError(f"{name} is not a picture that can be read; {EXPECTED}.") from error
        raise damaged(name, error) from error


def register_heif(name: str) -> None:
    """Lets Pillow read HEIC."""
    try:
        import pillow_heif
    except ImportError as error:
        raise PhotoError(
            f"{name} is a HEIC photo; to read it, pip install pillow-heif, or export it as JPEG."
        ) from error
    pillow_heif.register_heif_opener()


def check_size(image: Image.Image, name: str, max_pixels: int) -> None:
    pixels = image.width * image.height
    if pixels > max_pixels:
        raise PhotoError(
            f"{name} has {pixels / 1e6:.0f} megapixels; shrink it to at most "
            f"{max_pixels / 1e6:.0f}."
        )


def damaged(name: str, error: Exception) -> PhotoError:
    detail = " ".join(str(error).split())[:120] or type(error).__name__
    return PhotoError(f"{name} is damaged or incomplete ({detail}); get the file again.")


def deep_colors(source: BinaryIO) -> np.ndarray | None:
    """RGB or RGBA (H, W, 3 or 4), uint16, of a PNG with 16 bits, of which Pillow keeps 8."""
    place = source.tell()  # where Pillow goes on
    source.seek(0)
    head = source.read(26)
    depth, kind = head[24:]
    if depth != 16 or kind not in (2, 4, 6):  # 2: colours, 4: alpha, 6: both
        source.seek(place)
        return None
    data = np.frombuffer(head + source.read(), np.uint8)
    source.seek(place)
    with suppress(cv2.error):
        values = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
        if values is not None and values.dtype == np.uint16 and values.ndim == 3:
            return values[..., [2, 1, 0, 3][: values.shape[2]]]
    return None


def pages_of(image: Image.Image) -> int:
    """How many pictures the file has."""
    with suppress(Exception), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if image.format in ("TIFF", "GIF", "WEBP", "PNG", "AVIF"):
            return min(getattr(image, "n_frames", 1), MOST_PAGES)
    return 1
