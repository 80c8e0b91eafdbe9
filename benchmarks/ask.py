"""What only an exact inverse can do: figures of moods and questions.

    python -m benchmarks.ask MOVE --set PATH [--model imagenet] [--photos 30]

PATH is a folder or zip of colour photos that the model has not seen; the middle square of each is
used, at 256 px. MOVE is one of

mood       Four overlapping parts of each photo are a series. The spread of the mean colours of
           their first answers, in ab units, with one seed for all, and with the mood of the first
           part's answer; and the RMS error of ab.
questions  The RMS error of ab of the mean of eight answers, without hints and with the real colours
           of three spots: those of `model.questions`, random ones, and those where the answers
           differ most; and the share of their differences that is explained by the first question.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable
from contextlib import suppress

import numpy as np
from PIL import Image
from tqdm import tqdm

import cinn_hub
from benchmarks.held_out import SIDE, add_arguments, chosen_photos, middle_square
from benchmarks.hints import AROUND, real_hint
from cinn_hub.color_model import ColorModel

PART = 200  # pixels of the parts of a series
Figures = dict[str, float]


def rms(x: np.ndarray) -> float:
    return float(np.sqrt(np.square(x).mean()))


def mood(model: ColorModel, rgb: np.ndarray, seed: int) -> Figures:
    corners = [(y, x) for y in (0, SIDE - PART) for x in (0, SIDE - PART)]
    parts = [model.prepare(Image.fromarray(rgb[y : y + PART, x : x + PART])) for y, x in corners]
    plain = [model.colorize(part, 1, seed=seed)[0] for part in parts]
    shared = plain[0].latent
    alike = [model.colorize(part, 1, seed=seed, mood=shared)[0] for part in parts]
    found = {}
    for name, answers in (("one seed", plain), ("one mood", alike)):
        means = np.stack([answer.ab.mean((0, 1)) for answer in answers])
        found[f"spread, {name}"] = float(np.linalg.norm(means - means.mean(0), axis=1).mean())
        pairs = zip(answers, parts, strict=True)
        found[f"error, {name}"] = rms(np.stack([answer.ab - part.ab for answer, part in pairs]))
    return found


def questions(model: ColorModel, rgb: np.ndarray, seed: int) -> Figures:
    prepared = model.prepare(Image.fromarray(rgb))
    asked = model.questions(prepared, 3, seed=seed)
    draws = model.draw(64, None, seed, model.center(prepared.condition))
    spread = model.small_ab(draws, prepared.condition).var(0).sum(0).cpu().numpy()
    cell = SIDE // len(spread)
    widest = []
    for _ in range(3):  # no two next to each other
        y, x = np.unravel_index(spread.argmax(), spread.shape)
        widest.append((int(x) * cell + cell // 2, int(y) * cell + cell // 2))
        spread[max(0, y - 2) : y + 3, max(0, x - 2) : x + 3] = 0
    anywhere = np.random.default_rng(seed).integers(AROUND, SIDE - AROUND, (3, 2)).tolist()
    spots = {
        "without hints": [],
        "questions": [(q.x, q.y) for q in asked],
        "random": anywhere,
        "widest": widest,
    }
    found = {"share of the first": asked[0].share}
    for name, places in spots.items():
        hints = [real_hint(rgb, x, y) for x, y in places]
        answers = model.colorize(prepared, 8, seed=seed + 1000, pool=None, hints=hints)
        found[f"error, {name}"] = rms(np.mean([x.ab for x in answers], 0) - prepared.ab)
    return found


MOVES: dict[str, Callable[[ColorModel, np.ndarray, int], Figures]] = {
    "mood": mood,
    "questions": questions,
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=textwrap.dedent(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("move", choices=MOVES)
    add_arguments(parser)
    options = parser.parse_args()
    model = cinn_hub.load(options.model)
    sources = chosen_photos(options)
    found = []
    with suppress(KeyboardInterrupt):  # what there is until then is printed
        for i, source in enumerate(tqdm(sources, leave=False)):
            found.append(MOVES[options.move](model, middle_square(source), i))
    print(f"{options.model}, {len(found)} photos")
    for name in found[0]:
        values = np.array([one[name] for one in found])
        print(f"{name}: {np.nanmean(values):.3f}, median {np.nanmedian(values):.3f}")


if __name__ == "__main__":
    main()
