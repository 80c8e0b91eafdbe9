"""Monotone rational quadratic splines on [0, 1], and layers made of them. Durkan et al. 2019."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinn_hub.flow.base import Bijection, LevelCondition, sum_per_sample
from cinn_hub.flow.bounded import quartered

LEAST = 1e-3  # width and height of a bin, and slope at a knot
SLOPE_ONE = math.log(math.expm1(1 - LEAST))  # softplus of it, plus LEAST, is 1


def parameters_of(bins: int) -> int:
    """How many numbers give a spline: widths and heights of its bins, slopes at its knots."""
    return 3 * bins + 1


def parameters_at(knots: Tensor) -> Tensor:
    """The parameters (3 bins + 1,) of a spline that rises from 0 to 1 by as much in each bin, where
    the bins lie between these knots (bins + 1,), from 0 to 1."""
    widths = knots.diff()
    bins = len(widths)
    raw = (widths - LEAST).clamp_min(LEAST / 100).log()
    steepness = 1 / (bins * widths)
    between = (steepness[1:] * steepness[:-1]).sqrt()
    slopes = torch.cat([steepness[:1], between, steepness[-1:]]) - LEAST
    inverse_softplus = slopes + (-(-slopes).expm1()).log()
    return torch.cat([raw, torch.zeros_like(raw), inverse_softplus - SLOPE_ONE])


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
