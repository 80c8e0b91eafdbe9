"""The pictures of the README and the cards, from the models as they are shipped.

    python -m benchmarks.pictures

Writes docs/colourings.jpg, one grey photo and eight colourings of it; and beside the models' cards
beside-real.jpg, photos whose colours are known, with the model's colourings of their grey versions;
and digits.png, ten digits in ten hands.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

import cinn_hub
from benchmarks.sheets import contact_sheet
from cinn_hub.photos import fit_within, render, shrunk

ROOT = Path(__file__).parent.parent
PHOTO, SEED = ROOT / "examples" / "astronaut.jpg", 1
KNOWN = {
    "imagenet": sorted((ROOT / "examples" / "moods").glob("*.jpg")),
    "bedroom": sorted((ROOT / "benchmarks" / "rooms").glob("*.jpg")),
}
"""Photos whose colours are known, for each model."""


def colourings() -> Image.Image:
    """The grey photo in the middle of its eight colourings."""
    results = cinn_hub.load("imagenet", device="cpu").colorize(PHOTO, n=8, seed=SEED)
    photo = results[0].photo
    pictures = [np.asarray(result.preview(640)) for result in results]
    pictures.insert(4, np.asarray(render(shrunk(photo, 640))))
    rows = [pictures[i : i + 3] for i in (0, 3, 6)]
    return contact_sheet(rows, fit_within(photo.size, 420))


def beside_real(name: str, photos: Sequence[Path], side: int = 200) -> Image.Image:
    """A row for each photo: grey, real, and the first four colourings; middle squares."""
    model, rows = cinn_hub.load(name, device="cpu"), []
    for path in photos:
        results = model.colorize(path, n=4, seed=0)
        pictures = [render(shrunk(results[0].photo, 640)), Image.open(path)]
        pictures += [result.preview(640) for result in results]
        rows.append([np.asarray(ImageOps.fit(picture, (side, side))) for picture in pictures])
    return contact_sheet(rows, (side, side))


def digits() -> Image.Image:
    """Rows of one label, columns of one hand, dark on white."""
    written = cinn_hub.load("mnist", device="cpu").sample(range(10), n=10, temperature=0.8, seed=0)
    page = written[:, :, 0].permute(0, 2, 1, 3).reshape(280, 280).numpy()
    grey = Image.fromarray(np.round(255 * (1 - page)).astype(np.uint8))
    return grey.resize((840, 840), Image.Resampling.BICUBIC)


def main() -> None:
    argparse.ArgumentParser(description=__doc__.splitlines()[0]).parse_args()
    colourings().save(ROOT / "docs" / "colourings.jpg", quality=90)
    for name, photos in KNOWN.items():
        target = ROOT / "weights" / name / "beside-real.jpg"
        beside_real(name, photos).save(target, quality=90)
    digits().save(ROOT / "weights" / "mnist" / "digits.png", optimize=True)


if __name__ == "__main__":
    main()
