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
from cinn_hub.photos.opening import MOST_PAGES
from cinn_hub.photos.opening import RAW as RAW_DATA

BITS, PHOTOMETRIC, PLANAR, SUBFILE = 258, 262, 284, 254
MAX_SAMPLE, FLOAT_MAX, SAMPLE_FORMAT, DNG_VERSION = 281, 341, 339, 50706
ACROSS, DOWN, UNIT, ORIENTATION, XMP, IPTC = 282, 283, 296, 274, 700, 33723
INCHES = {2: 1.0, 3: 2.54}  # times dots a unit are dots an inch
WHITE_IS_ZERO, RGB, PALETTE, RAW = 0, 2, 3, (32803, 34892)
LABS = LAB, ICC_LAB = 8, 9
COLORS = {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 8: 3, 9: 3}  # samples of the kinds of PHOTOMETRIC
ALPHAS = MULTIPLIED, _ = 1, 2  # of EXTRA_SAMPLES: colours are multiplied by it, or not
UNSIGNED, SIGNED, FLOAT = 1, 2, 3
logging.getLogger("tifffile").setLevel(logging.CRITICAL)  # what is wrong is raised, too


@dataclass(frozen=True)
class Samples:
    """What a file declares of its samples, and so the scale of its greys."""

    bits: int = 16
    kind: int = UNSIGNED
    white_is_zero: bool = False
    most: float | None = None  # the sample that is white, where that is declared

    def check(self, values: np.ndarray, name: str) -> None:
        """Looks at all samples of a picture.

        Raises:
            PhotoError: they are not numbers, or floats without a declared scale.
        """
        if self.kind != FLOAT:
            return
        if not np.isfinite(values).all():
            raise PhotoError(f"{name} has pixels that are not numbers; get the file again.")
        if self.most is None and values.size and np.median(values) > 1:
            raise PhotoError(
                f"{name} has floats above 1 and does not say which value is white; scale them to "
                "[0, 1]."
            )

    def unit(self, values: np.ndarray) -> np.ndarray:
        """The values as float32 in [0, 1], 1 for white."""
        whites = {FLOAT: 1, SIGNED: 2 ** (self.bits - 1) - 1}
        white = self.most or whites.get(self.kind, 2**self.bits - 1)
        if values.dtype == np.int32 and self.kind == UNSIGNED:
            values = values.view(np.uint32)  # Pillow's mode I, which has no unsigned values
        unit = (values.astype(np.float32) / np.float32(white)).clip(0, 1)
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
    """A picture of a TIFF that tifffile has read.

    Attributes:
        values: (H, W, C) as they are stored: C is 1 for grey, 3 for RGB, 4 for CMYK, and more where
            other samples, such as alpha, follow; or Lab, float32.
        samples: their scale; None for Lab.
        colors: how many of C are colours.
        alpha_kind: EXTRA_SAMPLES of the next one; 0 where it is not alpha.
        orientation: how the camera was held, 1 to 8.
        pages: how many the file has.
    """

    values: np.ndarray
    samples: Samples | None = None
    colors: int = 3
    alpha_kind: int = 0
    profile: bytes | None = None
    orientation: int = 1
    metadata: Metadata = field(default_factory=Metadata)
    pages: int = 1

    def unit(self, rows: slice) -> np.ndarray:
        """These rows in [0, 1]: grey (rows, W, 1) or RGB (rows, W, 3), coded as they are stored."""
        unit = self.samples.unit(self.values[rows, :, : self.colors])
        if self.colors == 4:  # CMYK, without its profile
            return (1 - unit[..., :3]) * (1 - unit[..., 3:])
        if self.alpha_kind == MULTIPLIED:
            unit = (unit / self.alpha(rows)[..., None].clip(1e-3)).clip(0, 1)
        return unit

    def alpha(self, rows: slice) -> np.ndarray:
        """(rows, W) in [0, 1], where there is an `alpha_kind`."""
        return replace(self.samples, white_is_zero=False).unit(self.values[rows, :, self.colors])


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
    if page.photometric not in COLORS:
        raise ValueError(f"its colours are of the kind {page.photometric}")
    if values.ndim != 3 or values.shape[2] < COLORS[page.photometric]:
        raise ValueError(f"its shape is {values.shape}")
    if np.iscomplexobj(values):
        raise ValueError("its samples are complex numbers")
    if page.photometric in LABS:
        return Page(lab_of(values, page.photometric == ICC_LAB))
    if page.photometric == PALETTE:
        table = np.reshape(page.colormap, (3, -1)).T
        return Page(table[values[..., 0]], Samples(16), profile=page.iccprofile)
    samples.check(values, name)
    colors = COLORS[page.photometric]
    extra = int(first(page.extrasamples, 0)) if values.shape[2] > colors else 0
    return Page(values, samples, colors, extra if extra in ALPHAS else 0, page.iccprofile)


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


def raw_error(name: str) -> PhotoError:
    return PhotoError(f"{name} {RAW_DATA}.")


def is_preview(image: Image.Image) -> bool:
    """Whether Pillow's first picture of a TIFF is a preview of another one."""
    return bool(first(image.tag_v2.get(SUBFILE), 0) & 1)


def is_misread(image: Image.Image) -> bool:
    """Whether Pillow takes samples for others: deep ones in planes or of Lab, and signed bytes."""
    tags = image.tag_v2
    bits, kind = first(tags.get(BITS), 1), first(tags.get(SAMPLE_FORMAT), 1)
    if bits <= 8:
        return kind == SIGNED and first(tags.get(PHOTOMETRIC), 1) not in LABS
    return first(tags.get(PLANAR), 1) == 2 or first(tags.get(PHOTOMETRIC), 1) == LAB


def is_cut(image: Image.Image) -> bool:
    """Whether Pillow gives 8 bits of colours that have more."""
    tags = image.tag_v2
    return first(tags.get(BITS), 1) > 8 and first(tags.get(PHOTOMETRIC), 1) == RGB


def is_raw(image: Image.Image) -> bool:
    """Whether a TIFF that Pillow has opened is a camera's raw file."""
    tags = image.tag_v2
    return DNG_VERSION in tags or first(tags.get(PHOTOMETRIC), 1) in RAW
