"""Colours that are possible at one spot: the modes of a distribution over classes of colour."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from cinn_hub.color import fit_gamut, to_rgb

SAME, APART = 12.0, 18.0  # ab units: what counts as one colour; what two colours differ by


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
