"""Layers that trade resolution for channels, without parameters."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor

from cinn_hub.flow.base import Bijection, LevelCondition, no_log_det


class Flatten(Bijection):
    """(B, C, H, W) -> (B, C H W); the shape is kept for the way back."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        return x.flatten(1), no_log_det(x)

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        return z.unflatten(1, self.shape), no_log_det(z)


class HaarDownsampling(Bijection):
    """(B, C, H, W) -> (B, 4 C, H/2, W/2): means of 2x2 blocks and three details of each.

    Of a block [[a, b], [c, d]] the four outputs are (a + b + c + d) / 4, (a - b + c - d) / 4,
    (a + b - c - d) / 4 and (a - b - c + d) / 4: the mean keeps the units of x, and
    log_det = -C H W ln 2.

    Arguments:
        order: "wavelet" puts the means of all channels first; "channel" the four outputs of the
            first channel.
    """

    def __init__(self, order: Literal["wavelet", "channel"] = "wavelet") -> None:
        super().__init__()
        self.dim = 1 if order == "wavelet" else 2

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        top = x[..., ::2, ::2] + x[..., ::2, 1::2], x[..., ::2, ::2] - x[..., ::2, 1::2]
        bottom = x[..., 1::2, ::2] + x[..., 1::2, 1::2], x[..., 1::2, ::2] - x[..., 1::2, 1::2]
        wavelets = top[0] + bottom[0], top[1] + bottom[1], top[0] - bottom[0], top[1] - bottom[1]
        z = torch.stack(wavelets, self.dim).flatten(1, 2) / 4
        return z, -self.log_volume(x)

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        shape = (4, -1) if self.dim == 1 else (-1, 4)
        mean, across, down, diagonal = z.unflatten(1, shape).unbind(self.dim)
        left = torch.stack([mean + down, mean - down], 3)
        right = torch.stack([across + diagonal, across - diagonal], 3)
        x = torch.stack([left + right, left - right], 5)  # (B, C, h, 2, w, 2)
        return x.flatten(4, 5).flatten(2, 3), self.log_volume(z)

    @staticmethod
    def log_volume(x: Tensor) -> Tensor:
        """ln 2 for every value of one sample, (B,)."""
        return x.new_full((len(x),), x[0].numel() * math.log(2))


class SpaceToDepth(Bijection):
    """(B, C, H, W) -> (B, 4 C, H/2, W/2), position-major: all channels of the top left pixels, then
    top right, bottom left, bottom right. Keeps volumes. Jacobsen et al. 2018, i-RevNet."""

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        positions = [x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)]
        return torch.cat(positions, 1), no_log_det(x)

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        x = z.unflatten(1, (2, 2, -1)).permute(0, 3, 4, 1, 5, 2)  # (B, C, h, 2, w, 2)
        return x.flatten(4, 5).flatten(2, 3), no_log_det(z)
