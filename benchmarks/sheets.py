"""Contact sheets: many small pictures on one, to look at."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

GAP = 4  # pixels


def contact_sheet(rows: Sequence[Sequence[np.ndarray]], cell: tuple[int, int]) -> Image.Image:
    """Rows of sRGB pictures (H, W, 3) uint8, each shrunk to `cell` (width, height), on white."""
    width, height = cell
    columns = max(map(len, rows))
    size = (columns * (width + GAP) - GAP, len(rows) * (height + GAP) - GAP)
    paper = Image.new("RGB", size, "white")
    for y, row in enumerate(rows):
        for x, picture in enumerate(row):
            small = Image.fromarray(picture).resize(cell, Image.Resampling.LANCZOS)
            paper.paste(small, (x * (width + GAP), y * (height + GAP)))
    return paper


def write_sheet(rows: Sequence[Sequence[np.ndarray]], path: Path, side: int = 144) -> None:
    contact_sheet(rows, (side, side)).save(path, quality=90)
