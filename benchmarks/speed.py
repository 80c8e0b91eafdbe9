"""How long a photo takes, by its size: eight colourings with eight previews, and one full-size PNG.

    python -m benchmarks.speed [--model imagenet] [--repeats 5]

Sizes are interleaved; the medians and their ratios count.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

import cinn_hub

SIZES = {1: (1225, 816), 12: (4243, 2828)}  # megapixels: width, height


def photo(size: tuple[int, int], folder: Path, seed: int = 0) -> Path:
    """A grey JPEG with something to see at every scale."""
    rng = np.random.default_rng(seed)
    layers = [rng.uniform(0, 1, (n, n)).astype(np.float32) for n in (4, 16, 64, 256)]
    grey = np.mean([cv2.resize(x, size, interpolation=cv2.INTER_CUBIC) for x in layers], 0)
    path = folder / f"{size[0]}_{seed}.jpg"
    Image.fromarray((255 * grey.clip(0, 1)).astype(np.uint8)).save(path, quality=90)
    return path


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="imagenet", help="name or folder")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    model = cinn_hub.load(options.model)
    times: dict[tuple[int, str], list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = {mp: photo(size, Path(folder)) for mp, size in SIZES.items()}
        for repeat in range(options.repeats + 1):
            for mp, path in paths.items():
                start = time.perf_counter()
                results = model.colorize(path, n=8, seed=repeat)
                for result in results:
                    result.preview(640)
                middle = time.perf_counter()
                results[0].save(Path(folder) / "full.png")
                end = time.perf_counter()
                if repeat:  # the first round warms up
                    times.setdefault((mp, "eight previews"), []).append(middle - start)
                    times.setdefault((mp, "one full-size PNG"), []).append(end - middle)
    print("| seconds (median) | 1 megapixel | 12 megapixels | ratio |\n|---|---|---|---|")
    for what in ("eight previews", "one full-size PNG"):
        small, large = (statistics.median(times[mp, what]) for mp in SIZES)
        print(f"| {what} | {small:.2f} | {large:.2f} | {large / small:.2f} |")


if __name__ == "__main__":
    main()
