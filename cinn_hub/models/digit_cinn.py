"""DigitCINN: 28x28 handwriting given its label, by a picture of 14x14 and its details."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from cinn_hub.config import Config, bounded
from cinn_hub.errors import quoted
from cinn_hub.flow import (
    ActNorm,
    AffineCoupling,
    Bijection,
    Chain,
    Condition,
    ConditionalGaussian,
    Equalization,
    Flatten,
    Flow,
    HaarDownsampling,
    InvertibleConv1x1,
    Level,
    Split,
)
from cinn_hub.networks import ConvSubnet, DenseSubnet, PriorNetwork
from cinn_hub.writing import LABELS, SIDE, STEPS, DigitModel, Labels, check_labels

COARSE, FINE = "14x14", "28x28"
MOST_DIRECTIONS = 32
LONGEST_NAME = 60  # of a direction, in characters


@dataclass(frozen=True)
class DigitConfig(Config):
    """The shape of a `DigitCINN`.

    couplings, hidden: depth and width of the flow at 14x14 (dense) and at 28x28 (convolutions).
    dropout: in the dense subnets, in training.
    directions: what each of the model's principal directions changes, in their order.
    """

    architecture: str = "DigitCINN"
    couplings: tuple[int, ...] = bounded((12, 4), 0, 128)
    hidden: tuple[int, ...] = bounded((320, 40), 1, 4096)
    clamp: float = bounded(1.0, 0.01, 10.0)
    dropout: float = bounded(0.1, 0.0, 0.99)
    directions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not len(self.couplings) == len(self.hidden) == 2:
            raise ValueError("couplings and hidden need 2 entries, for 14x14 and 28x28")
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

    The histogram of pixels is equalised; a Haar step splits them into a picture of 14x14, whose
    dense couplings decide what is written and how, and the details that make 28x28 of it,
    conditioned on that picture.
    """

    config_class = DigitConfig
    default_temperature = {COARSE: 0.8, FINE: 0.8}

    def __init__(self, config: DigitConfig) -> None:
        super().__init__()
        self.config = config
        coarse = Chain([Flatten((1, SIDE // 2, SIDE // 2)), *self.dense_layers()])
        fine = Split(1, Chain(self.conv_layers()))
        self.flow = Flow(
            {
                FINE: Level(Chain([Equalization(STEPS), HaarDownsampling()]), fine),
                COARSE: Level(coarse),
            }
        )
        self.latent_shapes = {COARSE: ((SIDE // 2) ** 2,), FINE: (3, SIDE // 2, SIDE // 2)}
        self.register_buffer("directions", torch.zeros(len(config.directions), self.dimensions))
        self.register_buffer("deviations", torch.zeros(len(config.directions)))

    @property
    def equalization(self) -> Equalization:
        return self.flow.levels[FINE].steps.layers[0]

    def dense_layers(self) -> list[Bijection]:
        config, size = self.config, (SIDE // 2) ** 2

        def subnet(inputs: int, outputs: int) -> DenseSubnet:
            return DenseSubnet(inputs, outputs, LABELS, config.hidden[0], config.dropout)

        layers: list[Bijection] = [ActNorm(size)]
        for k in range(config.couplings[0]):
            layers.append(InvertibleConv1x1(size, seed=k))
            layers.append(AffineCoupling(size, subnet, config.clamp))
        return layers

    def conv_layers(self) -> list[Bijection]:
        config, hidden = self.config, self.config.hidden[1]

        def subnet(inputs: int, outputs: int) -> ConvSubnet:
            return ConvSubnet(inputs, outputs, LABELS, 1, hidden, kernel=3)

        prior = PriorNetwork(6, LABELS, 1, hidden, kernel=3)
        layers: list[Bijection] = [ActNorm(3), ConditionalGaussian(prior)]
        for k in range(config.couplings[1]):
            layers.append(InvertibleConv1x1(3, seed=k))
            layers.append(AffineCoupling(3, subnet, config.clamp))
        return layers

    def condition(self, labels: Labels) -> Condition:
        one_hot = F.one_hot(check_labels(labels), LABELS).to(self.deviations)
        return Condition({COARSE: one_hot, FINE: one_hot[:, :, None, None]})
