"""Layers in a row, and their composition over resolution levels: the flow of a model."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor, nn

from cinn_hub.flow.base import Bijection, LevelCondition, no_log_det


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
