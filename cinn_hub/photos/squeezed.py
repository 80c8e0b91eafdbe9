"""What models see of a photo: all of it, squeezed to squares of few pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cinn_hub.photos.photo import Photo, squeeze, squeezed_ab
from cinn_hub.photos.sepia import is_colored


@dataclass(frozen=True, eq=False)
class SqueezedPhoto:
    """A photo, whose colours do not depend on its size.

    Attributes:
        photo: the photo, at its own size or smaller.
        size: (width, height) of the photo as it was read.
        lightness: (image_size, image_size) float32, L squeezed to a square.
        ab: (ab_size, ab_size, 2) float32, its own colours, squeezed likewise; None for a grey one.
        colored: whether it has colours, not only the toning of a sepia print.
    """

    photo: Photo
    size: tuple[int, int]
    lightness: np.ndarray
    ab: np.ndarray | None
    colored: bool

    @classmethod
    def of(cls, photo: Photo, image_size: int, ab_size: int) -> SqueezedPhoto:
        ab = None if photo.rgb is None else squeezed_ab(photo, ab_size)
        lightness = squeeze(photo.lightness, image_size)
        return cls(photo, photo.size, lightness, ab, is_colored(photo))
