"""The paper's own flow for bedrooms, at 32x32 in place of 64x64.

Ardizzone et al. 2019, "Guided Image Generation with Conditional Invertible Neural Networks",
https://arxiv.org/abs/1907.02392; the layers and widths are those of the authors' minimal example,
`lsun-minimal` in `cinn_hub.originals.models`. Their condition network sees L alone; here the
couplings see the maps of `Eye`.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from benchmarks.rivals.conditions import Parts
from benchmarks.rivals.networks import COARSE, FINE, MIDDLE, Eye
from benchmarks.rivals.rival import DIMENSIONS, Rival, noisy
from cinn_hub.flow import Condition
from cinn_hub.originals.models import OriginalBedroomConfig, bedroom_flow, terms

WIDE, SPREAD_AT_START = 512, 0.02  # of the vector that the last couplings see; of all weights
SHAPES = {"16x16": (6, 16, 16), "8x8": (4, 8, 8), "vector": (256,)}  # of latents


class LsunMinimal(Rival):
    """Sampled at temperature 1, as theirs."""

    has_likelihood = True

    def __init__(self) -> None:
        super().__init__()
        self.eye = Eye()
        config = OriginalBedroomConfig()
        widths = (FINE, MIDDLE, COARSE, WIDE)
        self.flow = bedroom_flow(32, widths, config.hidden, config.clamps)
        for parameter in self.flow.parameters():
            nn.init.normal_(parameter, std=SPREAD_AT_START)
        self.vector = nn.Sequential(
            nn.LeakyReLU(0.01), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(4 * COARSE, WIDE)
        )

    def condition(self, parts: Parts) -> Condition:
        coarse, middle, fine = self.eye(parts)
        features = (fine, middle, coarse, self.vector(coarse))
        pairs = zip(self.flow.levels.items(), features, strict=True)
        return Condition({name: terms(level, x) for (name, level), x in pairs})

    def loss(self, ab: Tensor, parts: Parts) -> Tensor:
        return self.nats(noisy(ab), parts).mean() / DIMENSIONS

    def nats(self, ab: Tensor, parts: Parts) -> Tensor:
        latents, log_det = self.flow(ab, self.condition(parts))
        energy = sum(z.flatten(1).square().sum(1) for z in latents.values())
        return 0.5 * (energy + DIMENSIONS * math.log(2 * math.pi)) - log_det

    def answers(self, parts: Parts, n: int) -> Tensor:
        rows = n * len(parts["lightness"])
        device = parts["lightness"].device
        latents = {name: torch.randn(rows, *shape, device=device) for name, shape in SHAPES.items()}
        return self.flow.inverse(latents, self.condition(parts))[0].float()
