"""The flow of a `ColorizationCINN`, on conditions that are computed once (`training.cache`).

Train it on photos that the condition network has not seen. On photos that it was trained on, the
condition network is overconfident, and the flow would learn to trust it too much.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import cinn_hub
from cinn_hub.models.colorization_cinn import CELLS, DETAILS, GRAIN, ColorizationCINN
from training.cache import Cache, CachedBatches, View, fingerprint, in_order, make_cache
from training.colorization import parse_shares, reshaped
from training.loop import Stage, Trainer, mixed_precision
from training.losses import level_loss
from training.photos import find_photos, tell_shared
from training.sharing import noise_like, processes

SHRUNK = {CELLS: 4, DETAILS: 2, GRAIN: 1}  # how many times, the ab that a level is about
LEVELS = {CELLS: (CELLS,), DETAILS: (DETAILS, GRAIN)}  # of each stage
PARTS = ("middle", "coarse", "expected", "spread", "lightness")  # of the condition
SHARES = {CELLS: 0.7, DETAILS: 0.3}


class FlowTask(nn.Module):
    """The losses of the flow's levels; each sees the real coarser ab, so they train on their own.

    A batch is ab (B, 2, ab_size, ab_size) and then the parts of its condition, as in `PARTS`.
    """

    def __init__(self, model: ColorizationCINN) -> None:
        super().__init__()
        self.flow = model.flow
        self.noise = model.config.noise

    def nats(self, name: str, noisy: Tensor, parts: Sequence[Tensor]) -> Tensor:
        features = self.flow.level_condition(name, dict(zip(PARTS, parts, strict=True)))
        x = F.avg_pool2d(noisy, SHRUNK[name]) / self.flow.unit
        return level_loss(self.flow, name, x, features)

    def forward(self, stage: str, ab: Tensor, *parts: Tensor) -> Tensor:
        noisy = ab + self.noise * noise_like(ab)
        return sum(self.nats(name, noisy, parts).mean() for name in LEVELS[stage])

    def held_out(self, stage: str, batches: Iterable[Sequence[Tensor]]) -> dict[str, float]:
        """Mean nats per value of each level of the stage."""
        generator = torch.Generator().manual_seed(0)
        found: dict[str, list[Tensor]] = {name: [] for name in LEVELS[stage]}
        for ab, *parts in batches:
            noisy = ab + self.noise * torch.randn(ab.shape, generator=generator).to(ab.device)
            for name, nats in found.items():
                nats.append(self.nats(name, noisy, parts))
        return {name: torch.cat(nats).mean().item() for name, nats in found.items()}


def caches_of(
    model: ColorizationCINN, places: Sequence[str], root: Path, views: Sequence[int]
) -> list[Cache]:
    """The caches of each place in each view, made where they are missing.

    Raises:
        SystemExit: none of the photos has colours.
    """
    network = fingerprint(model.condition_network, model.bins)
    device, dtype = model.device, torch.bfloat16

    def compute(lightness: Tensor, ab: Tensor) -> dict[str, Tensor]:
        lightness = lightness.to(device).contiguous(memory_format=torch.channels_last)
        with torch.autocast(device.type, dtype, enabled=mixed_precision() == "bf16"):
            return {**model.parts(lightness), "ab": ab}

    size = model.config.image_size
    caches = [
        make_cache(root, Path(place).name, find_photos([place]), compute, network, size, View(view))
        for view in views
        for place in places
    ]
    names, photos = ", ".join(map(str, places)), caches[: len(places)]
    if not sum(map(len, caches)):
        raise SystemExit(f"None of the photos in {names} has colours; give colour photos.")
    skipped = sum(cache.skipped for cache in photos)
    if processes().is_main_process:
        print(f"{names}: {sum(map(len, photos))} photos; {skipped} without colours are skipped.")
    return caches


def with_few_faces(caches: Sequence[Cache], most: float = 0.1) -> list[float]:
    """The share of each cache, by its photos; all faces together get at most `most`."""
    sizes = np.array([len(cache) for cache in caches], float)
    faces = np.array([cache.name.startswith("faces") for cache in caches])
    if faces.any() and not faces.all():
        allowed = most / (1 - most) * sizes[~faces].sum()
        sizes[faces] *= min(1.0, allowed / sizes[faces].sum())
    return (sizes / sizes.sum()).tolist()


def stages(shares: dict[str, float], lr: float) -> list[Stage]:
    def cells(task: FlowTask) -> list[dict[str, Any]]:
        parts = [task.flow.features, task.flow.levels[CELLS]]
        return [{"params": [p for part in parts for p in part.parameters()], "lr": lr}]

    def details(task: FlowTask) -> list[dict[str, Any]]:
        parts = [task.flow.levels[name] for name in LEVELS[DETAILS]]
        return [{"params": [p for part in parts for p in part.parameters()], "lr": lr}]

    trained = {CELLS: cells, DETAILS: details}
    total = sum(shares.values())
    return [Stage(name, share / total, trained[name]) for name, share in shares.items()]


def initial_model(options: argparse.Namespace) -> ColorizationCINN:
    """The model to go on from; in another shape, if there is one, with all tensors that fit."""
    model = cinn_hub.load(options.init, device="cpu")
    if options.config:
        model, new = reshaped(model, options.config)
        if new - {"flow"}:
            raise SystemExit(
                f"{options.config} describes another {', '.join(sorted(new - {'flow'}))} than "
                f"{options.init}; only the flow may have another shape."
            )
    return model.requires_grad_(False).to(memory_format=torch.channels_last)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--init", required=True, help="name or folder of the model whose flow is trained"
    )
    parser.add_argument("--config", type=Path, help="a config.json with another shape of the flow")
    parser.add_argument("--data", nargs="+", required=True, help="folders or zips of photos")
    parser.add_argument("--held-out", nargs="+", required=True, help="folders or zips")
    parser.add_argument(
        "--caches", type=Path, required=True, help="folder that keeps the conditions"
    )
    parser.add_argument(
        "--views",
        type=int,
        default=2,
        help="of each photo: the whole, then random parts, mirrored and aged by chance (default 2)",
    )
    parser.add_argument("--only-caches", action="store_true", help="make the caches and stop")
    parser.add_argument("--out", type=Path, help="the model folder to write")
    parser.add_argument("--work", type=Path, help="folder of checkpoints (default OUT.training)")
    parser.add_argument(
        "--minutes", type=float, default=120, help="time for all stages (default 120)"
    )
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint-minutes", type=float, default=3)
    parser.add_argument(
        "--stages",
        type=lambda text: parse_shares(text, SHARES),
        default=SHARES,
        metavar="NAME=SHARE,...",
        help="stages to run, and their shares of the time; default "
        + ",".join(f"{name}={share}" for name, share in SHARES.items()),
    )


def main(options: argparse.Namespace) -> None:
    if not (options.out or options.only_caches):
        raise SystemExit("There is no --out; give the model folder to write, or --only-caches.")
    torch.manual_seed(options.seed)
    device = processes().device if torch.cuda.is_available() else "cpu"
    model = initial_model(options).to(device)
    with processes().main_process_first():  # the others find the caches
        held = caches_of(model, options.held_out, options.caches, [0])
        caches = caches_of(model, options.data, options.caches, range(options.views))
    tell_shared(find_photos(options.data), find_photos(options.held_out))
    if options.only_caches:
        return
    shares = with_few_faces(caches)
    names = ("ab", *PARTS)
    batches = partial(CachedBatches, caches, shares, options.batch, names, device=device)
    trainer = Trainer(
        FlowTask(model),
        stages(options.stages, options.lr),
        options.minutes,
        options.work or options.out.with_name(options.out.name + ".training"),
        average=0.999,
        checkpoint_minutes=options.checkpoint_minutes,
        seed=options.seed,
    )
    trainer.run(batches, [batch for cache in held for batch in in_order(cache, names)])
    trainer.write(model, options.out, f"try it: cinn-hub colorize PHOTO -m {options.out}")
