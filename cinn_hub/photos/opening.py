"""Opens files and bytes of known formats as Pillow images; each failure is one sentence."""

from __future__ import annotations

import io
import os
import warnings
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from cinn_hub.errors import PhotoError
from cinn_hub.files import local_path, reason_of
from cinn_hub.formats import HEAD, PHOTOS, format_of, format_of_content, other_kind
from cinn_hub.photos.photo import PhotoLike

READ = tuple(format.pillow for format in PHOTOS if format.head and format.name != "HEIC")
MOST_PAGES = 1000  # of one file
MOST_SCANS = 1000  # of a progressive JPEG, which has a dozen: 94 bytes can cost milliseconds
LARGEST_FILE = 2_000_000_000  # bytes: more than any photo that is not too large has
EXPECTED = "give a photo such as JPEG, PNG, TIFF, WebP or HEIC"

TIFF_HEADS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
PNG_HEAD, JPEG_HEAD = b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff"
PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"acTL", b"fcTL", b"fdAT", b"IDAT", b"IEND")
GAMMA = b"\0\0\0\4gAMA"  # how a whole gAMA chunk begins
SCAN, ADOBE = 0xDA, 0xEE  # the markers where pixels begin, and of how colours are stored
METADATA_MARKERS = (*range(0xE0, 0xF0), 0xFE)


def name_of(photo: PhotoLike) -> str:
    path = photo if isinstance(photo, str | os.PathLike) else getattr(photo, "name", None)
    path = path or getattr(photo, "filename", None)
    if not isinstance(path, str | os.PathLike):
        return "photo"
    # names on old disks need not be text, and must not stop what is written of them
    return os.path.basename(os.fsdecode(path)).encode("utf-8", "backslashreplace").decode()


def bytes_of(photo: PhotoLike) -> bytes:
    """What is in the file; of one that cannot go back to its beginning, what is left of it.

    Raises:
        PhotoError: it is not a path, bytes or a file, or it cannot be opened and read.
    """
    if isinstance(photo, bytes | bytearray | memoryview):
        return bytes(photo)
    if hasattr(photo, "read"):
        return bytes_of_file(photo)
    if not isinstance(photo, str | os.PathLike):
        raise PhotoError(
            f"The photo is of type {type(photo).__name__}; give a path, bytes, an open file, a PIL "
            "image or an array."
        )
    path = os.fspath(local_path(photo))
    try:
        with open(path, "rb") as file:
            if os.fstat(file.fileno()).st_size > LARGEST_FILE:
                raise PhotoError(
                    f"{path} has more than {LARGEST_FILE / 1e9:g} GB; shrink the photo."
                )
            return file.read()
    except FileNotFoundError as error:
        link = os.path.islink(path)
        text = "is a link to a file that is gone" if link else "does not exist; check the path"
        raise PhotoError(f"The photo {path} {text}.") from error
    except IsADirectoryError as error:
        raise PhotoError(f"{path} is a folder; {EXPECTED}.") from error
    except PermissionError as error:
        raise PhotoError(f"You may not read {path}; change its permissions.") from error
    except (OSError, ValueError) as error:
        raise PhotoError(f"{path!r} cannot be opened: {reason_of(error)}.") from error


def bytes_of_file(file: BinaryIO) -> bytes:
    try:
        if file.seekable():
            file.seek(0)
        data = file.read()
    except (OSError, ValueError, AttributeError) as error:
        raise PhotoError(f"The file cannot be read: {error}.") from error
    if not isinstance(data, bytes):
        raise PhotoError("The file was opened as text; open it with the mode 'rb'.")
    return data


def open_image(data: bytes, name: str, max_pixels: int, page: int = 0) -> Image.Image | None:
    """The image, not decoded yet; None for a TIFF of a kind that Pillow does not know.

    Raises:
        PhotoError: it is not a photo, has too many pixels, or too few pages.
    """
    if other := other_kind(data[:HEAD]):
        raise not_a_photo(name, *other)
    formats, format = READ, format_of_content(data[:HEAD])
    named = format_of(name, PHOTOS)
    if named and not named.head:  # what could be anything is what it is called
        formats = (*READ, named.pillow)
    if format and format.name == "HEIC":
        register_heif(name)
        formats = ("HEIF", "AVIF")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(io.BytesIO(data), formats=formats)
            check_size(image, name, max_pixels)
            check_scans(data, name)
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
        if data[:4] in TIFF_HEADS:
            return None
        if "HEIF" in formats:
            raise PhotoError(
                f"{name} is a HEIC photo that cannot be read; get the file again, or export it as "
                "JPEG."
            ) from error
        if isinstance(error, UnidentifiedImageError):
            raise PhotoError(f"{name} is not a picture that can be read; {EXPECTED}.") from error
        raise damaged(name, error) from error


def not_a_photo(name: str, kind: str, advice: str) -> PhotoError:
    return PhotoError(f"{name} is {'an' if kind[0] in 'aeiou' else 'a'} {kind}; {advice}.")


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


def check_scans(data: bytes, name: str) -> None:
    """Refuses a JPEG that is drawn over and over again."""
    if data.startswith(JPEG_HEAD) and data.count(bytes((0xFF, SCAN))) > MOST_SCANS:
        raise PhotoError(
            f"{name} is a JPEG of more than {MOST_SCANS} scans; save it as an ordinary one."
        )


def damaged(name: str, error: Exception) -> PhotoError:
    detail = " ".join(str(error).split())[:120] or type(error).__name__
    return PhotoError(f"{name} is damaged or incomplete ({detail}); get the file again.")


def deep_colors(data: bytes) -> np.ndarray | None:
    """RGB or RGBA (H, W, 3 or 4), uint16, of a PNG with 16 bits, of which Pillow keeps 8."""
    depth, kind = data[24:26]
    if depth == 16 and kind in (2, 4, 6):  # 2: colours, 4: alpha, 6: both
        try:
            values = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        except cv2.error as error:
            if error.code == cv2.Error.StsNoMem:  # then 8 bits of it would be worse than a sentence
                raise MemoryError from error
            return None
        if values is not None and values.dtype == np.uint16 and values.ndim == 3:
            return values[..., [2, 1, 0, 3][: values.shape[2]]]
    return None


def pages_of(image: Image.Image) -> int:
    """How many pictures the file has."""
    with suppress(Exception):
        if image.format == "TIFF":
            return pages_of_tiff(image)
        if image.format in ("GIF", "WEBP", "PNG", "AVIF"):
            return min(getattr(image, "n_frames", 1), MOST_PAGES)
    return 1


def pages_of_tiff(image: Image.Image) -> int:
    """Up to `MOST_PAGES`; Pillow looks for all, in a time that grows with their square."""
    here, count = image.tell(), 1
    with suppress(EOFError):
        while count < MOST_PAGES:
            image.seek(count)
            count += 1
    image.seek(here)
    return count


def without_metadata(data: bytes) -> bytes:
    """A PNG or JPEG with nothing but what says which its pixels are; other files as they are."""
    if data.startswith(PNG_HEAD):
        return b"".join(png_pixels(data))
    return b"".join(jpeg_pixels(data)) if data.startswith(JPEG_HEAD) else data


def png_pixels(data: bytes) -> Iterator[bytes]:
    yield PNG_HEAD
    place = len(PNG_HEAD)
    while place < len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] in PIXEL_CHUNKS or data.startswith(GAMMA, place):
            yield data[place:end]
        place = end


def jpeg_pixels(data: bytes) -> Iterator[bytes]:
    yield data[:2]
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != SCAN:
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        is_adobe = data[place + 1] == ADOBE and data.startswith(b"\0\x0eAdobe", place + 2)
        if data[place + 1] not in METADATA_MARKERS or is_adobe:
            yield data[place:end]
        place = end
    yield data[place:]
