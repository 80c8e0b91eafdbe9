"""Widens what each level of a trained model draws until it fits photos that training did not see.

    python -m training.calibrate MODEL --photos generic-val.zip --out OUT

The condition network knows the photos of its training a little by heart. So their colours differ
less from what it expects than those of other photos do, and the flow, which has learned just these
differences, is too sure. One number a level mends it: the differences are divided by s before the
flow sees them, with the s of the highest likelihood on the given photos (as Guo et al. 2017
calibrate classifiers). No tensor is added: s goes into the level's `ActNorm`.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

import cinn_hub
from cinn_hub.flow import ActNorm, Condition
from cinn_hub.models.colorization_cinn import ColorizationCINN
from training.colorization import level_nats
from training.photos import ColorPhotos, collate, evenly, find_photos

FACTORS = [1.03**i for i in range(-3, 13)]  # from 0.92 to 1.43


def act_norms(model: ColorizationCINN) -> dict[str, ActNorm]:
    """The layer of each level that scales what differs from the colours to be expected."""
    norms = {}
    for name, level in model.flow.levels.items():
        (norms[name],) = (layer for layer in level.modules() if isinstance(layer, ActNorm))
    return norms


@torch.no_grad()
def widen(model: ColorizationCINN, factors: dict[str, float]) -> None:
    """Multiplies what each level draws around the expected colours by its factor."""
    for name, norm in act_norms(model).items():
        norm.log_scale += math.log(factors[name])


@torch.inference_mode()
def nats_by_level(model: ColorizationCINN, photos: list[tuple[Condition, Tensor]]) -> Tensor:
    """Mean -log p a dimension, (levels,), over (condition, ab with noise)."""
    nats = [torch.stack([*level_nats(model, ab, condition).values()]) for condition, ab in photos]
    return torch.cat(nats, 1).mean(1)


def calibrate(model: ColorizationCINN, photos: list[tuple[Condition, Tensor]]) -> dict[str, float]:
    """The factor of each level; the model is left with them.

    Levels do not depend on each other: each sees the real coarser ab.
    """
    names, found = list(model.flow.levels), []
    for factor in tqdm(FACTORS):
        widen(model, dict.fromkeys(names, factor))
        found.append(nats_by_level(model, photos))
        widen(model, dict.fromkeys(names, 1 / factor))
    best = torch.stack(found).argmin(0).tolist()
    factors = {name: FACTORS[i] for name, i in zip(names, best, strict=True)}
    widen(model, factors)
    return factors


@torch.inference_mode()
def read_photos(
    model: ColorizationCINN, places: list[str], limit: int
) -> list[tuple[Condition, Tensor]]:
    sources = evenly(find_photos(places), limit)
    found = ColorPhotos(sources, model.config.image_size, augment=False)
    generator = torch.Generator().manual_seed(0)
    photos = []
    for i in tqdm(range(0, len(found), 10)):
        lightness, ab = collate([found[j] for j in range(i, min(i + 10, len(found)))])
        if len(ab):
            noise = model.config.noise * torch.randn(ab.shape, generator=generator)
            photos.append((model.condition(lightness), ab + noise))
    return photos


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("model", help="name or folder")
    parser.add_argument("--photos", nargs="+", required=True, help="folders or zips")
    parser.add_argument("--limit", type=int, default=600, help="of photos that are used")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    model = cinn_hub.load(options.model, device="cpu")
    factors = calibrate(model, read_photos(model, options.photos, options.limit))
    print(", ".join(f"{name} {factor:.2f}" for name, factor in factors.items()))
    model.save_pretrained(options.out)


if __name__ == "__main__":
    main()
