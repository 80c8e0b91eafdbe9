"""What Pillow cannot read of TIFFs: scales of samples, rare kinds, previews that come first."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import numpy as np
import tifffile
from PIL import Image

from cinn_hub.errors import PhotoError
from cinn_hub.photos.metadata import Metadata, clean_dpi, clean_iptc, clean_xmp, exif_of_tiff

BITS, PHOTOMETRIC, PLANAR, SUBFILE = 258, 262, 284, 254
MAX_SAMPLE, FLOAT_MAX, SAMPLE_FORMAT, DNG_VERSION = 281, 341, 339, 50706
ACROSS, DOWN, UNIT, ORIENTATION, XMP, IPTC = 282, 283, 296, 274, 700, 33723
INCHES = {2: 1.0, 3: 2.54}  # times dots a unit are dots an inch
WHITE_IS_ZERO, LAB, RAW = 0, 8, (32803, 34892)
SIGNED, FLOAT = 2, 3
MOST_PAGES = 1000
logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what is wrong is raised, too


@dataclass(frozen=True)
class Samples:
    """What a file declares of its samples, and so the scale of its greys."""

    bits: int = 16
    kind: int = 1  # 1: unsigned, 2: signed, 3: floats
    white_is_zero: bool = False
    most: float | None = None  # the sample that is white, where that is declared

    def unit(self, values: np.ndarray, name: str) -> np.ndarray:
        """The values as float32 in [0, 1], 1 for white.

        Raises:
            PhotoError: they are not numbers, or floats without a declared scale.
        """
        if self.kind == FLOAT:
            values = values.astype(np.float32)
            if not np.isfinite(values).all():
                raise PhotoError(f"{name} has pixels that are not numbers; get the file again.")
            if self.most is None and values.size and np.median(values) > 1:
                raise PhotoError(
                    f"{name} has floats above 1 and does not say which value is white; scale them "
                    "to [0, 1]."
                )
            unit = values / (self.most or 1)
        elif self.kind == SIGNED:
            unit = values.astype(np.float64) / (self.most or 2 ** (self.bits - 1) - 1)
        else:
            if values.dtype == np.int32:  # Pillow's mode I, which has no unsigned values
                values = values.view(np.uint32)
            unit = values.astype(np.float64) / (self.most or 2**self.bits - 1)
        unit = unit.clip(0, 1).astype(np.float32)
        return 1 - unit if self.white_is_zero else unit


def samples_of(tags: dict) -> Samples:
    """tags: number -> value, of Pillow or of tifffile."""
    bits = first(tags.get(BITS), 1)
    kind = first(tags.get(SAMPLE_FORMAT), 1)
    declared = first(tags.get(FLOAT_MAX if kind == FLOAT else MAX_SAMPLE), None)
    room = 2**bits - 1 if kind != FLOAT else np.inf
    sensible = isinstance(declared, int | float) and 0 < declared <= room
    white_is_zero = first(tags.get(PHOTOMETRIC), 1) == WHITE_IS_ZERO
    return Samples(bits, kind, white_is_zero, float(declared) if sensible else None)


def first(value: object, default: object) -> object:
    if isinstance(value, tuple | list | np.ndarray):
        value = value[0] if len(value) else default
    return default if value is None else value


@dataclass(frozen=True)
class Page:
    """A picture of a TIFF that tifffile has read: (H, W, C) in [0, 1], or Lab.

    orientation: how the camera was held, 1 to 8; pages: how many the file has.
    """

    values: np.ndarray
    is_lab: bool = False
    has_alpha: bool = False
    profile: bytes | None = None
    orientation: int = 1
    metadata: Metadata = field(default_factory=Metadata)
    pages: int = 1


def read_page(source: BinaryIO, name: str, index: int, max_pixels: int) -> Page:
    """A page that Pillow cannot read.

    Raises:
        PhotoError: its kind cannot be read, or it is damaged.
    """
    source.seek(0)
    try:
        with tifffile.TiffFile(source) as file:
            page = full_picture(file, index)
            if page.imagewidth * page.imagelength > max_pixels:
                raise PhotoError(
                    f"{name} has more than {max_pixels / 1e6:.0f} megapixels; shrink it."
                )
            tags = tags_of(file.pages[0]) | tags_of(page)
            turned = first(tags.get(ORIENTATION), 1)
            return replace(
                as_page(page, name),
                orientation=int(turned) if turned in range(1, 9) else 1,
                metadata=metadata_of_tags(tags, source),
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


def full_picture(file: tifffile.TiffFile, index: int) -> tifffile.TiffPage:
    """The page; where the first one is a preview, the largest picture that is not."""
    page = file.pages[index]
    if index or not page.subfiletype & 1:
        return page
    others = [*file.pages[1:], *(sub for sub in page.pages or ())]
    return max(
        (other for other in others if not getattr(other, "subfiletype", 1) & 1),
        key=lambda other: other.imagewidth * other.imagelength,
        default=page,
    )


def tags_of(page: tifffile.TiffPage) -> dict[int, object]:
    return {tag.code: tag.value for tag in page.tags}


def metadata_of_tags(tags: dict[int, object], source: BinaryIO) -> Metadata:
    """What a TIFF says of its photo: these tags, and the directories of EXIF in the file."""
    scale = INCHES.get(int(first(tags.get(UNIT), 2)), 0.0)
    dots = [as_number(tags.get(tag)) * scale for tag in (ACROSS, DOWN)]
    iptc = tags.get(IPTC)
    if isinstance(iptc, tuple):
        iptc = np.array(iptc, ">u4" if max(iptc, default=0) > 255 else np.uint8).tobytes()
    exif, xmp = exif_of_tiff(source), clean_xmp(tags.get(XMP))
    return Metadata(exif, xmp, clean_iptc(iptc), clean_dpi(dots))


def as_number(ratio: object) -> float:
    """A resolution, which TIFFs store as two whole numbers; 0 where it is not one."""
    two = isinstance(ratio, tuple) and len(ratio) == 2 and ratio[1]
    return ratio[0] / ratio[1] if two else 0.0


def as_page(page: tifffile.TiffPage, name: str) -> Page:
    if page.photometric in RAW:
        raise raw_error(name)
    samples = samples_of(tags_of(page))
    values = page.asarray() if page.dtype and not is_odd(samples.bits) else unpacked(page)
    if page.planarconfig == 2 and values.ndim == 3:
        values = np.moveaxis(values, 0, -1)
    values = values[..., None] if values.ndim == 2 else values
    if values.ndim != 3 or values.shape[2] > 5:
        raise ValueError(f"its shape is {values.shape}")
    if page.photometric == LAB:
        return Page(lab_of(values), is_lab=True)
    alpha = bool(page.extrasamples)
    unit = samples.unit(values, name)
    if samples.white_is_zero and alpha:
        unit[..., -1] = 1 - unit[..., -1]
    if page.photometric == 5:  # CMYK, without a profile
        unit = (1 - unit[..., :3]) * (1 - unit[..., 3:4])
        alpha = False
    return Page(unit, has_alpha=alpha, profile=page.iccprofile)


def is_odd(bits: int) -> bool:
    """Whether samples of so many bits lie packed, not in whole bytes."""
    return bits not in (1, 8, 16, 32, 64)


def unpacked(page: tifffile.TiffPage) -> np.ndarray:
    """Samples of 2 to 31 bits that lie one behind the other; each row begins at a byte."""
    samples, bits = page.samplesperpixel, page.bitspersample
    if page.is_tiled or page.planarconfig != 1 or page.predictor != 1:
        raise ValueError(f"{bits} bits in tiles, planes or differences")
    decompress = decompressor(page.compression)
    handle = page.parent.filehandle
    data = b""
    for start, count in zip(page.dataoffsets, page.databytecounts, strict=True):
        handle.seek(start)
        data += decompress(handle.read(count))
    stride = (page.imagewidth * samples * bits + 7) // 8
    rows = np.frombuffer(data[: stride * page.imagelength], np.uint8).reshape(-1, stride)
    if len(rows) < page.imagelength:
        raise ValueError("its end is missing")
    flat = np.unpackbits(rows, axis=1)[:, : page.imagewidth * samples * bits]
    weights = (1 << np.arange(bits - 1, -1, -1)).astype(np.float32)
    shape = (page.imagelength, page.imagewidth, samples, bits)
    return (flat.reshape(shape) @ weights).astype(np.uint32)


def decompressor(compression: int) -> Callable[[bytes], bytes]:
    if compression == 1:
        return lambda part: part
    try:
        return tifffile.TIFF.DECOMPRESSORS[compression]
    except KeyError as error:
        raise ValueError(f"its compression needs pip install imagecodecs: {error}") from error


def lab_of(values: np.ndarray) -> np.ndarray:
    """CIE L*a*b* as TIFF 6.0 stores it, in 8 or 16 bits a sample: a and b are signed."""
    if values.dtype == np.uint16:
        return lab_from(values[..., 0] * (100 / 65535), values[..., 1:3].view(np.int16) / 256)
    return lab_from(values[..., 0] * (100 / 255), values[..., 1:3].astype(np.uint8).view(np.int8))


def lab_from(lightness: np.ndarray, ab: np.ndarray) -> np.ndarray:
    return np.dstack([lightness, ab]).astype(np.float32)


def raw_error(name: str) -> PhotoError:
    return PhotoError(
        f"{name} holds the raw data of a camera and a preview; develop it to a TIFF or JPEG first."
    )


def is_preview(image: Image.Image) -> bool:
    """Whether Pillow's first picture of a TIFF is a preview of another one."""
    return bool(first(image.tag_v2.get(SUBFILE), 0) & 1)


def is_misread(image: Image.Image) -> bool:
    """Whether Pillow takes samples of more than 8 bits for such of 8: in planes, and of Lab."""
    tags = image.tag_v2
    deep = first(tags.get(BITS), 1) > 8
    return deep and (first(tags.get(PLANAR), 1) == 2 or first(tags.get(PHOTOMETRIC), 1) == LAB)


def is_raw(image: Image.Image) -> bool:
    """Whether a TIFF that Pillow has opened is a camera's raw file."""
    tags = image.tag_v2
    return DNG_VERSION in tags or first(tags.get(PHOTOMETRIC), 1) in RAW
