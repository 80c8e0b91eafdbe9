"""Whether hints are followed, and help: five colours of each held-out photo are given as hints.

    python -m benchmarks.hints --set PATH [--model imagenet] [--photos 30]

PATH is a folder or zip of coloured photos that the model has not seen. All pictures are the middle
squares at 256 px. Of four answers a photo:

met    mean distance, in ab units, of the colour around a hint (5 x 5 pixels of the painted picture)
       to the real one
rest   mean squared error of ab, at 64x64, of everything but the hinted spots (3 x 3 cells)
"""

from __future__ import annotations

import argparse
import statistics
import textwrap
import time

import numpy as np
from PIL import Image
from tqdm import tqdm

import cinn_hub
from benchmarks.colours import SIDE, middle_square, small_ab
from cinn_hub.color import to_lab
from cinn_hub.colorization import Colorization
from cinn_hub.guidance import read_hints, spot_weights
from training.photos import evenly, find_photos

ANSWERS = 4
HINTS = 5
AROUND = 2  # pixels on each side of a hint


def spot(lab: np.ndarray, x: int, y: int) -> np.ndarray:
    """The mean Lab around a pixel."""
    return lab[y - AROUND : y + AROUND + 1, x - AROUND : x + AROUND + 1].mean((0, 1))


def real_hints(rgb: np.ndarray, rng: np.random.Generator) -> list[tuple[int, int, str]]:
    """Random places of a picture with their real colours."""
    places = rng.integers(AROUND, SIDE - AROUND, (HINTS, 2))
    hints = []
    for x, y in places.tolist():
        patch = rgb[y - AROUND : y + AROUND + 1, x - AROUND : x + AROUND + 1]
        red, green, blue = patch.mean((0, 1)).round().astype(int).tolist()
        hints.append((x, y, f"#{red:02x}{green:02x}{blue:02x}"))
    return hints


def distances(results: list[Colorization], real: np.ndarray, hints: list) -> list[float]:
    """Of the painted colours to the real ones, in ab units, at each hint of each answer."""
    found = []
    for result in results:
        lab = to_lab(np.asarray(result.image))
        found += [np.linalg.norm((spot(lab, x, y) - spot(real, x, y))[1:]) for x, y, _ in hints]
    return found


def rest_error(results: list[Colorization], ab: np.ndarray, elsewhere: np.ndarray) -> float:
    """Mean squared error of ab outside of the hinted spots."""
    return float(np.mean([np.square(result.ab - ab)[elsewhere].mean() for result in results]))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=textwrap.dedent(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="imagenet", help="name or folder")
    parser.add_argument("--set", nargs="+", required=True, help="folders or zips of photos")
    parser.add_argument("--photos", type=int, default=30)
    options = parser.parse_args()
    model = cinn_hub.load(options.model)
    sources = evenly(find_photos(options.set), options.photos)
    rng = np.random.default_rng(0)
    met, met_without, rest, rest_without, seconds = [], [], [], [], []
    for i, source in enumerate(tqdm(sources, leave=False)):
        rgb = middle_square(source)
        real = to_lab(rgb)
        hints = real_hints(rgb, rng)
        size = (SIDE, SIDE)
        spots = spot_weights(read_hints(hints, size), size, model.config.ab_size)
        elsewhere = spots.sum(0).numpy() == 0
        prepared = model.prepare(Image.fromarray(rgb))
        plain = model.colorize(prepared, n=ANSWERS, seed=i)
        start = time.perf_counter()
        hinted = model.colorize(prepared, n=ANSWERS, seed=i, hints=hints)
        seconds.append(time.perf_counter() - start)
        met += distances(hinted, real, hints)
        met_without += distances(plain, real, hints)
        rest.append(rest_error(hinted, small_ab(real), elsewhere))
        rest_without.append(rest_error(plain, small_ab(real), elsewhere))
    falls = np.mean(np.array(rest) < np.array(rest_without))
    print(f"{options.model}, {len(sources)} photos, {HINTS} hints each, {ANSWERS} answers\n")
    print("| | without hints | with hints |\n|---|---|---|")
    print(f"| met: distance at the hints (ab) | {np.mean(met_without):.2f} | {np.mean(met):.2f} |")
    print(f"| rest: squared error (ab) | {np.mean(rest_without):.1f} | {np.mean(rest):.1f} |")
    print(f"\nThe rest comes nearer to the truth in {falls:.0%} of the photos.")
    print(f"Seconds for {ANSWERS} hinted answers, median: {statistics.median(seconds):.2f}")


if __name__ == "__main__":
    main()
