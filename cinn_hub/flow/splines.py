"""Couplings whose elements pass through monotone splines."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinn_hub.flow.base import (
    Bijection,
    LevelCondition,
    Subnet,
    soft_clamp,
    sum_per_sample,
)

LEAST = 1e-2  # width and height of a piece beside the mean one, and slope at a knot


class SplineCoupling(Bijection):
    """z1 = spline(x1; x2), then z2 = spline(x2; z1): as `AffineCoupling`, with freer maps.

    Each value is scaled and shifted, and then goes through a monotone rational-quadratic spline
    of its own on [-bound, bound], which is the identity outside; one coupling so makes several
    peaks or a sharp edge out of a Gaussian. Durkan et al. 2019, "Neural Spline Flows".

    Arguments:
        channels: C of x (B, C, ...), at least 2; x1 are the first C // 2.
        subnet: builds the two networks; each gives `parameters` numbers for each value.
        bins: pieces of a spline.
        bound: of the part that is bent.
        clamp: bound of the log-scales.
    """

    def __init__(
        self, channels: int, subnet: Subnet, bins: int = 8, bound: float = 4.0, clamp: float = 1.5
    ) -> None:
        super().__init__()
        self.sizes = (channels // 2, channels - channels // 2)
        self.bins, self.bound, self.clamp = bins, bound, clamp
        self.parameters_each = 3 * bins + 1
        self.subnet1 = subnet(self.sizes[1], self.parameters_each * self.sizes[0])
        self.subnet2 = subnet(self.sizes[0], self.parameters_each * self.sizes[1])

    def raw(self, subnet: nn.Module, x: Tensor, condition: LevelCondition) -> Tensor:
        """(parameters, B, C', ...)"""
        raw = subnet(x, condition).to(x.dtype)
        return raw.unflatten(1, (self.parameters_each, -1)).transpose(0, 1)

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        x1, x2 = x.split(self.sizes, dim=1)
        z1, log_slope1 = self.bent(x1, self.raw(self.subnet1, x2, condition))
        z2, log_slope2 = self.bent(x2, self.raw(self.subnet2, z1, condition))
        return torch.cat([z1, z2], 1), sum_per_sample(log_slope1) + sum_per_sample(log_slope2)

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        z1, z2 = z.split(self.sizes, dim=1)
        x2, log_slope2 = self.straightened(z2, self.raw(self.subnet2, z1, condition))
        x1, log_slope1 = self.straightened(z1, self.raw(self.subnet1, x2, condition))
        return torch.cat([x1, x2], 1), sum_per_sample(log_slope1) + sum_per_sample(log_slope2)

    def bent(self, x: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        log_scale, shift = soft_clamp(raw[0], self.clamp), raw[1]
        x = x * log_scale.exp() + shift
        y, log_slope = Spline.of(raw[2:], self.bins, self.bound).forward(x)
        return y, log_slope + log_scale

    def straightened(self, z: Tensor, raw: Tensor) -> tuple[Tensor, Tensor]:
        log_scale, shift = soft_clamp(raw[0], self.clamp), raw[1]
        x, log_slope = Spline.of(raw[2:], self.bins, self.bound).inverse(z)
        return (x - shift) * (-log_scale).exp(), log_slope - log_scale


class Spline:
    """Monotone rational-quadratic splines, one for each value; knots (bins + 1, ...) of x, of y,
    and the slopes there."""

    def __init__(self, x: Tensor, y: Tensor, slopes: Tensor, bound: float) -> None:
        self.x, self.y, self.slopes, self.bound = x, y, slopes, bound

    @classmethod
    def of(cls, raw: Tensor, bins: int, bound: float) -> Spline:
        """From 3 bins - 1 free numbers each, (3 bins - 1, ...); of zeros the identity."""
        widths, heights, slopes = raw.split([bins, bins, bins - 1])
        slopes = LEAST + F.softplus(slopes + math.log(math.exp(1 - LEAST) - 1))
        slopes = F.pad(slopes.movedim(0, -1), (1, 1), value=1.0).movedim(-1, 0)
        return cls(knots(widths, bound), knots(heights, bound), slopes, bound)

    def piece(self, value: Tensor, ends: Tensor) -> tuple[Tensor, ...]:
        index = (value >= ends[1:-1]).sum(0, keepdim=True)
        low, high = (knots.gather(0, index)[0] for knots in (self.x, self.y))
        width = self.x.gather(0, index + 1)[0] - low
        height = self.y.gather(0, index + 1)[0] - high
        left, right = (self.slopes.gather(0, index + i)[0] for i in (0, 1))
        return low, high, width, height, left, right

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        inside = x.abs() < self.bound
        safe = torch.where(inside, x, 0.0)
        low, high, width, height, left, right = self.piece(safe, self.x)
        share = (safe - low) / width
        slope = height / width
        between = share * (1 - share)
        bottom = slope + (left + right - 2 * slope) * between
        y = high + height * (slope * share.square() + left * between) / bottom
        log_slope = self.log_slope(share, slope, left, right, bottom)
        return torch.where(inside, y, x), torch.where(inside, log_slope, 0.0)

    def inverse(self, y: Tensor) -> tuple[Tensor, Tensor]:
        inside = y.abs() < self.bound
        safe = torch.where(inside, y, 0.0)
        low, high, width, height, left, right = self.piece(safe, self.y)
        slope = height / width
        rise = safe - high
        curve = left + right - 2 * slope
        a = height * (slope - left) + rise * curve
        b = height * left - rise * curve
        c = -slope * rise
        root = (b.square() - 4 * a * c).clamp_min(0).sqrt()
        share = (2 * c / (-b - root)).clamp(0, 1)
        bottom = slope + curve * share * (1 - share)
        log_slope = self.log_slope(share, slope, left, right, bottom)
        x = low + share * width
        return torch.where(inside, x, y), torch.where(inside, -log_slope, 0.0)

    @staticmethod
    def log_slope(
        share: Tensor, slope: Tensor, left: Tensor, right: Tensor, bottom: Tensor
    ) -> Tensor:
        rest = 1 - share
        top = right * share.square() + 2 * slope * share * rest + left * rest.square()
        return 2 * slope.log() + top.log() - 2 * bottom.log()


def knots(raw: Tensor, bound: float) -> Tensor:
    """(bins, ...) -> (bins + 1, ...) from -bound to bound, no piece narrower than LEAST of the
    mean one."""
    shares = LEAST / len(raw) + (1 - LEAST) * raw.softmax(0)
    inner = 2 * bound * shares[:-1].cumsum(0) - bound
    ends = torch.full_like(inner[:1], bound)
    return torch.cat([-ends, inner, ends])
