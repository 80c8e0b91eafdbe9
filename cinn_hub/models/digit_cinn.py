"""DigitCINN: 28x28 handwriting given its label, by every second pixel and then those between."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinn_hub.config import Config, bounded
from cinn_hub.errors import quoted
from cinn_hub.flow import (
    ActNorm,
    Bijection,
    Chain,
    Condition,
    Equalization,
    Flatten,
    Flow,
    InvertibleConv1x1,
    Level,
    Permutation,
    SpaceToDepth,
    SplineCoupling,
    Split,
)
from cinn_hub.networks import ConvSubnet, DenseSubnet
from cinn_hub.writing import LABELS, SIDE, STEPS, DigitModel, Labels, check_labels

COARSE, FINE = "14x14", "28x28"
KERNELS = (5, 3, 1)  # of the subnets' convolutions
MOST_DIRECTIONS = 32
LONGEST_NAME = 60  # of a direction, in characters


@dataclass(frozen=True)
class DigitConfig(Config):
    """The shape of a `DigitCINN`.

    couplings: how many on all pixels, on those between, on the 14x14 in 7x7 places, and on all of
        the 14x14 at once.
    hidden: width of the convolutions, and of the dense layers.
    bins: pieces of the splines, after convolutions and after dense layers.
    clamp: bound of the log-scales before the splines.
    dropout: in the dense subnets, in training.
    directions: what each of the model's principal directions changes, in their order.
    """

    architecture: str = "DigitCINN"
    couplings: tuple[int, ...] = bounded((4, 3, 4, 3), 0, 128)
    hidden: tuple[int, ...] = bounded((64, 256), 1, 4096)
    bins: tuple[int, ...] = bounded((8, 4), 1, 64)
    clamp: float = bounded(1.5, 0.01, 10.0)
    dropout: float = bounded(0.1, 0.0, 0.99)
    directions: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (len(self.couplings) == 4 and len(self.hidden) == len(self.bins) == 2):
            raise ValueError("couplings needs 4 entries, hidden and bins 2 each")
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

    The histogram of pixels is equalised. Couplings between the four pixels of each 2x2 block see
    what surrounds it; then one of the four goes on to the 14x14 level, which decides what is
    written and how, and the other three are what that leaves open.
    """

    config_class = DigitConfig
    default_temperature = {COARSE: 0.8, FINE: 0.8}

    def __init__(self, config: DigitConfig) -> None:
        super().__init__()
        self.config = config
        pixels, between, places, dense = config.couplings
        half, quarter = SIDE // 2, SIDE // 4
        fine = [Equalization(STEPS), SpaceToDepth(), ActNorm(4), *self.conv_layers(4, pixels)]
        coarse = [SpaceToDepth(), ActNorm(4), *self.conv_layers(4, places)]
        coarse += [Flatten((4, quarter, quarter)), *self.dense_layers(half**2, dense)]
        split = Split(1, Chain(self.conv_layers(3, between, coarser=1)))
        self.flow = Flow({FINE: Level(Chain(fine), split), COARSE: Level(Chain(coarse))})
        self.latent_shapes = {COARSE: (half**2,), FINE: (3, half, half)}
        self.register_buffer("directions", torch.zeros(len(config.directions), self.dimensions))
        self.register_buffer("deviations", torch.zeros(len(config.directions)))

    @property
    def equalization(self) -> Equalization:
        return self.flow.levels[FINE].steps.layers[0]

    def conv_layers(self, channels: int, couplings: int, coarser: int = 0) -> list[Bijection]:
        def subnet(inputs: int, outputs: int) -> nn.Module:
            return ConvSubnet(inputs, outputs, LABELS, coarser, self.config.hidden[0], KERNELS)

        layers: list[Bijection] = []
        for _ in range(couplings):
            layers.append(Permutation(going_round(channels)))
            layers.append(
                SplineCoupling(channels, subnet, self.config.bins[0], clamp=self.config.clamp)
            )
        return layers

    def dense_layers(self, size: int, couplings: int) -> list[Bijection]:
        config = self.config

        def subnet(inputs: int, outputs: int) -> nn.Module:
            return DenseSubnet(inputs, outputs, LABELS, config.hidden[1], config.dropout)

        layers: list[Bijection] = []
        for k in range(couplings):
            layers.append(InvertibleConv1x1(size, seed=k))
            layers.append(SplineCoupling(size, subnet, config.bins[1], clamp=config.clamp))
        return layers

    def condition(self, labels: Labels) -> Condition:
        one_hot = F.one_hot(check_labels(labels), LABELS).to(self.deviations)
        return Condition({level: one_hot[:, :, None, None] for level in (COARSE, FINE)})


def going_round(channels: int) -> Tensor:
    """An order after which other channels share a half: all of them, or, of an even number, all but
    the first, go round by one."""
    first = 1 - channels % 2
    return torch.cat([torch.arange(first), torch.arange(first, channels).roll(-1)])
