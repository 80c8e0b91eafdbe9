"""The digits model: maximum likelihood of MNIST, then the principal directions of its latents."""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import cinn_hub
from cinn_hub.config import read_json
from cinn_hub.models.digit_cinn import DigitCINN, DigitConfig
from cinn_hub.writing import LABELS, SIDE, STEPS, bits_per_pixel, dequantized
from training.loop import Stage, Trainer
from training.mnist import read_mnist
from training.sharing import noise_like

DIRECTION_IMAGES = 20_000  # enough for the principal directions
HELD_OUT = 5000  # the last of the 60,000; the test images are for benchmarks alone


class DigitTask(nn.Module):
    """A model of digits, and its likelihood as a loss; images are uint8 (B, 1, 28, 28)."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, stage: str, images: Tensor, labels: Tensor) -> Tensor:
        x = (images + noise_like(images, torch.rand)) / STEPS
        nats = self.model.log_prob(x, self.model.condition(labels))
        return -nats.mean() / self.model.dimensions

    def held_out(self, stage: str, batches: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        bits = []
        for images, labels in batches:
            generator = torch.Generator(images.device).manual_seed(0)
            x = dequantized(images / 255, generator)
            log_prob = self.model.log_prob(x, self.model.condition(labels))
            bits.append(bits_per_pixel(log_prob))
        return {"bits per pixel": torch.cat(bits).mean().item()}


def everything(task: nn.Module) -> list[dict]:
    return [{"params": list(task.parameters()), "lr": LEARNING_RATE}]


LEARNING_RATE = 1e-3
STAGES = [Stage("flow", 1.0, everything)]


def loader(images: Tensor, labels: Tensor, batch: int, seed: int | None = None) -> DataLoader:
    """Batches in their order; with a seed, shuffled."""
    shuffle = seed is not None
    generator = torch.Generator().manual_seed(seed) if shuffle else None
    pictures = TensorDataset(images, labels)
    return DataLoader(pictures, batch, shuffle, drop_last=shuffle, generator=generator)


def principal_directions(
    model: DigitCINN, images: Tensor, labels: Tensor, count: int
) -> tuple[Tensor, Tensor]:
    """The directions in the latent space of real digits along which pictures change most.

    The latents themselves are nearly white, so their covariance says nothing. What counts is how
    much a step changes the picture: the strongest eigenvectors of E[J^T J], where J = d picture / d
    z, over real hands in all ten digits and changes as large as a stroke (Constantine et al. 2014,
    active subspaces).

    Returns:
        (count, D) orthonormal, and the standard deviations of real latents along them, (count,).
    """
    generator = torch.Generator().manual_seed(0)
    total = torch.zeros(model.dimensions, model.dimensions)
    found = []
    for part, which in zip(images.split(250), labels.split(250), strict=True):
        latent = model.latent(part / 255, which)
        z = latent.flatten().clone()  # a clone can be differentiated
        found.append(z)
        written = model.condition(torch.randint(LABELS, (len(z),), generator=generator))
        coarse = torch.randn(len(z), 1, 7, 7, generator=generator)
        probe = F.interpolate(coarse, (SIDE, SIDE), mode="bilinear")
        z.requires_grad_(True)
        pictures = model.decode(latent.unflattened(z), written)
        (step,) = torch.autograd.grad((pictures * probe).sum(), z)
        total += step.T @ step
    directions = torch.linalg.eigh(total).eigenvectors.T.flip(0)[:count]
    deviations = (torch.cat(found).detach() @ directions.T).std(0)
    return directions.contiguous(), deviations


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder of MNIST's IDX files")
    parser.add_argument("--out", type=Path, required=True, help="the model folder to write")
    parser.add_argument("--work", type=Path, help="folder of checkpoints (default OUT.training)")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--directions", type=int, default=4, help="how many to keep")
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
        seed=options.seed,
    )
    seen, held = slice(None, -HELD_OUT), slice(-HELD_OUT, None)
    batches = partial(loader, images[seen], labels[seen], options.batch)
    trainer.run(batches, loader(images[held], labels[held], 1000))
    model.cpu().eval().requires_grad_(False)
    found = principal_directions(
        model, images[:DIRECTION_IMAGES], labels[:DIRECTION_IMAGES], len(model.directions)
    )
    model.directions, model.deviations = found
    trainer.write(model, options.out)
