"""Which colours are possible at each place of a photo, and how plausible a colouring is by them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

VIVIDNESS_SPREAD = 0.5  # of the logarithm of a photo's mean chroma beside the expected one
FAINTEST = 1.0  # ab units added to both, so that grey has a logarithm


def plausibility(log_p: Tensor, ab: Tensor, spacing: float) -> Tensor:
    """How believable colourings of one photo are, (n,), in nats a place; higher is better.

    The mean log-probability of the colours says which hues fit the things in the photo, but is
    highest for pale ones: by the density alone no colour is as likely as grey. So what lies far
    from typical in its vividness loses: the logarithm of its mean chroma beside the expected one,
    squared, over twice the square of its usual spread. It compares colourings of one photo, not
    photos.

    Arguments:
        log_p: (1, K * K, h, w) log-probabilities of a square grid of ab at each place of the photo,
            a in steps of K, then b; grey is in the middle.
        ab: (n, 2, H, W), in ab units.
        spacing: of the grid, in ab units.
    """
    log_p = log_p.float()
    small = F.adaptive_avg_pool2d(ab.float(), log_p.shape[-2:])
    fit = log_prob(log_p, small, spacing).mean((1, 2))
    chroma = torch.linalg.vector_norm(small, dim=1).mean((1, 2))
    excess = ((chroma + FAINTEST) / (expected_chroma(log_p, spacing) + FAINTEST)).log()
    return fit - 0.5 * (excess / VIVIDNESS_SPREAD).square()


def expected_chroma(log_p: Tensor, spacing: float) -> Tensor:
    """The mean distance from grey that these colours have, in ab units."""
    per_axis = round(log_p.shape[1] ** 0.5)
    axis = spacing * (torch.arange(per_axis, device=log_p.device) - per_axis // 2).float()
    chroma = torch.hypot(axis[:, None], axis[None]).flatten()
    return torch.einsum("bkhw,k->bhw", log_p.exp(), chroma).mean()


def log_prob(log_p: Tensor, ab: Tensor, spacing: float) -> Tensor:
    """Log-probability of the colours ab (n, 2, h, w) at each place, (n, h, w).

    A colour is shared among the four classes around it (bilinear weights), so that the expected
    colour of an exact prediction is exactly that colour.

    log_p: (n, K * K, h, w), or (1, ...) for all.
    """
    per_axis = round(log_p.shape[1] ** 0.5)
    log_p = log_p.expand(len(ab), -1, -1, -1)
    place = (ab / spacing + per_axis // 2).clamp(0, per_axis - 1.001)
    low = place.floor()
    share, low = place - low, low.long()
    total = torch.zeros_like(ab[:, 0])
    for i in (0, 1):
        for j in (0, 1):
            index = (low[:, 0] + i) * per_axis + low[:, 1] + j
            share_a = share[:, 0] if i else 1 - share[:, 0]
            share_b = share[:, 1] if j else 1 - share[:, 1]
            total = total + share_a * share_b * log_p.gather(1, index[:, None])[:, 0]
    return total
