"""A photo as its file stores it, as the package sees it, squeezed for the network, and shrunk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image

from cinn_hub import color
from cinn_hub.errors import PhotoError
from cinn_hub.photos.metadata import Metadata

PhotoLike = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray
UNSIGNED, SIGNED, FLOAT = 1, 2, 3  # kinds of samples, as TIFF numbers them
LEAST_ENTROPY = 2.4  # bits of L, that photos have
MULTIPLIED, STRAIGHT = 1, 2  # kinds of alpha: colours are multiplied by it, or not


@dataclass(frozen=True)
class Scale:
    """What a file declares of its samples: `bits`, their `kind`, and which of them is white."""

    bits: int = 16
    kind: int = UNSIGNED
    white_is_zero: bool = False
    most: float | None = None  # the sample that is white, where that is declared

    def unit(self, values: np.ndarray) -> np.ndarray:
        """The values as float32 in [0, 1], 1 for white."""
        whites = {FLOAT: 1, SIGNED: 2 ** (self.bits - 1) - 1}
        white = self.most or whites.get(self.kind, 2**self.bits - 1)
        if values.dtype == np.int32 and self.kind == UNSIGNED:
            values = values.view(np.uint32)  # Pillow's mode I, which has no unsigned values
        unit = (values.astype(np.float32) / np.float32(white)).clip(0, 1)
        return 1 - unit if self.white_is_zero else unit


@dataclass(frozen=True, eq=False)
class Stored:
    """A picture of more than 8 bits, or of a rare kind, as its file stores it.

    Attributes:
        values: (H, W, C): C is 1 for grey, 3 for RGB, 4 for CMYK, and more where other samples,
            such as alpha, follow; or Lab, float32.
        scale: of the values; None for Lab.
        colors: how many of C are colours.
        alpha: what the next one is: MULTIPLIED, STRAIGHT, or 0 if it is no alpha.
        info: what else is declared, by Pillow's names: `icc_profile`, `gamma`, `srgb`.
        orientation: how the camera was held, 1 to 8.
        pages: how many pictures the file has.
    """

    values: np.ndarray
    scale: Scale | None
    colors: int = 3
    alpha: int = 0
    info: Mapping[str, object] = field(default_factory=dict)
    orientation: int = 1
    pages: int = 1

    def check(self, name: str) -> None:
        """Looks at all samples.

        Raises:
            PhotoError: they are not numbers, or floats without a declared scale.
        """
        if self.scale is None or self.scale.kind != FLOAT:
            return
        if not np.isfinite(self.values).all():
            raise PhotoError(f"{name} has pixels that are not numbers; get the file again.")
        if self.scale.most is None and self.values.size and np.median(self.values) > 1:
            raise PhotoError(
                f"{name} has floats above 1 and does not say which value is white; scale them to "
                "[0, 1]."
            )

    def unit(self, rows: slice) -> np.ndarray:
        """These rows in [0, 1]: grey (rows, W, 1) or RGB (rows, W, 3), coded as they are stored."""
        unit = self.scale.unit(self.values[rows, :, : self.colors])
        if self.colors == 4:  # CMYK, without its profile
            return (1 - unit[..., :3]) * (1 - unit[..., 3:])
        if self.alpha == MULTIPLIED:
            unit = (unit / self.opacity(rows)[..., None].clip(1e-3)).clip(0, 1)
        return unit

    def opacity(self, rows: slice) -> np.ndarray:
        """(rows, W) in [0, 1], where there is alpha."""
        return replace(self.scale, white_is_zero=False).unit(self.values[rows, :, self.colors])


@dataclass(frozen=True, eq=False)
class Photo:
    """A photo, upright and in sRGB.

    Attributes:
        lightness: (H, W) float32, L in [0, 100].
        rgb: (H, W, 3) uint8, None for a photo without colours.
        alpha: (H, W) uint8, None without transparency.
        name: the name of the file, for messages.
        has_profile: whether the file has a colour profile; then the result has one, too.
        metadata: camera, date, place, people and resolution, if the file has them.
        pages: how many pictures the file has; this is one of them.
    """

    lightness: np.ndarray
    rgb: np.ndarray | None = None
    alpha: np.ndarray | None = None
    name: str = "photo"
    has_profile: bool = False
    metadata: Metadata = Metadata()
    pages: int = 1

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) in pixels."""
        return self.lightness.shape[1], self.lightness.shape[0]


def squeezed_ab(photo: Photo, side: int) -> np.ndarray:
    """ab (side, side, 2) of the photo squeezed to a square; zero for a grey one."""
    if photo.rgb is None:
        return np.zeros((side, side, 2), np.float32)
    return squeeze(color.to_lab(squeeze(photo.rgb, 4 * side))[..., 1:], side)


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


def shrunk(photo: Photo, long_side: int) -> Photo:
    """L and alpha alone, at `long_side` pixels, or fewer."""
    size = fit_within(photo.size, long_side)
    lightness, alpha = (
        plane if plane is None else cv2.resize(plane, size, interpolation=cv2.INTER_AREA)
        for plane in (photo.lightness, photo.alpha)
    )
    return Photo(lightness, alpha=alpha, name=photo.name)


def has_few_tones(photo: Photo) -> bool:
    """Whether the photo may be none, but a page of text, a drawing or a map.

    The entropy of L in 50 steps of 2 is 3.1 bits or more in 860 photos, and at most 1.7 in pages,
    maps, blueprints, comics and codes. An X-ray has the tones of a photo.
    """
    counts = np.histogram(photo.lightness, bins=50, range=(0, 100))[0]
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log2(shares)).sum()) < LEAST_ENTROPY
