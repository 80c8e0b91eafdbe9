"""The pictures of the README, from the models as they are shipped.

    python -m benchmarks.pictures

Writes docs/colourings.jpg: one grey photo and eight colourings of it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

import cinn_hub
from benchmarks.sheets import contact_sheet
from cinn_hub.photos import fit_within, render_grey_preview

ROOT = Path(__file__).parent.parent
PHOTO, SEED = ROOT / "examples" / "cat.jpg", 1


def colourings() -> Image.Image:
    """The grey photo in the middle of its eight colourings."""
    results = cinn_hub.load("imagenet", device="cpu").colorize(PHOTO, n=8, seed=SEED)
    photo = results[0].photo
    pictures = [np.asarray(result.preview(640)) for result in results]
    pictures.insert(4, np.asarray(render_grey_preview(photo, 640)))
    rows = [pictures[i : i + 3] for i in (0, 3, 6)]
    return contact_sheet(rows, fit_within(photo.size, 420))


def main() -> None:
    folder = ROOT / "docs"
    folder.mkdir(exist_ok=True)
    colourings().save(folder / "colourings.jpg", quality=90)


if __name__ == "__main__":
    main()
