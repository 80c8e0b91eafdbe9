"""What the networks of Ardizzone et al. 2019 see of a photo's L, and their couplings' terms."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn

SLOPE = 0.01  # of the leaky ReLUs in networks that see the condition
# Of the feature network: convolutions, stride of the last, dilation (Zhang et al. 2016).
BLOCKS = ((2, 2, 1), (2, 2, 1), (3, 2, 1), (3, 1, 1), (3, 1, 2), (3, 1, 2), (3, 1, 1))
BLOCK_WIDTHS = (0, 1, 2, 3, 3, 3, 3)  # which of the widths a block has


def conv(inputs: int, outputs: int, stride: int = 1, **options: int | bool) -> nn.Conv2d:
    """A 3x3 convolution whose output is as large as its input, divided by the stride."""
    padding = options.get("dilation", 1)
    return nn.Conv2d(inputs, outputs, 3, stride, padding, **options)


class BedroomConditionNetwork(nn.Module):
    """L (B, 1, 64, 64), normalised, -> features at 64x64, 32x32, 16x16 and a vector.

    widths: channels of the four.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        a, b, c, d = widths
        self.levels = nn.ModuleList(
            [
                nn.Sequential(conv(1, a), nn.LeakyReLU(SLOPE), conv(a, a)),
                nn.Sequential(nn.LeakyReLU(SLOPE), conv(a, b), nn.LeakyReLU(SLOPE), conv(b, b, 2)),
                nn.Sequential(nn.LeakyReLU(SLOPE), conv(b, c, 2)),
                nn.Sequential(
                    nn.LeakyReLU(SLOPE), nn.AvgPool2d(4), nn.Flatten(), nn.Linear(16 * c, d)
                ),
            ]
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features


class Terms(nn.Module):
    """What the first layers of all couplings of a level say of the condition: one convolution for
    each size of kernel, (B, features, H, W) -> (B, all their channels, H, W).

    Arguments:
        features: channels of the condition.
        widths: {size of the kernel: output channels of all couplings with it}.
    """

    def __init__(self, features: int, widths: dict[int, int]) -> None:
        super().__init__()
        self.by_kernel = nn.ModuleList(
            nn.Conv2d(features, width, kernel, padding=kernel // 2, bias=False)
            for kernel, width in widths.items()
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([layer(x) for layer in self.by_kernel], 1)


class FeatureNetwork(nn.Module):
    """The network of Zhang et al. 2016 before its classes of colour: L -> what is to be seen in it.

    widths: channels of its blocks 1, 2, 3, of 4 to 7, and of the last.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        blocks, channels = [], 1
        for (convs, stride, dilation), index in zip(BLOCKS, BLOCK_WIDTHS, strict=True):
            layers: list[nn.Module] = []
            for i in range(convs):
                step = stride if i == convs - 1 else 1
                layers += [conv(channels, widths[index], step, dilation=dilation), nn.ReLU()]
                channels = widths[index]
            blocks.append(nn.Sequential(*layers, nn.BatchNorm2d(channels)))
        self.blocks = nn.ModuleList(blocks)
        last = widths[-1]
        self.last = nn.Sequential(
            nn.ConvTranspose2d(channels, last, 4, 2),
            nn.ReLU(),
            conv(last, last),
            nn.ReLU(),
            conv(last, last),
        )

    def forward(self, lightness: Tensor) -> Tensor:
        """L (B, 1, S, S) in [0, 100] -> (B, C, S/4, S/4), signed."""
        x = lightness - 50
        for block in self.blocks:
            x = block(x)
        return self.last(x)[..., 1:-1, 1:-1]


class VectorConditionNetwork(nn.Sequential):
    """Features (B, C, 64, 64) -> the vector (B, outputs) that couplings of vectors see."""

    def __init__(self, features: int, widths: Sequence[int], outputs: int) -> None:
        layers: list[nn.Module] = []
        for pair in pairwise((features, *widths, outputs)):
            layers += [conv(*pair, 2), nn.LeakyReLU(SLOPE)]
        super().__init__(*layers[:-1], nn.AvgPool2d(4), nn.BatchNorm2d(outputs), nn.Flatten())


def side_by_side(
    couplings: int, features: int, inner: Sequence[int], outputs: int, terms: int
) -> nn.Sequential:
    """The condition subnets of a level's couplings as one network, each a group of its channels.

    Every coupling has its own subnet of the features; the terms of its own two subnets follow.

    Arguments:
        inner: widths inside of one subnet, each of which halves the resolution; outputs: of it.
        terms: channels of one coupling's terms.
    """
    layers: list[nn.Module] = []
    groups = 1
    for i, (wide, width) in enumerate(pairwise((features, *inner, outputs))):
        inputs = wide if i == 0 else couplings * wide
        if i == len(inner):
            layers.append(conv(inputs, couplings * width, groups=groups))
        else:
            layers += [conv(inputs, couplings * width, 2, groups=groups), nn.LeakyReLU(SLOPE)]
        groups = couplings
    norm = nn.BatchNorm2d(couplings * outputs)
    return nn.Sequential(
        *layers, norm, conv(couplings * outputs, couplings * terms, groups=couplings, bias=False)
    )
