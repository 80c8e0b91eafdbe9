"""Layers whose parameters a network gives: affine couplings, Gaussians, attention of cells."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cinn_hub.flow.base import (
    Bijection,
    LevelCondition,
    Subnet,
    exactly,
    per_sample,
    soft_clamp,
    sum_per_sample,
)


class AffineCoupling(Bijection):
    """z1 = x1 * exp(s(x2)) + t(x2), then z2 = x2 * exp(s(z1)) + t(z1).

    Two-sided, so every channel is changed: x1 are the first C // 2 channels. The log-scales are
    clamped softly, hence |s| < clamp. The subnets also see the condition. Dinh et al. 2017, sec. 3;
    Ardizzone et al. 2019, sec. 3.1.

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
        raw, shift = subnet(x, condition).to(x.dtype).chunk(2, dim=1)
        return soft_clamp(raw, self.clamp), shift

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        x1, x2 = x.split(self.sizes, dim=1)
        s1, t1 = self.scale_and_shift(self.subnet1, x2, condition)
        z1 = x1 * s1.exp() + t1
        s2, t2 = self.scale_and_shift(self.subnet2, z1, condition)
        z2 = x2 * s2.exp() + t2
        return torch.cat([z1, z2], 1), sum_per_sample(s1) + sum_per_sample(s2)

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        z1, z2 = z.split(self.sizes, dim=1)
        s2, t2 = self.scale_and_shift(self.subnet2, z1, condition)
        x2 = (z2 - t2) * (-s2).exp()
        s1, t1 = self.scale_and_shift(self.subnet1, x2, condition)
        x1 = (z1 - t1) * (-s1).exp()
        return torch.cat([x1, x2], 1), -sum_per_sample(s1) - sum_per_sample(s2)


class Gaussian(Bijection):
    """z = (x - mean) * exp(-log_scale) for each value: what is normal becomes standard normal.

    A subclass says where the two come from.
    """

    def mean_and_log_scale(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        """In shapes that can be expanded to that of x."""
        raise NotImplementedError

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        mean, log_scale = self.mean_and_log_scale(x, condition)
        return (x - mean) * (-log_scale).exp(), -sum_per_sample(log_scale.expand_as(x))

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        mean, log_scale = self.mean_and_log_scale(z, condition)
        return z * log_scale.exp() + mean, sum_per_sample(log_scale.expand_as(z))


class ConditionalShift(Gaussian):
    """z = x - mean, where the mean lies in these channels of the condition's features.

    What follows models only what the condition does not say.
    """

    def __init__(self, channels: slice) -> None:
        super().__init__()
        self.channels = channels

    def mean_and_log_scale(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        mean = condition.features[:, self.channels].to(x.dtype)
        return per_sample(mean, x), x.new_zeros(())


class ConditionalGaussian(Gaussian):
    """A learned prior: x is normal given the condition, whose mean and log-scale a network gives.

    The log-scale is clamped softly as in `AffineCoupling`. `network(condition)` gives 2 C channels.
    """

    def __init__(self, network: nn.Module, clamp: float = 4.0) -> None:
        super().__init__()
        self.network = network
        self.clamp = clamp

    def mean_and_log_scale(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        mean, raw = per_sample(self.network(condition).to(x.dtype), x).chunk(2, dim=1)
        return mean, soft_clamp(raw, self.clamp)


class CellAttention(Bijection):
    """Each cell takes over values of earlier cells that belong to the same thing.

    With cells i = 1..P in raster order (or from the last to the first), values x_i in R^C and
    features f_i of the condition,

        z_i = (x_i - mean(f_i) - sum over heads h and cells j < i of A_h[i, j] G_h x_j) / scale(f_i)

    where A_h = gate_h(f_i) softmax_j(q_h(f_i) . k_h(f_j)), with one more key that stands for no
    cell. The attention depends on the condition alone, so the map is linear in x: forward is a
    matrix product for all cells at once, log_det = -sum log scale, and the inverse is one
    triangular solve with all samples of a photo as right-hand sides. It is a Gaussian whose full
    covariance is the photo's own. A, mean and log scale are computed here from the features, or
    taken from the condition, if it has what `parameters_of` gave for this layer and photo.

    Arguments:
        channels: C of x (B, C, H, W).
        side: H = W; P = side^2.
        features: channels of the condition's features (B, features, H, W).
        heads, width: of the attention; width is that of one head's queries and keys.
        backwards: whether the order is from the last cell to the first.
        copied: how many of the first channels each cell takes over at the start of a training.
        clamp: bound of the log-scales, as in `AffineCoupling`.
        place: of this layer among the level's attention layers, counted from 0.
    """

    def __init__(
        self,
        channels: int,
        side: int,
        features: int,
        heads: int = 8,
        width: int = 16,
        backwards: bool = False,
        copied: int = 2,
        clamp: float = 3.0,
        place: int = 0,
    ) -> None:
        super().__init__()
        self.heads, self.width, self.backwards, self.clamp = heads, width, backwards, clamp
        self.place = place
        self.query = nn.Linear(features, heads * width)
        self.key = nn.Linear(features, heads * width)
        self.gate = nn.Linear(features, heads)
        self.query_position = nn.Parameter(0.5 * torch.randn(heads, side * side, width))
        self.key_position = nn.Parameter(0.5 * torch.randn(heads, side * side, width))
        self.null_key = nn.Parameter(torch.zeros(heads, width, 1))
        self.mean_and_scale = nn.Linear(features, 2 * channels)
        nn.init.zeros_(self.mean_and_scale.weight)
        nn.init.zeros_(self.mean_and_scale.bias)
        start = torch.diag((torch.arange(channels) < copied).float())
        self.mix = nn.Parameter((start / heads).repeat(heads, 1, 1))  # G

    def cells(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, P, C), in the order of the attention."""
        cells = x.flatten(2).transpose(1, 2)
        return cells.flip(1) if self.backwards else cells

    def picture(self, cells: Tensor, like: Tensor) -> Tensor:
        """The inverse of `cells`."""
        cells = cells.flip(1) if self.backwards else cells
        return cells.transpose(1, 2).reshape(like.shape)

    def attention(self, features: Tensor) -> Tensor:
        """(B, P, features) -> A (B, heads, P, P), zero on and above the diagonal."""
        query, key = (
            layer(features).unflatten(2, (self.heads, self.width)).transpose(1, 2) + position
            for layer, position in (
                (self.query, self.query_position),
                (self.key, self.key_position),
            )
        )
        scores = query @ key.transpose(-1, -2)
        not_before = torch.ones_like(scores[0, 0], dtype=torch.bool).triu()
        scores = scores.masked_fill(not_before, -torch.inf)
        scores = torch.cat([query @ self.null_key, scores], -1) * self.width**-0.5
        gate = self.gate(features).sigmoid().transpose(1, 2)[..., None]
        return gate * scores.softmax(-1)[..., 1:]

    def parameters_of(self, features: Tensor) -> Tensor:
        """(B, features, H, W) -> A, mean and log scale of each photo, (B, heads P P + 2 P C)."""
        cells, dtype = self.cells(features), self.mix.dtype
        attention = self.attention(cells).to(dtype)
        mean, raw = self.mean_and_scale(cells).to(dtype).chunk(2, dim=2)
        values = (attention, mean, soft_clamp(raw, self.clamp))
        return torch.cat([x.flatten(1) for x in values], 1)

    def parameters_from(self, condition: LevelCondition) -> tuple[Tensor, Tensor, Tensor]:
        """A (B, heads, P, P), mean and log scale (B, 1, P, C)."""
        if condition.attention is None:
            values = self.parameters_of(condition.features)
        else:
            values = condition.attention[:, self.place]
        cells, channels = self.query_position.shape[1], self.mix.shape[-1]
        sizes = [self.heads * cells**2, cells * channels, cells * channels]
        attention, mean, log_scale = values.split(sizes, 1)
        return (
            attention.unflatten(1, (self.heads, cells, cells)),
            mean.unflatten(1, (1, cells, channels)),
            log_scale.unflatten(1, (1, cells, channels)),
        )

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        attention, mean, log_scale = self.parameters_from(condition)
        with exactly(x):
            cells = self.cells(x).unflatten(0, (len(attention), -1))  # (B, n, P, C)
            mixed = cells.unsqueeze(2) @ self.mix.transpose(1, 2)  # (B, n, heads, P, C)
            before = (attention.unsqueeze(1) @ mixed).sum(2)
            z = (cells - mean - before) * (-log_scale).exp()
        log_det = -sum_per_sample(log_scale)
        return self.picture(z.flatten(0, 1), x), log_det.repeat_interleave(z.shape[1])

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        attention, mean, log_scale = self.parameters_from(condition)
        with exactly(z):
            cells = self.cells(z).unflatten(0, (len(attention), -1))
            wanted = (cells * log_scale.exp() + mean).flatten(2).transpose(1, 2)  # (B, P C, n)
            before = torch.einsum("bhij,hcd->bicjd", attention, self.mix)
            before = before.flatten(3, 4).flatten(1, 2)
            one = torch.eye(before.shape[-1], device=z.device, dtype=z.dtype)
            solved = torch.linalg.solve_triangular(
                one - before, wanted, upper=False, unitriangular=True
            )
            x = solved.transpose(1, 2).unflatten(2, cells.shape[2:])
        log_det = sum_per_sample(log_scale)
        return self.picture(x.flatten(0, 1), z), log_det.repeat_interleave(x.shape[1])
