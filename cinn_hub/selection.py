"""Which of many drawn colourings to show: few that differ most, and are believable.

The farthest-point rule of Gonzalez (1985): begin with the safest, and add, again and again, the one
whose nearest neighbour among the chosen ones is farthest away. By itself it collects oddities, so
the least believable share of the draws is left out first.
"""

from __future__ import annotations

import torch
from torch import Tensor

LEFT_OUT = 0.2  # share of the draws that is not believable enough
LEAST_SPREAD = 3.0  # ab units; no place is more certain than that


def surprise(ab: Tensor, expected: Tensor, spread: Tensor) -> Tensor:
    """How far colours lie from what is expected, in squared standard deviations, (N,).

    It says how safe an answer is, and pale ones are safe. `ColorBins.plausibility` says how
    believable one is; a pool chosen by that lies a little further from real photos.

    ab (N, 2, h, w); expected, spread (2, h, w), all in ab units.
    """
    deviation = (ab - expected) / (spread + LEAST_SPREAD)
    return deviation.square().sum(1).mean((1, 2))


def choose(ab: Tensor, surprises: Tensor, n: int) -> list[int]:
    """The rows of n of these colourings, the safest first.

    Arguments:
        ab: (N, 2, h, w), coarse, so that things count and details do not.
        surprises: of each, (N,); see `surprise`.
        n: at most N.
    """
    believable = max(n, round(len(ab) * (1 - LEFT_OUT)))
    rows = surprises.argsort(stable=True)[:believable]
    flat = ab[rows].flatten(1)
    between = torch.cdist(flat, flat)
    chosen = [0]
    for _ in range(1, n):
        nearest = between[chosen].amin(0)
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
    return rows[chosen].tolist()
