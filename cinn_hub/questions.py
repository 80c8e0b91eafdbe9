"""Questions: the spots of a photo whose colours would settle most of what its answers differ in.

Were the answers' colours jointly Gaussian, knowing those of a spot would leave of their covariance
C what remains of a regression: C - C_s (C_ss + doubt^2)^-1 C_s^T, whatever the colour is. The best
spot leaves the smallest trace; the next one is the best of what is left.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from cinn_hub.choosing import PossibleColor
from cinn_hub.hints import DOUBT

DRAWS = 64  # whose differences are explained
NEAR = 2  # cells around a spot; a question about these would be the same


@dataclass(frozen=True)
class Question:
    """ "Do you know the colour of this?"

    Attributes:
        x, y: the spot, in pixels of the photo; with a colour, it can be given as a hint.
        colors: that are possible there, the likeliest first.
        share: of the differences between answers that the colour there explains, after the
            questions before; from 0 to 1.
    """

    x: int
    y: int
    colors: list[PossibleColor]
    share: float


def telling_spots(
    ab: Tensor,
    n: int,
    known: Sequence[tuple[int, int]] = (),
    unknown: Sequence[tuple[int, int]] = (),
) -> list[tuple[int, int, float]]:
    """The rows and columns of n spots, with the shares of the differences that they explain.

    Arguments:
        ab: (N, 2, h, w) of N answers, in ab units.
        known, unknown: rows and columns of spots whose colours are known, or are not to be asked.
    """
    width = ab.shape[-1]
    x = ab.double().movedim(1, 3).flatten(1, 2)  # (N, h * w, 2)
    x = (x - x.mean(0)).flatten(1) / (len(x) - 1) ** 0.5
    left = (x.T @ x).unflatten(0, (-1, 2)).unflatten(2, (-1, 2))  # (cells, 2, cells, 2)
    total = left.diagonal(dim1=0, dim2=2).diagonal(dim1=0, dim2=1).sum().clamp_min(1e-9)
    free = torch.ones(ab.shape[-2:], dtype=torch.bool, device=ab.device)

    def close(row: int, column: int) -> None:
        free[max(0, row - NEAR) : row + NEAR + 1, max(0, column - NEAR) : column + NEAR + 1] = False

    for row, column in (*known, *unknown):
        close(row, column)
    for row, column in known:
        left = left - explained(left, row * width + column)
    found = []
    for _ in range(n):
        gain = explained_shares(left) / total
        best = int(torch.where(free.flatten(), gain, -1.0).argmax())
        row, column = divmod(best, width)
        found.append((row, column, float(gain[best])))
        left = left - explained(left, best)
        close(row, column)
    return found


def precision(left: Tensor) -> Tensor:
    """(C_ss + doubt^2)^-1 of each cell s of a covariance (cells, 2, cells, 2); (cells, 2, 2)."""
    own = left.diagonal(dim1=0, dim2=2).movedim(2, 0)
    return torch.linalg.inv(own + DOUBT**2 * torch.eye(2).to(left))


def explained(left: Tensor, cell: int) -> Tensor:
    """What the colour of a cell explains of a covariance (cells, 2, cells, 2)."""
    with_cell = left[:, :, cell]
    return torch.einsum("iac,cd,jbd->iajb", with_cell, precision(left)[cell], with_cell)


def explained_shares(left: Tensor) -> Tensor:
    """The trace of what each cell explains, (cells,)."""
    return torch.einsum("iasc,scd,iasd->s", left, precision(left), left)
