"""Colour as a classification, with rare colours weighing more.

Zhang, Isola and Efros 2016, "Colorful Image Colorization", https://arxiv.org/abs/1603.08511.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from benchmarks.rivals.conditions import Parts
from benchmarks.rivals.networks import FINE, Eye, Residual
from benchmarks.rivals.rival import Rival
from cinn_hub.networks import ColorBins
from training.cache import Cache

TEMPERATURE = 0.38  # of the annealed mean, eq. 5
UNIFORM = 0.5  # lambda, the share of a uniform distribution in the weights, eq. 4
SMOOTHING = 5.0  # ab units: the spread of the kernel over the colours of the photos
LOOKED_AT = 1000  # photos, for their colours


class Classification(Rival):
    """One answer: the annealed mean of the distribution of colours at each place.

    The grid has steps of 11 ab units, and a colour is shared among the four points around it; the
    paper has steps of 10, and shares it among five.
    """

    def __init__(self) -> None:
        super().__init__()
        self.eye = Eye()
        self.block = Residual(FINE)
        self.bins = ColorBins(FINE)
        self.register_buffer("weights", torch.ones(self.bins.per_axis**2))

    def prepare(self, caches: Sequence[Cache]) -> None:
        """Weights of the classes of colour by their share in the first of the caches, eq. 4."""
        rows = caches[0].rows[:: max(1, len(caches[0]) // LOOKED_AT)]
        place = self.nearest(caches[0].read(rows, ["ab"])["ab"])
        counts = torch.bincount(place.flatten(), minlength=len(self.weights)).float()
        shares = smoothed(counts / counts.sum(), self.bins)
        inverse = 1 / ((1 - UNIFORM) * shares + UNIFORM / len(shares))
        self.weights.copy_(inverse / (shares * inverse).sum())

    def nearest(self, ab: Tensor) -> Tensor:
        """ab (B, 2, h, w) -> the class of each place, (B, h, w)."""
        middle = self.bins.per_axis // 2
        place = (ab / self.bins.spacing).round().long().clamp(-middle, middle) + middle
        return place[:, 0] * self.bins.per_axis + place[:, 1]

    def log_p(self, parts: Parts, chosen: tuple[slice, slice] | None = None) -> Tensor:
        features = self.block(self.eye(parts)[-1])
        return self.bins(features if chosen is None else features[..., chosen[0], chosen[1]])

    def loss(self, ab: Tensor, parts: Parts) -> Tensor:
        i, j = (slice(int(k), None, 2) for k in torch.randint(2, (2,)))  # a quarter of the places
        ab = ab[..., i, j]
        nats = -self.bins.log_prob(self.log_p(parts, (i, j)), ab)
        return (self.weights[self.nearest(ab)] * nats).mean()

    def answers(self, parts: Parts, n: int) -> Tensor:
        p = (self.log_p(parts) / TEMPERATURE).softmax(1)
        ab = torch.einsum("bkhw,kc->bchw", p, self.bins.colors.to(p))
        return ab.repeat_interleave(n, 0)


def smoothed(shares: Tensor, bins: ColorBins) -> Tensor:
    """The distribution (K * K,) under a Gaussian kernel over the grid."""
    steps = np.arange(-3, 4) * bins.spacing
    kernel = torch.tensor(np.exp(-0.5 * (steps / SMOOTHING) ** 2), dtype=shares.dtype)
    kernel = kernel / kernel.sum()
    grid = shares.view(1, 1, bins.per_axis, bins.per_axis)
    grid = F.conv2d(grid, kernel.view(1, 1, -1, 1), padding=(3, 0))
    grid = F.conv2d(grid, kernel.view(1, 1, 1, -1), padding=(0, 3))
    return grid.flatten() / grid.sum()
