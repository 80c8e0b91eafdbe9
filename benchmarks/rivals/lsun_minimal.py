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
from cinn_hub.flow import (
    Bijection,
    Chain,
    Condition,
    Flatten,
    Flow,
    HaarDownsampling,
    Level,
    Split,
    Standardization,
)
from cinn_hub.originals.models import AB_CENTER, AB_SPREAD, Terms, coupling, numpy_permutation

HIDDEN, CLAMPS = (32, 64, 128, 512), (1.0, 1.0, 0.6, 0.6)
KERNELS = (1, 3, 1, 3)  # of the couplings after a Haar step
VECTOR, SPREAD_AT_START = 512, 0.02
SHAPES = {"16x16": (6, 16, 16), "8x8": (4, 8, 8), "vector": (256,)}  # of latents


def full_size() -> list[Bijection]:
    couplings = [coupling(2, [HIDDEN[0]], CLAMPS[0], kernel=3, place=k) for k in range(2)]
    return [Standardization(AB_CENTER, AB_SPREAD), *couplings]


def downsampled(index: int) -> list[Bijection]:
    """Terms of kernel 1 come before those of kernel 3."""
    layers: list[Bijection] = [HaarDownsampling("channel")]
    for k, kernel in enumerate(KERNELS):
        place = k // 2 + (2 if kernel == 3 else 0)
        layers.append(coupling(8, [HIDDEN[index]], CLAMPS[index], kernel, place))
        layers.append(numpy_permutation(8, seed=k))
    return layers


def of_vectors() -> list[Bijection]:
    layers: list[Bijection] = [Flatten((4, 8, 8))]
    for k in range(4):
        layers.append(coupling(256, [HIDDEN[3]], CLAMPS[3], place=k))
        layers.append(numpy_permutation(256, seed=k))
    return layers


class LsunMinimal(Rival):
    """Sampled at temperature 1, as theirs."""

    has_likelihood = True

    def __init__(self) -> None:
        super().__init__()
        self.eye = Eye()
        self.flow = Flow(
            {
                "32x32": Level(Chain(full_size())),
                "16x16": Level(Chain(downsampled(1)), Split(2, Chain([]))),
                "8x8": Level(Chain(downsampled(2)), Split(4, Chain([]))),
                "vector": Level(Chain(of_vectors())),
            }
        )
        for parameter in self.flow.parameters():
            nn.init.normal_(parameter, std=SPREAD_AT_START)
        at32, at16, at8, at_vector = (4 * width for width in HIDDEN)  # of two couplings
        self.vector = nn.Sequential(
            nn.LeakyReLU(0.01), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(4 * COARSE, VECTOR)
        )
        self.terms = nn.ModuleDict(
            {
                "32x32": Terms(FINE, {3: at32}),
                "16x16": Terms(MIDDLE, {1: at16, 3: at16}),
                "8x8": Terms(COARSE, {1: at8, 3: at8}),
                "vector": nn.Linear(VECTOR, 2 * at_vector, bias=False),
            }
        )

    def condition(self, parts: Parts) -> Condition:
        coarse, middle, fine = self.eye(parts)
        features = (fine, middle, coarse, self.vector(coarse))
        pairs = zip(self.terms.items(), features, strict=True)
        return Condition({name: terms(x) for (name, terms), x in pairs})

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
