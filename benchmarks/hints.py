"""Are hints followed, and do they help? Five colours of each held-out photo are given as hints.

    python -m benchmarks.hints --set PATH [--model imagenet] [--photos 30]

PATH is a folder or zip of colour photos that the model has not seen (`python -m benchmarks.held_out
--help` says where to get some); the middle square of each is used, at 256 px. Of four answers per
photo:

met    mean distance, in ab units, of the colour around a hint (5 x 5 pixels of the painted picture)
       to the real one
rest   mean squared error of ab, at 64x64, of everything but the hinted spots (3 x 3 cells)

And with one hint, the real colour in the middle of the photo's largest region (see
benchmarks.differences) that is no more than half of it:

locality  the mean change of ab outside that region over the change inside
"""

from __future__ import annotations

import argparse
import statistics
import textwrap
import time

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

import cinn_hub
from benchmarks import differences
from benchmarks.held_out import SIDE, add_arguments, chosen_photos, middle_square, small_ab
from cinn_hub.color import to_lab
from cinn_hub.color_model import ColorModel
from cinn_hub.colorization import Colorization, PreparedPhoto
from cinn_hub.hints import read_hints, spot_weights

ANSWERS = 4
HINTS = 5
AROUND = 2  # pixels on each side of a hint


def spot(lab: np.ndarray, x: int, y: int) -> np.ndarray:
    """The mean Lab around a pixel."""
    return lab[y - AROUND : y + AROUND + 1, x - AROUND : x + AROUND + 1].mean((0, 1))


def real_hint(rgb: np.ndarray, x: int, y: int) -> tuple[int, int, str]:
    """A place of a picture with its real colour."""
    patch = rgb[max(0, y - AROUND) : y + AROUND + 1, max(0, x - AROUND) : x + AROUND + 1]
    red, green, blue = patch.mean((0, 1)).round().astype(int).tolist()
    return x, y, f"#{red:02x}{green:02x}{blue:02x}"


def real_hints(rgb: np.ndarray, rng: np.random.Generator) -> list[tuple[int, int, str]]:
    """Random places of a picture with their real colours."""
    places = rng.integers(AROUND, SIDE - AROUND, (HINTS, 2))
    return [real_hint(rgb, x, y) for x, y in places.tolist()]


def largest_region(lab: np.ndarray) -> np.ndarray:
    """Lab (256, 256, 3) -> the largest region of at most half of the photo, (64, 64) bool."""
    small = cv2.resize(lab, (SIDE // 4, SIDE // 4), interpolation=cv2.INTER_AREA)
    region = differences.regions(small[..., 0], small[..., 1:])
    sizes = np.bincount(region.ravel())
    return region == np.where(sizes <= region.size / 2, sizes, 0).argmax()


def middle(region: np.ndarray) -> tuple[int, int]:
    """x, y of the place farthest from the border of a region (64, 64), in pixels of the photo."""
    padded = np.pad(region, 1).astype(np.uint8)
    depth = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]
    y, x = np.unravel_index(depth.argmax(), depth.shape)
    return 4 * int(x) + 2, 4 * int(y) + 2


def locality(model: ColorModel, prepared: PreparedPhoto, rgb: np.ndarray, seed: int) -> float:
    """The mean change of ab outside a hinted region over that inside; NaN where the answers had the
    hinted colour already."""
    region = largest_region(to_lab(rgb))
    before = model.colorize(prepared, n=ANSWERS, seed=seed)
    hint = real_hint(rgb, *middle(region))
    after = model.colorize(prepared, n=ANSWERS, seed=seed, hints=[hint])
    changes = np.stack(
        [np.linalg.norm(b.ab - a.ab, axis=-1) for a, b in zip(before, after, strict=True)]
    )
    inside = changes[:, region].mean()
    return float(changes[:, ~region].mean() / inside) if inside else float("nan")


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
    add_arguments(parser)
    options = parser.parse_args()
    model = cinn_hub.load(options.model)
    sources = chosen_photos(options)
    rng = np.random.default_rng(0)
    met, met_without, rest, rest_without, seconds, local = [], [], [], [], [], []
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
        local.append(locality(model, prepared, rgb, seed=i))
    falls = np.mean(np.array(rest) < np.array(rest_without))
    print(f"{options.model}, {len(sources)} photos, {HINTS} hints each, {ANSWERS} answers\n")
    print("| | without hints | with hints |\n|---|---|---|")
    print(f"| met: distance at the hints (ab) | {np.mean(met_without):.2f} | {np.mean(met):.2f} |")
    print(f"| rest: squared error (ab) | {np.mean(rest_without):.1f} | {np.mean(rest):.1f} |")
    print(f"\nThe rest comes nearer to the truth in {falls:.0%} of the photos.")
    print(f"Locality of one hint: {np.nanmean(local):.2f}, median {np.nanmedian(local):.2f}")
    print(f"Seconds for {ANSWERS} hinted answers, median: {statistics.median(seconds):.2f}")


if __name__ == "__main__":
    main()
