"""Layers whose scales and shifts a network gives: affine couplings and learned priors."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cinn_hub.flow.base import (
    Bijection,
    LevelCondition,
    Subnet,
    add_to_samples,
    no_log_det,
    soft_clamp,
    sum_per_sample,
)


class AffineCoupling(Bijection):
    """z1 = x1 * exp(s(x2)) + t(x2), then z2 = x2 * exp(s(z1)) + t(z1).

    Two-sided, so every channel is changed: x1 are the first C // 2 channels. The log-scales are
    clamped softly, hence |s| < clamp. The subnets also see the condition. Dinh et al. 2017, sec. 3;
    Ardizzone et al. 2019, sec. 3.1.

    Arguments:
        channels: C of x (B, C, ...), at least 2.
        subnet: builds the two networks; each gives raw log-scales, then shifts.
        clamp: bound of the log-scales.
    """

    def __init__(self, channels: int, subnet: Subnet, clamp: float = 1.5) -> None:
        super().__init__()
        self.sizes = (channels // 2, channels - channels // 2)
        self.clamp = clamp
        self.subnet1 = subnet(self.sizes[1], 2 * self.sizes[0])
        self.subnet2 = subnet(self.sizes[0], 2 * self.sizes[1])

    def scale_and_shift(
        self, subnet: nn.Module, x: Tensor, condition: LevelCondition
    ) -> tuple[Tensor, Tensor]:
        raw, shift = subnet(x, condition).to(x.dtype).chunk(2, dim=1)
        return soft_clamp(raw, self.clamp), shift

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        x1, x2 = x.split(self.sizes, dim=1)
        s1, t1 = self.scale_and_shift(self.subnet1, x2, condition)
        z1 = x1 * s1.exp() + t1
        s2, t2 = self.scale_and_shift(self.subnet2, z1, condition)
        z2 = x2 * s2.exp() + t2
        return torch.cat([z1, z2], 1), sum_per_sample(s1) + sum_per_sample(s2)

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        z1, z2 = z.split(self.sizes, dim=1)
        s2, t2 = self.scale_and_shift(self.subnet2, z1, condition)
        x2 = (z2 - t2) * (-s2).exp()
        s1, t1 = self.scale_and_shift(self.subnet1, x2, condition)
        x1 = (z1 - t1) * (-s1).exp()
        return torch.cat([x1, x2], 1), -sum_per_sample(s1) - sum_per_sample(s2)


class ConditionalShift(Bijection):
    """z = x - mean, where the mean lies in these channels of the condition's features.

    What follows models only what the condition does not say.
    """

    def __init__(self, channels: slice) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        mean = condition.features[:, self.channels].to(x.dtype)
        return add_to_samples(x, -mean), no_log_det(x)

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        mean = condition.features[:, self.channels].to(z.dtype)
        return add_to_samples(z, mean), no_log_det(z)


class ConditionalGaussian(Bijection):
    """z = (x - mean) * exp(-log_scale), with (mean, log_scale) = network(condition).

    A learned prior: x is normal given the condition, z is standard normal. The log-scale is clamped
    softly as in `AffineCoupling`. `network(condition)` gives 2 C channels.
    """

    def __init__(self, network: nn.Module, clamp: float = 4.0) -> None:
        super().__init__()
        self.network = network
        self.clamp = clamp

    def mean_and_log_scale(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        parameters = self.network(condition).to(x.dtype)
        n = len(x) // len(parameters)
        if n > 1:
            parameters = parameters.repeat_interleave(n, dim=0)
        mean, raw = parameters.chunk(2, dim=1)
        return mean, soft_clamp(raw, self.clamp)

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        mean, log_scale = self.mean_and_log_scale(x, condition)
        return (x - mean) * (-log_scale).exp(), -sum_per_sample(log_scale)

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        mean, log_scale = self.mean_and_log_scale(z, condition)
        return z * log_scale.exp() + mean, sum_per_sample(log_scale)
