"""Layers on values in (0, 1) that stay there, and the probit, which leads out to all of R.

Splines are monotone and rational quadratic (Durkan et al. 2019).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinn_hub.flow.base import Bijection, LevelCondition, sum_per_sample
from cinn_hub.flow.linear import corners_of, picture_of

OFFSET = 1 / 256  # one step of an 8-bit value: what is darker counts as black
LOG_RANGE = math.log1p(1 / OFFSET)
LEAST_LIMIT = 1e-30  # of a difference, so that its logarithm is finite
LEAST = 1e-3  # width and height of a bin, and slope at a knot
SLOPE_ONE = math.log(math.expm1(1 - LEAST))  # softplus of it, plus LEAST, is 1


class LogScale(Bijection):
    """y = log(1 + x / offset) / log(1 + 1 / offset), from (0, 1) to (0, 1), with `OFFSET`.

    Values near zero, such as the black of a drawing, get room. Every value is mapped alone.
    """

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        log_slope = -((x + OFFSET) * LOG_RANGE).log()
        return (x / OFFSET).log1p() / LOG_RANGE, sum_per_sample(log_slope)

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        x = (z * LOG_RANGE).expm1() * OFFSET
        return x, sum_per_sample(((x + OFFSET) * LOG_RANGE).log())


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
        a, b, c, d = corners_of(x)
        top, upper, log_det1 = joined(a, b)
        bottom, lower, log_det2 = joined(c, d)
        mean, rows, log_det3 = joined(top, bottom)
        return torch.cat([mean, rows, upper, lower], 1), log_det1 + log_det2 + log_det3

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        mean, *shares = z.chunk(4, dim=1)
        corners, log_det = quartered(mean, shares)
        return picture_of(*corners.chunk(4, dim=1)), log_det


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


def parameters_of(bins: int) -> int:
    """How many numbers give a spline: widths and heights of its bins, slopes at its knots."""
    return 3 * bins + 1


def spline(x: Tensor, parameters: Tensor, inverse: bool = False) -> tuple[Tensor, Tensor]:
    """x (B, ...) in [0, 1] and the parameters (B, 3 bins + 1, ...) of a spline for each value ->
    y (B, ...) in [0, 1] and log dy/dx (B, ...).

    Parameters that are all 0 give y = x. With `inverse`, x is looked for in what the splines give.
    """
    bins = parameters.shape[1] // 3
    raw = parameters.split([bins, bins, bins + 1], 1)
    widths, lefts = partition(raw[0])
    heights, bottoms = partition(raw[1])
    slopes = LEAST + F.softplus(raw[2] + SLOPE_ONE)
    x = x.unsqueeze(1)
    starts = bottoms if inverse else lefts
    index = (starts[:, 1:] <= x).sum(1, keepdim=True)
    width, left, height, bottom = (
        values.gather(1, index) for values in (widths, lefts, heights, bottoms)
    )
    slope0, slope1 = slopes.gather(1, index), slopes.gather(1, index + 1)
    mean = height / width
    bend = slope0 + slope1 - 2 * mean
    begin, size = (bottom, height) if inverse else (left, width)
    place = ((x - begin) / size).clamp(0, 1)  # which rounding may leave
    if inverse:
        place = place_of(place, mean, slope0, bend).clamp(0, 1)
    both = place * (1 - place)
    low = mean + bend * both
    rise = slope1 * place.square() + 2 * mean * both + slope0 * (1 - place).square()
    log_slope = 2 * (mean / low).log() + rise.log()
    if inverse:
        return (left + width * place).squeeze(1), -log_slope.squeeze(1)
    y = bottom + height * (mean * place.square() + slope0 * both) / low
    return y.squeeze(1), log_slope.squeeze(1)


def place_of(y: Tensor, mean: Tensor, slope0: Tensor, bend: Tensor) -> Tensor:
    """Where in its bin, from 0 to 1, a spline has risen to y, from 0 to 1: the root of
    a x^2 + b x - mean y, computed without cancellation."""
    a = mean - slope0 + y * bend
    b = slope0 - y * bend
    root = (b.square() + 4 * a * mean * y).clamp_min(0).sqrt()
    is_positive = b >= 0
    above = torch.where(is_positive, 2 * mean * y, root - b)
    return above / torch.where(is_positive, b + root, 2 * a)


def partition(raw: Tensor) -> tuple[Tensor, Tensor]:
    """(B, bins, ...) -> sizes of bins that add up to 1, and where each begins."""
    sizes = LEAST + (1 - LEAST * raw.shape[1]) * raw.softmax(1)
    return sizes, sizes.cumsum(1) - sizes


class AutoregressiveSplines(Bijection):
    """Each value of x (B, D) in (0, 1) goes through a spline that the values before it choose.

    z_i = spline(x_i; network(x_1 ... x_{i-1}, condition)), so the log-determinant is the sum of
    the splines' own. Forward is one step for all values, the inverse one step for each.
    Papamakarios et al. 2017, with splines in place of affine maps.

    Arguments:
        network: `network(x, condition)` gives the parameters of all splines, (B, 3 bins + 1, D);
            with `at=i` of that value's alone, (B, 3 bins + 1, 1). It sees earlier values only.
    """

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        z, log_slope = spline(x, self.network(x, condition).to(x.dtype))
        return z, sum_per_sample(log_slope)

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        x, log_slopes = torch.zeros_like(z), []
        for i in range(z.shape[1]):
            parameters = self.network(x, condition, at=i).to(z.dtype)
            value, log_slope = spline(z[:, i : i + 1], parameters, inverse=True)
            x = torch.cat([x[:, :i], value, x[:, i + 1 :]], 1)
            log_slopes.append(log_slope)
        return x, sum_per_sample(torch.cat(log_slopes, 1))


class DetailSplines(Bijection):
    """The three shares of each 2x2 block go through splines, step by step.

    x (B, 3, H, W) in (0, 1) are the shares of `BoundedHaar`; the means of the blocks are the
    condition's coarser values. In each step a network sees the picture as far as it is known, with
    blocks and rows that are not divided yet in one grey, and chooses the splines of the next
    shares.

    Arguments:
        networks: one for each of the 3 * phases steps, called with the corners (B, 4, H, W) of the
            blocks and the condition; it gives (B, 3 bins + 1, H, W).
        phases: 2 for two steps to each share, first in every other block; or 1.
    """

    def __init__(self, networks: Sequence[nn.Module], phases: int = 1) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)
        self.phases = phases

    def part(self, phase: int, x: Tensor) -> Tensor:
        """Which blocks of x (..., H, W) have their turn, (H, W)."""
        rows, columns = (torch.arange(n, device=x.device) for n in x.shape[-2:])
        return (rows[:, None] + columns) % self.phases == phase

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        return self.run(x, condition, inverse=False)

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        return self.run(z, condition, inverse=True)

    def run(self, x: Tensor, condition: LevelCondition, inverse: bool) -> tuple[Tensor, Tensor]:
        found, known, log_det = x, torch.full_like(x, 0.5), 0.0
        places = torch.arange(3, device=x.device)[:, None, None]
        for k, network in enumerate(self.networks):
            channel, phase = divmod(k, self.phases)
            part = self.part(phase, x)
            corners, _ = quartered(condition.coarser, list(known.split(1, 1)))
            parameters = network(corners, condition).to(x.dtype)
            values, log_slope = spline(x[:, channel], parameters, inverse)
            step = part & (places == channel)
            found = torch.where(step, values.unsqueeze(1), found)
            known = torch.where(step, found if inverse else x, known)
            log_det = log_det + sum_per_sample(log_slope * part)
        return found, log_det
