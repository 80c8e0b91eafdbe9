"""A photo as the package sees it, and its sizes: squeezed for the network, shrunk for previews."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import BinaryIO

import cv2
import numpy as np
from PIL import Image

from cinn_hub import color
from cinn_hub.photos.metadata import Metadata

PhotoLike = str | os.PathLike[str] | bytes | BinaryIO | Image.Image | np.ndarray


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
    """L and alpha at `long_side` pixels, or fewer."""
    size = fit_within(photo.size, long_side)
    if size == photo.size:
        return photo
    alpha = photo.alpha
    return Photo(
        cv2.resize(photo.lightness, size, interpolation=cv2.INTER_AREA),
        alpha=None if alpha is None else cv2.resize(alpha, size, interpolation=cv2.INTER_AREA),
        name=photo.name,
    )
