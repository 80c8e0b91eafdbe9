"""The digits model: maximum likelihood of MNIST, then the principal directions of its latents."""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import cinn_hub
from cinn_hub.checkpoints import write_model
from cinn_hub.config import read_json
from cinn_hub.digits import STEPS, DigitCINN, DigitConfig, dequantized
from training.loop import Stage, Trainer
from training.mnist import read_mnist

HELD_OUT = 5000  # the last of the 60,000; the test images are for benchmarks alone


class DigitTask(nn.Module):
    """A model of digits, and its likelihood as a loss; images are uint8 (B, 1, 28, 28)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, stage: str, images: Tensor, labels: Tensor) -> Tensor:
        generator = torch.Generator(images.device).manual_seed(int(torch.randint(2**31, ())))
        x = dequantized(images / 255, generator)
        nats = self.model.log_prob(x, self.model.condition(labels))
        return -nats.mean() / self.model.dimensions

    def held_out(self, stage: str, batches: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        bits = []
        for images, labels in batches:
            generator = torch.Generator(images.device).manual_seed(0)
            x = dequantized(images / 255, generator)
            log_prob = self.model.log_prob(x, self.model.condition(labels))
            bits.append(self.model.bits_per_dim(log_prob))
        return {"bits per dim": torch.cat(bits).mean().item()}


def everything(task: nn.Module) -> list[dict]:
    return [{"params": list(task.parameters()), "lr": LEARNING_RATE}]


LEARNING_RATE = 1e-3
STAGES = [Stage("flow", 1.0, everything)]


def loader(images: Tensor, labels: Tensor, batch: int, shuffle: bool) -> DataLoader:
    return DataLoader(TensorDataset(images, labels), batch, shuffle, drop_last=shuffle)


@torch.inference_mode()
def principal_directions(
    model: DigitCINN, images: Tensor, labels: Tensor, count: int
) -> tuple[Tensor, Tensor]:
    """The strongest `count` principal directions of the images' latents: (count, D), (count,)."""
    latents = [
        model.latent(part / 255, which).flatten()
        for part, which in zip(images.split(1000), labels.split(1000), strict=True)
    ]
    z = torch.cat(latents)
    _, deviations, directions = torch.pca_lowrank(z, q=count + 10, niter=4)
    return directions.T[:count].contiguous(), deviations[:count] / (len(z) - 1) ** 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder of MNIST's IDX files")
    parser.add_argument("--out", type=Path, required=True, help="the model folder to write")
    parser.add_argument("--work", type=Path, help="where checkpoints lie; default OUT.training")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--directions", type=int, default=6, help="how many to keep")
    parser.add_argument("--checkpoint-minutes", type=float, default=2)
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--init", help="go on from this model, by name or folder")
    start.add_argument("--config", type=Path, help="a config.json of another shape")


def initial_model(options: argparse.Namespace, images: Tensor) -> DigitCINN:
    if options.init:
        return cinn_hub.load(options.init, device="cpu").train().requires_grad_(True)
    names = tuple(f"direction {i + 1}" for i in range(options.directions))
    config = DigitConfig()
    if options.config:
        config = DigitConfig.from_dict(read_json(options.config))
    model = DigitCINN(replace(config, directions=names))
    model.equalization.fit(torch.bincount(images.flatten().long(), minlength=STEPS))
    return model


def main(options: argparse.Namespace) -> None:
    torch.manual_seed(options.seed)
    images, labels = read_mnist(options.data, "train")
    model = initial_model(options, images)
    work = options.work or options.out.with_name(options.out.name + ".training")
    trainer = Trainer(
        DigitTask(model),
        STAGES,
        options.minutes,
        work,
        average=0.999,
        checkpoint_minutes=options.checkpoint_minutes,
    )
    seen, held = slice(None, -HELD_OUT), slice(-HELD_OUT, None)
    batches = loader(images[seen], labels[seen], options.batch, shuffle=True)
    progress = trainer.run(batches, loader(images[held], labels[held], 1000, shuffle=False))
    if trainer.accelerator.is_main_process:
        model.eval()
        found = principal_directions(model, images, labels, len(model.config.directions))
        model.directions, model.deviations = (x.clone() for x in found)
        write_model(model, options.out)
        (options.out / "training.json").write_text(json.dumps(vars(progress), indent=1) + "\n")
