"""The L2 regression network: the mean of all colours that a place may have."""

from __future__ import annotations

from torch import Tensor

from benchmarks.rivals.conditions import Parts
from benchmarks.rivals.networks import UNIT, Eye, Painter
from benchmarks.rivals.rival import Rival


class Regression(Rival):
    """One answer: ab with the least mean squared error."""

    def __init__(self) -> None:
        super().__init__()
        self.eye = Eye()
        self.painter = Painter()

    def loss(self, ab: Tensor, parts: Parts) -> Tensor:
        return ((self.answers(parts, 1) - ab) / UNIT).square().mean()

    def answers(self, parts: Parts, n: int) -> Tensor:
        return self.painter(self.eye(parts)).repeat_interleave(n, 0)
