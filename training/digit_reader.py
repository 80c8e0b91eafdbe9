"""A classifier that tells the digits model in training whether what it writes can be read.

It shares neither shape nor seed nor noise with the judge of `benchmarks.classifier`, so that the
judge's figures are not what was trained for.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cinn_hub.digit_model import LABELS, SIDE, STEPS
from cinn_hub.files import whole_file

SEED, EPOCHS, BATCH, LEARNING_RATE = 1, 4, 128, 2e-3
NOISE = 0.1  # standard deviation on pixels, at most
SHIFT = 2  # pixels, at most
WIDTH = 32


class TrainingReader(nn.Sequential):
    """Digits (N, 1, 28, 28) in [0, 1] -> scores (N, 10)."""

    def __init__(self) -> None:
        super().__init__(
            *(nn.Conv2d(1, WIDTH, 3, padding=1), nn.GELU(), nn.AvgPool2d(2)),
            *(nn.Conv2d(WIDTH, 2 * WIDTH, 3, padding=1), nn.GELU(), nn.AvgPool2d(2)),
            *(nn.Conv2d(2 * WIDTH, 2 * WIDTH, 3, padding=1), nn.GELU(), nn.Flatten()),
            *(nn.Dropout(0.3), nn.Linear(2 * WIDTH * (SIDE // 4) ** 2, LABELS)),
        )


def disturbed(images: Tensor) -> Tensor:
    """Pictures (N, 1, 28, 28), all moved by the same few pixels, each with noise of its own
    strength."""
    moved = images.roll(torch.randint(-SHIFT, SHIFT + 1, (2,)).tolist(), (2, 3))
    strength = NOISE * torch.rand(len(images), 1, 1, 1)
    return moved + strength * torch.randn(images.shape)


def train_reader(images: Tensor, labels: Tensor) -> TrainingReader:
    """Trains on digits uint8 (N, 1, 28, 28); leaves PyTorch's random numbers as they were."""
    with torch.random.fork_rng([]):
        torch.manual_seed(SEED)
        reader = TrainingReader()
        optimizer = torch.optim.AdamW(reader.parameters(), LEARNING_RATE)
        batches = [torch.randperm(len(images)).split(BATCH) for _ in range(EPOCHS)]
        steps = [chosen for epoch in batches for chosen in epoch]
        for k, chosen in enumerate(steps):
            optimizer.param_groups[0]["lr"] = (
                LEARNING_RATE * (1 + math.cos(math.pi * k / len(steps))) / 2
            )
            x = disturbed((images[chosen] + 0.5) / STEPS)
            loss = F.cross_entropy(reader(x), labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return reader.eval()


def reader_of(images: Tensor, labels: Tensor, folder: Path) -> TrainingReader:
    """The trained classifier, kept in the folder for when the training is resumed."""
    path = folder / "reader.safetensors"
    if path.exists():
        reader = TrainingReader().eval()
        reader.load_state_dict(load_file(path))
        return reader
    reader = train_reader(images, labels)
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as unfinished:
        save_file(reader.state_dict(), unfinished)
    return reader
