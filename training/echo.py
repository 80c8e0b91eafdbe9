"""What the cheap part of a model has been given lately, to learn from it again."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor


class Memory:
    """The latest rows of some tensors, in half precision; rows are drawn from all of them.

    Where making a row costs more than learning from it, a training learns from each several times,
    between others ("data echoing", Choi et al. 2019).

    Arguments:
        size: how many rows are kept.
    """

    def __init__(self, size: int) -> None:
        self.size = size
        self.seen = 0
        self.kept: dict[str, Tensor] = {}

    def add(self, rows: Mapping[str, Tensor]) -> None:
        """rows: {name: (B, ...)}, the same names and shapes each time, B <= size."""
        count = len(next(iter(rows.values())))
        places = torch.arange(self.seen, self.seen + count) % self.size
        for name, x in rows.items():
            if name not in self.kept:
                self.kept[name] = x.new_empty(self.size, *x.shape[1:], dtype=torch.float16)
            self.kept[name][places] = x.detach().half()
        self.seen += count

    @property
    def is_full(self) -> bool:
        return self.seen >= self.size

    def draw(self, count: int) -> dict[str, Tensor]:
        """{name: (count, ...)} float32, of rows drawn with replacement from those kept."""
        chosen = torch.randint(min(self.seen, self.size), (count,))
        return {name: x[chosen].float() for name, x in self.kept.items()}
