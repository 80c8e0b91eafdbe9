"""The two networks that all rivals share: one says what is to be seen, the other paints it."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.rivals.conditions import CHANNELS, Parts
from cinn_hub.networks import ChannelNorm, enlarged

UNIT = 20.0  # ab units in one unit of a painter's output
COARSE, MIDDLE, FINE = 128, 96, 48  # channels of the maps at 8x8, 16x16, 32x32
GLANCE = {"fine": 16, "middle": 32, "coarse": 64}  # channels of the condition in critics


def light_of(parts: Parts) -> Tensor:
    """L at 64x64 as four channels at 32x32, in about [-1, 1]."""
    return F.pixel_unshuffle(parts["lightness"] / 50 - 1, 2)


class Residual(nn.Module):
    """x + convolution(ReLU(BatchNorm(x))); He et al. 2016."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.conv(F.relu(self.norm(x)))


class Eye(nn.Module):
    """The condition -> maps (B, 128, 8, 8), (B, 96, 16, 16) and (B, 48, 32, 32): a U-Net's way up.

    fine: whether the last map is wanted.
    """

    def __init__(self, fine: bool = True) -> None:
        super().__init__()
        self.norms = nn.ModuleDict({name: ChannelNorm(c) for name, c in CHANNELS.items()})
        self.coarse = nn.Sequential(nn.Conv2d(CHANNELS["coarse"], COARSE, 1), Residual(COARSE))
        self.middle = nn.Sequential(
            nn.Conv2d(CHANNELS["middle"] + COARSE, MIDDLE, 1), Residual(MIDDLE)
        )
        inputs = CHANNELS["fine"] + MIDDLE + 4
        self.fine = nn.Sequential(nn.Conv2d(inputs, FINE, 1), Residual(FINE)) if fine else None

    def forward(self, parts: Parts) -> list[Tensor]:
        known = {name: norm(parts[name]) for name, norm in self.norms.items()}
        maps = [self.coarse(known["coarse"])]
        maps.append(self.middle(torch.cat([known["middle"], enlarged(maps[0])], 1)))
        if self.fine is not None:
            seen = [known["fine"], enlarged(maps[1]), light_of(parts)]
            maps.append(self.fine(torch.cat(seen, 1)))
        return maps


class Painter(nn.Module):
    """Maps, and what else there is to know at each scale -> ab (B, 2, 32, 32) in ab units.

    Arguments:
        extra: channels of that at 8x8, 16x16 and 32x32.
        dropout: of the features at 8x8 and 16x16. It is the noise of Pix2Pix, so it is on at all
            times, not in training alone.
    """

    def __init__(self, extra: Sequence[int] = (0, 0, 0), dropout: float = 0.0) -> None:
        super().__init__()
        self.dropout = dropout
        at8, at16, at32 = extra
        self.first = nn.Conv2d(COARSE + at8, MIDDLE, 3, padding=1)
        self.second = nn.Conv2d(2 * MIDDLE + at16, MIDDLE, 1)
        self.third = nn.Conv2d(MIDDLE + FINE + at32, FINE, 1)
        self.blocks = nn.ModuleList([Residual(c) for c in (MIDDLE, MIDDLE, FINE)])
        self.last = nn.Sequential(nn.BatchNorm2d(FINE), nn.ReLU(), nn.Conv2d(FINE, 2, 3, padding=1))

    def noisy(self, x: Tensor) -> Tensor:
        return F.dropout(x, self.dropout, training=True) if self.dropout else x

    def forward(self, maps: Sequence[Tensor], extra: Sequence[Tensor] = ()) -> Tensor:
        """maps of `Eye`; extra, with as many rows, for the first of them or for all."""
        known = [torch.cat(pair, 1) for pair in zip(maps, extra, strict=False)]
        known += maps[len(known) :]
        x = self.noisy(self.blocks[0](self.first(known[0])))
        x = self.noisy(self.blocks[1](self.second(torch.cat([enlarged(x), known[1]], 1))))
        x = self.blocks[2](self.third(torch.cat([enlarged(x), known[2]], 1)))
        return UNIT * self.last(x).float()


class Glance(nn.Module):
    """What a critic sees of the condition: few channels, so that ab is not lost among them; at
    32x32, 16x16 and 8x8, by the names of the parts."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleDict(
            {
                name: nn.Sequential(
                    ChannelNorm(channels, elementwise_affine=False),
                    nn.Conv2d(channels, GLANCE[name], 1),
                )
                for name, channels in CHANNELS.items()
            }
        )

    def forward(self, parts: Parts) -> dict[str, Tensor]:
        return {name: layer(parts[name]) for name, layer in self.layers.items()}


def repeated(maps: Sequence[Tensor], n: int) -> list[Tensor]:
    """Each row n times: row i of what comes out belongs to row i // n."""
    return [x.repeat_interleave(n, 0) for x in maps]
