"""Looking at a photo several times, at several sizes: the mean of what a network expects is better
than what it expects at any one size, and a network can learn from it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from cinn_hub.models.colorization_cinn import ColorizationCINN

LOOKS = (0.75, 1.0, 1.25)  # sizes of a teacher's looks, in those of its pupil's


def log_probabilities(model: ColorizationCINN, looks: Sequence[Tensor], side: int) -> Tensor:
    """Log-probabilities of the classes of colour, (B, classes, side, side): of the mean of the
    probabilities over looks (B, 1, s, s) of any sizes at the same photos."""
    total = 0
    for lightness in looks:
        lightness = lightness.contiguous(memory_format=torch.channels_last)
        p = model.bins(model.condition_network(lightness)[0]).exp()
        if p.shape[-1] != side:
            p = F.interpolate(p, (side, side), mode="bilinear", antialias=True)
        total = total + p
    return (total / len(looks)).clamp_min(1e-12).log()


def looks_at(lightness: Tensor, scales: Sequence[float] = LOOKS) -> list[Tensor]:
    """L (B, 1, s, s) at several sizes, each a multiple of 32 pixels."""
    sides = [32 * max(1, round(scale * lightness.shape[-1] / 32)) for scale in scales]
    return [
        F.interpolate(lightness, (side, side), mode="bilinear", antialias=True) for side in sides
    ]


def teaching(teacher: ColorizationCINN) -> Callable[[Tensor], Tensor]:
    """What a teacher expects that looks several times: L (B, 1, s, s) -> probabilities of the
    classes of colour (B, classes, s/8, s/8), without gradients."""
    teacher = teacher.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    @torch.no_grad()
    def expected(lightness: Tensor) -> Tensor:
        side = lightness.shape[-1] // 8
        return log_probabilities(teacher.to(lightness.device), looks_at(lightness), side).exp()

    return expected
