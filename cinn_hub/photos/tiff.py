"""What Pillow cannot read of TIFFs: scales of samples, rare kinds, previews that come first."""

from __future__ import annotations

import io
import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

from cinn_hub.errors import PhotoError
from cinn_hub.formats import RAW
from cinn_hub.photos.opening import MOST_PAGES, not_a_photo
from cinn_hub.photos.photo import FLOAT, MULTIPLIED, SIGNED, STRAIGHT, UNSIGNED, Scale, Stored

# Tags, and values of PHOTOMETRIC
SUBFILE, BITS, PHOTOMETRIC, ORIENTATION, MAX_SAMPLE, PLANAR = 254, 258, 262, 274, 281, 284
SAMPLE_FORMAT, FLOAT_MAX, DNG_VERSION = 339, 341, 50706
LARGEST_PREVIEW = 512  # pixels on its longer side; who marks a larger picture as one is wrong
WHITE_IS_ZERO, RGB, PALETTE, LAB, ICC_LAB, RAWS = 0, 2, 3, 8, 9, (32803, 34892)
COLORS = {0: 1, 1: 1, RGB: 3, PALETTE: 1, 5: 4, LAB: 3, ICC_LAB: 3}  # samples of these kinds
Lookup = Callable[[int, object], object]  # the value of a tag, or what is given instead
logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what is wrong is raised, too


def scale_of(tag: Lookup) -> Scale:
    """What the tags of a TIFF, as Pillow or tifffile reads them, declare of its samples."""
    bits, kind = first(tag(BITS, 1)), first(tag(SAMPLE_FORMAT, UNSIGNED))
    declared = first(tag(FLOAT_MAX if kind == FLOAT else MAX_SAMPLE, None), None)
    room = 2**bits - 1 if kind != FLOAT else np.inf
    sensible = isinstance(declared, int | float) and 0 < declared <= room
    white_is_zero = first(tag(PHOTOMETRIC, 1)) == WHITE_IS_ZERO
    return Scale(bits, kind, white_is_zero, float(declared) if sensible else None)


def first(value: object, default: object = 1) -> object:
    if isinstance(value, tuple | list | np.ndarray):
        value = value[0] if len(value) else None
    return default if value is None else value


def read_page(data: bytes, name: str, index: int, max_pixels: int) -> Stored:
    """A page that Pillow cannot read.

    Raises:
        PhotoError: its kind cannot be read, or it is damaged.
    """
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page = full_picture(file, name, index)
            if page.imagewidth * page.imagelength > max_pixels:
                raise PhotoError(
                    f"{name} has more than {max_pixels / 1e6:.0f} megapixels; shrink it."
                )
            stored = as_stored(page)
            stored.check(name)
            held = page.tags.valueof(ORIENTATION, file.pages[0].tags.valueof(ORIENTATION, 1))
            return replace(
                stored,
                orientation=held if held in range(1, 9) else 1,
                pages=min(len(file.pages), MOST_PAGES) if page is file.pages[index] else 1,
            )
    except PhotoError:
        raise
    except MemoryError as error:
        raise PhotoError(f"{name} is too large for this machine's memory; shrink it.") from error
    except Exception as error:  # tifffile raises errors of many kinds on damaged files
        detail = " ".join(str(error).split())[:120]
        raise PhotoError(
            f"{name} is a TIFF that cannot be read ({detail}); save it as an 8 or 16-bit TIFF "
            "without compression, or get the file again."
        ) from error


def full_picture(file: tifffile.TiffFile, name: str, index: int) -> tifffile.TiffPage:
    """The page; where the first one is a preview, the largest picture that is not.

    Raises:
        PhotoError: there is a preview alone, or the raw data of a camera.
    """
    page = file.pages[index]
    if not index and page.subfiletype & 1:
        others = [*file.pages[1:], *(sub for sub in page.pages or ())]
        page = max(
            (other for other in others if not getattr(other, "subfiletype", 1) & 1),
            key=lambda other: other.imagewidth * other.imagelength,
            default=page,
        )
    if DNG_VERSION in file.pages[0].tags or page.photometric in RAWS:
        raise not_a_photo(name, *RAW)
    size = page.imagewidth, page.imagelength
    if not index and page.subfiletype & 1 and max(size) <= LARGEST_PREVIEW:
        kind = "TIFF with a preview of {} x {} pixels alone".format(*size)
        raise not_a_photo(name, kind, "get the file that holds the photo")
    return page


def holds_photo(path: Path) -> bool:
    """Whether a TIFF, whatever it is called, has more than a preview or a camera's raw data."""
    try:
        with tifffile.TiffFile(path) as file:
            full_picture(file, path.name, 0)
    except PhotoError:
        return False
    except Exception:  # what is damaged gets a sentence when it is read
        return True
    return True


def as_stored(page: tifffile.TiffPage) -> Stored:
    scale = scale_of(page.tags.valueof)
    packed = not page.dtype or scale.bits not in (1, 8, 16, 32, 64)
    values = unpacked(page) if packed else page.asarray()
    if page.planarconfig == 2 and values.ndim == 3:
        values = np.moveaxis(values, 0, -1)
    values = values[..., None] if values.ndim == 2 else values
    if page.photometric not in COLORS:
        raise ValueError(f"its colours are of the kind {page.photometric}")
    colors = COLORS[page.photometric]
    if values.ndim != 3 or 0 in values.shape or values.shape[2] < colors:
        raise ValueError(f"its shape is {values.shape}")
    if np.iscomplexobj(values):
        raise ValueError("its samples are complex numbers")
    if page.photometric in (LAB, ICC_LAB):
        return Stored(lab_of(values, page.photometric == ICC_LAB), None)
    info = {"icc_profile": page.iccprofile}
    if page.photometric == PALETTE:
        table = np.reshape(page.colormap, (3, -1)).T
        return Stored(table[values[..., 0]], Scale(16), info=info)
    extra = first(page.extrasamples, 0) if values.shape[2] > colors else 0
    return Stored(values, scale, colors, extra if extra in (MULTIPLIED, STRAIGHT) else 0, info)


def unpacked(page: tifffile.TiffPage) -> np.ndarray:
    """Samples of 2 to 31 bits that lie one behind the other; each row begins at a byte."""
    samples, bits = page.samplesperpixel, page.bitspersample
    if page.is_tiled or page.planarconfig != 1 or page.predictor != 1:
        raise ValueError(f"{bits} bits in tiles, planes or differences")
    file, data = page.parent.filehandle, b""
    decompress = bytes if page.compression == 1 else tifffile.TIFF.DECOMPRESSORS[page.compression]
    for start, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        file.seek(start)
        data += decompress(file.read(count))
    stride = (page.imagewidth * samples * bits + 7) // 8
    rows = np.frombuffer(data[: stride * page.imagelength], np.uint8).reshape(-1, stride)
    if len(rows) < page.imagelength:
        raise ValueError("its end is missing")
    flat = np.unpackbits(rows, axis=1)[:, : page.imagewidth * samples * bits]
    weights = (1 << np.arange(bits - 1, -1, -1)).astype(np.float32)
    shape = (page.imagelength, page.imagewidth, samples, bits)
    return (flat.reshape(shape) @ weights).astype(np.uint32)


def lab_of(values: np.ndarray, of_icc: bool = False) -> np.ndarray:
    """CIE L*a*b* as TIFF 6.0 stores it, in 8 or 16 bits a sample: a and b are signed.

    of_icc: as profiles store it: a and b have an offset, and L of 16 bits ends at 0xFF00.
    """
    if values.dtype.kind not in "iu" or values.itemsize > 2:
        raise ValueError(f"its Lab is stored as {values.dtype}")
    values = values.view(f"u{values.itemsize}")
    steps, middle = (256, 2**15) if values.itemsize == 2 else (1, 2**7)
    white = 0xFF00 if of_icc and steps > 1 else 256 * steps - 1
    ab = values[..., 1:3].astype(np.int32)
    ab = ab - middle if of_icc else (ab + middle) % (2 * middle) - middle
    return np.dstack([values[..., 0] * (100 / white), ab / steps]).astype(np.float32)


def is_misread(image: Image.Image, page: int) -> bool:
    """Whether Pillow takes samples for others: deep ones in planes or of Lab, and signed bytes.

    Or the file is a camera's raw one, or this page, the first, is a preview of another one.
    """
    tag = image.tag_v2.get
    bits, kind, colors = (first(tag(t, 1)) for t in (BITS, SAMPLE_FORMAT, PHOTOMETRIC))
    preview = page == 0 and first(tag(SUBFILE, 0), 0) & 1
    if preview or DNG_VERSION in image.tag_v2 or colors in RAWS:
        return True
    if bits <= 8:
        return kind == SIGNED and colors not in (LAB, ICC_LAB)
    return first(tag(PLANAR, 1)) == 2 or colors == LAB


def is_cut(image: Image.Image) -> bool:
    """Whether Pillow gives 8 bits of colours that have more."""
    tag = image.tag_v2.get
    return first(tag(BITS, 1)) > 8 and first(tag(PHOTOMETRIC, 1)) == RGB
