"""How answers are chosen: which of many draws are shown, and which colours a place may have.

The farthest-point rule of Gonzalez (1985): begin with the safest, and add, again and again, the one
whose nearest neighbour among the chosen ones is farthest away. By itself it collects oddities, so
the least believable share of the draws is left out first.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cinn_hub.color import fit_gamut, to_rgb
from cinn_hub.networks import ColorBins

LEFT_OUT = 0.2  # share of the draws that is not believable enough
LEAST_SPREAD = 3.0  # ab units; no place is more certain than that
VIVIDNESS_SPREAD = 0.5  # of the logarithm of a photo's mean chroma beside the expected one
FAINTEST = 1.0  # ab units added to both, so that grey has a logarithm
SAME, APART = 12.0, 18.0  # ab units: what counts as one colour; what two colours differ by


def plausibility(bins: ColorBins, log_p: Tensor, ab: Tensor) -> Tensor:
    """How believable colourings of one photo are, (n,), in nats a place; higher is better.

    The mean log-probability of the colours says which hues fit the things in the photo, but is
    highest for pale ones: by the density alone no colour is as likely as grey. So what lies far
    from typical in its vividness loses: the logarithm of its mean chroma beside the expected
    one, squared, over twice the square of its usual spread. It compares colourings of one
    photo, not photos.

    Arguments:
        log_p: (1, K * K, h, w), of the photo.
        ab: (n, 2, H, W), in ab units.
    """
    log_p = log_p.float()
    small = F.adaptive_avg_pool2d(ab.float(), log_p.shape[-2:])
    fit = bins.log_prob(log_p, small).mean((1, 2))
    chroma = torch.linalg.vector_norm(small, dim=1).mean((1, 2))
    excess = ((chroma + FAINTEST) / (bins.expected_chroma(log_p) + FAINTEST)).log()
    return fit - 0.5 * (excess / VIVIDNESS_SPREAD).square()


def surprise(ab: Tensor, expected: Tensor, spread: Tensor) -> Tensor:
    """How far colours lie from what is expected, in squared standard deviations, (N,).

    It says how safe an answer is, and pale ones are safe. `plausibility` says how
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


@dataclass(frozen=True)
class PossibleColor:
    """A colour with the probability of it and of what looks much like it.

    color: "#rrggbb", at the lightness of its spot.
    """

    color: str
    probability: float


def possible_colors(
    probabilities: np.ndarray, ab: np.ndarray, lightness: float, n: int
) -> list[PossibleColor]:
    """Up to n different colours, the likeliest first.

    Arguments:
        probabilities: (M,) of the classes; they sum to 1.
        ab: (M, 2) of the classes, in ab units; as far as they exist at that lightness.
        lightness: L of the spot.
    """
    light = np.full((len(ab), 1), lightness, np.float32)
    lab = fit_gamut(np.concatenate([light, ab.astype(np.float32)], 1)[None])[0]
    distances = np.linalg.norm(lab[:, None, 1:] - lab[None, :, 1:], axis=2)
    left = probabilities.astype(np.float64)
    found = []
    while len(found) < n and left.max() > 0:
        mode = int(((distances < SAME) @ left).argmax())
        share = np.where(distances[mode] < SAME, left, 0)
        color = share @ lab / share.sum()
        found.append((share.sum(), color))
        left = np.where(np.linalg.norm(lab[:, 1:] - color[1:], axis=1) < APART, 0, left)
    return [PossibleColor(as_hex(color), float(p)) for p, color in found]


def as_hex(lab: np.ndarray) -> str:
    red, green, blue = to_rgb(lab[None, None].astype(np.float32))[0, 0].tolist()
    return f"#{red:02x}{green:02x}{blue:02x}"
