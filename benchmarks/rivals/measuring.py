"""The figures of one trained rival, by the measures of `benchmarks.colours`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.colours import Figures, measure, with_ab
from benchmarks.features import ColorCritic
from benchmarks.held_out import Held
from benchmarks.rivals.conditions import SIDE, Trunk
from benchmarks.rivals.rival import ANSWERS, Rival
from benchmarks.rivals.rows import ROWS
from cinn_hub.photos import paint
from training.cache import Cache

ENLARGED = 64  # the side of ab that the measures are made for


def enlarged(ab: Tensor) -> np.ndarray:
    """(n, 2, 32, 32) -> (n, 64, 64, 2)."""
    large = F.interpolate(ab, (ENLARGED, ENLARGED), mode="bilinear")
    return large.permute(0, 2, 3, 1).numpy()


@torch.inference_mode()
def conditions(trunk: Trunk, held: Held) -> list[dict[str, Tensor]]:
    return [trunk(torch.from_numpy(light)[None, None]) for light in held.lightness]


@torch.inference_mode()
def sampled(
    rival: Rival, photos: list[dict[str, Tensor]], seconds: list[float]
) -> Iterator[np.ndarray]:
    """ab (8, 64, 64, 2) for each photo, photo i with seed i; appends how long each took."""
    for i, parts in enumerate(photos):
        torch.manual_seed(i)
        start = time.process_time()
        ab = rival.answers(parts, ANSWERS)
        seconds.append(time.process_time() - start)
        yield enlarged(ab)


@torch.inference_mode()
def held_out_bits(rival: Rival, photos: list[dict[str, Tensor]], held: Held) -> float:
    """Bits per dimension of the real ab at 32x32."""
    torch.manual_seed(0)
    bits = []
    for parts, ab in zip(photos, held.ab, strict=True):
        small = F.avg_pool2d(torch.from_numpy(ab).permute(2, 0, 1)[None], ENLARGED // SIDE)
        bits.append(rival.bits(small, parts).item())
    return float(np.mean(bits))


def measured(rival: Rival, trunk: Trunk, held: Held, name: str) -> dict[str, float]:
    """The columns of the table, and `pictures a second` of one core once the trunk has seen a
    photo."""
    photos, seconds = conditions(trunk, held), []
    figures = measure(name, held, sampled(rival, photos, seconds), painter(held))
    row = rows_of({name: figures}, held)[name]
    row["pictures a second"] = (ANSWERS if ROWS[name].is_diverse else 1) / median(seconds)
    if rival.has_likelihood:
        row["bits"] = held_out_bits(rival, photos, held)
    return row


def mean_color(caches: Sequence[Cache]) -> tuple[float, float]:
    """The mean ab of the photos in these caches."""
    of_photos = [cache.read(cache.rows, ["ab"])["ab"].mean((2, 3)) for cache in caches]
    a, b = torch.cat(of_photos).mean(0).tolist()
    return a, b


def bounds(held: Held, color: tuple[float, float]) -> dict[str, dict[str, float]]:
    """The rows between which all others lie; one of them has one colour for all photos."""
    flat = [np.zeros((1, ENLARGED, ENLARGED, 2), np.float32)] * len(held.rgb)
    real = [ab[None] for ab in held.ab]
    small = (cv2.resize(ab, (SIDE, SIDE), interpolation=cv2.INTER_AREA) for ab in held.ab)
    same = (enlarged(torch.from_numpy(ab).permute(2, 0, 1)[None]) for ab in small)
    found = {
        "grey": measure(
            "grey", held, iter(flat), lambda i, _: with_ab(held.lightness[i], (0, 0))[None]
        ),
        "one colour": measure(
            "one colour", held, iter(flat), lambda i, _: with_ab(held.lightness[i], color)[None]
        ),
        "real": measure("real", held, iter(real), lambda i, _: held.rgb[i][None]),
        "real ab at 32x32": measure("32x32", held, same, painter(held)),
    }
    return rows_of(found, held)


def painter(held: Held) -> Any:
    return lambda i, ab: np.stack([paint(held.lightness[i], one) for one in ab])


def rows_of(found: dict[str, Figures], held: Held) -> dict[str, dict[str, float]]:
    """The columns, with those that the critic gives."""
    critic = ColorCritic()
    real = critic.look(list(held.rgb))
    return {name: figures.row(real, critic.look(figures.firsts)) for name, figures in found.items()}
