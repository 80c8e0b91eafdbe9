"""DigitCINN: 28x28 handwriting given its label, from 49 grey values to ever finer details."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from cinn_hub.config import Config, bounded
from cinn_hub.errors import quoted
from cinn_hub.flow import (
    AutoregressiveSplines,
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
from cinn_hub.flow.splines import parameters_of
from cinn_hub.models.digit_networks import DetailNetwork, EarlierValues
from cinn_hub.writing import LABELS, SIDE, DigitModel, Labels, check_labels

COARSE, MIDDLE, FINE = "7x7", "14x14", "28x28"
MOST_DIRECTIONS = 32
LONGEST_NAME = 60  # of a direction, in characters


@dataclass(frozen=True)
class DigitConfig(Config):
    """The shape of a `DigitCINN`.

    hidden: width of the networks at 7x7 (dense, one for each value), 14x14 and 28x28 (channels of
        convolutions).
    dense: width of the dense layers at 14x14.
    bins: of the splines.
    dropout: in the dense layers, in training.
    directions: what each of the model's directions changes, in their order.
    """

    architecture: str = "DigitCINN"
    hidden: tuple[int, ...] = bounded((128, 48, 64), 1, 4096)
    dense: int = bounded(256, 1, 4096)
    bins: int = bounded(10, 1, 256)
    dropout: float = bounded(0.1, 0.0, 0.99)
    directions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.hidden) != 3:
            raise ValueError("hidden needs 3 entries, for 7x7, 14x14 and 28x28")
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


class DigitCINN(DigitModel):
    """Handwritten digits given their label.

    Two steps of `BoundedHaar` leave a picture of 7x7. Its values come one after the other, each
    given those before; then, at 14x14 and 28x28, how each block is divided, given all that is
    coarser. All of this happens between 0 and 1; a probit makes it normal. Then a rotation for each
    label lets the same latent be the same hand, whatever it writes.
    """

    config_class = DigitConfig
    default_temperature = {COARSE: 0.8, MIDDLE: 0.8, FINE: 0.8}

    def __init__(self, config: DigitConfig) -> None:
        super().__init__()
        self.config = config
        side, outputs = SIDE // 4, parameters_of(config.bins)
        values = EarlierValues(side**2, LABELS, outputs, config.hidden[0], config.dropout)
        splines, turn = AutoregressiveSplines(values), ConditionalRotation(side**2, LABELS)
        middle = [
            DetailNetwork(
                side, LABELS, outputs, config.hidden[1], config.dense, dropout=config.dropout
            )
            for _ in range(6)
        ]
        fine = [DetailNetwork(2 * side, LABELS, outputs, config.hidden[2]) for _ in range(3)]
        self.flow = Flow(
            {
                FINE: Level(BoundedHaar(), Split(1, Chain([DetailSplines(fine), Probit()]))),
                MIDDLE: Level(BoundedHaar(), Split(1, Chain([DetailSplines(middle, 2), Probit()]))),
                COARSE: Level(
                    Chain([Flatten((1, side, side)), LogScale(), splines, Probit(), turn])
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
    def rotation(self) -> ConditionalRotation:
        return self.flow.levels[COARSE].steps.layers[-1]

    def condition(self, labels: Labels) -> Condition:
        one_hot = F.one_hot(check_labels(labels), LABELS).to(self.deviations)
        return Condition({name: one_hot for name in self.latent_shapes})
