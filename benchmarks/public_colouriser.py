"""Compares with a public colouriser, on photos whose colours are known.

    python -m benchmarks.public_colouriser --real FOLDER --peer FOLDER [--model imagenet]

The folders hold colour photos and, by the same names, the peer's colourings of their grey versions.
The figures on the card are of evargashe/Colorizacion-de-Imagenes: `example/` and `results/`, 101
photos of COCO coloured by InstColorization (Su et al. 2020), the results at 128 px. Everything is
compared at 128 px, our colourings are of the real photo's lightness.

RMS        in percent of the RGB range, and PSNR, of the mean squared error
nearest    of our eight answers, the one with the smallest error in each photo
expected   the mean of 64 answers, the colours to be expected
"""

from __future__ import annotations

import argparse
import textwrap
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

import cinn_hub
from benchmarks.features import colorfulness
from cinn_hub.color import to_lab
from cinn_hub.color_model import ColorModel
from cinn_hub.photos import paint
from training.photos import SUFFIXES

SIDE = 128
ANSWERS = 8
MANY = 64


def read(path: Path) -> np.ndarray:
    """sRGB (128, 128, 3) uint8, squeezed."""
    rgb = np.asarray(Image.open(path).convert("RGB"))
    if rgb.shape[:2] == (SIDE, SIDE):
        return rgb
    return cv2.resize(rgb, (SIDE, SIDE), interpolation=cv2.INTER_AREA)


def pairs(real: Path, peer: Path) -> list[tuple[Path, Path]]:
    """Photos that both folders have, by their names without suffixes."""
    theirs = {p.stem: p for p in peer.rglob("*") if p.suffix.lower() in SUFFIXES}
    ours = sorted(p for p in real.rglob("*") if p.suffix.lower() in SUFFIXES)
    found = [(p, theirs[p.stem]) for p in ours if p.stem in theirs]
    if not found:
        raise SystemExit(f"{real} and {peer} have no photos of the same names.")
    return found


def answers(model: ColorModel, path: Path, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The expected ab (64, 64, 2), and the first eight answers (8, 64, 64, 2)."""
    prepared = model.prepare(path)
    drawn = model.colorize(prepared, n=ANSWERS, seed=seed)
    many = model.colorize(prepared, n=MANY, seed=seed, temperature=1.0)
    return np.mean([result.ab for result in many], 0), np.stack([result.ab for result in drawn])


def error(picture: np.ndarray, real: np.ndarray) -> float:
    """Mean squared, of values in [0, 1]."""
    return float(np.square(picture.astype(np.float32) - real).mean() / 255**2)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=textwrap.dedent(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--real", type=Path, required=True)
    parser.add_argument("--peer", type=Path, required=True)
    parser.add_argument("--model", default="imagenet", help="name or folder")
    options = parser.parse_args()
    model = cinn_hub.load(options.model)
    errors: dict[str, list[float]] = {}
    colors: dict[str, list[float]] = {}
    found = pairs(options.real, options.peer)
    for seed, (path, peer) in enumerate(tqdm(found, leave=False)):
        real = read(path)
        light = to_lab(real)[..., 0]
        expected, drawn = answers(model, path, seed)
        eight = [paint(light, ab) for ab in drawn]
        rows = {
            "grey": paint(light, np.zeros_like(drawn[0])),
            "peer": read(peer),
            "our expected colours": paint(light, expected),
            "our first answer": eight[0],
            "our nearest of eight": min(eight, key=lambda picture: error(picture, real)),
            "real": real,
        }
        for name, picture in rows.items():
            errors.setdefault(name, []).append(error(picture, real))
            colors.setdefault(name, []).append(colorfulness(picture))
    print(f"{options.model}, {len(found)} photos\n")
    print("| | RMS (%) | PSNR (dB) | colourfulness |\n|---|---|---|---|")
    for name, values in errors.items():
        rms = 100 * np.mean(np.sqrt(values))
        psnr = -10 * np.mean(np.log10(np.maximum(values, 1e-10)))
        print(f"| {name} | {rms:.2f} | {psnr:.2f} | {np.mean(colors[name]):.1f} |")


if __name__ == "__main__":
    main()
