"""ColorizationCINN: ab coarse to fine over a Haar pyramid, given L."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor

from cinn_hub.colorizing import ColorModel
from cinn_hub.config import Config, bounded
from cinn_hub.flow import (
    ActNorm,
    AffineCoupling,
    Bijection,
    Chain,
    Condition,
    ConditionalGaussian,
    ConditionalShift,
    Flow,
    HaarDownsampling,
    InvertibleConv1x1,
    Level,
    Split,
)
from cinn_hub.networks import ColorBins, ConditionNetwork, ConvSubnet, PriorNetwork


@dataclass(frozen=True)
class ColorizationConfig(Config):
    """The shape of a `ColorizationCINN`, and what it needs to know of its training.

    image_size, ab_size: side in pixels of the L and of the ab that the networks see.
    unit: ab units in one unit of the flow's x.
    noise: standard deviation, in ab units, of the noise that training adds to ab; likelihoods are
        of ab with this noise.
    backbone_width, backbone_depth: multipliers of the EfficientNet-Lite.
    channels: of the condition's maps at image_size/8, /16 and /32.
    couplings, hidden: depth and width of each level's flow, coarse (1x1) to fine (ab_size).
    temperature: the default for each level that is named, 1 elsewhere.
    """

    architecture: str = "ColorizationCINN"
    image_size: int = bounded(256, 32, 2048)
    ab_size: int = bounded(64, 8, 512)
    unit: float = bounded(15.0, 0.01, 1000.0)
    noise: float = bounded(0.5, 0.0, 100.0)
    backbone_width: float = bounded(1.0, 0.1, 10.0)
    backbone_depth: float = bounded(1.0, 0.1, 10.0)
    channels: tuple[int, ...] = bounded((64, 128, 256), 1, 4096)
    attention_blocks: int = bounded(2, 0, 64)
    conv_blocks: int = bounded(2, 0, 64)
    couplings: tuple[int, ...] = bounded((8, 6, 8, 6, 6, 4, 4), 0, 128)
    hidden: tuple[int, ...] = bounded((128, 128, 128, 128, 96, 64, 32), 1, 4096)
    clamp: float = bounded(1.0, 0.01, 10.0)
    temperature: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ab_size & (self.ab_size - 1):
            raise ValueError("ab_size must be a power of 2")
        if self.image_size != 4 * self.ab_size:
            raise ValueError("image_size must be four times ab_size")
        if len(self.channels) != 3 or self.channels[-1] % 32:
            raise ValueError("channels must be three numbers, the last a multiple of 32")
        if not len(self.couplings) == len(self.hidden) == len(self.sides):
            raise ValueError(f"couplings and hidden need {len(self.sides)} entries, one a level")
        if unknown := sorted(self.temperature.keys() - {level_name(s) for s in self.sides}):
            raise ValueError(f"temperature names {unknown}, which are not among its levels")

    @property
    def sides(self) -> list[int]:
        """The sides of the levels, coarse to fine: 1, 2, 4, ... ab_size."""
        return [2**k for k in range(self.ab_size.bit_length())]


def level_name(side: int) -> str:
    return f"{side}x{side}"


class ColorizationCINN(ColorModel):
    """Colours for a lightness: ab at 64x64 given L at 256x256, coarse to fine.

    A Haar pyramid splits ab into its mean (level "1x1") and the details that make 2x2, 4x4, ...
    64x64 of it. Every level is a small flow of what differs from the expected colours, conditioned
    on the condition network's map and the coarser ab; together they are one exactly invertible map.
    """

    config_class = ColorizationConfig

    def __init__(self, config: ColorizationConfig) -> None:
        super().__init__()
        self.config = config
        self.unit = config.unit
        self.condition_network = ConditionNetwork(
            config.image_size,
            config.channels,
            config.backbone_width,
            config.backbone_depth,
            config.attention_blocks,
            config.conv_blocks,
        )
        self.bins = ColorBins(config.channels[0])
        self.flow = Flow(
            {
                level_name(side): self.build_level(i, side)
                for i, side in reversed(list(enumerate(config.sides)))
            }
        )
        self.latent_shapes = {
            level_name(side): (6, side // 2, side // 2) if side > 1 else (2, 1, 1)
            for side in config.sides
        }

    @property
    def default_temperature(self) -> dict[str, float]:
        return self.config.temperature

    def default_keep(self) -> dict[str, float]:
        coarse = {1: 0.9, 2: 0.9, 4: 0.7, 8: 0.4, 16: 0.2}
        return {level_name(side): coarse.get(side, 0.0) for side in self.config.sides}

    def build_level(self, index: int, side: int) -> Level:
        fine, middle, coarse = self.config.channels
        grid = max(side // 2, 1)
        widths = {self.config.ab_size // 2: fine, self.config.ab_size // 4: middle}
        features = widths.get(grid, coarse) + 4 + 2 + 8  # as `condition_of_maps` makes them
        hidden, kernel = self.config.hidden[index], 1 if grid == 1 else 3
        channels, kept = (6, 2) if side > 1 else (2, 0)

        def subnet(inputs: int, outputs: int) -> ConvSubnet:
            return ConvSubnet(inputs, outputs, features, kept, hidden, kernel)

        prior = PriorNetwork(2 * channels, features, kept, hidden, kernel)
        # the last of them are the expected ab: its mean (2 channels), its details (6)
        expected = slice(-6, None) if side > 1 else slice(-8, -6)
        layers: list[Bijection] = [
            ConditionalShift(expected),
            ActNorm(channels),
            ConditionalGaussian(prior),
        ]
        for k in range(self.config.couplings[index]):
            layers.append(InvertibleConv1x1(channels, seed=k))
            layers.append(AffineCoupling(channels, subnet, self.config.clamp))
        if side == 1:
            return Level(Chain(layers))
        return Level(HaarDownsampling("wavelet"), Split(2, Chain(layers)))

    def condition(self, lightness: Tensor) -> Condition:
        """L (B, 1, image_size, image_size) in [0, 100] -> the features of each level."""
        lightness = lightness.to(self.dtype)
        with self.arithmetic():
            return self.condition_of_maps(self.condition_network(lightness), lightness)

    def condition_of_maps(self, maps: dict[int, Tensor], lightness: Tensor) -> Condition:
        """The condition network's maps; with each, of the picture at that grid, mean and details of
        L, the spread of the expected colours, and mean and details of their ab."""
        mean, spread = self.bins.mean_and_spread(self.bins(maps[max(maps)]))
        mean = F.interpolate(mean, scale_factor=2, mode="bilinear")
        condition = Condition()
        for side in self.config.sides:
            grid = max(side // 2, 1)
            light = wavelets(lightness / 50 - 1, grid)
            doubt = F.avg_pool2d(spread / self.unit, spread.shape[-1] // grid)
            expected = wavelets(mean / self.unit, grid)
            condition[level_name(side)] = torch.cat([maps[grid], light, doubt, expected], 1)
        return condition


def wavelets(x: Tensor, grid: int) -> Tensor:
    """(B, C, side, side) -> means of x and its details at that grid, (B, 4 C, grid, grid)."""
    return HaarDownsampling()(F.avg_pool2d(x, x.shape[-1] // (2 * grid)), None)[0]
