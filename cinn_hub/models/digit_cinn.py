"""DigitCINN: 28x28 handwriting given its label, from 49 grey values to ever finer details."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

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
    LogScale,
    Probit,
    Split,
)
from cinn_hub.flow.splines import parameters_at, parameters_of
from cinn_hub.latent import Latent
from cinn_hub.model import standard_normal_log_prob
from cinn_hub.models.digit_networks import DetailNetwork, EarlierValues, ModulatedNetwork

COARSE, MIDDLE, FINE = "7x7", "14x14", "28x28"
KNOTS = (0, 0.045, 0.062, 0.073, 0.084, 0.105, 0.25, 0.5, 0.7, 0.9, 1)
"""Of ten bins on the `LogScale`: four share the narrow range in which the mean of 16 black pixels
lies. Splines that begin as straight lines never find it."""
HAND_HIDDEN, HAND_CLAMP = 64, 0.5
MOST_DIRECTIONS = 32
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
    directions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.directions) > MOST_DIRECTIONS:
            raise ValueError(
                f"directions has {len(self.directions)} names; there may be {MOST_DIRECTIONS}"
            )
        for name in self.directions:
            if not (name.isprintable() and 0 < len(name) <= LONGEST_NAME):
                raise ValueError(
                    f"directions has {quoted(name)}; expected 1 to {LONGEST_NAME} printable "
                    "characters"
                )


def knots(bins: int) -> Tensor:
    """Where the bins of the splines at 7x7 begin and end before they are trained, (bins + 1,)."""
    places = np.interp(np.linspace(0, 1, bins + 1), np.linspace(0, 1, len(KNOTS)), KNOTS)
    return torch.tensor(places, dtype=torch.float32)


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
        start = parameters_at(knots(config.bins))
        values = EarlierValues(side**2, LABELS, start, config.hidden[0], config.dropout)
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
