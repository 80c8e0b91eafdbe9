"""How good the colours of a model are: against the real ones, and in the eyes of another network.

    python -m benchmarks.colours --set PATH [--model imagenet] [--sheet sheet.png]

PATH is a folder or zip of colour photos that the model has not seen; the middle square of each is
measured, at 256 px. `benchmarks.held_out` makes the sets that the cards name. The columns:

of 8      RMS, in percent of the RGB range, to the best of 8 samples at each pixel and channel
          ("MSE best of 8" of Ardizzone et al. 2019)
of 1      the same for the first sample
mean 8    RMS of the mean of the 8 samples
error     RMS of what that mean would be without its sampling noise, sqrt(MSE - variance / 7)
variance  between the 8 samples, in 1e-4 of the squared RGB range
bits      held-out bits per dimension of ab at 64x64, in ab units, with the model's noise
colour    colourfulness (Hasler and Süsstrunk 2003)
top 5     how many of the five classes that EfficientNet-Lite1 finds likeliest in the real photo are
          also among its five for the first sample, in percent
FD        Fréchet distance in that network's features to the same photos in their real colours
judged    how often a judge takes the first sample for a real photo, in percent; 50 is as good as
          real (the row of the real photos shows them mirrored): see benchmarks.judge
rough     mean ab step between neighbours at 64x64 where L is smooth, in ab units
mood, things, patches
          how the answers differ, in squared ab units: see benchmarks.differences

The last row is of the 8 of 48 draws that `colorize` chooses. A second table has the ratios that
matter, and their ideal.
"""

from __future__ import annotations

import argparse
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from tqdm import tqdm

import cinn_hub
from benchmarks import differences
from benchmarks.features import ColorCritic, Seen, colorfulness, frechet_distance, top5_agreement
from benchmarks.held_out import Held, middle_square
from benchmarks.judge import taken_for_real, views
from benchmarks.sheets import write_sheet
from cinn_hub.choosing import POOL
from cinn_hub.color import to_lab, to_rgb
from cinn_hub.color_model import ColorModel
from cinn_hub.flow import Condition
from cinn_hub.latent import Latent
from cinn_hub.photos import paint
from training.photos import evenly, find_photos

SAMPLES = 8
SHEET_PHOTOS = 24
SMOOTH = 2.0  # L units between neighbours at 64x64
MEAN_AB = (2.0, 7.8)  # of the training photos: python -m benchmarks.colours --mean-of PATH
COLUMNS = (
    *(
        "of 8",
        "of 1",
        "mean 8",
        "error",
        "variance",
        "bits",
        "colour",
        "top 5",
        "FD",
        "judged",
        "rough",
    ),
    *differences.PARTS,
)
IDEALS = {
    "error of the mean answer / of one colour": "low",
    "variance of answers / squared error of their mean": "1",
    "Fréchet distance / that of grey": "0",
    "top 5: 0 as for grey, 1 as for real": "1",
    "colour / real": "1",
    "roughness / real": "1",
    **{f"{part}: differences of answers / of real": "1" for part in differences.PARTS},
    "share of the mood in all differences": "",
}


def with_ab(lightness: np.ndarray, ab: tuple[float, float]) -> np.ndarray:
    """sRGB of L (256, 256) with one colour everywhere."""
    return to_rgb(np.dstack([lightness, np.broadcast_to(ab, (*lightness.shape, 2))]).astype("f4"))


class Figures:
    """Collects the columns of one row, photo by photo."""

    def __init__(self) -> None:
        self.lists: dict[str, list[float]] = {}
        self.firsts: list[np.ndarray] = []

    def add(self, samples: np.ndarray, real: np.ndarray, ab: np.ndarray, light: np.ndarray) -> None:
        """samples (n, 256, 256, 3) uint8, made of ab (n, 64, 64, 2) on L (64, 64)."""
        error = samples.astype(np.float32) / 255 - real.astype(np.float32) / 255
        variance = error.var(0).mean()
        of_mean = np.square(error.mean(0)).mean()
        unbiased = of_mean - variance / (len(samples) - 1) if len(samples) > 1 else of_mean
        values = {
            "of 8": 100 * np.sqrt(np.square(error).min(0).mean()),
            "of 1": 100 * np.sqrt(np.square(error[0]).mean()),
            "nearest": 100 * np.sqrt(np.square(error).mean((1, 2, 3)).min()),
            "mean 8": 100 * np.sqrt(of_mean),
            "error": 100 * np.sqrt(max(unbiased, 0.0)),
            "squared error": 1e4 * unbiased,
            "variance": 1e4 * variance,
            "colour": np.mean([colorfulness(sample) for sample in samples]),
            "rough": np.mean([roughness(x, light) for x in ab]),
        }
        for name, value in values.items():
            self.lists.setdefault(name, []).append(float(value))
        self.firsts.append(samples[0])

    def compare(self, answers: np.ndarray, real: np.ndarray, light: np.ndarray) -> None:
        """How the answers' ab (n, 64, 64, 2) differ, and the real ab from the mean of all."""
        region = differences.regions(light, real)
        own = differences.of_answers(answers, region)
        truth = differences.of_truth(answers, own, real, region)
        for part, value, wanted in zip(differences.PARTS, own, truth, strict=True):
            self.lists.setdefault(part, []).append(float(value))
            self.lists.setdefault(f"real {part}", []).append(float(wanted))

    def row(self, real: Seen, seen: Seen) -> dict[str, float]:
        """The columns; `seen` is how the critic sees the first samples, `real` the real photos."""
        return {name: float(np.mean(x)) for name, x in self.lists.items()} | {
            "top 5": 100 * top5_agreement(seen.scores, real.scores),
            "FD": frechet_distance(seen.features.numpy(), real.features.numpy()),
        }


def roughness(ab: np.ndarray, lightness: np.ndarray) -> float:
    """The mean ab step to the right and down neighbours, where L steps less than `SMOOTH`."""
    steps = []
    for axis in (0, 1):
        step = np.linalg.norm(np.diff(ab, axis=axis), axis=-1)
        steps.append(step[np.abs(np.diff(lightness, axis=axis)) < SMOOTH])
    return float(np.concatenate(steps).mean()) if sum(map(len, steps)) else 0.0


@torch.inference_mode()
def conditions(model: ColorModel, lightness: np.ndarray) -> list[Condition]:
    """The condition of each L (N, 256, 256)."""
    parts = (torch.from_numpy(light)[None, None].to(model.device) for light in lightness)
    return [model.condition(part) for part in parts]


@torch.inference_mode()
def sampled(
    model: ColorModel,
    photos: list[Condition],
    temperature: float | dict[str, float] | None = None,
    pool: int | None = None,
) -> Iterator[np.ndarray]:
    """ab (8, 64, 64, 2) for each photo, photo i with seed i."""
    for i, condition in enumerate(photos):
        z = Latent.cat(model.draws(condition, SAMPLES, temperature, i, pool))
        yield model.decode(z, condition).permute(0, 2, 3, 1).cpu().numpy()


@torch.inference_mode()
def held_out_bits(model: ColorModel, photos: list[Condition], held: Held) -> float:
    """Bits per dimension of the real ab, with the model's own noise."""
    generator = torch.Generator().manual_seed(0)
    bits = []
    for condition, ab in zip(photos, held.ab, strict=True):
        x = torch.from_numpy(ab).permute(2, 0, 1)[None]
        x = x + torch.tensor(model.config.noise).view(-1, 1, 1) * torch.randn(
            x.shape, generator=generator
        )
        bits.append(model.bits_per_dim(model.log_prob(x.to(model.device), condition)).item())
    return float(np.mean(bits))


def measure(
    name: str,
    held: Held,
    small: Iterator[np.ndarray],
    painted: Callable[[int, np.ndarray], np.ndarray],
) -> Figures:
    """One row: `small` gives ab (n, 64, 64, 2) photo by photo, `painted(i, ab)` the pictures."""
    figures = Figures()
    for i, ab in enumerate(tqdm(small, desc=name, total=len(held.rgb), leave=False)):
        light = cv2.resize(held.lightness[i], ab.shape[1:3], interpolation=cv2.INTER_AREA)
        figures.add(painted(i, ab), held.rgb[i], ab, light)
        if len(ab) > 1:
            figures.compare(ab, held.ab[i], light)
    return figures


def rows(
    model: ColorModel, held: Held, draws: dict[str, dict[str, Any]]
) -> dict[str, dict[str, float]]:
    """All rows of the table: the bounds of the scale, then the model with each of `draws`: what
    `sampled` is called with."""

    def guided(i: int, ab: np.ndarray) -> np.ndarray:
        return np.stack([paint(held.lightness[i], one) for one in ab])

    def constant(ab: tuple[float, float]) -> Callable[[int, np.ndarray], np.ndarray]:
        return lambda i, _: with_ab(held.lightness[i], ab)[None]

    flat = [np.zeros((1, 64, 64, 2), np.float32)] * len(held.rgb)
    real_ab = [ab[None] for ab in held.ab]
    figures = {
        "grey": measure("grey", held, iter(flat), constant((0, 0))),
        "one colour": measure("one colour", held, iter(flat), constant(MEAN_AB)),
        "real": measure("real", held, iter(real_ab), lambda i, _: held.rgb[i][None]),
        "real ab at 64x64": measure("64x64", held, iter(real_ab), guided),
    }
    photos = conditions(model, held.lightness)
    for name, options in draws.items():
        samples = sampled(model, photos, **options)
        figures[name] = measure(name, held, samples, guided)
    critic = ColorCritic()
    seen = {name: critic.look(figure.firsts) for name, figure in figures.items()}
    table = {name: figure.row(seen["real"], seen[name]) for name, figure in figures.items()}
    real = views(critic, figures["real"].firsts)
    for name, figure in figures.items():
        mirrored = [x[:, ::-1] for x in figure.firsts]
        shown = views(critic, mirrored if name == "real" else figure.firsts)
        table[name]["judged"] = taken_for_real(real, shown)
    bits = held_out_bits(model, photos, held)
    for name in draws:
        table[name]["bits"] = bits
    return table


def table_text(table: dict[str, dict[str, float]]) -> str:
    """As Markdown."""
    lines = ["| | " + " | ".join(COLUMNS) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    digits = {
        "variance": 1,
        "colour": 1,
        "top 5": 1,
        "FD": 1,
        "judged": 0,
        **dict.fromkeys(differences.PARTS, 0),
    }
    for name, values in table.items():
        cells = [f"{values[c]:.{digits.get(c, 2)}f}" if c in values else "" for c in COLUMNS]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def spread_of_answers(row: Mapping[str, float]) -> float:
    """The variance of answers, without the bias of 8, over the squared error of their mean; 1 is
    right."""
    return row["variance"] * SAMPLES / (SAMPLES - 1) / row["squared error"]


def ratios(table: dict[str, dict[str, float]], name: str) -> dict[str, float]:
    """What a reader wants to know of one of the model's rows, by the names in `IDEALS`."""
    row, grey, constant, real = (table[x] for x in (name, "grey", "one colour", "real"))
    found = {
        "error of the mean answer / of one colour": row["error"] / constant["error"],
        "variance of answers / squared error of their mean": spread_of_answers(row),
        "Fréchet distance / that of grey": row["FD"] / grey["FD"],
        "top 5: 0 as for grey, 1 as for real": (row["top 5"] - grey["top 5"])
        / max(1e-9, real["top 5"] - grey["top 5"]),
        "colour / real": row["colour"] / real["colour"],
        "roughness / real": row["rough"] / real["rough"],
    }
    for part in differences.PARTS:
        found[f"{part}: differences of answers / of real"] = row[part] / row[f"real {part}"]
    total = sum(row[part] for part in differences.PARTS)
    return found | {"share of the mood in all differences": row["mood"] / total}


def ratios_text(table: dict[str, dict[str, float]], names: Iterable[str]) -> str:
    """As Markdown, a column for each of the model's rows."""
    columns = {name: ratios(table, name) for name in names}
    lines = ["| | ideal | " + " | ".join(columns) + " |", "|---" * (len(columns) + 2) + "|"]
    for ratio, ideal in IDEALS.items():
        cells = [f"{values[ratio]:.2f}" for values in columns.values()]
        lines.append(f"| {ratio} | {ideal} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def mean_ab(places: list[str]) -> tuple[float, float]:
    """The mean colour of up to 4,000 photos, evenly taken from all."""
    chosen = evenly(find_photos(places), 4000)
    means = [to_lab(middle_square(x))[..., 1:].mean((0, 1)) for x in tqdm(chosen)]
    return tuple(np.mean(means, 0).round(1).tolist())


def grey_and_samples(lightness: np.ndarray, ab: np.ndarray) -> list[np.ndarray]:
    """sRGB of L (256, 256) without colours, then with each of ab (n, 64, 64, 2)."""
    return [with_ab(lightness, (0, 0)), *(paint(lightness, one) for one in ab)]


def old_photos(model: ColorModel, place: str, target: Path) -> None:
    """The contact sheet of photos that have no colours: grey, and eight samples."""
    sources = find_photos([place])[:SHEET_PHOTOS]
    lightness = np.stack([to_lab(middle_square(x))[..., 0] for x in sources])
    samples = sampled(model, conditions(model, lightness))
    rows = [grey_and_samples(*pair) for pair in zip(lightness, samples, strict=True)]
    write_sheet(rows, target)


def sheet(model: ColorModel, held: Held, target: Path) -> None:
    """Grey, real and eight samples of 24 photos, evenly taken from all."""
    chosen = evenly(range(len(held.rgb)), SHEET_PHOTOS)
    rows = []
    samples = sampled(model, conditions(model, held.lightness[chosen]))
    for i, ab in zip(chosen, samples, strict=True):
        grey, *colors = grey_and_samples(held.lightness[i], ab)
        rows.append([grey, held.rgb[i], *colors])
    write_sheet(rows, target)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=textwrap.dedent(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="imagenet", help="name or folder")
    parser.add_argument("--set", nargs="+", help="folders or zips of photos")
    parser.add_argument("--photos", type=int, help="how many of them (default: all)")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet instead of measuring")
    parser.add_argument("--old", help="with --sheet: photos without colours instead of --set")
    parser.add_argument("--mean-of", nargs="+", help="print the mean colour of these photos")
    options = parser.parse_args()
    if options.mean_of:
        print(mean_ab(options.mean_of))
        return
    model = cinn_hub.load(options.model)
    if options.sheet and options.old:
        old_photos(model, options.old, options.sheet)
        return
    held = Held.read(options.set, options.photos)
    if options.sheet:
        sheet(model, held, options.sheet)
        return
    draws = {
        "temperature 1 on all levels": {"temperature": 1.0},
        "the model's own temperatures": {},
        f"{SAMPLES} of {POOL} draws": {"pool": POOL},
    }
    table = rows(model, held, draws)
    print(f"{options.model} on {len(held.rgb)} photos\n\n{table_text(table)}\n")
    print(ratios_text(table, draws))


if __name__ == "__main__":
    main()
