"""What the tests share: a small configuration, random weights, and pictures made on the spot."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn

from cinn_hub.colorization import ColorizationConfig

ROOT = Path(__file__).parent.parent
WAIT = 120_000  # ms for a browser; generous, for slow machines

SMALL = ColorizationConfig(
    image_size=64,
    ab_size=16,
    channels=(8, 16, 32),
    attention_blocks=1,
    conv_blocks=1,
    couplings=(2, 2, 2, 2, 2),
    hidden=(12, 12, 12, 10, 8),
)


@torch.no_grad()
def randomize(module: nn.Module, seed: int = 0, scale: float = 1.0) -> None:
    """Non-zero random weights everywhere: layers that start as the identity pass any test."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        fan_in = max(1, parameter[0].numel()) if parameter.dim() > 1 else 4
        noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        parameter.copy_(scale * noise * fan_in**-0.5)


def color_picture(width: int = 96, height: int = 64, seed: int = 0) -> Image.Image:
    """A smooth colourful picture."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)
