"""Photos: reading them, squeezing L for the network, enlarging ab on the photo's own L, writing."""

from __future__ import annotations

import io
import os
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import cv2
import numpy as np
from PIL import ExifTags, Image, ImageCms, ImageOps, PngImagePlugin, UnidentifiedImageError

from cinn_hub import color
from cinn_hub.errors import PhotoError

PhotoLike = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray

MAX_PIXELS = 100_000_000
LEAST_SIDE = 16  # pixels; below that there is nothing to recognise
GUIDE_SIDE = 512  # long side at which the guided filter finds its coefficients
GUIDE_RADIUS = 0.6  # of its window, in cells of the small ab
GUIDE_EPSILON = 4.0**2  # contrast of L, squared, above which an edge of L is an edge of colour
GUIDE_PASSES = 2
SIXTEEN_BIT_MODES = ("I;16", "I;16B", "I;16L", "I", "F")
TAG = ExifTags.Base
DESCRIPTIVE_TAGS = (  # of a TIFF
    *(TAG.ImageDescription, TAG.Make, TAG.Model, TAG.Software, TAG.DateTime, TAG.Artist),
    *(TAG.Copyright, TAG.ExifOffset, TAG.GPSInfo, TAG.Orientation),
)
EXPECTED = "expected a photo such as JPEG, PNG, TIFF or WebP"


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo as people see it: upright, in sRGB.

    Attributes:
        lightness: (H, W) float32, L in [0, 100].
        rgb: (H, W, 3) uint8, None for a photo without colours.
        alpha: (H, W) uint8, None without transparency.
        exif: what the file said of camera, date and place, without the orientation.
        name: the file's name, for people.
        has_profile: whether the file named its colour space; then the result does, too.
        dpi: dots an inch, across and down, if the file says so.
    """

    lightness: np.ndarray
    rgb: np.ndarray | None = None
    alpha: np.ndarray | None = None
    exif: bytes | None = None
    name: str = "photo"
    has_profile: bool = False
    dpi: tuple[float, float] | None = None
    small: dict[int, Photo] = field(default_factory=dict, repr=False)  # what `shrunk` has made

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.lightness.shape[1], self.lightness.shape[0]


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


def squeezed_ab(photo: Photo, side: int) -> np.ndarray:
    """ab (side, side, 2) of the photo squeezed to a square; zero for a grey one."""
    if photo.rgb is None:
        return np.zeros((side, side, 2), np.float32)
    return squeeze(color.to_lab(squeeze(photo.rgb, 4 * side))[..., 1:], side)


def is_colored(photo: Photo) -> bool:
    """Whether the photo has colours of its own: neither grey nor toned, as sepia is."""
    return photo.rgb is not None and color.is_colored(color.to_lab(squeeze(photo.rgb, 64)))


def squeeze(picture: np.ndarray, side: int) -> np.ndarray:
    """The whole picture as a square, whatever its aspect: (H, W[, C]) -> (side, side[, C])."""
    height, width = picture.shape[:2]
    # each axis by its own method: area keeps a shrunken axis free of aliasing
    across = cv2.INTER_AREA if width > side else cv2.INTER_LINEAR
    down = cv2.INTER_AREA if height > side else cv2.INTER_LINEAR
    narrow = cv2.resize(picture, (side, height), interpolation=across)
    return cv2.resize(narrow, (side, side), interpolation=down)


def fit_within(size: tuple[int, int], long_side: int) -> tuple[int, int]:
    """(width, height) shrunk so that the longer is long_side; never enlarged."""
    scale = min(1.0, long_side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


@dataclass(frozen=True)
class GuidedEnlargement:
    """ab = slope * L + offset, both found at about 512 px: edges of colour follow edges of L.

    The fast guided filter of He and Sun 2015, in two passes: the second works on what the first
    left out, and the rest is added as it is, so that the small ab is met. Calling it with L at any
    size and a range of rows gives ab there.
    """

    coefficients: np.ndarray  # (h, w, 4): slopes of a and b, offsets of a and b
    lowest: np.ndarray
    highest: np.ndarray

    @classmethod
    def of(cls, ab: np.ndarray, lightness: np.ndarray) -> GuidedEnlargement:
        """ab: (s, s, 2) of the whole picture squeezed; lightness: (H, W) in [0, 100]."""
        size = fit_within(lightness.shape[::-1], GUIDE_SIDE)
        guide = cv2.resize(lightness, size, interpolation=cv2.INTER_AREA)[..., None]
        radius = max(1, round(GUIDE_RADIUS * max(size) / len(ab)))
        mean_guide = box(guide, radius)
        variance = box(guide * guide, radius) - mean_guide**2
        slope, offset, missing = 0.0, 0.0, ab
        for _ in range(GUIDE_PASSES):
            wanted = cv2.resize(missing, size, interpolation=cv2.INTER_LINEAR)
            mean_wanted = box(wanted, radius)
            covariance = box(guide * wanted, radius) - mean_guide * mean_wanted
            step = covariance / (variance + GUIDE_EPSILON)
            slope = slope + box(step, radius)
            offset = offset + box(mean_wanted - step * mean_guide, radius)
            missing = ab - squeeze(slope * guide + offset, len(ab))
        offset = offset + cv2.resize(missing, size, interpolation=cv2.INTER_LINEAR)
        return cls(np.concatenate([slope, offset], -1), ab.min((0, 1)), ab.max((0, 1)))

    def rows(self, lightness: np.ndarray, rows: slice) -> np.ndarray:
        """ab (rows, W, 2) for these rows of the whole lightness (H, W)."""
        part = lightness[rows]
        height, width = lightness.shape
        down, across = self.coefficients.shape[0] / height, self.coefficients.shape[1] / width
        place = np.array(
            [[across, 0, across / 2 - 0.5], [0, down, (rows.start + 0.5) * down - 0.5]]
        )
        local = cv2.warpAffine(
            self.coefficients,
            place,
            part.shape[::-1],
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        ab = local[..., :2] * part[..., None] + local[..., 2:]
        return np.clip(ab, self.lowest, self.highest, out=ab)


def box(values: np.ndarray, radius: int) -> np.ndarray:
    """The mean over a square window around each pixel; (H, W, C) -> the same."""
    side = 2 * radius + 1
    means = cv2.boxFilter(values, cv2.CV_32F, (side, side), borderType=cv2.BORDER_REFLECT)
    return means.reshape(values.shape)


def enlarge(ab: np.ndarray, lightness: np.ndarray) -> np.ndarray:
    """ab (h, w, 2) of the squeezed picture at the size of lightness (H, W), along its edges."""
    return GuidedEnlargement.of(ab, lightness).rows(lightness, slice(0, len(lightness)))


def paint(lightness: np.ndarray, ab: np.ndarray, flat: float | None = None) -> np.ndarray:
    """sRGB (H, W, 3) uint8 of this L with the small ab enlarged on it; L stays as it is.

    flat: one L for all pixels of the result; the given one is then only what ab is enlarged on.
    """
    enlargement = GuidedEnlargement.of(ab, lightness)
    rgb = np.empty((*lightness.shape, 3), np.uint8)
    for rows in color.strips(lightness.shape):
        colors = enlargement.rows(lightness, rows)
        light = lightness[rows] if flat is None else np.full_like(lightness[rows], flat)
        rgb[rows] = color.to_rgb(np.dstack([light, colors]))
    return rgb


def render(photo: Photo, ab: np.ndarray) -> Image.Image:
    """The photo with these colours at its own size, with its alpha; `info` has EXIF, profile, dpi.

    ab: (h, w, 2) float32, of the photo squeezed to a square.
    """
    image = with_alpha(paint(photo.lightness, ab), photo.alpha)
    if photo.exif:
        image.info["exif"] = photo.exif
    if photo.has_profile:
        image.info["icc_profile"] = srgb_profile()
    if photo.dpi:
        image.info["dpi"] = photo.dpi
    return image


def render_layer(photo: Photo, ab: np.ndarray, lightness: float = 65.0) -> Image.Image:
    """The colours alone at the photo's own size, all of one lightness, with the photo's alpha."""
    return with_alpha(paint(photo.lightness, ab, flat=lightness), photo.alpha)


def render_preview(photo: Photo, ab: np.ndarray, long_side: int) -> Image.Image:
    """As `render`, shrunk to `long_side` pixels before anything is computed."""
    small = shrunk(photo, long_side)
    return with_alpha(paint(small.lightness, ab), small.alpha)


def render_grey_preview(photo: Photo, long_side: int) -> Image.Image:
    """The photo's L alone, shrunk to `long_side` pixels."""
    small = shrunk(photo, long_side)
    lab = np.dstack([small.lightness, np.zeros((*small.lightness.shape, 2), np.float32)])
    return with_alpha(color.to_rgb(lab), small.alpha)


def shrunk(photo: Photo, long_side: int) -> Photo:
    """L and alpha at `long_side` pixels, or fewer; made once a size for all colourings."""
    size = fit_within(photo.size, long_side)
    if size == photo.size:
        return photo
    if long_side not in photo.small:
        alpha = photo.alpha
        photo.small[long_side] = Photo(
            cv2.resize(photo.lightness, size, interpolation=cv2.INTER_AREA),
            alpha=None if alpha is None else cv2.resize(alpha, size, interpolation=cv2.INTER_AREA),
            name=photo.name,
        )
    return photo.small[long_side]


def with_alpha(rgb: np.ndarray, alpha: np.ndarray | None) -> Image.Image:
    return Image.fromarray(rgb if alpha is None else np.dstack([rgb, alpha]))


def srgb_profile() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


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


@contextmanager
def whole_file(path: Path) -> Iterator[str]:
    """The path of a file to write to, which takes the place of `path` once it is complete."""
    handle, unfinished = tempfile.mkstemp(dir=path.parent, suffix=path.suffix.lower())
    os.close(handle)
    try:
        yield unfinished
        os.chmod(unfinished, 0o644)
        os.replace(unfinished, path)
    except BaseException:
        os.unlink(unfinished)
        raise
