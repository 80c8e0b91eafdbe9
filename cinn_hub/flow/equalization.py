"""Histogram equalisation as an invertible layer."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cinn_hub.flow.base import Bijection, LevelCondition, sum_per_sample

LEAST_HEIGHT = 1e-30  # of the distribution function; x below it would be minus infinity in z
LEAST_SHARE = 1e-9  # of a bin; F of less is flat in float32


class Equalization(Bijection):
    """z = probit(top F(x)) for x in (0, 1), and from there on a straight line: (0, inf) onto R.

    F is a piecewise linear distribution function of values in [0, 1]: histogram equalisation, so
    that values which are frequent and close together get room in z, and that what is uniform within
    a bin, as dequantised pixels are, has no edges. Black is met at minus infinity alone. White has
    no such end, because float32 numbers near 1 are too coarse to be stretched without bounds: the
    line goes on with the slope that the probit has at 1. Every value is mapped alone.

    Arguments:
        bins: of F, equally wide.
        top: F at 1.
    """

    def __init__(self, bins: int = 256, top: float = 0.995) -> None:
        super().__init__()
        self.bins, self.top = bins, top
        self.register_buffer("log_share", torch.full((bins,), -math.log(bins)))

    def fit(self, frequencies: Tensor, black: float = 0.3, power: float = 0.9) -> None:
        """Sets F from how often each bin occurs, (bins,).

        Arguments:
            black: the share of F that the first bin gets.
            power: of the others; 0 leaves their values as they are, 1 makes them uniform.
        """
        frequencies = frequencies.cpu().double()  # Apple's GPUs have no float64
        shares = (frequencies / frequencies.sum() + 1e-6) ** power
        shares[1:] *= (1 - black) / shares[1:].sum()
        shares[0] = black
        self.log_share.copy_(shares.log())

    def shares_and_ends(self) -> tuple[Tensor, Tensor]:
        """How much of F each bin takes, (bins,), and F at the ends of bins, (bins + 1,)."""
        shares = self.top * self.log_share.cpu().double().softmax(0)  # see `fit`
        ends = torch.cat([shares.new_zeros(1), shares.cumsum(0)])
        return shares.to(self.log_share), ends.to(self.log_share)

    def white(self, shares: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
        """z of x = 1, and the slope dz/dx there."""
        z = torch.special.ndtri(ends[-1])
        return z, self.bins * shares[-1] * inverse_density(z)

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        shares, ends = self.shares_and_ends()
        white, white_slope = self.white(shares, ends)
        place = x.clamp(0, 1) * self.bins
        index = place.long().clamp(max=self.bins - 1)
        height = (ends[index] + (place - index) * shares[index]).clamp_min(LEAST_HEIGHT)
        inside = torch.special.ndtri(height)
        slope = self.bins * shares[index] * inverse_density(inside)
        z = torch.where(x < 1, inside, white + (x - 1) * white_slope)
        return z, sum_per_sample(torch.where(x < 1, slope, white_slope).log())

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        shares, ends = self.shares_and_ends()
        white, white_slope = self.white(shares, ends)
        inside = torch.minimum(z, white)
        height = 0.5 * torch.special.erfc(-inside / math.sqrt(2))  # ndtr is coarse below -4
        height = height.contiguous()
        index = torch.searchsorted(ends, height, right=True).sub(1).clamp(0, self.bins - 1)
        within = (index + (height - ends[index]) / shares[index]) / self.bins
        x = torch.where(z < white, within, 1 + (z - white) / white_slope)
        slope = self.bins * shares[index] * inverse_density(inside)
        return x, -sum_per_sample(torch.where(z < white, slope, white_slope).log())

    def fault(self) -> str | None:
        shares, _ = self.shares_and_ends()
        if shares.min() <= LEAST_SHARE:
            return f"has a bin of {shares.min().item():.3g} of all values, which is nothing"
        return None


def inverse_density(z: Tensor) -> Tensor:
    """1 / N(z; 0, 1), the slope of the probit where it is z."""
    return math.sqrt(2 * math.pi) * (0.5 * z.square()).exp()
