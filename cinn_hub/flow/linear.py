"""Linear layers: they scale or mix channels, or trade resolution for channels."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from cinn_hub.flow.base import Bijection, LevelCondition, exactly, no_log_det
from cinn_hub.flow.couplings import Gaussian

MOST_LOG_SCALE = 30.0  # of an ActNorm; at 88 its exponential is beyond float32
MOST_CONDITION_NUMBER = 1e5  # in the 1-norm; a rotation of 196 values has about 170


class ActNorm(Gaussian):
    """z = (x - shift) * exp(-log_scale) for each channel, as in Glow (Kingma & Dhariwal 2018).

    The first batch seen in training mode sets shift and log_scale to its mean and spread.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(channels))
        self.log_scale = nn.Parameter(torch.zeros(channels))
        self.register_buffer("is_initialized", torch.tensor(False))

    @torch.no_grad()
    def initialize(self, x: Tensor) -> None:
        """Sets the parameters so that z has zero mean and unit variance over this batch."""
        values = of_all_processes(x.transpose(0, 1).flatten(1).float())
        if values.shape[1] < 2 or not values.isfinite().all():  # no spread; a later batch will do
            return
        self.shift.copy_(values.mean(1))
        self.log_scale.copy_(values.std(1).clamp_min(1e-4).log())
        self.is_initialized.fill_(True)

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        if self.training and not self.is_initialized:
            self.initialize(x)
        return super().forward(x, condition)

    def mean_and_log_scale(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        return per_channel(self.shift, x), per_channel(self.log_scale, x)

    def fault(self) -> str | None:
        most = self.log_scale.abs().max().item()
        if most > MOST_LOG_SCALE:
            return f"has a log-scale of {most:.3g}, beyond {MOST_LOG_SCALE:g}"
        return None


def per_channel(v: Tensor, x: Tensor) -> Tensor:
    """(C,) -> (1, C, 1, ...), to be broadcast over x."""
    return v.view(1, -1, *[1] * (x.dim() - 2))


def of_all_processes(values: Tensor) -> Tensor:
    """The values (channels, n) of all processes that train together, (channels, processes * n)."""
    if not (dist.is_available() and dist.is_initialized()):
        return values
    parts = [torch.empty_like(values) for _ in range(dist.get_world_size())]
    dist.all_gather(parts, values.contiguous())
    return torch.cat(parts, 1)


class Standardization(Gaussian):
    """z = (x - center) / spread for each channel, fixed numbers of a data set."""

    def __init__(self, center: Sequence[float], spread: Sequence[float]) -> None:
        super().__init__()
        self.register_buffer("center", torch.tensor(center))
        self.register_buffer("spread", torch.tensor(spread))

    def mean_and_log_scale(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        return per_channel(self.center, x), per_channel(self.spread, x).log()

    def fault(self) -> str | None:
        least = self.spread.min().item()
        return f"has a spread of {least:.3g}, which is not above 0" if not least > 0 else None


class Permutation(Bijection):
    """z[:, i] = x[:, order[i]]: a fixed shuffle of dimension 1, kept in the state dict."""

    def __init__(self, order: Tensor) -> None:
        super().__init__()
        self.register_buffer("order", order.clone())

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        return x[:, self.order], no_log_det(x)

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        return torch.empty_like(z).index_copy(1, self.order, z), no_log_det(z)

    def fault(self) -> str | None:
        places = torch.arange(len(self.order), device=self.order.device)
        if not torch.equal(self.order.sort().values, places):
            return "does not hold every place once"
        return None


class InvertibleConv1x1(Bijection):
    """z = W x at every position, with log_det = positions * log|det W|.

    W starts as a random rotation; `learned` says whether training changes it. It is inverted as it
    is stored, so rounding the file to half precision costs no exactness. Kingma & Dhariwal 2018,
    sec. 3.2.
    """

    def __init__(self, channels: int, seed: int, learned: bool = False) -> None:
        super().__init__()
        generator = torch.Generator("cpu").manual_seed(seed)
        # `device` is named so that the draw is real on the meta device, too
        gaussian = torch.randn(
            channels, channels, generator=generator, device="cpu", dtype=torch.float32
        )
        rotation = torch.linalg.qr(gaussian).Q
        if learned:
            self.weight = nn.Parameter(rotation)
        else:
            self.register_buffer("weight", rotation)

    @staticmethod
    def mix(weight: Tensor, x: Tensor) -> Tensor:
        with exactly(x):
            return (weight @ x.flatten(2)).view_as(x) if x.dim() > 2 else x @ weight.T

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        return self.mix(self.weight, x.contiguous()), self.log_det(x)

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        return self.mix(torch.linalg.inv(self.weight), z.contiguous()), -self.log_det(z)

    def fault(self) -> str | None:
        """Beyond that condition number float32 leaves nothing of the values that it gives back."""
        number = torch.linalg.cond(self.weight.cpu().double(), 1).item()
        if not number <= MOST_CONDITION_NUMBER:
            return f"is a matrix that is singular or nearly so (condition number {number:.3g})"
        return None

    def log_det(self, x: Tensor) -> Tensor:
        positions = x[0, 0].numel()
        return (positions * torch.linalg.slogdet(self.weight).logabsdet).expand(len(x))


class ConditionalRotation(Bijection):
    """z = R x for vectors x (B, D), with another rotation R for each case.

    The condition says which by a one-hot (B, cases). Volumes stay, and so does what is standard
    normal; the rotations say which direction of one case stands for which of another. R =
    (I + A)^-1 (I - A) of an antisymmetric A (Cayley), so a rounded file is a rotation still. It
    starts as the identity.
    """

    def __init__(self, size: int, cases: int) -> None:
        super().__init__()
        self.turn = nn.Parameter(torch.zeros(cases, size, size))

    def rotations(self, condition: LevelCondition, dtype: torch.dtype) -> Tensor:
        """(B, D, D)."""
        turn = self.turn.to(dtype)
        skew = turn - turn.transpose(1, 2)
        one = torch.eye(skew.shape[-1], device=skew.device, dtype=dtype)
        return torch.linalg.solve(one + skew, one - skew)[condition.features.argmax(1)]

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        return self.turned(x, self.rotations(condition, x.dtype)), no_log_det(x)

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        return self.turned(z, self.rotations(condition, z.dtype).transpose(1, 2)), no_log_det(z)

    @staticmethod
    def turned(x: Tensor, rotations: Tensor) -> Tensor:
        with exactly(x):
            rows = x.unflatten(0, (len(rotations), -1))
            return (rows @ rotations.transpose(1, 2)).flatten(0, 1)


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
        a, b, c, d = corners_of(x)
        return torch.stack(haar(a, b, c, d), self.dim).flatten(1, 2) / 4, -self.log_volume(x)

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        shape = (4, -1) if self.dim == 1 else (-1, 4)
        wavelets = z.unflatten(1, shape).unbind(self.dim)
        return picture_of(*haar(*wavelets)), self.log_volume(z)

    @staticmethod
    def log_volume(x: Tensor) -> Tensor:
        """ln 2 for every value of one sample, (B,)."""
        return x.new_full((len(x),), x[0].numel() * math.log(2))


class SpaceToDepth(Bijection):
    """(B, C, H, W) -> (B, 4 C, H/2, W/2), position-major: all channels of the top left pixels, then
    top right, bottom left, bottom right. Keeps volumes. Jacobsen et al. 2018, i-RevNet."""

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        return torch.cat(corners_of(x), 1), no_log_det(x)

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        return picture_of(*z.chunk(4, dim=1)), no_log_det(z)


def haar(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Sums and differences; the same again gives four times what it was given."""
    left, right, across, down = a + c, b + d, a - c, b - d
    return left + right, left - right, across + down, across - down


def corners_of(x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(B, C, H, W) -> the four pixels of all 2x2 blocks, row by row, each (B, C, H/2, W/2)."""
    return F.pixel_unshuffle(x, 2).unflatten(1, (-1, 4)).unbind(2)


def picture_of(*corners: Tensor) -> Tensor:
    """The inverse of `corners_of`."""
    return F.pixel_shuffle(torch.stack(corners, 2).flatten(1, 2), 2)
