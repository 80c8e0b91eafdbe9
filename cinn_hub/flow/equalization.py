"""Histogram equalisation as an invertible layer."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cinn_hub.flow.base import Bijection, LevelCondition, sum_per_sample

LEAST_SHARE = 1e-9  # of a bin; F of less is flat in float32


class Equalization(Bijection):
    """z = 4 F(x) - 2, with F a piecewise linear distribution function of values in [0, 1].

    Histogram equalisation, as one exactly invertible map: values that are frequent and close
    together, such as the black of a drawing, get room in z. Every value is mapped alone.

    Arguments:
        bins: of F, equally wide.
    """

    def __init__(self, bins: int = 256) -> None:
        super().__init__()
        self.bins = bins
        self.register_buffer("log_share", torch.full((bins,), -math.log(bins)))

    def fit(self, frequencies: Tensor, power: float = 0.6) -> None:
        """Sets F from how often each bin occurs, (bins,): 0 leaves values as they are, 1 makes
        them uniform."""
        frequencies = frequencies.cpu().double()  # Apple's GPUs have no float64
        shares = (frequencies / frequencies.sum() + 1e-5) ** power
        self.log_share.copy_((shares / shares.sum()).log())

    def shares_and_ends(self) -> tuple[Tensor, Tensor]:
        """How much of F each bin takes, (bins,), and F at the ends of bins, (bins + 1,)."""
        shares = self.log_share.cpu().double().softmax(0)  # Apple's GPUs have no float64
        ends = torch.cat([shares.new_zeros(1), shares.cumsum(0)])
        return shares.to(self.log_share), ends.to(self.log_share)

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        shares, ends = self.shares_and_ends()
        place = x.clamp(0, 1) * self.bins
        index = place.long().clamp(max=self.bins - 1)
        z = 4 * (ends[index] + (place - index) * shares[index]) - 2
        return z, sum_per_sample((4 * self.bins * shares[index]).log())

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        """x in [0, 1]; z beyond -2 and 2, which no x has, gives 0 and 1."""
        shares, ends = self.shares_and_ends()
        height = ((z + 2) / 4).clamp(0, 1).contiguous()
        index = torch.searchsorted(ends, height, right=True).sub(1).clamp(0, self.bins - 1)
        x = ((index + (height - ends[index]) / shares[index]) / self.bins).clamp(0, 1)
        return x, -sum_per_sample((4 * self.bins * shares[index]).log())

    def fault(self) -> str | None:
        shares, _ = self.shares_and_ends()
        if shares.min() <= LEAST_SHARE:
            return f"has a bin of {shares.min().item():.3g} of all values, which is nothing"
        return None
