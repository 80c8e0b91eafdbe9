"""Held-out photos as benchmarks see them: their middle squares at 256 px."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from cinn_hub.color import to_lab
from training.photos import Source, find_photos

SIDE = 256
STORED_QUALITY = 82  # of WebP


@dataclass(frozen=True)
class Held:
    """The held-out photos, N of them: rgb (N, 256, 256, 3) uint8, L (N, 256, 256), ab small."""

    rgb: np.ndarray
    lightness: np.ndarray
    ab: np.ndarray  # (N, 64, 64, 2)

    @classmethod
    def read(
        cls,
        places: list[str],
        limit: int | None,
        listed: Path | None = None,
        stored: int | None = None,
    ) -> Held:
        """The photos in these places: the listed ones, up to a limit; see `stored_at`."""
        sources = find_photos(places)
        if listed:
            sources = chosen_by(listed, sources)
        pictures = [middle_square(source, stored) for source in sources[:limit]]
        rgb = np.stack(pictures)
        lab = np.stack([to_lab(picture) for picture in pictures])
        return cls(rgb, lab[..., 0], np.stack([small_ab(x) for x in lab]))


def chosen_by(listed: Path, sources: list[Source]) -> list[Source]:
    """The photos whose file names are in the list, one per line, in its order."""
    by_name = {Path(source.name).name: source for source in sources}
    names = listed.read_text("utf-8").split()
    found = [by_name[name] for name in names if name in by_name]
    if not found:
        raise SystemExit(f"None of the photos is named in {listed}; give the set that it lists.")
    return found


def middle_square(source: Source, stored: int | None = None) -> np.ndarray:
    """sRGB (256, 256, 3) uint8 of the middle of a photo; see `stored_at` for `stored`."""
    bgr = source.decode()
    if stored:
        bgr = stored_at(bgr, stored)
    height, width = bgr.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(bgr[top : top + side, left : left + side, ::-1])
    method = cv2.INTER_AREA if side > SIDE else cv2.INTER_CUBIC
    return cv2.resize(square, (SIDE, SIDE), interpolation=method)


def stored_at(bgr: np.ndarray, short_side: int) -> np.ndarray:
    """The photo shrunk to this short side, stored as WebP and read again."""
    image = Image.fromarray(bgr[..., ::-1])
    scale = min(1.0, short_side / min(image.size))
    size = (round(image.width * scale), round(image.height * scale))
    buffer = io.BytesIO()
    image.resize(size, Image.Resampling.LANCZOS).save(buffer, "WEBP", quality=STORED_QUALITY)
    return np.asarray(Image.open(buffer).convert("RGB"))[..., ::-1]


def small_ab(lab: np.ndarray) -> np.ndarray:
    """The ab of Lab (256, 256, 3) at 64x64."""
    return cv2.resize(lab[..., 1:], (SIDE // 4,) * 2, interpolation=cv2.INTER_AREA)
