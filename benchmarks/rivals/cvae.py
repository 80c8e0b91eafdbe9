"""A conditional variational autoencoder whose prior is a mixture that depends on the photo.

Deshpande et al. 2017, "Learning Diverse Image Colorization", https://arxiv.org/abs/1612.01958: a
code of 64 values, a decoder that sees the grey photo, and a mixture density network with 8
components for the code. They train the network of the mixture after the autoencoder; here the
likelihood's lower bound trains both at once, with a learned spread of ab around the decoder's
answer (Rybkin et al. 2021), so that no weight has to be chosen.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.rivals.conditions import Parts
from benchmarks.rivals.networks import COARSE, UNIT, Eye, Painter, repeated
from benchmarks.rivals.rival import DIMENSIONS, Rival, noisy

Z, COMPONENTS = 64, 8
CODE = 32  # channels of the code's map at 8x8
MOST_LOG_SCALE = 5.0


def log_normal(x: Tensor, mean: Tensor, log_scale: Tensor) -> Tensor:
    """Summed over the last dimension, in nats."""
    squares = ((x - mean) * (-log_scale).exp()).square()
    return -(0.5 * squares + log_scale + 0.5 * math.log(2 * math.pi)).sum(-1)


class Encoder(nn.Module):
    """ab and the coarsest map -> mean and log-scale of the code, each (B, 64)."""

    def __init__(self) -> None:
        super().__init__()
        self.of_ab = nn.Sequential(
            *(nn.Conv2d(2, 64, 5, 2, 2), nn.BatchNorm2d(64), nn.ReLU()),
            *(nn.Conv2d(64, 128, 5, 2, 2), nn.BatchNorm2d(128), nn.ReLU()),
        )
        self.of_both = nn.Sequential(
            *(nn.Conv2d(128 + COARSE, 128, 3, 2, 1), nn.BatchNorm2d(128), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(128 * 16, 2 * Z)),
        )

    def forward(self, ab: Tensor, coarse: Tensor) -> tuple[Tensor, Tensor]:
        seen = torch.cat([self.of_ab(ab / UNIT), coarse], 1)
        mean, log_scale = self.of_both(seen).float().chunk(2, 1)
        return mean, bounded(log_scale)


class MixturePrior(nn.Module):
    """The coarsest map -> log-weights (B, 8), means and log-scales (B, 8, 64) of the code."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *(nn.Conv2d(COARSE, 128, 3, 2, 1), nn.BatchNorm2d(128), nn.ReLU()),
            *(nn.Flatten(), nn.Linear(128 * 16, 512), nn.ReLU()),
            nn.Linear(512, COMPONENTS * (1 + 2 * Z)),
        )

    def forward(self, coarse: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        values = self.layers(coarse).float().unflatten(1, (COMPONENTS, -1))
        weights, means, log_scales = values.split([1, Z, Z], 2)
        return weights[..., 0].log_softmax(1), means, bounded(log_scales)


def bounded(log_scale: Tensor) -> Tensor:
    return MOST_LOG_SCALE * torch.tanh(log_scale / MOST_LOG_SCALE)


class ConditionalVAE(Rival):
    """Answers are the decoder's for codes drawn from the mixture, without the spread around it."""

    has_likelihood = True

    def __init__(self) -> None:
        super().__init__()
        self.eye = Eye()
        self.encoder = Encoder()
        self.prior = MixturePrior()
        self.code = nn.Sequential(nn.Linear(Z, CODE * 64), nn.Unflatten(1, (CODE, 8, 8)))
        self.painter = Painter(extra=(CODE, 0, 0))
        self.log_spread = nn.Parameter(torch.full((2, 1, 1), math.log(0.4)))  # in UNIT

    def loss(self, ab: Tensor, parts: Parts) -> Tensor:
        return self.nats(noisy(ab), parts).mean() / DIMENSIONS

    def nats(self, ab: Tensor, parts: Parts) -> Tensor:
        """The negative lower bound for one drawn code."""
        maps = self.eye(parts)
        mean, log_scale = self.encoder(ab, maps[0])
        z = mean + log_scale.exp() * torch.randn_like(mean)
        weights, means, log_scales = self.prior(maps[0])
        log_prior = (weights + log_normal(z[:, None], means, log_scales)).logsumexp(1)
        painted = self.painter(maps, [self.code(z)])
        spread = self.log_spread.expand_as(ab)
        log_ab = log_normal((ab / UNIT).flatten(1), (painted / UNIT).flatten(1), spread.flatten(1))
        log_ab = log_ab - DIMENSIONS * math.log(UNIT)
        return log_normal(z, mean, log_scale) - log_prior - log_ab

    def answers(self, parts: Parts, n: int) -> Tensor:
        maps = self.eye(parts)
        weights, means, log_scales = self.prior(maps[0])
        which = torch.multinomial(weights.exp(), n, replacement=True)  # (B, n)
        chosen = F.one_hot(which, COMPONENTS).to(means)
        mean, log_scale = chosen @ means, chosen @ log_scales
        z = (mean + log_scale.exp() * torch.randn_like(mean)).flatten(0, 1)
        return self.painter(repeated(maps, n), [self.code(z)])
