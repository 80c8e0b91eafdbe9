"""Invertible layers and their composition over resolution levels. Knows tensors, no photos.

*Forward* is data to latent, *inverse* is latent to data, everywhere. One condition may serve many
samples: where `x` has n times as many rows as the condition, row i belongs to condition i // n.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class LevelCondition:
    """What one layer is given.

    given: depends on the photo or label alone, (B, C, H, W) or (B, C), and serves all its samples.
    drawn: what coarser levels have drawn already, (B * n, C', H, W), another for each sample.
    """

    given: Tensor | None = None
    drawn: Tensor | None = None


Subnet = Callable[[int, int], nn.Module]
"""(input channels, output channels) -> network called as `network(x, condition)`."""


class Bijection(nn.Module):
    """An invertible map z = f(x; condition), one sample a row.

    `forward` returns z and log|det dz/dx| in nats, shape (B,), summed over all other dimensions.
    `inverse` returns x. It computes no log-determinant: that one is minus `forward`'s, at x.
    """

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        raise NotImplementedError

    def inverse(self, z: Tensor, condition: LevelCondition) -> Tensor:
        raise NotImplementedError


def sum_per_sample(x: Tensor) -> Tensor:
    """(B, ...) -> (B,)."""
    return x.flatten(1).sum(1)


def no_log_det(x: Tensor) -> Tensor:
    """(B,) zeros: the log-determinant of a map that keeps volumes."""
    return x.new_zeros(len(x))


def per_channel(v: Tensor, x: Tensor) -> Tensor:
    """(C,) -> (1, C, 1, ...), to be broadcast over x."""
    return v.view(1, -1, *[1] * (x.dim() - 2))


def add_to_samples(x: Tensor, given: Tensor) -> Tensor:
    """x (B * n, ...) + given (B, ...): row i of x gets row i // n, without copies."""
    if len(x) == len(given):
        return x + given
    return (x.unflatten(0, (len(given), -1)) + given.unsqueeze(1)).flatten(0, 1)


class AffineCoupling(Bijection):
    """z1 = x1 * exp(s(x2)) + t(x2), then z2 = x2 * exp(s(z1)) + t(z1).

    Two-sided, so every channel is changed: x1 are the first C // 2 channels. The log-scales are
    clamped softly, s = 0.636 * clamp * atan(raw / clamp), hence |s| < clamp. The subnets also see
    the condition. Dinh et al. 2017, sec. 3; Ardizzone et al. 2019, sec. 3.1.

    Arguments:
        channels: C of x (B, C, ...), at least 2.
        subnet: builds the two networks; each gives raw log-scales, then shifts.
        clamp: bound of the log-scales.
    """

    def __init__(self, channels: int, subnet: Subnet, clamp: float = 1.5) -> None:
        super().__init__()
        self.sizes = (channels // 2, channels - channels // 2)
        self.clamp = clamp
        self.subnet1 = subnet(self.sizes[1], 2 * self.sizes[0])
        self.subnet2 = subnet(self.sizes[0], 2 * self.sizes[1])

    def scale_and_shift(
        self, subnet: nn.Module, x: Tensor, condition: LevelCondition
    ) -> tuple[Tensor, Tensor]:
        raw, t = subnet(x, condition).to(x.dtype).chunk(2, dim=1)
        return 0.636 * self.clamp * torch.atan(raw / self.clamp), t

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        x1, x2 = x.split(self.sizes, dim=1)
        s1, t1 = self.scale_and_shift(self.subnet1, x2, condition)
        z1 = x1 * s1.exp() + t1
        s2, t2 = self.scale_and_shift(self.subnet2, z1, condition)
        z2 = x2 * s2.exp() + t2
        return torch.cat([z1, z2], 1), sum_per_sample(s1) + sum_per_sample(s2)

    def inverse(self, z: Tensor, condition: LevelCondition) -> Tensor:
        z1, z2 = z.split(self.sizes, dim=1)
        s2, t2 = self.scale_and_shift(self.subnet2, z1, condition)
        x2 = (z2 - t2) * (-s2).exp()
        s1, t1 = self.scale_and_shift(self.subnet1, x2, condition)
        x1 = (z1 - t1) * (-s1).exp()
        return torch.cat([x1, x2], 1)


class ConditionalShift(Bijection):
    """z = x - mean, where the mean lies in the given condition, in these of its channels.

    What follows models only what the condition does not say.
    """

    def __init__(self, channels: slice) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        mean = condition.given[:, self.channels].to(x.dtype)
        return add_to_samples(x, -mean), no_log_det(x)

    def inverse(self, z: Tensor, condition: LevelCondition) -> Tensor:
        mean = condition.given[:, self.channels].to(z.dtype)
        return add_to_samples(z, mean)


class ConditionalGaussian(Bijection):
    """z = (x - mean) * exp(-log_scale), with (mean, log_scale) = network(condition).

    A learned prior: x is normal given the condition, z is standard normal. The log-scale is clamped
    softly as in `AffineCoupling`. `network(condition)` gives 2 C channels.
    """

    def __init__(self, network: nn.Module, clamp: float = 4.0) -> None:
        super().__init__()
        self.network = network
        self.clamp = clamp

    def mean_and_log_scale(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        parameters = self.network(condition).to(x.dtype)
        n = len(x) // len(parameters)
        if n > 1:
            parameters = parameters.repeat_interleave(n, dim=0)
        mean, raw = parameters.chunk(2, dim=1)
        return mean, 0.636 * self.clamp * torch.atan(raw / self.clamp)

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        mean, log_scale = self.mean_and_log_scale(x, condition)
        return (x - mean) * (-log_scale).exp(), -sum_per_sample(log_scale)

    def inverse(self, z: Tensor, condition: LevelCondition) -> Tensor:
        mean, log_scale = self.mean_and_log_scale(z, condition)
        return z * log_scale.exp() + mean


class ActNorm(Bijection):
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
        values = x.transpose(0, 1).flatten(1).float()
        self.shift.copy_(values.mean(1))
        self.log_scale.copy_(values.std(1).clamp_min(1e-4).log())
        self.is_initialized.fill_(True)

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        if self.training and not self.is_initialized:
            self.initialize(x)
        z = (x - per_channel(self.shift, x)) * per_channel((-self.log_scale).exp(), x)
        positions = x[0, 0].numel()
        return z, (-positions * self.log_scale.sum()).expand(len(x))

    def inverse(self, z: Tensor, condition: LevelCondition) -> Tensor:
        return z * per_channel(self.log_scale.exp(), z) + per_channel(self.shift, z)


class Permutation(Bijection):
    """z[:, i] = x[:, order[i]]: a fixed shuffle of dimension 1, kept in the state dict."""

    def __init__(self, order: Tensor) -> None:
        super().__init__()
        self.register_buffer("order", order.clone())

    @classmethod
    def random(cls, channels: int, seed: int) -> Permutation:
        return cls(torch.randperm(channels, generator=torch.Generator().manual_seed(seed)))

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        return x[:, self.order], no_log_det(x)

    def inverse(self, z: Tensor, condition: LevelCondition) -> Tensor:
        return z[:, self.order.argsort()]


class InvertibleConv1x1(Bijection):
    """z = W x at every position, with log_det = positions * log|det W|.

    W starts as a random rotation; `learned` says whether training changes it. It is inverted as it
    is stored, so rounding the file to half precision costs no exactness. Kingma & Dhariwal 2018,
    sec. 3.2.
    """

    def __init__(self, channels: int, seed: int, learned: bool = False) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        # `device` is named so that the draw is real on the meta device, too
        gaussian = torch.randn(channels, channels, generator=generator, device="cpu")
        rotation = torch.linalg.qr(gaussian).Q
        if learned:
            self.weight = nn.Parameter(rotation)
        else:
            self.register_buffer("weight", rotation)

    @staticmethod
    def mix(weight: Tensor, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 is too coarse for values
            return (weight @ x.flatten(2)).view_as(x) if x.dim() > 2 else x @ weight.T

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        log_det = torch.linalg.slogdet(self.weight).logabsdet * x[0, 0].numel()
        return self.mix(self.weight, x.contiguous()), log_det.expand(len(x))

    def inverse(self, z: Tensor, condition: LevelCondition) -> Tensor:
        return self.mix(torch.linalg.inv(self.weight), z.contiguous())


class Equalization(Bijection):
    """z = 4 F(x) - 2, with F a piecewise linear distribution function of values in [0, 1].

    Histogram equalisation, as one exactly invertible map: values that are frequent and close
    together, such as the black of a drawing, get room in z. Every value is mapped alone.

    Arguments:
        bins: of F, equally wide.
    """

    def __init__(self, bins: int = 256) -> None:
        super().__init__()
        self.bins = bins
        self.register_buffer("log_share", torch.full((bins,), -math.log(bins)))

    def fit(self, frequencies: Tensor, power: float = 0.6) -> None:
        """Sets F from how often each bin occurs, (bins,): 0 leaves values as they are, 1 makes
        them uniform."""
        frequencies = frequencies.cpu().double()  # Apple's GPUs have no float64
        shares = (frequencies / frequencies.sum() + 1e-5) ** power
        self.log_share.copy_((shares / shares.sum()).log())

    def shares_and_ends(self) -> tuple[Tensor, Tensor]:
        """How much of F each bin takes, (bins,), and F at the ends of bins, (bins + 1,)."""
        shares = self.log_share.cpu().double().softmax(0)  # Apple's GPUs have no float64
        ends = torch.cat([shares.new_zeros(1), shares.cumsum(0)])
        return shares.to(self.log_share), ends.to(self.log_share)

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        shares, ends = self.shares_and_ends()
        place = x.clamp(0, 1) * self.bins
        index = place.long().clamp(max=self.bins - 1)
        z = 4 * (ends[index] + (place - index) * shares[index]) - 2
        return z, sum_per_sample((4 * self.bins * shares[index]).log())

    def inverse(self, z: Tensor, condition: LevelCondition) -> Tensor:
        """x in [0, 1]; z beyond -2 and 2, which no x has, gives 0 and 1."""
        shares, ends = self.shares_and_ends()
        height = ((z + 2) / 4).clamp(0, 1).contiguous()
        index = torch.searchsorted(ends, height, right=True).sub(1).clamp(0, self.bins - 1)
        return ((index + (height - ends[index]) / shares[index]) / self.bins).clamp(0, 1)


class Flatten(Bijection):
    """(B, C, H, W) -> (B, C H W); the shape is kept for the way back."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        super().__init__()
        self.shape = shape

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        return x.flatten(1), no_log_det(x)

    def inverse(self, z: Tensor, condition: LevelCondition) -> Tensor:
        return z.unflatten(1, self.shape)


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
        return z, x.new_full((len(x),), -x[0].numel() * math.log(2))

    def inverse(self, z: Tensor, condition: LevelCondition) -> Tensor:
        shape = (4, -1) if self.dim == 1 else (-1, 4)
        mean, across, down, diagonal = z.unflatten(1, shape).unbind(self.dim)
        left = torch.stack([mean + down, mean - down], 3)
        right = torch.stack([across + diagonal, across - diagonal], 3)
        x = torch.stack([left + right, left - right], 5)  # (B, C, h, 2, w, 2)
        return x.flatten(4, 5).flatten(2, 3)


class SpaceToDepth(Bijection):
    """(B, C, H, W) -> (B, 4 C, H/2, W/2), position-major: all channels of the top left pixels, then
    top right, bottom left, bottom right. Keeps volumes. Jacobsen et al. 2018, i-RevNet."""

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        positions = [x[..., i::2, j::2] for i in (0, 1) for j in (0, 1)]
        return torch.cat(positions, 1), no_log_det(x)

    def inverse(self, z: Tensor, condition: LevelCondition) -> Tensor:
        x = z.unflatten(1, (2, 2, -1)).permute(0, 3, 4, 1, 5, 2)  # (B, C, h, 2, w, 2)
        return x.flatten(4, 5).flatten(2, 3)


class Chain(Bijection):
    """Bijections one after the other, all under the same condition."""

    def __init__(self, layers: Sequence[Bijection]) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        total = no_log_det(x)
        for layer in self.layers:
            x, log_det = layer(x, condition)
            total = total + log_det
        return x, total

    def inverse(self, z: Tensor, condition: LevelCondition) -> Tensor:
        for layer in reversed(self.layers):
            z = layer.inverse(z, condition)
        return z


class Split(Bijection):
    """The first `keep` channels go on to coarser levels; the rest becomes latent here.

    The latent is z = tail(x[:, keep:]), where `tail` is given the kept channels as `drawn`: with a
    `ConditionalGaussian` it is a learned prior, with couplings a flow of its own. An empty `Chain`
    leaves the standard prior. Here z is the pair (kept, latent).
    """

    def __init__(self, keep: int, tail: Bijection) -> None:
        super().__init__()
        self.keep = keep
        self.tail = tail

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[tuple[Tensor, Tensor], Tensor]:
        kept, rest = x[:, : self.keep], x[:, self.keep :]
        latent, log_det = self.tail(rest, LevelCondition(condition.given, drawn=kept))
        return (kept, latent), log_det

    def inverse(self, z: tuple[Tensor, Tensor], condition: LevelCondition) -> Tensor:
        kept, latent = z
        rest = self.tail.inverse(latent, LevelCondition(condition.given, drawn=kept))
        return torch.cat([kept, rest], 1)


class Level(nn.Module):
    """One part of a `Flow`: steps on everything, then perhaps a split.

    Without a split everything goes on to the next level, and no latent is left; the last level has
    no split and leaves everything.
    """

    def __init__(self, steps: Bijection, split: Split | None = None) -> None:
        super().__init__()
        self.steps = steps
        self.split = split


class Flow(nn.Module):
    """Levels from fine to coarse; each leaves a latent under its name, and what it keeps goes on.

    `forward(x, given)` returns ({name: z}, log_det), `inverse({name: z}, given)` returns x, where
    `given` holds, for each level's name, what that level is given of the condition.
    log p(x | c) = sum over levels of log N(z; 0, 1) + log_det of the level.

    Arguments:
        levels: by name, fine to coarse.
    """

    def __init__(self, levels: Mapping[str, Level]) -> None:
        super().__init__()
        self.levels = nn.ModuleDict(levels)

    def forward(self, x: Tensor, given: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
        latents, log_dets = self.forward_by_level(x, given)
        return latents, torch.stack(list(log_dets.values())).sum(0)

    def forward_by_level(
        self, x: Tensor, given: Mapping[str, Tensor]
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """As `forward`, with what each level adds to the log-determinant, {name: (B,)}."""
        latents, log_dets = {}, {}
        for name, level in self.levels.items():
            condition = LevelCondition(given.get(name))
            x, log_dets[name] = level.steps(x, condition)
            if level.split is not None:
                (x, latents[name]), log_det = level.split(x, condition)
                log_dets[name] = log_dets[name] + log_det
        latents[name] = x
        return latents, log_dets

    def inverse(
        self, latents: Mapping[str, Tensor], given: Mapping[str, Tensor], until: str | None = None
    ) -> Tensor:
        """x; or, with the name of a level, the smaller x that this level is about: finer ones only
        add details to it."""
        x = latents[list(self.levels)[-1]]
        for name, level in reversed(self.levels.items()):
            condition = LevelCondition(given.get(name))
            if level.split is not None:
                x = level.split.inverse((x, latents[name]), condition)
            x = level.steps.inverse(x, condition)
            if name == until:
                break
        return x
