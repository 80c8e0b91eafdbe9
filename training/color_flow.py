"""The flow of a colour model alone, on conditions that were computed once (`training.cache`).

    python -m training.color_flow --model imagenet --data PHOTOS [PHOTOS ...] --held-out PHOTOS \
        --caches CACHES --out FLOW --minutes 60

The flow is to learn how much its condition is to be trusted. So PHOTOS are best those that the
condition network has not seen: what it knows by heart looks too certain.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

import cinn_hub
from cinn_hub.color_flow import CELLS, DETAILS, GRAIN, ColorFlow
from cinn_hub.colorization import ColorizationCINN
from cinn_hub.flow import Flow, LevelCondition
from training.cache import Cache, View, fingerprint, make_cache
from training.loop import Stage, Trainer, mixed_precision
from training.photos import evenly, find_photos

SHRUNK = {CELLS: 4, DETAILS: 2, GRAIN: 1}
NEEDED = {
    CELLS: ("middle", "coarse", "lightness", "expected", "spread"),
    "details": ("middle", "lightness", "expected", "spread"),
}
NOISE = 0.5  # ab units


def condition_parts(model: ColorizationCINN, lightness: Tensor, ab: Tensor) -> dict[str, Tensor]:
    """What a flow may need of a photo: see `ColorFlow.condition`; and its ab."""
    lightness = lightness.contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16, enabled=mixed_precision() == "bf16"):
        return {**model.parts(lightness), "ab": ab}


def level_nats(flow: Flow, name: str, x: Tensor, given: Tensor) -> Tensor:
    """-log p of one level given the coarser ab, in nats per value, (B,).

    x: ab in the flow's unit, at the level's own side.
    """
    level, condition = flow.levels[name], LevelCondition(given)
    z, log_det = level.steps(x, condition)
    if level.split is not None:
        (_, z), more = level.split(z, condition)
        log_det = log_det + more
    z = z.flatten(1)
    energy = 0.5 * (z.square().sum(1) + z.shape[1] * math.log(2 * math.pi))
    return (energy - log_det) / z.shape[1]


class FlowTask(nn.Module):
    """The losses of the flow's levels; each sees the real coarser ab, so they train on their own.

    Stages: "cells", or "details" for the two finer levels.
    """

    def __init__(self, flow: ColorFlow) -> None:
        super().__init__()
        self.flow = flow

    def levels(self, stage: str) -> list[str]:
        return [CELLS] if stage == CELLS else [DETAILS, GRAIN]

    def nats(self, name: str, noisy: Tensor, parts: Mapping[str, Tensor]) -> Tensor:
        x = F.avg_pool2d(noisy, SHRUNK[name]) / self.flow.unit
        return level_nats(self.flow, name, x, self.flow.level_condition(name, parts))

    def forward(self, stage: str, ab: Tensor, parts: Mapping[str, Tensor]) -> Tensor:
        noisy = ab + NOISE * torch.randn_like(ab)
        return sum(self.nats(name, noisy, parts).mean() for name in self.levels(stage))

    def held_out(self, stage: str, batches: Iterable[Any]) -> dict[str, float]:
        """Mean nats a value of each level, and bits of all, over photos."""
        generator = torch.Generator().manual_seed(0)
        found: dict[str, list[Tensor]] = {}
        for ab, parts in batches:
            noisy = ab + NOISE * torch.randn(ab.shape, generator=generator)
            for name in self.levels(stage):
                found.setdefault(name, []).append(self.nats(name, noisy, parts))
        return {name: torch.cat(nats).mean().item() for name, nats in found.items()}


class CachedBatches:
    """Endless batches (ab, parts), each photo from a cache drawn by its share.

    Arguments:
        shares: of the photos of a batch that come from each cache, in the end all 1 together.
        names: of the arrays that are wanted, beside ab.
    """

    def __init__(
        self,
        caches: Sequence[Cache],
        shares: Sequence[float],
        names: Sequence[str],
        batch: int,
        seed: int,
    ) -> None:
        self.caches = list(caches)
        self.shares = np.array(shares) / np.sum(shares)
        self.names = tuple(names)
        self.batch = batch
        self.seed = seed

    def __iter__(self) -> Iterator[tuple[Tensor, dict[str, Tensor]]]:
        rng = np.random.default_rng(self.seed)
        while True:
            counts = rng.multinomial(self.batch, self.shares)
            chosen = [
                (cache, np.sort(rng.choice(cache.rows, count)))
                for cache, count in zip(self.caches, counts, strict=True)
                if count
            ]
            yield together([cache.read(rows, self.names) for cache, rows in chosen])


def together(found: Sequence[dict[str, Tensor]]) -> tuple[Tensor, dict[str, Tensor]]:
    parts = {name: torch.cat([x[name] for x in found]) for name in found[0]}
    return parts.pop("ab"), parts


def in_order(cache: Cache, batch: int = 50) -> list[tuple[Tensor, dict[str, Tensor]]]:
    """All photos of a cache, once."""
    rows = [cache.rows[i : i + batch] for i in range(0, len(cache), batch)]
    return [together([cache.read(some)]) for some in rows]


def caches_of(
    model: ColorizationCINN, places: Sequence[str], root: Path, views: Sequence[int]
) -> list[Cache]:
    """The caches of each place in each view, made where they are missing."""
    network = fingerprint(model.condition_network, model.bins)

    def compute(lightness: Tensor, ab: Tensor) -> dict[str, Tensor]:
        return condition_parts(model, lightness, ab)

    return [
        make_cache(root, Path(place).name, find_photos([place]), compute, network, view=View(view))
        for view in views
        for place in places
    ]


def face_shares(caches: Sequence[Cache], most: float = 0.1) -> list[float]:
    """The share of each cache: by its photos, but all faces together at most so much."""
    sizes = np.array([len(cache) for cache in caches], float)
    faces = np.array([cache.name.startswith("faces") for cache in caches])
    if faces.any() and not faces.all():
        allowed = most / (1 - most) * sizes[~faces].sum()
        sizes[faces] *= min(1.0, allowed / sizes[faces].sum())
    return (sizes / sizes.sum()).tolist()


def stages(names: Sequence[str], lr: float) -> list[Stage]:
    def cells(task: FlowTask) -> list[dict[str, Any]]:
        parts = [task.flow.features, task.flow.levels[CELLS]]
        return [{"params": [p for part in parts for p in part.parameters()], "lr": lr}]

    def details(task: FlowTask) -> list[dict[str, Any]]:
        levels = [task.flow.levels[name] for name in (DETAILS, GRAIN)]
        return [{"params": [p for level in levels for p in level.parameters()], "lr": lr}]

    trained = {CELLS: cells, "details": details}
    return [Stage(name, 1 / len(names), trained[name]) for name in names]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="imagenet", help="whose condition network it is")
    parser.add_argument("--data", nargs="+", required=True, help="folders or zips of photos")
    parser.add_argument("--held-out", nargs="+", required=True)
    parser.add_argument("--held-out-photos", type=int, default=600)
    parser.add_argument("--caches", type=Path, required=True, help="where conditions are kept")
    parser.add_argument("--views", type=int, default=1, help="how often each photo is looked at")
    parser.add_argument("--only-cache", action="store_true", help="make the caches, and no more")
    parser.add_argument("--out", type=Path, help="folder of the flow and of its checkpoint")
    parser.add_argument("--init", type=Path, help="go on from this flow.safetensors")
    parser.add_argument("--stage", default=CELLS, choices=(CELLS, DETAILS))
    parser.add_argument(
        "--shape", type=parse_shape, default={}, help="as attentions=6,couplings=4-3-3"
    )
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--average", type=float, default=0.999)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    torch.manual_seed(options.seed)
    flow = ColorFlow(**options.shape)
    if options.init:
        flow.load_state_dict(load_file(options.init))
    model = cinn_hub.load(options.model, device="cpu").to(memory_format=torch.channels_last)
    held = caches_of(model, options.held_out, options.caches, [0])
    caches = caches_of(model, options.data, options.caches, range(options.views))
    if options.only_cache:
        return
    del model
    names = NEEDED[options.stage]
    batches = CachedBatches(
        caches, face_shares(caches), (*names, "ab"), options.batch, options.seed
    )
    held_out = [batch for cache in held for batch in in_order(cache)]
    held_out = evenly(held_out, max(1, options.held_out_photos // 50))
    print(f"{sum(map(len, caches))} photos to train on, {sum(map(len, held))} held out.")
    trainer = Trainer(
        FlowTask(flow),
        stages([options.stage], options.lr),
        options.minutes,
        options.out,
        average=options.average,
    )
    progress = trainer.run(batches, held_out)
    state = {name: x.contiguous() for name, x in flow.state_dict().items()}
    save_file(state, options.out / "flow.safetensors")
    progress.write(options.out)


def parse_shape(text: str) -> dict[str, int | tuple[int, ...]]:
    """Reads "attentions=6,couplings=4-3-3"."""
    shape = {}
    for key, _, value in (part.partition("=") for part in text.split(",")):
        numbers = tuple(map(int, value.split("-")))
        shape[key] = numbers if len(numbers) > 1 else numbers[0]
    return shape


if __name__ == "__main__":
    main()
