"""The networks of `DigitCINN`: what they see of grey values, and the splines that they choose."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinn_hub.flow import LevelCondition
from cinn_hub.flow.bounded import OFFSET, LogScale

CHANNELS = 4  # of `visible`


def visible(x: Tensor) -> Tensor:
    """Grey values (B, C, ...) in (0, 1) -> (B, 4 C, ...), each from about -1 to 1: how bright they
    are, on a linear scale and on logarithmic ones from black and from white, and whether they are
    black at all."""
    scale = 2 / LogScale().range
    from_black, from_white = (x / OFFSET).log1p(), ((1 - x) / OFFSET).log1p()
    ink = (x / OFFSET).tanh()
    return torch.cat([2 * x - 1, scale * from_black - 1, scale * from_white - 1, 4 * ink - 3], 1)


def per_sample(features: Tensor, x: Tensor) -> Tensor:
    """Features (B, C) for each of the B * n rows of x."""
    n = len(x) // len(features)
    return features.repeat_interleave(n, 0) if n > 1 else features


class ModulatedLinear(nn.Linear):
    """A linear layer whose outputs the condition scales and shifts. Perez et al. 2018, FiLM."""

    def __init__(self, inputs: int, outputs: int, features: int) -> None:
        super().__init__(inputs, outputs)
        self.features = nn.Linear(features, 2 * outputs)

    def forward(self, x: Tensor, condition: LevelCondition) -> Tensor:
        scale, shift = per_sample(self.features(condition.features), x).chunk(2, dim=1)
        return super().forward(x) * (1 + scale) + shift


class ModulatedNetwork(nn.Module):
    """The network of a coupling of vectors: two layers, of which the condition modulates the first.
    It gives zeros before it is trained.

    Arguments:
        inputs, outputs: of x (B * n, inputs) and the result (B * n, outputs).
        features: of the condition (B, features).
        hidden: width between the two layers.
    """

    def __init__(self, inputs: int, outputs: int, features: int, hidden: int) -> None:
        super().__init__()
        self.first = ModulatedLinear(inputs, hidden, features)
        self.last = nn.Linear(hidden, outputs)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, condition: LevelCondition) -> Tensor:
        seen = x.to(self.last.weight.dtype)
        return self.last(F.gelu(self.first(seen, condition)))


class EarlierValues(nn.Module):
    """The network of `AutoregressiveSplines`: a small one for each value, of three layers.

    Arguments:
        size: D, the number of values, which are on the scale of `LogScale`.
        features: of the condition (B, features).
        start: (outputs,), what the networks give for each value before they are trained.
        hidden: width of each of the D networks.
    """

    def __init__(
        self, size: int, features: int, start: Tensor, hidden: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.hidden = hidden
        inputs, outputs = CHANNELS * size, len(start)
        self.first = nn.Parameter(torch.randn(size, hidden, inputs) * inputs**-0.5)
        self.features = nn.Linear(features, 2 * size * hidden)
        self.second = nn.Parameter(torch.randn(size, hidden, hidden) * hidden**-0.5)
        self.bias = nn.Parameter(torch.zeros(size, 1, hidden))
        self.last = nn.Parameter(torch.zeros(size, hidden, outputs))
        self.last_bias = nn.Parameter(start.repeat(size, 1, 1))
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, condition: LevelCondition, at: int | None = None) -> Tensor:
        """x (B * n, D) -> (B * n, outputs, D); of the value `at` alone (B * n, outputs, 1)."""
        part = slice(None) if at is None else slice(at, at + 1)
        seen = visible(LogScale().inverse(x, condition)[0]).to(self.first.dtype)
        places = torch.arange(x.shape[1], device=x.device)
        earlier = places[part, None] > places.repeat(CHANNELS)
        first = (self.first[part] * earlier.unsqueeze(1)).flatten(0, 1)
        hidden = F.linear(seen, first).unflatten(1, (-1, self.hidden))
        film = self.features.weight.unflatten(0, (2, -1, self.hidden))[:, part]
        film_bias = self.features.bias.view(2, -1, self.hidden)[:, part]
        of_label = torch.einsum("bf,skhf->bskh", condition.features, film) + film_bias
        scale, shift = per_sample(of_label, x).unbind(1)
        hidden = self.dropout(F.gelu(hidden * (1 + scale) + shift)).transpose(0, 1)
        hidden = torch.baddbmm(self.bias[part], hidden, self.second[part])
        hidden = self.dropout(F.gelu(hidden))
        return torch.baddbmm(self.last_bias[part], hidden, self.last[part]).permute(1, 2, 0)


class DetailNetwork(nn.Module):
    """The network of one step of `DetailSplines`: convolutions and, where the picture is small,
    dense layers, which see all of it.

    Arguments:
        side: H and W.
        features: of the condition (B, features); 0 where it is not looked at.
        outputs: for each block.
        hidden: channels of the convolutions.
        dense: width of the dense layers; 0 for none.
        context: channels that the dense layers give to the convolutions.
    """

    def __init__(
        self,
        side: int,
        features: int,
        outputs: int,
        hidden: int,
        dense: int = 0,
        context: int = 24,
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        inputs = 4 * CHANNELS
        self.first = nn.Conv2d(inputs, hidden, 3, padding=1)
        self.features = nn.Linear(features, hidden, bias=False) if features else None
        self.dense = nn.ModuleList()
        if dense:
            self.dense.append(ModulatedLinear(inputs * side**2, dense, features))
            self.dense.append(ModulatedLinear(dense, dense, features))
            self.dense.append(nn.Linear(dense, context * side**2))
        self.dropout = nn.Dropout(dropout)
        self.second = nn.Conv2d(hidden + bool(dense) * context, hidden, 3, padding=1)
        self.third = nn.Conv2d(hidden, 2 * hidden, 1)
        self.last = nn.Conv2d(2 * hidden, outputs, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, corners: Tensor, condition: LevelCondition) -> Tensor:
        """(B * n, 4, H, W) -> (B * n, outputs, H, W)."""
        seen = visible(corners).to(self.first.weight.dtype)
        hidden = self.first(seen)
        if self.features is not None:
            label = per_sample(self.features(condition.features), seen)
            hidden = hidden + label[:, :, None, None]
        hidden = F.relu(hidden)
        if self.dense:
            hidden = torch.cat([hidden, self.context(seen, condition)], 1)
        hidden = F.relu(self.second(hidden))
        return self.last(F.relu(self.third(hidden)))

    def context(self, seen: Tensor, condition: LevelCondition) -> Tensor:
        """What the dense layers say to each block, (B * n, context, H, W)."""
        first, second, last = self.dense
        hidden = self.dropout(F.gelu(first(seen.flatten(1), condition)))
        hidden = self.dropout(F.gelu(second(hidden, condition)))
        return last(hidden).unflatten(1, (-1, *seen.shape[2:]))
