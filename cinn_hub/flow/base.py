"""Bijection, the interface of invertible layers; Condition; layers in a row, and over levels."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Self

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


def per_sample(parameters: Tensor, x: Tensor) -> Tensor:
    """What is known of each photo or label (B, ...), for each of its samples x (B * n, ...)."""
    n = len(x) // len(parameters)
    return parameters.repeat_interleave(n, 0) if n > 1 else parameters


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


def exactly(x: Tensor) -> AbstractContextManager[Any]:
    """No autocast: bfloat16 is too coarse for values that are inverted."""
    return torch.autocast(x.device.type, enabled=False)


# ------------------------------------------------------------------ compositions


class Chain(Bijection):
    """Bijections one after the other, all under the same condition."""

    def __init__(self, layers: Sequence[Bijection]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        total = no_log_det(x)
        for layer in self.layers:
            x, log_det = layer(x, condition)
            total = total + log_det
        return x, total

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        total = no_log_det(z)
        for layer in reversed(self.layers):
            z, log_det = layer.inverse(z, condition)
            total = total + log_det
        return z, total


class Split(Bijection):
    """The first `keep` channels go on to coarser levels; the rest becomes latent here.

    The latent is z = tail(x[:, keep:]), where `tail` is conditioned on the kept channels, too: with
    a `ConditionalGaussian` it is a learned prior, with couplings a flow of its own. An empty
    `Chain` leaves the standard prior. Here z is the pair (kept, latent).
    """

    def __init__(self, keep: int, tail: Bijection) -> None:
        super().__init__()
        self.keep = keep
        self.tail = tail

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[tuple[Tensor, Tensor], Tensor]:
        kept, rest = x[:, : self.keep], x[:, self.keep :]
        latent, log_det = self.tail(rest, LevelCondition(condition.features, coarser=kept))
        return (kept, latent), log_det

    def inverse(self, z: tuple[Tensor, Tensor], condition: LevelCondition) -> tuple[Tensor, Tensor]:
        kept, latent = z
        condition = LevelCondition(condition.features, coarser=kept)
        rest, log_det = self.tail.inverse(latent, condition)
        return torch.cat([kept, rest], 1), log_det


class Level(nn.Module):
    """One part of a `Flow`: steps on everything, then perhaps a split.

    Without a split everything goes on to the next level, and no latent is left; the last level has
    no split and leaves everything.
    """

    def __init__(self, steps: Bijection, split: Split | None = None) -> None:
        super().__init__()
        self.steps = steps
        self.split = split


def attention_of(name: str) -> str:
    """The entry of a `Condition` with the parameters of a level's attention layers."""
    return f"{name} attention"


def level_condition(condition: Mapping[str, Tensor], name: str) -> LevelCondition:
    """What the layers of a level are conditioned on."""
    return LevelCondition(condition.get(name), attention=condition.get(attention_of(name)))


class Flow(nn.Module):
    """Levels from fine to coarse; each leaves a latent under its name, and what it keeps goes on.

    `forward(x, condition)` returns ({name: z}, log_det), `inverse({name: z}, condition)` returns x
    and the log-determinant of the inverse; the condition holds the features of each level by name.
    log p(x | c) = sum over levels of log N(z; 0, 1) + log_det of the level.

    Arguments:
        levels: by name, fine to coarse.
    """

    def __init__(self, levels: Mapping[str, Level]) -> None:
        super().__init__()
        self.levels = nn.ModuleDict(levels)

    def forward(
        self, x: Tensor, condition: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], Tensor]:
        latents, log_dets = self.forward_by_level(x, condition)
        return latents, torch.stack(list(log_dets.values())).sum(0)

    def forward_by_level(
        self, x: Tensor, condition: Mapping[str, Tensor], chosen: Collection[str] | None = None
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """As `forward`, with what each level adds to the log-determinant, {name: (B,)}; of the
        chosen levels alone, if some are chosen. The tails of the others are left out."""
        latents, log_dets = {}, {}
        *_, last = self.levels
        chosen = self.levels if chosen is None else chosen
        for name, level in self.levels.items():
            at_level = level_condition(condition, name)
            x, log_det = level.steps(x, at_level)
            if level.split is not None and name in chosen:
                (x, latents[name]), more = level.split(x, at_level)
                log_det = log_det + more
            elif level.split is not None:
                x = x[:, : level.split.keep]
            elif name == last:
                latents[name] = x
            if name in chosen:
                log_dets[name] = log_det
            if len(log_dets) == len(chosen):
                break
        return latents, log_dets

    def inverse(
        self,
        latents: Mapping[str, Tensor],
        condition: Mapping[str, Tensor],
        until: str | None = None,
    ) -> tuple[Tensor, Tensor]:
        """x; or, with the name of a level, the smaller x that this level is about: finer ones only
        add details to it."""
        x = latents[list(self.levels)[-1]]
        total = no_log_det(x)
        for name, level in reversed(self.levels.items()):
            at_level = level_condition(condition, name)
            if level.split is not None:
                x, log_det = level.split.inverse((x, latents[name]), at_level)
                total = total + log_det
            x, log_det = level.steps.inverse(x, at_level)
            total = total + log_det
            if name == until:
                break
        return x, total
