"""ColorizationCINN: ab given L, by a condition network and `ColorFlow`, coarse to fine.

The latents of ab at S x S by the names of their levels:

mood     two numbers: how the mean colour of the photo differs from the expected one
things   the rest of ab at S/4 x S/4, in cells of 2x2, by attention between these
details  what refines this to S/2 x S/2, along the edges of L
grain    what refines that to S x S
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinn_hub.choosing import Judgement, judge
from cinn_hub.color_model import ColorModel
from cinn_hub.config import Config, bounded
from cinn_hub.errors import quoted
from cinn_hub.flow import (
    ActNorm,
    AffineCoupling,
    Bijection,
    CellAttention,
    Chain,
    Condition,
    ConditionalGaussian,
    ConditionalShift,
    Flow,
    HaarDownsampling,
    InvertibleConv1x1,
    Level,
    LevelCondition,
    Split,
    add_to_samples,
    attention_of,
    exactly,
    no_log_det,
)
from cinn_hub.latent import Latent, batches
from cinn_hub.networks import (
    AttentionBlock,
    ChannelNorm,
    ColorBins,
    ConditionNetwork,
    ConvBlock,
    ConvSubnet,
    PriorNetwork,
    enlarged,
    saturated,
)

CELLS, MOOD, THINGS, DETAILS, GRAIN = "cells", "mood", "things", "details", "grain"
CELL = 8  # values in one cell: 2x2 of a and b
LIGHT, EXPECTED, DOUBT = 4, 8, 2  # channels of `around_of`
LEVELS = (MOOD, THINGS, DETAILS, GRAIN)
CLASSES = "classes"  # in a condition: the log-probabilities of the classes of colour
MOST_COUPLINGS = 256  # in a whole model; each takes milliseconds to build

Parts = Mapping[str, Tensor]
"""Outputs of the condition network for L (B, 1, size, size): `middle` (B, C, size/16, size/16),
`coarse` (B, C', size/32, size/32), `expected` and `spread` of ab (B, 2, size/8, size/8) in ab
units, and `lightness` itself, at size/4 or finer."""


@dataclass(frozen=True)
class ColorizationConfig(Config):
    """The shape of a `ColorizationCINN`, and facts of its training that it needs.

    image_size, ab_size: side in pixels of the L and of the ab that the networks see.
    unit: ab units in one unit of the flow's x.
    noise: standard deviation, in ab units, of the noise that training adds to ab; likelihoods are
        of ab with this noise.
    backbone_width, backbone_depth: multipliers of the EfficientNet-Lite.
    channels: of the condition's maps at image_size/8, /16 and /32.
    attention_blocks, conv_blocks: depth of the condition network's decoder.
    features, feature_blocks: width and depth of the network that describes cells to the attention.
    attentions: layers of attention between cells.
    couplings: how many there are for cells (between each two attentions), details and grain.
    hidden: width of the subnets of these couplings.
    clamp: bound of their log-scales, see `AffineCoupling`.
    temperature: the model's own, for each level; 1 where a level is not named.
    """

    architecture: str = "ColorizationCINN"
    image_size: int = bounded(256, 64, 512)
    ab_size: int = bounded(64, 16, 128)
    unit: float = bounded(15.0, 0.01, 1000.0)
    noise: float = bounded(0.5, 0.0, 100.0)
    backbone_width: float = bounded(1.0, 0.1, 10.0)
    backbone_depth: float = bounded(1.0, 0.1, 10.0)
    channels: tuple[int, ...] = bounded((64, 128, 256), 1, 4096)
    attention_blocks: int = bounded(2, 0, 64)
    conv_blocks: int = bounded(2, 0, 64)
    features: int = bounded(192, 32, 4096)
    feature_blocks: int = bounded(2, 0, 64)
    attentions: int = bounded(5, 1, 64)
    couplings: tuple[int, ...] = bounded((2, 3, 3), 0, 64)
    hidden: tuple[int, ...] = bounded((128, 64, 32), 1, 4096)
    clamp: float = bounded(1.0, 0.01, 10.0)
    temperature: dict[str, float] = field(default_factory=dict, metadata={"range": (0, 10)})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ab_size % 8:
            raise ValueError("ab_size must be a multiple of 8")
        if self.image_size != 4 * self.ab_size:
            raise ValueError("image_size must be four times ab_size")
        if self.channels[-1] % 32 or self.features % 32:
            raise ValueError("features and the last of channels must be multiples of 32")
        cells, details, grain = self.couplings
        if (total := (self.attentions - 1) * cells + details + grain) > MOST_COUPLINGS:
            raise ValueError(
                f"attentions and couplings make {total} couplings; there may be {MOST_COUPLINGS}"
            )
        if unknown := sorted(self.temperature.keys() - set(LEVELS)):
            raise ValueError(
                f"temperature has the unknown levels {quoted(unknown)}; "
                f"the levels are {list(LEVELS)}"
            )


# ------------------------------------------------------------------ the flow


def wavelets(x: Tensor, grid: int) -> Tensor:
    """(B, C, side, side) -> means of x and its details at that grid, (B, 4 C, grid, grid)."""
    if x.shape[-1] < 2 * grid:
        x = F.interpolate(x, size=(2 * grid, 2 * grid), mode="bilinear")
    return HaarDownsampling()(F.avg_pool2d(x, x.shape[-1] // (2 * grid)), None)[0]


def around_of(parts: Parts, grid: int, unit: float) -> Tensor:
    """Features of the photo for a level, at its grid, (B, 14, grid, grid): mean and details of L
    and of the expected ab, and the spread of the expected colours."""
    light = wavelets(parts["lightness"] / 50 - 1, grid)
    expected = wavelets(parts["expected"] / unit, grid)
    spread = parts["spread"] / unit
    doubt = F.avg_pool2d(spread, spread.shape[-1] // grid)
    return torch.cat([light, expected, doubt], 1)


class CellFeatures(nn.Module):
    """The maps of the condition network -> the features of each cell, by ordinary attention among
    these, which is not part of the flow."""

    def __init__(self, config: ColorizationConfig) -> None:
        super().__init__()
        _, middle, coarse = config.channels
        side, channels = config.ab_size // 8, config.features
        self.middle = nn.Sequential(
            ChannelNorm(middle), nn.Conv2d(middle, channels, 2, 2, bias=False)
        )
        self.coarse = nn.Sequential(ChannelNorm(coarse), nn.Conv2d(coarse, channels, 1))
        self.around = nn.Conv2d(LIGHT + EXPECTED + DOUBT, channels, 1, bias=False)
        self.positions = nn.Parameter(torch.zeros(1, channels, side, side))
        self.blocks = nn.Sequential(
            *[AttentionBlock(channels, channels // 32) for _ in range(config.feature_blocks)]
        )
        self.norm = ChannelNorm(channels)

    def forward(self, parts: Parts, around: Tensor) -> Tensor:
        """-> (B, channels, side, side)."""
        maps = self.middle(parts["middle"]) + self.coarse(parts["coarse"])
        return self.norm(self.blocks(maps + self.around(around) + self.positions))


class MoodSplit(Bijection):
    """z of all cells -> the mood (B, 2, 1, 1) and the rest (B, D - 2), by a rotation.

    The mood is z along the two directions, orthonormal, that move the photo's mean colour (see
    `mood_directions`), which are the condition. A rotation leaves a standard normal z one, so this
    costs no likelihood. It is two Householder reflections of fixed signs, which change as little as
    the directions do: what completes these does not jump from one photo to one that is nearly the
    same.
    """

    def mirrors(self, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        """The normals of the reflections, each (B, 1, D) of length sqrt(2): the first takes the
        first direction to -e_1, the second what the first makes of the other one to -e_2."""
        first, second = condition.features.flatten(2).split(1, 1)
        one = mirror(first, 0)
        return one, mirror(reflected(second, one), 1)

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[tuple[Tensor, Tensor], Tensor]:
        with exactly(x):
            first, second = self.mirrors(condition)
            rows = x.flatten(1).unflatten(0, (len(first), -1))  # (B, n, D)
            z = reflected(reflected(rows, first), second).flatten(0, 1)
        return (-z[:, :2, None, None], z[:, 2:]), no_log_det(x)

    def inverse(self, z: tuple[Tensor, Tensor], condition: LevelCondition) -> tuple[Tensor, Tensor]:
        with exactly(z[1]):
            first, second = self.mirrors(condition)
            rows = torch.cat([-z[0].flatten(1), z[1]], 1).unflatten(0, (len(first), -1))
            x = reflected(reflected(rows, second), first).flatten(0, 1)
        return x.unflatten(1, condition.features.shape[2:]), no_log_det(x)


def mirror(direction: Tensor, place: int) -> Tensor:
    """The normal, of length sqrt(2), of the reflection that takes a direction (B, 1, D) of length 1
    to -e_place. Places before it, where the direction has nothing, are left alone."""
    unit = torch.zeros_like(direction)
    unit[..., place] = 1
    normal = torch.cat([unit[..., :place], (direction + unit)[..., place:]], -1)
    return normal * (2**0.5 / normal.norm(dim=-1, keepdim=True))


def reflected(rows: Tensor, normal: Tensor) -> Tensor:
    """(B, n, D), reflected at the planes through 0 with these normals (B, 1, D)."""
    return rows - (rows @ normal.transpose(1, 2)) * normal


def mood_directions(cells: Bijection, features: Tensor, attention: Tensor) -> Tensor:
    """The directions in z that move the mean of a and of b most, (B, 2, CELL, side, side).

    With J the derivative of the mean colour by z at z = 0, these are the rows of (J J^T)^-1/2 J:
    orthonormal, and as near to a and b as they can be. For a linear flow nothing else in z moves
    the mean colour at all.
    """
    with torch.inference_mode(False), torch.enable_grad():
        features, attention = features.detach().clone(), attention.detach().clone()
        dtype = next(cells.parameters()).dtype
        z = features.new_zeros(len(features), CELL, *features.shape[2:], dtype=dtype)
        z.requires_grad_(True)
        known = LevelCondition(features, attention=attention)
        mean = cells.inverse(z, known)[0].mean((2, 3)).sum(0)
        rows = [torch.autograd.grad(value, z, retain_graph=True)[0] for value in mean]
    j = torch.stack(rows, 1).flatten(2)
    with exactly(j):
        values, vectors = torch.linalg.eigh(j @ j.transpose(1, 2))
        whitening = vectors @ (values.rsqrt()[..., None] * vectors.transpose(1, 2))
        return (whitening @ j).unflatten(2, z.shape[1:])


class Surroundings(nn.Module):
    """The coarser ab and the condition around each place, as features for its details.

    The prediction among its inputs is the guided filter's: the slope of ab on L around each place,
    found in the coarser ab, times the details of L there (He et al. 2010). ab changes where L does.

    Arguments:
        features: channels of the condition's features.
        light: where the mean and the three details of L lie among them.
        channels, blocks: of the features.
        doubt: variance of L, in its own units, below which a slope means little.
    """

    def __init__(
        self, features: int, light: slice, channels: int, blocks: int, doubt: float = 0.002
    ) -> None:
        super().__init__()
        self.light = light
        self.doubt = doubt
        self.coarser = nn.Conv2d(2 + 6, channels, 3, padding=1)
        self.features = nn.Conv2d(features, channels, 1, bias=False)
        self.blocks = nn.Sequential(*[ConvBlock(channels, 3, 2) for _ in range(blocks)])

    def predicted(self, ab: Tensor, light: Tensor) -> Tensor:
        """Coarser ab (B * n, 2, h, w), light (B, 4, h, w) -> details (B * n, 6, h, w)."""
        samples = ab.unflatten(0, (len(light), -1)).flatten(1, 2)  # (B, n * 2, h, w)
        mean, details = light[:, :1], light[:, 1:]
        around_l, around_ab = box(mean), box(samples)
        covariance = box(mean * samples) - around_l * around_ab
        slope = covariance / (box(mean * mean) - around_l.square() + self.doubt)
        slope = slope.unflatten(1, (-1, 1, 2))  # (B, n, 1, 2, h, w)
        return (slope * details[:, None, :, None]).flatten(2, 3).flatten(0, 1)

    def forward(self, condition: LevelCondition) -> Tensor:
        """-> (B * n, channels, h, w)."""
        light = condition.features[:, self.light].to(condition.coarser.dtype)
        predicted = self.predicted(condition.coarser, light)
        inputs = saturated(torch.cat([condition.coarser, predicted], 1))
        return self.blocks(add_to_samples(self.coarser(inputs), self.features(condition.features)))


class Details(Bijection):
    """Runs `inner` on details, with features of their surroundings in place of the coarser ab."""

    def __init__(self, surroundings: Surroundings, inner: Bijection) -> None:
        super().__init__()
        self.surroundings = surroundings
        self.inner = inner

    def around(self, condition: LevelCondition) -> LevelCondition:
        return LevelCondition(condition.features, self.surroundings(condition))

    def forward(self, x: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        return self.inner(x, self.around(condition))

    def inverse(self, z: Tensor, condition: LevelCondition) -> tuple[Tensor, Tensor]:
        return self.inner.inverse(z, self.around(condition))


def box(x: Tensor) -> Tensor:
    """The mean over 3x3."""
    return F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)


def cells_level(config: ColorizationConfig) -> Level:
    """ab at S/4 x S/4 -> z (B, 8, S/8, S/8): attention, and couplings between each two.

    Couplings come in pairs of a rotation and its inverse, so that at the start of a training every
    attention sees the cells' mean colours.
    """
    side, known = config.ab_size // 8, config.features + EXPECTED

    def subnet(inputs: int, outputs: int) -> ConvSubnet:
        return ConvSubnet(inputs, outputs, known, 0, config.hidden[0])

    layers: list[Bijection] = [
        HaarDownsampling("wavelet"),
        ConditionalShift(slice(-EXPECTED, None)),
        ActNorm(CELL),
        CellAttention(CELL, side, known),
    ]
    for k in range(1, config.attentions):
        for i in range(config.couplings[0]):
            rotation = InvertibleConv1x1(CELL, seed=100 * k + i // 2, learned=True)
            if i % 2:
                rotation.weight.data = rotation.weight.data.T
            layers += [rotation, AffineCoupling(CELL, subnet, config.clamp)]
        layers.append(CellAttention(CELL, side, known, backwards=k % 2 == 1, place=k))
    return Level(Chain(layers))


def details_level(config: ColorizationConfig, index: int, channels: int) -> Level:
    """ab -> its 2x2 means, which go on, and z (B, 6, h/2, w/2) of the details.

    index: of the level among `couplings` and `hidden`; channels: of `Surroundings`.
    """
    start = config.channels[1]  # of what `around_of` gives, after the condition network's map
    features, hidden = start + LIGHT + EXPECTED + DOUBT, config.hidden[index]

    def subnet(inputs: int, outputs: int) -> ConvSubnet:
        return ConvSubnet(inputs, outputs, features, channels, hidden)

    layers: list[Bijection] = [
        ActNorm(6),
        ConditionalGaussian(PriorNetwork(12, features, channels, hidden)),
    ]
    for k in range(config.couplings[index]):
        layers += [InvertibleConv1x1(6, seed=k), AffineCoupling(6, subnet, config.clamp)]
    around = Surroundings(features, slice(start, start + LIGHT), channels, blocks=2)
    return Level(HaarDownsampling("wavelet"), Split(2, Details(around, Chain(layers))))


class ColorFlow(Flow):
    """ab at S x S <-> z, given what the condition network says of L."""

    def __init__(self, config: ColorizationConfig) -> None:
        super().__init__(
            {
                GRAIN: details_level(config, 2, channels=48),
                DETAILS: details_level(config, 1, channels=64),
                CELLS: cells_level(config),
                THINGS: Level(Chain([]), MoodSplit()),
                MOOD: Level(Chain([])),
            }
        )
        side = config.ab_size // 8
        self.side, self.unit = side, config.unit
        self.features = CellFeatures(config)
        self.latent_shapes = {
            MOOD: (2, 1, 1),
            THINGS: (CELL * side * side - 2,),
            DETAILS: (6, 2 * side, 2 * side),
            GRAIN: (6, 4 * side, 4 * side),
        }

    def condition(self, parts: Parts) -> dict[str, Tensor]:
        """The features of each level, and the attention between cells, once for all samples."""
        condition = {name: self.level_condition(name, parts) for name in (CELLS, DETAILS, GRAIN)}
        cells, features = self.levels[CELLS].steps, condition[CELLS]
        layers = [layer for layer in cells.layers if isinstance(layer, CellAttention)]
        attention = torch.stack([layer.parameters_of(features) for layer in layers], 1)
        directions = mood_directions(cells, features, attention)
        return {**condition, attention_of(CELLS): attention, THINGS: directions}

    def level_condition(self, name: str, parts: Parts) -> Tensor:
        """The features of `cells`, `details` or `grain`."""
        around = around_of(parts, self.side * {CELLS: 1, DETAILS: 2, GRAIN: 4}[name], self.unit)
        if name == CELLS:
            features = self.features(parts, around)
            return torch.cat([features, around[:, LIGHT : LIGHT + EXPECTED]], 1)
        middle = parts["middle"]
        return torch.cat([enlarged(middle) if name == GRAIN else middle, around], 1)


# ------------------------------------------------------------------ the model


class ColorizationCINN(ColorModel):
    """Colours for a lightness: ab at 64x64 given L at 256x256, coarse to fine.

    The condition network describes the photo and predicts expected colours. `ColorFlow` models how
    the colours differ from these, as one exactly invertible map.
    """

    config_class = ColorizationConfig
    has_classes = True

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
        self.flow = ColorFlow(config)
        self.latent_shapes = self.flow.latent_shapes

    @property
    def default_temperature(self) -> dict[str, float]:
        return self.config.temperature

    def default_keep(self) -> dict[str, float]:
        return {MOOD: 0.9, THINGS: 0.4, DETAILS: 0.0, GRAIN: 0.0}

    def conditioned_on(self, lightness: Tensor) -> Condition:
        with self.arithmetic():
            lightness = lightness.to(self.dtype)
            maps = self.condition_network(lightness)
            log_p = self.bins(maps[0])
            levels = self.flow.condition(self.parts_of(maps, log_p, lightness))
            return Condition({**levels, CLASSES: log_p})

    def color_classes(self, condition: Condition) -> tuple[Tensor, Tensor]:
        return condition[CLASSES].exp(), self.bins.colors

    def judge(self, ab: Tensor, condition: Condition) -> Judgement:
        cells = F.adaptive_avg_pool2d(ab, self.config.ab_size // 4)  # as those of `small_ab`
        return judge(self.bins, condition[CLASSES], cells)

    def parts(self, lightness: Tensor) -> dict[str, Tensor]:
        """The outputs of the condition network for L (B, 1, image_size, image_size), as
        `ColorFlow.condition` takes them."""
        maps = self.condition_network(lightness)
        return self.parts_of(maps, self.bins(maps[0]), lightness)

    def parts_of(self, maps: list[Tensor], log_p: Tensor, lightness: Tensor) -> dict[str, Tensor]:
        """The same of the network's maps, from fine to coarse, and the classes of colour."""
        _, middle, coarse = maps
        expected, spread = self.bins.mean_and_spread(log_p)
        return {
            "middle": middle,
            "coarse": coarse,
            "expected": expected,
            "spread": spread,
            "lightness": F.avg_pool2d(lightness, 4),
        }

    def small_ab(self, z: Latent, condition: Condition) -> Tensor:
        parts = batches(self.fitted(z), condition)
        return self.unit * torch.cat(
            [self.flow.inverse(rows.levels, part, until=CELLS)[0] for rows, part in parts]
        )

    def coarse_ab(self, z: Latent, condition: Condition) -> Tensor:
        return F.avg_pool2d(self.small_ab(z, condition), 2)
