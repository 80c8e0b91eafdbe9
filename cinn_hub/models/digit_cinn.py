"""DigitCINN: 28x28 handwriting given its label, from 49 grey values to ever finer details."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinn_hub.config import Config, bounded
from cinn_hub.digit_model import LABELS, SIDE, DigitModel, Labels, check_labels
from cinn_hub.errors import quoted
from cinn_hub.flow import (
    AffineCoupling,
    AutoregressiveSplines,
    Bijection,
    BoundedHaar,
    Chain,
    Condition,
    ConditionalRotation,
    DetailSplines,
    Flatten,
    Flow,
    Level,
    LevelCondition,
    LogScale,
    Probit,
    Split,
    per_sample,
)
from cinn_hub.flow.bounded import LOG_RANGE, OFFSET, parameters_of
from cinn_hub.latent import Latent
from cinn_hub.model import standard_normal_log_prob
from cinn_hub.networks import zeros

COARSE, MIDDLE, FINE = "7x7", "14x14", "28x28"
HAND_HIDDEN, HAND_CLAMP = 64, 0.5
CHANNELS = 4  # of `visible`
LONGEST_NAME = 60  # of a direction, in characters


@dataclass(frozen=True)
class DigitConfig(Config):
    """The shape of a `DigitCINN`.

    hidden: width of the networks at 7x7 (dense, one for each value), 14x14 and 28x28 (channels of
        convolutions).
    dense: width of the dense layers at 14x14.
    bins: of the splines.
    couplings: at 7x7, between rotations.
    dropout: in the dense layers, in training.
    directions: what each of the model's directions changes, in their order.
    """

    architecture: str = "DigitCINN"
    hidden: tuple[int, ...] = bounded((128, 48, 64), 1, 4096)
    dense: int = bounded(256, 1, 4096)
    bins: int = bounded(10, 1, 256)
    couplings: int = bounded(4, 0, 32)
    dropout: float = bounded(0.1, 0.0, 0.99)
    directions: tuple[str, ...] = bounded((), 0, 0, most_entries=32)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name in self.directions:
            if not (name.isprintable() and 0 < len(name) <= LONGEST_NAME):
                raise ValueError(
                    f"directions has {quoted(name)}; expected 1 to {LONGEST_NAME} printable "
                    "characters"
                )


# ------------------------------------------------------------------ the networks inside


def visible(x: Tensor) -> Tensor:
    """Grey values (B, C, ...) in (0, 1) -> (B, 4 C, ...), each from about -1 to 1: how bright they
    are, on a linear scale and on logarithmic ones from black and from white, and whether they are
    black at all."""
    scale = 2 / LOG_RANGE
    from_black, from_white = (x / OFFSET).log1p(), ((1 - x) / OFFSET).log1p()
    ink = (x / OFFSET).tanh()
    return torch.cat([2 * x - 1, scale * from_black - 1, scale * from_white - 1, 4 * ink - 3], 1)


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
        self.last = zeros(nn.Linear(hidden, outputs))

    def forward(self, x: Tensor, condition: LevelCondition) -> Tensor:
        seen = x.to(self.last.weight.dtype)
        return self.last(F.gelu(self.first(seen, condition)))


class EarlierValues(nn.Module):
    """The network of `AutoregressiveSplines`: a small one for each value, of three layers.

    Arguments:
        size: D, the number of values, which are on the scale of `LogScale`.
        features: of the condition (B, features).
        outputs: for each value; zeros before they are trained.
        hidden: width of each of the D networks.
    """

    def __init__(
        self, size: int, features: int, outputs: int, hidden: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.hidden = hidden
        inputs = CHANNELS * size
        self.first = nn.Parameter(torch.randn(size, hidden, inputs) * inputs**-0.5)
        self.features = nn.Linear(features, 2 * size * hidden)
        self.second = nn.Parameter(torch.randn(size, hidden, hidden) * hidden**-0.5)
        self.bias = nn.Parameter(torch.zeros(size, 1, hidden))
        self.last = nn.Parameter(torch.zeros(size, hidden, outputs))
        self.last_bias = nn.Parameter(torch.zeros(size, 1, outputs))
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
        self.last = zeros(nn.Conv2d(2 * hidden, outputs, 1))

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


# ------------------------------------------------------------------ the flow


def hand_layers(size: int, couplings: int) -> Chain:
    """Rotations of vectors (B, size), another one for each label, and couplings between them."""

    def subnet(inputs: int, outputs: int) -> ModulatedNetwork:
        return ModulatedNetwork(inputs, outputs, LABELS, HAND_HIDDEN)

    layers: list[Bijection] = [ConditionalRotation(size, LABELS)]
    for _ in range(couplings):
        layers.append(AffineCoupling(size, subnet, HAND_CLAMP))
        layers.append(ConditionalRotation(size, LABELS))
    return Chain(layers)


class DigitCINN(DigitModel):
    """Handwritten digits given their label.

    Two steps of `BoundedHaar` leave a picture of 7x7. Its values come one after the other, each
    given those before; then, at 14x14 and 28x28, how each block is divided, given all that is
    coarser. At 28x28 the label says nothing that the picture of 14x14 does not. All of this happens
    between 0 and 1; a probit makes it normal. Then rotations and couplings for each label let the
    same latent be the same hand, whatever it writes.
    """

    config_class = DigitConfig
    default_temperature = {COARSE: 0.8, MIDDLE: 0.8, FINE: 0.8}

    def __init__(self, config: DigitConfig) -> None:
        super().__init__()
        self.config = config
        side, outputs = SIDE // 4, parameters_of(config.bins)
        values = EarlierValues(side**2, LABELS, outputs, config.hidden[0], config.dropout)
        splines, hand = AutoregressiveSplines(values), hand_layers(side**2, config.couplings)
        middle = [
            DetailNetwork(
                side, LABELS, outputs, config.hidden[1], config.dense, dropout=config.dropout
            )
            for _ in range(6)
        ]
        fine = [DetailNetwork(2 * side, 0, outputs, config.hidden[2]) for _ in range(3)]
        self.flow = Flow(
            {
                FINE: Level(BoundedHaar(), Split(1, Chain([DetailSplines(fine), Probit()]))),
                MIDDLE: Level(BoundedHaar(), Split(1, Chain([DetailSplines(middle, 2), Probit()]))),
                COARSE: Level(
                    Chain([Flatten((1, side, side)), LogScale(), splines, Probit(), hand])
                ),
            }
        )
        self.latent_shapes = {
            COARSE: (side**2,),
            MIDDLE: (3, side, side),
            FINE: (3, 2 * side, 2 * side),
        }
        self.register_buffer("directions", torch.zeros(len(config.directions), self.dimensions))
        self.register_buffer("deviations", torch.zeros(len(config.directions)))

    def is_noise(self, x: Tensor, labels: Tensor) -> Tensor:
        """By the density of uniform noise, which is 1."""
        return self.log_prob(x, self.condition(labels)) < 0

    @property
    def hand(self) -> Chain:
        """The layers that come last at 7x7."""
        return self.flow.levels[COARSE].steps.layers[-1]

    @property
    def value_dtype(self) -> torch.dtype:
        """float64 where the device has it: next to 1, that is in white, float32 has no room for all
        latents. The networks compute in the dtype of their weights."""
        return self.dtype if self.device.type == "mps" else torch.float64

    def condition(self, labels: Labels) -> Condition:
        one_hot = F.one_hot(check_labels(labels), LABELS).to(self.deviations)
        return Condition({name: one_hot for name in self.latent_shapes})

    def log_prob_of_labels(self, x: Tensor, condition: Condition) -> Tensor:
        """Without what 28x28 adds, where the label is not looked at."""
        latents, log_dets = self.flow.forward_by_level(x, condition, (MIDDLE, COARSE))
        return standard_normal_log_prob(Latent(latents)) + sum(log_dets.values())
