"""Layers on values in (0, 1) that stay there, and the probit, which leads out to all of R."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from cinn_hub.flow.base import Bijection, LevelCondition, sum_per_sample

OFFSET = 1 / 256  # one step of an 8-bit value: what is darker counts as black
LEAST_LIMIT = 1e-30  # of a difference, so that its logarithm is finite


class LogScale(Bijection):
    """y = log(1 + x / offset) / log(1 + 1 / offset), from (0, 1) to (0, 1).

    Values near zero, such as the black of a drawing, get room. Every value is mapped alone.
    """

    def __init__(self, offset: float = OFFSET) -> None:
        super().__init__()
        self.offset = offset
        self.range = math.log1p(1 / offset)

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        log_slope = -((x + self.offset) * self.range).log()
        return (x / self.offset).log1p() / self.range, sum_per_sample(log_slope)

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        x = (z * self.range).expm1() * self.offset
        return x, sum_per_sample(((x + self.offset) * self.range).log())


class Probit(Bijection):
    """z = Phi^-1(x), from (0, 1) to all of R: what is uniform becomes standard normal.

    x that rounding has put on 0 or 1 counts as the nearest number inside.
    """

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        z = torch.special.ndtri(inside(x))
        return z, sum_per_sample(-standard_normal(z))

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        return inside(torch.special.ndtr(z)), sum_per_sample(standard_normal(z))


def inside(x: Tensor) -> Tensor:
    """x in [0, 1], moved by at most one rounding error so that 0 < x < 1."""
    least = torch.finfo(x.dtype).eps / 2
    return x.clamp(least, 1 - least)


def standard_normal(z: Tensor) -> Tensor:
    """log N(z; 0, 1) of each value, in nats."""
    return -0.5 * (z.square() + math.log(2 * math.pi))


class BoundedHaar(Bijection):
    """(B, C, H, W) -> (B, 4 C, H/2, W/2), from (0, 1) to (0, 1): means of 2x2 blocks, and how each
    is divided.

    Of a block [[a, b], [c, d]] the four outputs are its mean m, then how it is divided into the
    means of its two rows, and these into a and b, c and d. Two values f and s with the mean m are
    told by t = g(f) - g(s), where g is a `log_odds`. It lies within the limit L(m) to both sides,
    because f and s lie in (0, 1); their *share* is u = (1 + t / L) / 2. Hence every (m, u) in
    (0, 1) is a pair, and the other way round. g gives room to black and white, where strokes begin
    and are full; the noise of two black values is nearly uniform in u.
    """

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        top, upper, log_det1 = joined(x[..., ::2, ::2], x[..., ::2, 1::2])
        bottom, lower, log_det2 = joined(x[..., 1::2, ::2], x[..., 1::2, 1::2])
        mean, rows, log_det3 = joined(top, bottom)
        return torch.cat([mean, rows, upper, lower], 1), log_det1 + log_det2 + log_det3

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        mean, *shares = z.chunk(4, dim=1)
        corners, log_det = quartered(mean, shares)
        a, b, c, d = corners.chunk(4, dim=1)
        rows = torch.stack([torch.stack([a, b], -1), torch.stack([c, d], -1)], 3)
        return rows.flatten(4, 5).flatten(2, 3), log_det


def log_odds(x: Tensor) -> Tensor:
    """g(x) = log((x + offset) / (1 - x + offset)), finite from 0 to 1."""
    return ((x + OFFSET) / (1 - x + OFFSET)).log()


def joined(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Pairs in (0, 1) -> mean, share, and log|det d(mean, share) / d(first, second)|, (B,)."""
    mean = (first + second) / 2
    limit = limit_of(mean)
    share = (1 + (log_odds(first) - log_odds(second)) / limit) / 2
    return mean, share, -log_volume(first, second, limit)


def divided(mean: Tensor, share: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The inverse of `joined`; the log-determinant, too."""
    limit = limit_of(mean)
    difference = (2 * share - 1) * limit
    less = lesser(mean, (-difference.abs()).exp())
    more = 2 * mean - less
    is_first = difference < 0
    first, second = torch.where(is_first, less, more), torch.where(is_first, more, less)
    return first, second, log_volume(first, second, limit)


def lesser(mean: Tensor, ratio: Tensor) -> Tensor:
    """The lesser of two values with this mean, whose odds have this ratio, from 0 to 1: the root of
    a x^2 + b x + c, computed without cancellation."""
    a = 1 - ratio
    b = 1 - 2 * mean + 2 * OFFSET + ratio * (1 + 2 * mean + 2 * OFFSET)
    c = OFFSET * (1 - 2 * mean + OFFSET) - ratio * (1 + OFFSET) * (2 * mean + OFFSET)
    root = (b.square() - 4 * a * c).clamp_min(0).sqrt()
    is_positive = b >= 0
    above = torch.where(is_positive, -2 * c, root - b)
    return above / torch.where(is_positive, b + root, 2 * a)


def quartered(mean: Tensor, shares: list[Tensor]) -> tuple[Tensor, Tensor]:
    """Means (B, C, H, W) and three shares of each -> the corners of the blocks (B, 4 C, H, W), and
    the log-determinant."""
    top, bottom, log_det1 = divided(mean, shares[0])
    a, b, log_det2 = divided(top, shares[1])
    c, d, log_det3 = divided(bottom, shares[2])
    return torch.cat([a, b, c, d], 1), log_det1 + log_det2 + log_det3


def limit_of(mean: Tensor) -> Tensor:
    """L(m): how far apart the log-odds of two values in (0, 1) with this mean can be."""
    low, high = (2 * mean - 1).clamp_min(0), (2 * mean).clamp_max(1)
    return (log_odds(high) - log_odds(low)).clamp_min(LEAST_LIMIT)


def log_volume(first: Tensor, second: Tensor, limit: Tensor) -> Tensor:
    """log|det d(first, second) / d(mean, share)|, summed over all pairs of one sample, (B,)."""
    slope1, slope2 = ((1 + 2 * OFFSET) / ((x + OFFSET) * (1 - x + OFFSET)) for x in (first, second))
    return sum_per_sample((4 * limit / (slope1 + slope2)).log())
