"""Attention between the cells of a picture as an invertible layer: one thing, one colour."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cinn_hub.flow.base import Bijection, LevelCondition, soft_clamp, sum_per_sample


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
        with torch.autocast(x.device.type, enabled=False):  # bfloat16 is too coarse for values
            cells = self.cells(x).unflatten(0, (len(attention), -1))  # (B, n, P, C)
            mixed = cells.unsqueeze(2) @ self.mix.transpose(1, 2)  # (B, n, heads, P, C)
            before = (attention.unsqueeze(1) @ mixed).sum(2)
            z = (cells - mean - before) * (-log_scale).exp()
        log_det = -sum_per_sample(log_scale)
        return self.picture(z.flatten(0, 1), x), log_det.repeat_interleave(z.shape[1])

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        attention, mean, log_scale = self.parameters_from(condition)
        with torch.autocast(z.device.type, enabled=False):
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
