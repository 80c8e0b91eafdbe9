"""Beside public colourisers: their pictures of photos whose colours are known, and ours.

    python -m benchmarks.peers --snapshots DIR [--model imagenet] [--sheet sheet.png]

Below --snapshots lie git directories of public repositories, as `training.gather` wants them. Our
models were not trained on these photos. All pictures are compared as squares of 128 px, all colours
on the real photo's lightness. The rows of ours:

expected colours    temperature 0 (boldness 0)
first of eight      the first one that people see: of a pool of 48 draws
one of eight        any of the eight that people see, on average
nearest of eight    the one of them with the smallest error in RGB
mean of eight       one picture: the mean colours of eight plain draws
boldness            a plain draw, not chosen from a pool, on average over eight of the same noise

and the columns:

PSNR      in dB, of RGB
RGB, ab   RMS errors, of RGB in percent of the range, of ab in ab units
colour    colourfulness (Hasler and Süsstrunk 2003) over that of the real photos
"""

from __future__ import annotations

import argparse
import io
import re
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image
from tqdm import tqdm

import cinn_hub
from benchmarks.features import colorfulness
from benchmarks.sheets import write_sheet
from cinn_hub.color import to_lab, to_rgb
from cinn_hub.color_model import ColorModel
from cinn_hub.photos import paint
from cinn_hub.photos.photo import squeeze
from training.gather import Row, Snapshots
from training.photos import SUFFIXES, evenly

SIDE = 128
ANSWERS = 8
BOLDNESS = (0.5, 0.75, 1.0, 1.25)
SHEET_PHOTOS = 12  # of each collection
COLUMNS = ("PSNR", "RGB", "ab", "colour")

Pictures = Mapping[str, Sequence[np.ndarray]]
"""The pictures of each row of the table, one or more, sRGB (128, 128, 3) uint8."""


@dataclass(frozen=True)
class Collection:
    """Photos in a repository, and what colourisers made of them; real, theirs: folders."""

    title: str
    repository: str
    commit: str
    real: str
    theirs: Mapping[str, str]


COLLECTIONS = (
    Collection(
        "COCO",
        "evargashe/Colorizacion-de-Imagenes",
        "cff2ee1090dfbea85a17249aa3951e1ae5ecc910",
        "example",
        {"InstColorization": "results"},
    ),
    Collection(
        "COCO, ImageNet, ADE",
        "aditya-pola/Colorization-turing-test-webapp",
        "ef83581d3b781ef0d6b071d474849b885d9e658f",
        "image_samples/gt/standard",
        {
            name: f"image_samples/{name.lower()}/standard"
            for name in ("DDColor", "DISCO", "BigColor", "UniColor")
        },
    ),
)


def known_by(path: str) -> str:
    """The photo's name, without suffixes and the class that a colouriser adds, as in _c468."""
    return re.sub(r"_c\d+$", "", PurePosixPath(path).name.partition(".")[0])


def photos_in(snapshots: Snapshots, collection: Collection, folder: str) -> dict[str, Row]:
    """{name: photo} of a folder of the repository and those in it."""
    repo, commit = collection.repository, collection.commit
    return {
        known_by(path): Row(repo, commit, path)
        for path in snapshots.tree(repo, commit)
        if path.startswith(f"{folder}/") and PurePosixPath(path).suffix.lower() in SUFFIXES
    }


def read(snapshots: Snapshots, collection: Collection) -> Iterator[dict[str, bytes]]:
    """For each photo that all have, the files by "real" and the colourisers' names.

    Raises:
        SystemExit: there are none.
    """
    folders = {"real": collection.real, **collection.theirs}
    found = {who: photos_in(snapshots, collection, folder) for who, folder in folders.items()}
    names = sorted(set.intersection(*map(set, found.values())))
    for name in names:
        files = {who: snapshots.read(rows[name]) for who, rows in found.items()}
        if all(files.values()):
            yield files
    if not names:
        raise SystemExit(f"{snapshots.folder} has no photos of {collection.repository}.")


def square(data: bytes) -> np.ndarray:
    """sRGB (128, 128, 3) uint8 of a picture's file, squeezed."""
    return squeeze(np.asarray(Image.open(io.BytesIO(data)).convert("RGB")), SIDE)


def with_colors_of(picture: np.ndarray, lightness: np.ndarray) -> np.ndarray:
    """The picture with this L (128, 128); only its colours are judged."""
    return to_rgb(np.dstack([lightness, to_lab(picture)[..., 1:]]))


def ours(
    model: ColorModel, photo: bytes, lightness: np.ndarray, seed: int, boldness: Sequence[float]
) -> Pictures:
    """The rows of this model."""
    prepared = model.prepare(photo)

    def drawn(**options: object) -> list[np.ndarray]:
        return [x.ab for x in model.colorize(prepared, seed=seed, **options)]

    def painted(colors: Sequence[np.ndarray]) -> list[np.ndarray]:
        return [paint(lightness, ab) for ab in colors]

    shown = painted(drawn(n=ANSWERS))
    plain = {b: drawn(n=ANSWERS, temperature=model.temperature(b), pool=None) for b in boldness}
    mean = np.mean(plain.get(1.0) or drawn(n=ANSWERS, pool=None), 0)
    real = square(photo)
    return {
        "ours, expected colours": painted(drawn(n=1, temperature=0.0, pool=None)),
        "ours, first of eight": shown[:1],
        "ours, one of eight": shown,
        "ours, nearest of eight": [min(shown, key=lambda x: squared_error(x, real))],
        "ours, mean of eight": painted([mean]),
        **{f"ours, boldness {b:g}": painted(colors) for b, colors in plain.items()},
    }


def squared_error(picture: np.ndarray, real: np.ndarray) -> float:
    """Mean over all values, of values in [0, 1]."""
    return float(np.square(picture.astype(np.float32) - real).mean() / 255**2)


def figures(picture: np.ndarray, real: np.ndarray) -> list[float]:
    """The columns, with colourfulness as it is."""
    error = max(squared_error(picture, real), 1e-10)
    ab = (to_lab(picture) - to_lab(real))[..., 1:]
    return [
        -10 * np.log10(error),
        100 * np.sqrt(error),
        float(np.sqrt(np.square(ab).mean())),
        colorfulness(picture),
    ]


class Table:
    """Means over photos, row by row."""

    def __init__(self) -> None:
        self.rows: dict[str, list[np.ndarray]] = {}
        self.real: list[float] = []

    def add(self, pictures: Pictures, real: np.ndarray) -> None:
        """The rows of one photo; a row of several pictures counts as their mean."""
        self.real.append(colorfulness(real))
        for name, some in pictures.items():
            mean = np.mean([figures(picture, real) for picture in some], 0)
            self.rows.setdefault(name, []).append(mean)

    def means(self) -> dict[str, dict[str, float]]:
        scale = np.array([1, 1, 1, np.mean(self.real)])
        return {
            name: dict(zip(COLUMNS, np.mean(x, 0) / scale, strict=True))
            for name, x in self.rows.items()
        }

    def text(self) -> str:
        """As Markdown."""
        lines = ["| | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
        for name, row in self.means().items():
            cells = [f"{row[column]:.2f}" for column in COLUMNS]
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
        return "\n".join(lines)


def pictures_of(
    model: ColorModel, files: Mapping[str, bytes], seed: int, boldness: Sequence[float] = BOLDNESS
) -> tuple[np.ndarray, Pictures]:
    """The real photo, and all rows of the table."""
    real = square(files["real"])
    lightness = to_lab(real)[..., 0]
    rows = {"grey": [to_rgb(np.dstack([lightness, np.zeros((SIDE, SIDE, 2), np.float32)]))]}
    for name, data in files.items():
        if name != "real":
            rows[name] = [with_colors_of(square(data), lightness)]
    return real, rows | ours(model, files["real"], lightness, seed, boldness)


def on_sheet(real: np.ndarray, pictures: Pictures) -> list[np.ndarray]:
    """Grey, real, theirs, our expected colours, and the first four that people see."""
    grey, *others = (some[0] for name, some in pictures.items() if not name.startswith("ours, "))
    own = [*pictures["ours, expected colours"], *pictures["ours, one of eight"][:4]]
    return [grey, real, *others, *own]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=textwrap.dedent(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--snapshots", type=Path, required=True, help="folder of git directories")
    parser.add_argument("--model", default="imagenet", help="name or folder")
    parser.add_argument("--boldness", type=float, nargs="+", default=BOLDNESS)
    parser.add_argument("--photos", type=int, help="how many of each collection (default: all)")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet, too")
    options = parser.parse_args()
    model, snapshots, sheet = cinn_hub.load(options.model), Snapshots(options.snapshots), []
    for collection in COLLECTIONS:
        photos = list(read(snapshots, collection))
        photos = evenly(photos, options.photos or len(photos))
        table, rows = Table(), []
        for seed, files in enumerate(tqdm(photos, leave=False)):
            real, pictures = pictures_of(model, files, seed, options.boldness)
            table.add(pictures, real)
            rows.append(on_sheet(real, pictures))
        print(f"\n{options.model} on {len(photos)} photos, {collection.title}\n\n{table.text()}")
        sheet += evenly(rows, SHEET_PHOTOS)
    if options.sheet:
        write_sheet(sheet, options.sheet)


if __name__ == "__main__":
    main()
