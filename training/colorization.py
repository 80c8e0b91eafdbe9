"""The condition network of a `ColorizationCINN`: coarse colour as a classification.

Its flow is trained afterwards: see `training.color_flow`.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader

import cinn_hub
from cinn_hub.config import read_json
from cinn_hub.models.colorization_cinn import ColorizationCINN, ColorizationConfig
from cinn_hub.networks import EfficientNetLite
from training import classes
from training.backbone import ClassHead, load_pretrained, with_quick_gradients
from training.looking import teaching
from training.loop import Stage, Trainer
from training.losses import class_loss, color_loss, teacher_loss
from training.photos import (
    ColorPhotos,
    Draws,
    Source,
    collate,
    evenly,
    find_photos,
    rarity,
    tell_shared,
)

CLASS_WEIGHT = 0.5
TEACHER_WEIGHT = 0.5  # beside the real colours


class ColorizationTask(nn.Module):
    """The model with the losses of each stage.

    class_head: for photos whose class scores are known. From L alone the backbone learns to
    predict the classes that a network sees in the colour photo, so it keeps what it knows.
    teacher: what to learn from beside the real colours, see `looking.teaching`.
    """

    def __init__(
        self,
        model: ColorizationCINN,
        class_head: ClassHead | None = None,
        teacher: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.model = model
        self.class_head = class_head
        self.teacher = teacher

    def forward(
        self, stage: str, lightness: Tensor, ab: Tensor, scores: Tensor | None = None
    ) -> Tensor:
        lightness = lightness.contiguous(memory_format=torch.channels_last)
        features = self.model.condition_network.features(lightness)
        fine = self.model.condition_network.maps(features)[0]
        small = F.avg_pool2d(ab, ab.shape[-1] // fine.shape[-1])
        i, j = torch.randint(2, (2,)).tolist()  # a quarter of the places: nearly as good
        log_p = self.model.bins(fine[..., i::2, j::2])
        loss = color_loss(log_p, small[..., i::2, j::2], self.model.bins)
        if self.teacher:
            wanted = self.teacher(lightness)[..., i::2, j::2]
            taught = teacher_loss(log_p, wanted)
            loss = (1 - TEACHER_WEIGHT) * loss + TEACHER_WEIGHT * taught
        if scores is not None and stage == "condition":
            loss = loss + CLASS_WEIGHT * class_loss(self.class_head(features[-1])[1], scores)
        return loss

    def held_out(self, stage: str, batches: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """Cross-entropy, and the error of the expected colour over that of the mean colour of these
        photos."""
        entropy, squares, ab_all = [], [], []
        for lightness, ab in batches:
            lightness = lightness.contiguous(memory_format=torch.channels_last)
            fine = self.model.condition_network(lightness)[0]
            small = F.avg_pool2d(ab, ab.shape[-1] // fine.shape[-1])
            log_p = self.model.bins(fine)
            entropy.append(color_loss(log_p, small, self.model.bins))
            expected, _ = self.model.bins.mean_and_spread(log_p)
            squares.append((expected - small).square().mean((1, 2, 3)))
            ab_all.append(small)
        small = torch.cat(ab_all)
        constant = (small - small.mean((0, 2, 3), keepdim=True)).square().mean((1, 2, 3))
        ratio = torch.cat(squares).sqrt().mean() / constant.sqrt().mean()
        figures = {"cross-entropy": torch.stack(entropy).mean().item()}
        return figures | {"error / constant": ratio.item()}


def backbone_parameters(task: ColorizationTask, frozen_stages: int) -> list[nn.Parameter]:
    """What is tuned of the backbone: its convolutions across channels, behind the frozen stages.

    The first stages see edges and textures, cost most of the time, and gain least. The depthwise
    filters stay, too: on a CPU the gradients of their few weights take half of a training step.
    """
    backbone = task.model.condition_network.backbone
    tuned = backbone.stages[frozen_stages:] if frozen_stages else [backbone]
    convs = [m for part in tuned for m in part.modules() if isinstance(m, nn.Conv2d)]
    return [p for conv in convs if conv.groups == 1 for p in conv.parameters()]


def decoder_parameters(task: ColorizationTask) -> list[nn.Parameter]:
    network = task.model.condition_network
    backbone = {id(p) for p in network.backbone.parameters()}
    return [p for p in network.parameters() if id(p) not in backbone]


CLOCKS = {"wall": None, "cpu": time.process_time}  # None: the one of the Trainer
SHARES = {"decoder": 0.2, "condition": 0.8}


def stages(lr: float, frozen_stages: int, shares: Mapping[str, float] = SHARES) -> list[Stage]:
    """The decoder first, then the backbone with it; learning rates for batches of 32.

    shares: which stages to run, and the parts of the time that they get.
    """

    def group(parameters: Iterable[nn.Parameter], factor: float) -> dict[str, Any]:
        return {"params": list(parameters), "lr": factor * lr}

    def class_head(task: ColorizationTask, factor: float) -> list[dict[str, Any]]:
        return [group(task.class_head.parameters(), factor)] if task.class_head else []

    def decoder(task: ColorizationTask) -> list[dict[str, Any]]:
        return [group(decoder_parameters(task), 1), group(task.model.bins.parameters(), 1)]

    def condition(task: ColorizationTask) -> list[dict[str, Any]]:
        return [
            group(decoder_parameters(task), 0.6),
            group(task.model.bins.parameters(), 0.6),
            group(backbone_parameters(task, frozen_stages), 0.2),
            *class_head(task, 0.2),
        ]

    trained = {"decoder": decoder, "condition": condition}
    total = sum(shares.values())
    return [Stage(name, share / total, trained[name]) for name, share in shares.items()]


def parse_shares(text: str, known: Mapping[str, float] = SHARES) -> dict[str, float]:
    """Reads "decoder=1,condition=2" as {"decoder": 1.0, "condition": 2.0}."""
    shares = {}
    for part in text.split(","):
        name, _, share = part.partition("=")
        if name not in known or not share.replace(".", "", 1).isdigit() or float(share) <= 0:
            raise argparse.ArgumentTypeError(
                f"{part!r} is not a stage with its share; give NAME=NUMBER, with {', '.join(known)}"
            )
        shares[name] = float(share)
    return shares


def loader(
    sources: list[Source],
    size: int,
    batch: int,
    workers: int,
    seed: int,
    augment: bool,
    scores: Tensor | None = None,
    checked: bool = False,
) -> DataLoader:
    weights = rarity(sources) if scores is None else classes.rarity(scores)
    return DataLoader(
        ColorPhotos(sources, size, scores, checked),
        batch_size=min(batch, len(sources)),
        sampler=Draws(weights, seed) if augment else None,
        num_workers=workers,
        collate_fn=collate,
        drop_last=augment,
        persistent_workers=workers > 0,
        worker_init_fn=one_thread,
    )


def one_thread(worker: int) -> None:
    import cv2

    cv2.setNumThreads(0)


def add_photo_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", nargs="+", required=True, help="folders or zips of photos")
    parser.add_argument(
        "--held-out",
        nargs="+",
        help="folders or zips of photos to measure on (default: 1 %% of --data)",
    )
    parser.add_argument(
        "--classes", type=Path, help="what python -m training.classes wrote for --data"
    )
    parser.add_argument(
        "--checked",
        action="store_true",
        help="all photos of --data have colours, as those of training.gather: a tenth faster",
    )
    parser.add_argument("--held-out-photos", type=int, default=256)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_photo_arguments(parser)
    parser.add_argument("--out", type=Path, required=True, help="the model folder to write")
    parser.add_argument("--work", type=Path, help="folder of checkpoints (default OUT.training)")
    parser.add_argument(
        "--minutes", type=float, default=120, help="time for all stages (default 120)"
    )
    parser.add_argument(
        "--clock",
        choices=CLOCKS,
        default="wall",
        help="what --minutes are of: cpu, with --workers 0, are those that the process really had",
    )
    parser.add_argument(
        "--size",
        type=int,
        help="side of L in pixels (default: the model's); half of it is four times as fast",
    )
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--lr", type=float, default=1e-3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--frozen-stages",
        type=int,
        default=3,
        help="how many of the first stages of the backbone are not tuned (default 3)",
    )
    parser.add_argument("--checkpoint-minutes", type=float, default=3)
    parser.add_argument(
        "--stages",
        type=parse_shares,
        default=SHARES,
        metavar="NAME=SHARE,...",
        help="stages to run, and their shares of the time; default "
        + ",".join(f"{name}={share}" for name, share in SHARES.items()),
    )
    parser.add_argument("--init", help="go on from this model, by name or folder")
    parser.add_argument(
        "--teacher",
        help="learn as well what this model expects that looks at three sizes: by name or folder",
    )
    parser.add_argument(
        "--config",
        type=Path,
        help="a config.json of another shape; with --init, all weights that fit are kept",
    )
    parser.add_argument(
        "--from-scratch", action="store_true", help="do not start from the pretrained backbone"
    )


def split_sources(options: argparse.Namespace) -> tuple[list[Source], list[Source]]:
    sources = find_photos(options.data)
    if options.held_out:
        held = find_photos(options.held_out)
    else:
        held, sources = sources[::100], [s for i, s in enumerate(sources) if i % 100]
    held = evenly(held, options.held_out_photos)
    if not sources:
        raise SystemExit(
            "There is only one photo, and it is held out; give more, or others as --held-out."
        )
    tell_shared(sources, held)
    return sources, held


def initial_model(options: argparse.Namespace) -> ColorizationCINN:
    """An existing model to go on from, perhaps in another shape; or a new one on the pretrained
    backbone."""
    if options.init and options.from_scratch:
        raise SystemExit("--init and --from-scratch exclude each other; give one of them.")
    if options.init:
        model = cinn_hub.load(options.init, device="cpu")
        if options.config:
            model, _ = reshaped(model, options.config)
        return model.train().requires_grad_(True)
    config = ColorizationConfig()
    if options.config:
        config = ColorizationConfig.from_dict(read_json(options.config))
    model = ColorizationCINN(config)
    if not options.from_scratch:
        load_pretrained(model.condition_network.backbone)
    return model


def reshaped(known: ColorizationCINN, config: Path) -> tuple[ColorizationCINN, set[str]]:
    """A model of the shape in a config.json, with all tensors of the known one that fit; and the
    names of its parts that have others, too."""
    model = ColorizationCINN(ColorizationConfig.from_dict(read_json(config)))
    tensors, wanted = known.state_dict(), model.state_dict()
    fitting = {
        name: tensors[name]
        for name, x in wanted.items()
        if name in tensors and tensors[name].shape == x.shape
    }
    model.load_state_dict(fitting, strict=False)
    return model, {name.split(".")[0] for name in wanted.keys() - fitting.keys()}


def pretrained_head() -> ClassHead:
    backbone = EfficientNetLite()
    return ClassHead(backbone.tap_channels[-1], load_pretrained(backbone))


def main(options: argparse.Namespace) -> None:
    torch.manual_seed(options.seed)
    model = initial_model(options)
    if not torch.cuda.is_available():
        with_quick_gradients(model.condition_network.backbone)
    sources, held = split_sources(options)
    scores = classes.read(options.classes, sources) if options.classes else None
    head = pretrained_head() if scores is not None and "condition" in options.stages else None
    teacher = teaching(cinn_hub.load(options.teacher)) if options.teacher else None
    task = ColorizationTask(model, head, teacher).to(memory_format=torch.channels_last)
    size = options.size or model.config.image_size
    batches = partial(
        *(loader, sources, size, options.batch, options.workers),
        augment=True,
        scores=scores,
        checked=options.checked,
    )
    held_out = loader(held, size, batch=32, workers=0, seed=0, augment=False)
    work = options.work or options.out.with_name(options.out.name + ".training")
    trainer = Trainer(
        task,
        stages(options.lr, options.frozen_stages, options.stages),
        options.minutes,
        work,
        average=0.999,
        checkpoint_minutes=options.checkpoint_minutes,
        seed=options.seed,
        clock=CLOCKS[options.clock],
    )
    trainer.tell(
        f"{len(sources)} photos to train on, {len(held)} held out; what has no colours or "
        "cannot be read is skipped."
    )
    trainer.run(batches, held_out)
    flow = f"python -m training.train flow --init {options.out} ..."
    trainer.write(model, options.out, f"train its flow next: {flow}")
