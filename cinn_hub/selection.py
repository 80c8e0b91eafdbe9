"""Which of many drawn colourings to show: few that differ most, and are believable.

The farthest-point rule of Gonzalez (1985): begin with the most plausible, and add, again and again,
the one whose nearest neighbour among the chosen ones is farthest away. By itself it collects
oddities, so the least plausible share of the draws is left out first.
"""

from __future__ import annotations

import torch
from torch import Tensor

LEFT_OUT = 0.2  # share of the draws that is not believable enough


def choose(ab: Tensor, plausibilities: Tensor, n: int) -> list[int]:
    """The rows of n of these colourings, the most plausible first.

    Arguments:
        ab: (N, 2, h, w), coarse, so that things count and details do not.
        plausibilities: of each, (N,); see `ColorBins.plausibility`.
        n: at most N.
    """
    believable = max(n, round(len(ab) * (1 - LEFT_OUT)))
    rows = plausibilities.argsort(descending=True, stable=True)[:believable]
    flat = ab[rows].flatten(1)
    between = torch.cdist(flat, flat)
    chosen = [0]
    for _ in range(1, n):
        nearest = between[chosen].amin(0)
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
    return rows[chosen].tolist()
