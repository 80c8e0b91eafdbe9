"""A convolutional network that reads digits, and judges those that a model writes."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from tqdm import trange

from cinn_hub.files import whole_file

EPOCHS, BATCH, LEARNING_RATE = 10, 128, 2e-3
SHIFT = 2  # pixels, at random in training


def block(inputs: int, outputs: int, kernel: int) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


class DigitReader(nn.Module):
    """Digits (N, 1, 28, 28) in [0, 1] -> scores (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            *(block(1, 24, 5), nn.MaxPool2d(2)),
            *(block(24, 48, 3), block(48, 48, 3), nn.MaxPool2d(2)),
            *(block(48, 96, 3), nn.Flatten(), nn.Dropout(0.3)),
            *(nn.Linear(96 * 7 * 7, 128), nn.ReLU()),
        )
        self.head = nn.Linear(128, 10)

    def forward(self, images: Tensor) -> Tensor:
        return self.head(self.body(images))

    @torch.inference_mode()
    def look(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features (N, 128) and the labels read (N,)."""
        features = torch.cat([self.body(part) for part in images.split(1000)])
        return features, self.head(features).argmax(1)


def shifted(images: Tensor) -> Tensor:
    """Each picture moved by up to SHIFT pixels each way."""
    padded = F.pad(images, [SHIFT] * 4)
    side = images.shape[-1]
    moves = torch.randint(2 * SHIFT + 1, (2, len(images), 1))
    rows, columns = moves + torch.arange(side)
    index = torch.arange(len(images))[:, None, None]
    return padded[index, 0, rows[:, :, None], columns[:, None, :]].unsqueeze(1)


def train_reader(images: Tensor, labels: Tensor) -> DigitReader:
    """Trains on digits uint8 (N, 1, 28, 28)."""
    torch.manual_seed(0)
    reader = DigitReader()
    optimizer = torch.optim.AdamW(reader.parameters(), LEARNING_RATE)
    steps = EPOCHS * (len(images) // BATCH)
    rate = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: 0.5 * (1 + math.cos(math.pi * step / steps))
    )
    for _ in trange(EPOCHS, desc="classifier", leave=False):
        order = torch.randperm(len(images))
        for chosen in order[: len(images) // BATCH * BATCH].split(BATCH):
            scores = reader(shifted(images[chosen] / 255))
            loss = F.cross_entropy(scores, labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            rate.step()
    return reader.eval().requires_grad_(False)


def reader_of(images: Tensor, labels: Tensor, folder: Path) -> DigitReader:
    """The trained classifier, kept in the folder for the next time."""
    path = folder / "digit-reader.safetensors"
    if path.exists():
        reader = DigitReader()
        reader.load_state_dict(load_file(path))
        return reader.eval().requires_grad_(False)
    reader = train_reader(images, labels)
    folder.mkdir(parents=True, exist_ok=True)
    with whole_file(path) as unfinished:
        save_file(reader.state_dict(), unfinished)
    return reader


def slant_and_ink(images: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Of pictures (N, 1, 28, 28): the shear of their second moments, mu11 / mu02, and their sum."""
    pictures = images[:, 0].double().numpy()
    axis = np.arange(pictures.shape[-1])
    ink = pictures.sum((1, 2)).clip(1e-9)
    x = axis - (pictures.sum(1) @ axis / ink)[:, None]
    y = axis - (pictures.sum(2) @ axis / ink)[:, None]
    shear = np.einsum("nyx,nx,ny->n", pictures, x, y)
    height = np.einsum("nyx,ny->n", pictures, y * y)
    return shear / height.clip(1e-9), ink
