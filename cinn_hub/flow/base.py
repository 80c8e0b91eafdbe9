"""What all invertible layers share: their interface, and what they are conditioned on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor, nn


class Condition(dict[str, Tensor]):
    """What the flow is conditioned on at each level, computed once per photo or label.

    {level: (B, C, H, W) or (B, C)}. One condition serves many samples; it is broadcast over them,
    never copied.
    """

    @property
    def rows(self) -> int:
        """B, the number of photos or labels."""
        return len(next(iter(self.values())))

    def map(self, function: Callable[[Tensor], Tensor]) -> Self:
        """The same condition with `function` applied to the tensor of every level."""
        return type(self)({name: function(x) for name, x in self.items()})


@dataclass(frozen=True)
class LevelCondition:
    """What one layer is conditioned on.

    features: of the photo or label alone, (B, C, H, W) or (B, C); they serve all its samples.
    coarser: the values of coarser levels, (B * n, C', H, W); each sample has its own.
    attention: (B, layers, values), the parameters of the level's attention layers, which depend on
        the features alone; None where the layers are to compute them. See `CellAttention`.
    """

    features: Tensor | None = None
    coarser: Tensor | None = None
    attention: Tensor | None = None


Subnet = Callable[[int, int], nn.Module]
"""(input channels, output channels) -> network called as `network(x, condition)`."""


class Bijection(nn.Module):
    """An invertible map z = f(x; condition), one sample per row.

    `forward` returns z and log|det dz/dx|, `inverse` returns x and log|det dx/dz|; both
    log-determinants are in nats, of shape (B,), summed over all other dimensions.
    """

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def fault(self) -> str | None:
        """Why this layer's own weights cannot be inverted, as the rest of a sentence; None if they
        can. Weights that come from elsewhere are asked once, when they are loaded."""
        return None


def sum_per_sample(x: Tensor) -> Tensor:
    """(B, ...) -> (B,)."""
    return x.flatten(1).sum(1)


def no_log_det(x: Tensor) -> Tensor:
    """(B,) zeros: the log-determinant of a map that keeps volumes."""
    return x.new_zeros(len(x))


def per_channel(v: Tensor, x: Tensor) -> Tensor:
    """(C,) -> (1, C, 1, ...), to be broadcast over x."""
    return v.view(1, -1, *[1] * (x.dim() - 2))


def add_to_samples(x: Tensor, features: Tensor) -> Tensor:
    """x (B * n, ...) + features (B, ...): row i of x gets row i // n, without copies."""
    if len(x) == len(features):
        return x + features
    return (x.unflatten(0, (len(features), -1)) + features.unsqueeze(1)).flatten(0, 1)


def soft_clamp(raw: Tensor, limit: float) -> Tensor:
    """0.636 limit atan(raw / limit): nearly raw where it is small, never beyond +- limit.

    Ardizzone et al. 2019, sec. 3.1.
    """
    return 0.636 * limit * torch.atan(raw / limit)
