"""How answers are chosen: which of many draws are shown, and which colours a place may have.

Odd draws, with things in impossible colours, are left out, and the least plausible ones. Of the
rest the most plausible comes first. Then comes, again and again, the one whose nearest neighbour
among the chosen ones is farthest away (Gonzalez 1985).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cinn_hub.color import fit_gamut, to_rgb
from cinn_hub.networks import ColorBins

POOL = 48  # draws of which answers are chosen
COMPARED_SIDE = 8  # of the ab that answers are told apart by
WORST = 0.1  # share of a photo's places that decides how odd a colouring is
MOTTLED = 0.02  # share of the steps between places that does so
NATS_PER_STEP = 0.25  # of oddity, for each ab unit of such a step
ALIKE = 6  # power of how alike the possible colours of two places are
MOST_ODD = 9.0  # nats; of answers with more, one in three has an impossible thing
FEWEST = 8  # that count as possible, the least odd ones, so that the first does not depend on n
LEFT_OUT = 0.2  # share of the draws that is not plausible enough
# The mean chroma of the most plausible answer, times the expected one, and the spread of its
# logarithm: with less, first answers are paler than real photos
VIVIDNESS, VIVIDNESS_SPREAD = 1.3, 0.35
FAINTEST = 1.0  # ab units added to both, so that grey has a logarithm
SAME, APART = 12.0, 18.0  # ab units: what counts as one colour; what two colours differ by


@dataclass(frozen=True)
class Judgement:
    """How believable colourings of one photo are. It compares colourings of a photo, not photos.

    Attributes:
        plausibility: (n,) in nats a place, higher is better. The mean log-probability of the
            colours says which hues fit the things in the photo, but is highest for pale ones: by
            the density alone no colour is as likely as grey. So what is much paler or louder than
            photos are loses: the logarithm of its mean chroma beside `VIVIDNESS` times the expected
            one, squared, over twice the square of its spread.
        oddity: (n,) in nats, lower is better: how much less likely than usual there the colours of
            the worst tenth of the places are, and how far colours step within one thing. A blue dog
            on a green lawn is odd, and plausible; so is a hand with a green finger.
    """

    plausibility: Tensor
    oddity: Tensor


def judge(bins: ColorBins, log_p: Tensor, ab: Tensor) -> Judgement:
    """How believable colourings are, by the means of their colours in cells.

    Arguments:
        log_p: (1, K * K, h, w), log-probabilities of the classes of colour in the photo.
        ab: (n, 2, H, W), in ab units; H and W as those of log_p, or less.
    """
    log_p = log_p.float()
    small = F.adaptive_avg_pool2d(ab.float(), log_p.shape[-2:])
    fit = bins.log_prob(log_p, small)
    usual = (log_p.exp() * log_p).sum(1)
    missing = (usual - fit).flatten(1)
    oddity = worst(missing, WORST) + NATS_PER_STEP * worst(steps_in_things(log_p, ab), MOTTLED)
    chroma = torch.linalg.vector_norm(small, dim=1).mean((1, 2))
    excess = ((chroma + FAINTEST) / (VIVIDNESS * bins.expected_chroma(log_p) + FAINTEST)).log()
    vividness = 0.5 * (excess / VIVIDNESS_SPREAD).square()
    return Judgement(fit.mean((1, 2)) - vividness, oddity)


def worst(values: Tensor, share: float) -> Tensor:
    """The mean of the largest values of each row (n, N), as large a share of them; (n,)."""
    return values.topk(max(1, round(share * values.shape[1])), 1).values.mean(1)


def steps_in_things(log_p: Tensor, ab: Tensor) -> Tensor:
    """How far the colours of neighbours differ that belong to one thing, (n, N) in ab units.

    What belongs together is not known. But parts of a thing may have the same colours, each with
    about the same probability: steps are weighted by a power of the Bhattacharyya coefficient.
    """
    ab = ab.float()
    root = F.adaptive_avg_pool2d(log_p.exp(), ab.shape[-2:]).sqrt()
    steps = []
    for axis in (2, 3):
        one, next_one = (root.narrow(axis, k, root.shape[axis] - 1) for k in (0, 1))
        alike = (one * next_one).sum(1) ** ALIKE
        step = torch.linalg.vector_norm(ab.diff(dim=axis), dim=1)
        steps.append((alike * step).flatten(1))
    return torch.cat(steps, 1)


def choose(ab: Tensor, judgement: Judgement, n: int) -> list[int]:
    """The rows of n of these colourings, the most plausible first.

    Arguments:
        ab: (N, 2, h, w), in ab units.
        n: at most N. If fewer are possible, the least odd ones count as possible.
    """
    order = judgement.oddity.argsort(stable=True)
    possible = order[: max(n, FEWEST, int((judgement.oddity <= MOST_ODD).sum()))]
    by_plausibility = judgement.plausibility[possible].argsort(descending=True, stable=True)
    rows = possible[by_plausibility][: max(n, round(len(ab) * (1 - LEFT_OUT)))]
    flat = F.adaptive_avg_pool2d(ab[rows].float(), COMPARED_SIDE).flatten(1)
    between = torch.cdist(flat, flat)
    chosen = [0]
    for _ in range(1, n):
        nearest = between[chosen].amin(0)
        nearest[chosen] = -1
        chosen.append(int(nearest.argmax()))
    return rows[sorted(chosen)].tolist()


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
