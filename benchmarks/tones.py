"""Toned is not coloured: how many photos of each kind `is_colored` takes for what they are.

    python -m benchmarks.tones --photos generic-val

Real photos are turned grey, toned and aged in many ways, of random strengths; others keep colours
of their own. All are stored as JPEG. Prints, as Markdown, the share of each kind that counts as
toned (or grey), and the time for a photo.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Iterator

import cv2
import numpy as np

from benchmarks.timing import print_table
from benchmarks.tonings import COLORED, Way, as_jpeg, eight, grey_of, toned_ways
from cinn_hub import photos
from training.photos import Source, find_photos

LEAST_QUALITY, MOST_QUALITY = 70, 96  # of JPEG


def pictures(sources: list[Source], way: Way, of_grey: bool, seed: int) -> Iterator[np.ndarray]:
    """Each photo in this way, uint8; those without what it needs are left out."""
    for number, source in enumerate(sources):
        rgb = np.ascontiguousarray(source.decode()[..., ::-1])
        rng = np.random.default_rng([seed, number])
        made = way(grey_of(rgb) if of_grey else rgb.astype(np.float32) / 255, rng)
        if made is not None:
            yield eight(as_jpeg(made, int(rng.integers(LEAST_QUALITY, MOST_QUALITY))))


def toned_share(sources: list[Source], way: Way, of_grey: bool, seed: int) -> tuple[float, int]:
    """The share that counts as toned or grey, and of how many pictures."""
    found = [
        not photos.is_colored(photos.read(picture))
        for picture in pictures(sources, way, of_grey, seed)
    ]
    return sum(found) / max(1, len(found)), len(found)


def milliseconds(sources: list[Source]) -> float:
    """The median time of `is_colored` for a photo."""
    times = []
    for source in sources:
        photo = photos.read(cv2.cvtColor(source.decode(), cv2.COLOR_BGR2RGB))
        start = time.perf_counter()
        photos.is_colored(photo)
        times.append(time.perf_counter() - start)
    return 1000 * statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", nargs="+", required=True, help="folders or archives of photos")
    parser.add_argument("--limit", type=int, help="of photos")
    options = parser.parse_args()
    sources = find_photos(options.photos)[: options.limit]
    rows = []
    for seed, (name, way) in enumerate({**COLORED, **toned_ways()}.items()):
        share, count = toned_share(sources, way, name not in COLORED, seed)
        rows.append([name, "coloured" if name in COLORED else "toned", count, f"{share:.1%}"])
    print_table(["photos", "are", "number", "count as toned"], rows)
    print(f"{milliseconds(sources):.2f} ms a photo")


if __name__ == "__main__":
    main()
