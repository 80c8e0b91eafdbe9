"""How well the condition network expects colours, and whether another one does better.

    python -m benchmarks.condition --model new --beside imagenet --photos generic-val choosing

For each model the mean cross-entropy of the real colours at 32x32, in nats a place, and the error
of the expected colours over that of one colour for all photos; then the differences photo by photo
with their standard errors, below zero where --model is better. `--looks 192,256,320` gives --model
the mean of the probabilities over the photo seen at these sizes.
"""

from __future__ import annotations

import argparse
import textwrap

import cinn_hub
from training.judging import gain, gains, judge


def looks(text: str) -> tuple[int, ...]:
    """Reads "192,256,320"; each must be a multiple of 32."""
    sides = tuple(int(side) for side in text.split(","))
    if any(side < 64 or side % 32 for side in sides):
        raise argparse.ArgumentTypeError("sizes must be multiples of 32, from 64 on")
    return sides


def main() -> None:
    parser = argparse.ArgumentParser(
        description=textwrap.dedent(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="imagenet", help="name or folder")
    parser.add_argument("--beside", help="name or folder of another model")
    parser.add_argument("--photos", nargs="+", required=True, help="folders or zips of photos")
    parser.add_argument("--limit", type=int, help="photos of each place at most")
    parser.add_argument("--looks", type=looks, default=(256,), help="of --model (default 256)")
    parser.add_argument("--looks-beside", type=looks, default=(256,), help="of --beside")
    options = parser.parse_args()
    places, limit = options.photos, options.limit
    new = judge(cinn_hub.load(options.model), places, options.looks, limit)
    print(f"{len(new.entropy)} photos: cross-entropy and error / constant")
    print("{}: {:.4f}, {:.4f}".format(options.model, *new.figures()))
    if not options.beside:
        return
    old = judge(cinn_hub.load(options.beside), places, options.looks_beside, limit)
    print("{}: {:.4f}, {:.4f}".format(options.beside, *old.figures()))
    print(f"difference: {gain(new, old)}")
    for group, one in gains(new, old).items():
        print(f"- {group}, {sum(new.groups == group)} photos: {one}")


if __name__ == "__main__":
    main()
