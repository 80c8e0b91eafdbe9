"""The flow on ab: things by attention between cells, a mood, details that follow the edges of L.

ab at S x S, coarse to fine, by the names of the latents' levels:

mood     two numbers: how the mean colour of the photo differs from the expected one
things   the rest of ab at S/4 x S/4, in cells of 2x2
details  what refines this to S/2 x S/2
grain    what refines that to S x S
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinn_hub.flow import (
    ActNorm,
    AffineCoupling,
    Bijection,
    CellAttention,
    Chain,
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
from cinn_hub.networks import (
    AttentionBlock,
    ChannelNorm,
    ConvBlock,
    ConvSubnet,
    PriorNetwork,
    enlarged,
    saturated,
)

CELLS, MOOD, THINGS, DETAILS, GRAIN = "cells", "mood", "things", "details", "grain"
CELL = 8  # values in one cell: 2x2 of a and b
LIGHT, EXPECTED, DOUBT = 4, 8, 2  # channels of `around_of`

Parts = Mapping[str, Tensor]
"""Outputs of the condition network for L (B, 1, size, size): `middle` (B, C, size/16, size/16),
`coarse` (B, C', size/32, size/32), `expected` and `spread` of ab (B, 2, size/8, size/8) in ab
units, and `lightness` itself, at size/4 or finer."""


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
    """The maps of the condition network -> the features of each cell.

    Arguments:
        middle, coarse: channels of the condition network's maps.
        side: cells on a side.
        channels: of the features.
        blocks: of ordinary attention among these features; they are not part of the flow.
    """

    def __init__(self, middle: int, coarse: int, side: int, channels: int, blocks: int) -> None:
        super().__init__()
        self.middle = nn.Sequential(
            ChannelNorm(middle), nn.Conv2d(middle, channels, 2, 2, bias=False)
        )
        self.coarse = nn.Sequential(ChannelNorm(coarse), nn.Conv2d(coarse, channels, 1))
        self.around = nn.Conv2d(LIGHT + EXPECTED + DOUBT, channels, 1, bias=False)
        self.positions = nn.Parameter(torch.zeros(1, channels, side, side))
        self.blocks = nn.Sequential(
            *[AttentionBlock(channels, channels // 32) for _ in range(blocks)]
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


def cells_level(
    side: int, features: int, attentions: int, couplings: int, hidden: int, clamp: float
) -> Level:
    """ab at 2 side x 2 side -> z (B, 8, side, side): attention, couplings between each two.

    Couplings come in pairs of a rotation and its inverse, so that at the start of a training every
    attention sees the cells' mean colours.
    """
    known = features + EXPECTED

    def subnet(inputs: int, outputs: int) -> ConvSubnet:
        return ConvSubnet(inputs, outputs, known, 0, hidden, 3)

    layers: list[Bijection] = [
        HaarDownsampling("wavelet"),
        ConditionalShift(slice(-EXPECTED, None)),
        ActNorm(CELL),
        CellAttention(CELL, side, known),
    ]
    for k in range(1, attentions):
        for i in range(couplings):
            rotation = InvertibleConv1x1(CELL, seed=100 * k + i // 2, learned=True)
            if i % 2:
                rotation.weight.data = rotation.weight.data.T
            layers += [rotation, AffineCoupling(CELL, subnet, clamp)]
        layers.append(CellAttention(CELL, side, known, backwards=k % 2 == 1, place=k))
    return Level(Chain(layers))


def details_level(
    features: int, channels: int, blocks: int, couplings: int, hidden: int, clamp: float
) -> Level:
    """ab -> its 2x2 means, which go on, and z (B, 6, h/2, w/2) of the details."""

    def subnet(inputs: int, outputs: int) -> ConvSubnet:
        return ConvSubnet(inputs, outputs, features, channels, hidden, 3)

    layers: list[Bijection] = [
        ActNorm(6),
        ConditionalGaussian(PriorNetwork(12, features, channels, hidden, 1)),
    ]
    for k in range(couplings):
        layers += [InvertibleConv1x1(6, seed=k), AffineCoupling(6, subnet, clamp)]
    start = features - LIGHT - EXPECTED - DOUBT
    around = Surroundings(features, slice(start, start + LIGHT), channels, blocks)
    return Level(HaarDownsampling("wavelet"), Split(2, Details(around, Chain(layers))))


class ColorFlow(Flow):
    """ab at S x S <-> z, given what the condition network says of L.

    Arguments:
        side: cells on a side, S / 8.
        middle, coarse: channels of the condition network's maps at 2 side and at side.
        unit: ab units in one unit of x.
        features, blocks: of `CellFeatures`.
        attentions: layers of `CellAttention`.
        couplings: between each two attentions; of details; of grain.
        hidden: of these couplings.
    """

    def __init__(
        self,
        side: int = 8,
        middle: int = 128,
        coarse: int = 256,
        unit: float = 15.0,
        features: int = 192,
        blocks: int = 2,
        attentions: int = 5,
        couplings: Sequence[int] = (2, 3, 3),
        hidden: Sequence[int] = (128, 64, 32),
        clamp: float = 1.0,
    ) -> None:
        around = LIGHT + EXPECTED + DOUBT
        super().__init__(
            {
                GRAIN: details_level(middle + around, 48, 2, couplings[2], hidden[2], clamp),
                DETAILS: details_level(middle + around, 64, 2, couplings[1], hidden[1], clamp),
                CELLS: cells_level(side, features, attentions, couplings[0], hidden[0], clamp),
                THINGS: Level(Chain([]), MoodSplit()),
                MOOD: Level(Chain([])),
            }
        )
        self.side = side
        self.unit = unit
        self.features = CellFeatures(middle, coarse, side, features, blocks)
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
        if name == GRAIN:
            around = around_of(parts, 4 * self.side, self.unit)
            return torch.cat([enlarged(parts["middle"]), around], 1)
        if name == DETAILS:
            around = around_of(parts, 2 * self.side, self.unit)
            return torch.cat([parts["middle"], around], 1)
        around = around_of(parts, self.side, self.unit)
        features = self.features(parts, around)
        return torch.cat([features, around[:, LIGHT : LIGHT + EXPECTED]], 1)
