"""How well a condition network expects the colours of photos, and whether one does better than
another on the same photos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cinn_hub import photos
from cinn_hub.errors import PhotoError
from cinn_hub.models.colorization_cinn import ColorizationCINN
from training.looking import log_probabilities
from training.photos import Source, evenly, find_photos

AT_ONCE = 16  # photos
GROUND = 32  # places along each side, at which colours are compared


@dataclass(frozen=True)
class Judgement:
    """What a network makes of each photo.

    entropy: (photos,) cross-entropy of the real colours, in nats a place.
    error: (photos,) RMS distance of the expected colours from the real ones, in ab units.
    constant: the mean over photos of the same for the photos' mean colour.
    groups: the collection of each photo.
    """

    entropy: np.ndarray
    error: np.ndarray
    constant: float
    groups: np.ndarray

    def figures(self) -> tuple[float, float]:
        """Mean cross-entropy, and mean error / that of the mean colour."""
        return float(self.entropy.mean()), float(self.error.mean() / self.constant)

    def of(self, group: str) -> Judgement:
        """That of the photos of one collection."""
        rows = self.groups == group
        return Judgement(self.entropy[rows], self.error[rows], self.constant, self.groups[rows])


@dataclass(frozen=True)
class Gain:
    """Figures of one network minus those of another on the same photos, and their standard errors.

    Below zero, the first is better.
    """

    entropy: float
    entropy_se: float
    error: float
    error_se: float

    def __str__(self) -> str:
        return (
            f"cross-entropy {self.entropy:+.4f} ± {self.entropy_se:.4f}, "
            f"error / constant {self.error:+.4f} ± {self.error_se:.4f}"
        )


def gain(new: Judgement, old: Judgement) -> Gain:
    """Of a network beside another one."""
    entropy, error = new.entropy - old.entropy, (new.error - old.error) / new.constant
    root = len(entropy) ** 0.5
    return Gain(
        float(entropy.mean()),
        float(entropy.std() / root),
        float(error.mean()),
        float(error.std() / root),
    )


def gains(new: Judgement, old: Judgement) -> dict[str, Gain]:
    """The gain in each collection: one may hide in another's."""
    return {str(name): gain(new.of(name), old.of(name)) for name in sorted(set(new.groups))}


def seen(source: Source, sides: Sequence[int]) -> tuple[list[Tensor], Tensor] | None:
    """L (1, side, side) of a whole photo for each side, and its ab (2, 32, 32); None if it has no
    colours."""
    bgr = source.decode()
    if bgr is None:
        return None
    try:
        photo = photos.read(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
    except PhotoError:  # too small
        return None
    if not photos.is_colored(photo):
        return None
    lightness = [torch.from_numpy(photos.squeeze(photo.lightness, side)[None]) for side in sides]
    ab = torch.from_numpy(photos.squeezed_ab(photo, 2 * GROUND)).permute(2, 0, 1)
    return lightness, F.avg_pool2d(ab, 2)


@torch.inference_mode()
def judge(
    model: ColorizationCINN,
    places: Sequence[str | Path],
    sides: Sequence[int] = (256,),
    limit: int | None = None,
) -> Judgement:
    """A model's judgement of the photos in folders and zips, seen at each of the sides in pixels.

    limit: how many photos of each place at most, evenly taken.
    """
    found = [find_photos([place]) for place in places]
    sources = [source for part in found for source in evenly(part, limit or len(part))]
    entropy, squares, real, groups = [], [], [], []
    for start in range(0, len(sources), AT_ONCE):
        part = sources[start : start + AT_ONCE]
        items = {source: item for source in part if (item := seen(source, sides))}
        if not items:
            continue
        each = zip(*(looks for looks, _ in items.values()), strict=True)
        looks = [torch.stack(same).to(model.device) for same in each]
        ab = torch.stack([ab for _, ab in items.values()]).to(model.device)
        log_p = log_probabilities(model, looks, GROUND)
        expected, _ = model.bins.mean_and_spread(log_p)
        entropy.append(-model.bins.log_prob(log_p, ab).mean((1, 2)))
        squares.append((expected - ab).square().mean((1, 2, 3)))
        real.append(ab)
        groups += [source.path.stem if source.member else source.group for source in items]
    ab = torch.cat(real)
    constant = (ab - ab.mean((0, 2, 3), keepdim=True)).square().mean((1, 2, 3)).sqrt().mean()
    return Judgement(
        torch.cat(entropy).double().cpu().numpy(),
        torch.cat(squares).sqrt().double().cpu().numpy(),
        float(constant),
        np.array(groups),
    )
