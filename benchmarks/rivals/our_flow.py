"""The flow of this package, `cinn_hub.models.colorization_cinn`, for ab at 32x32.

Cells of 2x2 values with attention between them carry the colours of things; two finer levels add
details. The expected colours, a classification at 16x16, are learned at the same time.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.rivals.conditions import SIDE, Parts
from benchmarks.rivals.networks import COARSE, MIDDLE, Eye
from benchmarks.rivals.rival import DIMENSIONS, Rival, noisy
from cinn_hub.flow import LevelCondition
from cinn_hub.models.colorization_cinn import (
    CELL,
    CELLS,
    DETAILS,
    GRAIN,
    ColorFlow,
    ColorizationConfig,
)
from cinn_hub.networks import ColorBins
from training.color_flow import SHRUNK
from training.losses import color_loss, level_loss

CELLS_SIDE = SIDE // 8
SHAPES = {
    CELLS: (CELL, CELLS_SIDE, CELLS_SIDE),
    DETAILS: (6, 2 * CELLS_SIDE, 2 * CELLS_SIDE),
    GRAIN: (6, 4 * CELLS_SIDE, 4 * CELLS_SIDE),
}  # of the latents; mood and things are one rotation of those of the cells


class OurFlow(Rival):
    """Sampled at temperature 1."""

    has_likelihood = True

    def __init__(self) -> None:
        super().__init__()
        self.eye = Eye(fine=False)
        self.bins = ColorBins(MIDDLE)
        self.flow = ColorFlow(
            ColorizationConfig(
                image_size=4 * SIDE,
                ab_size=SIDE,
                channels=(MIDDLE, COARSE, COARSE),
                features=128,
                hidden=(96, 64, 32),
            )
        )

    def known(self, parts: Parts) -> tuple[dict[str, Tensor], Tensor]:
        """What `ColorFlow` is conditioned on, and the log-probabilities of the colours."""
        coarse, middle = self.eye(parts)
        log_p = self.bins(middle)
        expected, spread = self.bins.mean_and_spread(log_p)
        known = {
            "middle": coarse,
            "coarse": F.avg_pool2d(coarse, 2),
            "expected": expected,
            "spread": spread,
            "lightness": parts["lightness"],
        }
        return known, log_p

    def by_level(self, ab: Tensor, known: dict[str, Tensor]) -> dict[str, Tensor]:
        """-log p of each level given the coarser ones, in nats per value, (B,)."""
        found = {}
        for name in SHAPES:
            x = F.avg_pool2d(ab, SHRUNK[name]) / self.flow.unit
            found[name] = level_loss(self.flow, name, x, self.flow.level_condition(name, known))
        return found

    def loss(self, ab: Tensor, parts: Parts) -> Tensor:
        known, log_p = self.known(parts)
        of_levels = sum(nats.mean() for nats in self.by_level(noisy(ab), known).values())
        return of_levels + color_loss(log_p, F.avg_pool2d(ab, 2), self.bins)

    def nats(self, ab: Tensor, parts: Parts) -> Tensor:
        found = self.by_level(ab, self.known(parts)[0])
        values = {name: math.prod(shape) for name, shape in SHAPES.items()}
        total = sum(values[name] * nats for name, nats in found.items())
        return total + DIMENSIONS * math.log(self.flow.unit)

    def answers(self, parts: Parts, n: int) -> Tensor:
        known = self.known(parts)[0]
        rows = n * len(parts["lightness"])
        x = None
        for name, shape in SHAPES.items():
            level = self.flow.levels[name]
            condition = LevelCondition(self.flow.level_condition(name, known))
            z = torch.randn(rows, *shape, device=parts["lightness"].device)
            if level.split is not None:
                z, _ = level.split.inverse((x, z), condition)
            x, _ = level.steps.inverse(z, condition)
        return x.float() * self.flow.unit
