"""The sets of held-out photos, and how benchmarks see them: their middle squares at 256 px.

    python -m benchmarks.held_out generic-val --photos imagen --out generic-val

writes a set as a folder, from photos of a public GitHub repository: those that benchmarks/sets
names, at most 192 px on the shorter side, as WebP. The sets and their repositories:

generic-val   600 ImageNet photos, for choosing models and temperatures: ajschumacher/imagen
generic-test  600 others, for a last test alone: EliSchwartz/imagenet-sample-images
bedroom-val   400 bedrooms of Places365, for choosing: SilviuBR24/room-classification, its folders
              dataset/train/bedroom and dataset/eval/bedroom
bedroom-test  400 others, for a last test alone: as bedroom-val

The figures on the cards come from copies whose plain borders had been cut, one ImageNet photo in
ten; with borders, errors are up to 1 % lower.
"""

from __future__ import annotations

import argparse
import io
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from cinn_hub.color import to_lab
from training.photos import Source, evenly, find_photos

SIDE = 256
STORED_SIDE, STORED_QUALITY = 192, 82  # the shorter side; of WebP
SETS = Path(__file__).parent / "sets"


@dataclass(frozen=True)
class Held:
    """The held-out photos, N of them: rgb (N, 256, 256, 3) uint8, L (N, 256, 256), ab small."""

    rgb: np.ndarray
    lightness: np.ndarray
    ab: np.ndarray  # (N, 64, 64, 2)

    @classmethod
    def read(cls, places: Sequence[str | Path], limit: int | None = None) -> Held:
        """The photos in these folders or zips, up to a limit."""
        rgb = np.stack([middle_square(source) for source in find_photos(places)[:limit]])
        lab = np.stack([to_lab(picture) for picture in rgb])
        return cls(rgb, lab[..., 0], np.stack([small_ab(x) for x in lab]))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """A model, and how many of which photos to measure it on; see `chosen_photos`."""
    parser.add_argument("--model", default="imagenet", help="name or folder")
    parser.add_argument("--set", nargs="+", required=True, help="folders or zips of photos")
    parser.add_argument("--photos", type=int, default=30)


def chosen_photos(options: argparse.Namespace) -> list[Source]:
    """The photos that the options ask for, evenly taken from all."""
    return evenly(find_photos(options.set), options.photos)


def middle_square(source: Source) -> np.ndarray:
    """sRGB (256, 256, 3) uint8 of the middle of a photo."""
    bgr = source.decode()
    height, width = bgr.shape[:2]
    side = min(height, width)
    top, left = (height - side) // 2, (width - side) // 2
    square = np.ascontiguousarray(bgr[top : top + side, left : left + side, ::-1])
    method = cv2.INTER_AREA if side > SIDE else cv2.INTER_CUBIC
    return cv2.resize(square, (SIDE, SIDE), interpolation=method)


def small_ab(lab: np.ndarray) -> np.ndarray:
    """The ab of Lab (256, 256, 3) at 64x64."""
    return cv2.resize(lab[..., 1:], (SIDE // 4,) * 2, interpolation=cv2.INTER_AREA)


def write_set(names: Sequence[str], places: Sequence[str | Path], target: Path) -> None:
    """Writes the photos of these file names, small and in this order, into a new folder.

    Raises:
        SystemExit: one of them is not in the places, or the folder is there already.
    """
    by_name = {Path(source.name).name: source for source in find_photos(places)}
    missing = [name for name in names if name not in by_name]
    if missing:
        raise SystemExit(f"{len(missing)} of the set's photos are not there, {missing[0]} first.")
    if target.exists():
        raise SystemExit(f"{target} is there already; give the name of a new folder.")
    target.mkdir(parents=True)
    for i, name in enumerate(tqdm(names)):
        (target / f"{i:05}-{Path(name).stem}.webp").write_bytes(stored(by_name[name]))


def stored(source: Source) -> bytes:
    """The photo as WebP, shrunk if it is larger than `STORED_SIDE`."""
    image = Image.open(io.BytesIO(source.read()))
    if min(image.size) >= 2 * STORED_SIDE:  # a JPEG is read at half its size
        image.draft("RGB", (image.width // 2, image.height // 2))
    image = image.convert("RGB")
    scale = min(1.0, STORED_SIDE / min(image.size))
    size = (round(image.width * scale), round(image.height * scale))
    buffer = io.BytesIO()
    image.resize(size, Image.Resampling.LANCZOS).save(buffer, "WEBP", quality=STORED_QUALITY)
    return buffer.getvalue()


def main() -> None:
    parser = argparse.ArgumentParser(
        description=textwrap.dedent(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("set", choices=sorted(path.stem for path in SETS.glob("*.txt")))
    parser.add_argument("--photos", nargs="+", required=True, help="folders or zips")
    parser.add_argument("--out", type=Path, required=True, help="a new folder")
    options = parser.parse_args()
    names = (SETS / f"{options.set}.txt").read_text("utf-8").split()
    write_set(names, options.photos, options.out)


if __name__ == "__main__":
    main()
