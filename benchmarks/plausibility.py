"""What answers are sorted by: does it put real colours above grey, and above other hues?

    python -m benchmarks.plausibility --set generic-val

For photos that the model has not seen, `Colorization.plausibility` of their own colours is compared
with that of the same photo in grey, and of copies whose hues are turned by 60, 80, ..., 300
degrees.
"""

from __future__ import annotations

import argparse
import math

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

import cinn_hub
from cinn_hub.colorization import PreparedPhoto
from training.photos import find_photos

TURNS = range(60, 301, 20)  # degrees


def turned(ab: Tensor, degrees: float) -> Tensor:
    """ab (B, 2, H, W) with its hues turned, as vivid as before."""
    cosine, sine = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    a, b = ab.unbind(1)
    return torch.stack([cosine * a - sine * b, sine * a + cosine * b], 1)


def wins(model: cinn_hub.ColorModel, prepared: PreparedPhoto) -> list[bool]:
    """Whether the photo's own colours are more plausible than grey, and than each of `TURNS`."""
    ab = model.as_x(prepared.ab)
    candidates = torch.cat([ab, torch.zeros_like(ab), *(turned(ab, angle) for angle in TURNS)])
    real, *others = model.judge(candidates, prepared.condition).plausibility.tolist()
    return [real > other for other in others]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="imagenet", help="name or folder")
    parser.add_argument("--set", nargs="+", required=True, help="folders or zips of photos")
    parser.add_argument("--photos", type=int, default=300, help="how many of them")
    options = parser.parse_args()
    model = cinn_hub.load(options.model)
    found = []
    for source in tqdm(find_photos(options.set)[: options.photos]):
        prepared = model.prepare(source.read())
        if prepared.colored:
            found.append(wins(model, prepared))
    grey, *hues = 100 * np.mean(found, 0)
    print(f"Of {len(found)} photos with colours, the real ones are more plausible than")
    print(f"- the grey photo: in {grey:.1f} %")
    print(
        f"- turned hues: in {np.mean(hues):.1f} %; turned by {TURNS[0]} degrees: {hues[0]:.1f} %, "
        f"by {TURNS[len(hues) // 2]} degrees: {hues[len(hues) // 2]:.1f} %"
    )


if __name__ == "__main__":
    main()
