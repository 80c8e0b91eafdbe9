"""The four networks of Ardizzone et al. 2019 (arXiv 1907.02392): configurations of our layers.

`ORIGINALS` has their configurations at full width; `cinn_hub.convert` makes models of the authors'
own checkpoints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinn_hub.color_model import ColorModel
from cinn_hub.config import Config, bounded
from cinn_hub.digit_model import LABELS, SIDE, STEPS, DigitModel, Labels, check_labels
from cinn_hub.flow import (
    AffineCoupling,
    Bijection,
    Chain,
    Condition,
    Flatten,
    Flow,
    HaarDownsampling,
    InvertibleConv1x1,
    Level,
    LevelCondition,
    Permutation,
    SpaceToDepth,
    Split,
    Standardization,
)
from cinn_hub.latent import Latent

L_CENTER, L_SPREAD = 47.5, 25.6  # the networks see (x - center) / spread of L, a and b
AB_CENTER, AB_SPREAD = (2.4, 7.4), (11.2, 16.8)
VECTOR = "vector"
SLOPE = 0.01  # of the leaky ReLUs in networks that see the condition
BLOCKS = (
    *((2, 2, 1, 0), (2, 2, 1, 1), (3, 2, 1, 2), (3, 1, 1, 3)),
    *((3, 1, 2, 3), (3, 1, 2, 3), (3, 1, 1, 3)),
)
"""Of the feature network: convolutions, stride of the last, dilation (Zhang et al. 2016), and which
of the widths."""


# ------------------------------------------------------------------ what they see of the condition


def conv(inputs: int, outputs: int, stride: int = 1, **options: int | bool) -> nn.Conv2d:
    """A 3x3 convolution whose output is as large as its input, divided by the stride."""
    padding = options.get("dilation", 1)
    return nn.Conv2d(inputs, outputs, 3, stride, padding, **options)


class BedroomConditionNetwork(nn.Module):
    """L (B, 1, 64, 64), normalised, -> features at 64x64, 32x32, 16x16 and a vector.

    widths: channels of the four.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        (a, b, c, d), relu = widths, nn.LeakyReLU(SLOPE)
        self.levels = nn.ModuleList(
            [
                nn.Sequential(conv(1, a), relu, conv(a, a)),
                nn.Sequential(relu, conv(a, b), relu, conv(b, b, 2)),
                nn.Sequential(relu, conv(b, c, 2)),
                nn.Sequential(relu, nn.AvgPool2d(4), nn.Flatten(), nn.Linear(16 * c, d)),
            ]
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        features = []
        for level in self.levels:
            x = level(x)
            features.append(x)
        return features


class FeatureNetwork(nn.Module):
    """The network of Zhang et al. 2016 before its classes of colour: L -> what is to be seen in it.

    widths: channels of its blocks 1, 2, 3, of 4 to 7, and of the last.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        blocks, channels = [], 1
        for convs, stride, dilation, index in BLOCKS:
            layers: list[nn.Module] = []
            for i in range(convs):
                step = stride if i == convs - 1 else 1
                layers += [conv(channels, widths[index], step, dilation=dilation), nn.ReLU()]
                channels = widths[index]
            blocks.append(nn.Sequential(*layers, nn.BatchNorm2d(channels)))
        self.blocks = nn.ModuleList(blocks)
        last = widths[-1]
        enlarge, relu = nn.ConvTranspose2d(channels, last, 4, 2), nn.ReLU()
        self.last = nn.Sequential(enlarge, relu, conv(last, last), relu, conv(last, last))

    def forward(self, lightness: Tensor) -> Tensor:
        """L (B, 1, S, S) in [0, 100] -> (B, C, S/4, S/4), signed."""
        x = lightness - 50
        for block in self.blocks:
            x = block(x)
        return self.last(x)[..., 1:-1, 1:-1]


def vector_network(features: int, widths: Sequence[int]) -> nn.Sequential:
    """Features (B, C, 64, 64) -> the vector that couplings of vectors see, as long as the last of
    the widths."""
    layers: list[nn.Module] = []
    for pair in pairwise((features, *widths)):
        layers += [conv(*pair, 2), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers[:-1], nn.AvgPool2d(4), nn.BatchNorm2d(widths[-1]), nn.Flatten())


def condition_subnet(features: int, inner: Sequence[int], outputs: int) -> nn.Sequential:
    """Features (B, C, 64, 64) -> what one coupling sees of them; each inner layer halves them."""
    layers: list[nn.Module] = []
    for pair in pairwise((features, *inner)):
        layers += [conv(*pair, 2), nn.LeakyReLU(SLOPE)]
    return nn.Sequential(*layers, conv(([features, *inner])[-1], outputs), nn.BatchNorm2d(outputs))


# ------------------------------------------------------------------ the flows


class StackSubnet(nn.Module):
    """The network inside a coupling: layers in a row over [x, condition], leaky ReLUs between them.

    The first layer is linear, so what it says of the condition, its term, is the same for all
    samples: `terms` computes those of a level once, and they are what its couplings are given.

    Arguments:
        inputs, outputs: channels of x, and of what comes out.
        hidden: the widths between the layers.
        features: channels of the condition; 0 for none.
        kernel: of convolutions; 0 for linear layers on vectors.
        place: where its term begins among those of the level.
        slope: of the leaky ReLUs; 0 makes them ReLUs.
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        hidden: Sequence[int],
        features: int = 0,
        kernel: int = 0,
        place: int = 0,
        slope: float = 0.0,
    ) -> None:
        super().__init__()
        self.inputs, self.kernel, self.slope = inputs, kernel, slope
        self.place = slice(place, place + hidden[0]) if features else None
        widths = pairwise((inputs + features, *hidden, outputs))
        self.layers = nn.ModuleList(
            nn.Conv2d(*pair, kernel, padding=kernel // 2) if kernel else nn.Linear(*pair)
            for pair in widths
        )

    def first(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        """What the first layer makes of a part of its inputs."""
        if self.kernel:
            return F.conv2d(x, weight, bias, padding=self.kernel // 2)
        return F.linear(x, weight, bias)

    def term(self, features: Tensor) -> Tensor:
        """What the first layer says of the condition (B, features, ...) -> (B, hidden[0], ...)."""
        return self.first(features, self.layers[0].weight[:, self.inputs :])

    def forward(self, x: Tensor, condition: LevelCondition) -> Tensor:
        """x (B * n, inputs, ...) -> (B * n, outputs, ...)."""
        first, *others = self.layers
        hidden = self.first(x, first.weight[:, : self.inputs], first.bias)
        if self.place is not None:
            term = condition.features[:, self.place]
            hidden.unflatten(0, (len(term), -1)).add_(term.unsqueeze(1))
        for layer in others:  # in place: new memory costs more than these sums
            hidden = layer(F.leaky_relu_(hidden, self.slope) if self.slope else F.relu_(hidden))
        return hidden


def terms(level: Level, features: Tensor | Sequence[Tensor]) -> Tensor:
    """The terms of all couplings of a level that see a condition, (B, C, ...).

    features: of the condition (B, features, ...), the same for all couplings, or one for each.
    """
    couplings = [x for x in level.steps.layers if isinstance(x, AffineCoupling)]
    seeing = [x for x in couplings if x.subnet1.place is not None]
    given = [features] * len(seeing) if isinstance(features, Tensor) else features
    pairs = zip(seeing, given, strict=True)
    return torch.cat([net.term(x) for layer, x in pairs for net in layer.children()], 1)


def numpy_permutation(size: int, seed: int) -> Permutation:
    """The permutation of that seed; checkpoints rely on NumPy's frozen generator, not on files."""
    return Permutation(torch.from_numpy(np.random.RandomState(seed).permutation(size)))


def coupling(
    channels: int,
    hidden: Sequence[int],
    clamp: float,
    features: int = 0,
    kernel: int = 0,
    place: int = 0,
    slope: float = 0.0,
) -> AffineCoupling:
    """A coupling of stacks; see `StackSubnet`.

    place: how many couplings of the level that see a condition come before it.
    """
    places = iter([2 * place * hidden[0], (2 * place + 1) * hidden[0]])

    def subnet(inputs: int, outputs: int) -> StackSubnet:
        return StackSubnet(inputs, outputs, hidden, features, kernel, next(places), slope)

    return AffineCoupling(channels, subnet, clamp)


@dataclass(frozen=True)
class OriginalDigitConfig(Config):
    """The shape of an `OriginalDigitCINN`: `mnist-minimal` unless said otherwise.

    couplings, hidden: how many, and the widths inside of each of their networks.
    mean, spread: of pixels in [0, 1], which the network sees normalised.
    noise: standard deviation, of normalised pixels, of the noise that training adds.
    temperature: of samples, if nothing else is asked for.
    """

    architecture: str = "OriginalDigitCINN"
    couplings: int = bounded(20, 1, 128)
    hidden: tuple[int, ...] = bounded((512,), 1, 4096, most_entries=8)
    clamp: float = bounded(1.0, 0.01, 10.0)
    mean: float = bounded(0.128, -10.0, 10.0)
    spread: float = bounded(0.305, 0.01, 10.0)
    noise: float = bounded(0.08, 0.0, 10.0)
    temperature: float = bounded(1.0, 0.0, 10.0)
    directions: tuple[str, ...] = bounded((), 0, 0)  # none


class OriginalDigitCINN(DigitModel):
    """Handwritten digits given their label, by couplings of all pixels: `mnist-minimal`,
    `mnist-research`."""

    config_class = OriginalDigitConfig

    def __init__(self, config: OriginalDigitConfig) -> None:
        super().__init__()
        self.config = config
        size, level = SIDE**2, f"{SIDE}x{SIDE}"
        # their pixels are v / 255, ours (v + 1/2) / 256
        shift = (config.mean * (STEPS - 1) + 0.5) / STEPS
        scale = config.spread * (STEPS - 1) / STEPS
        layers: list[Bijection] = [Standardization([shift], [scale]), Flatten((1, SIDE, SIDE))]
        for k in range(config.couplings):
            layers.append(numpy_permutation(size, seed=k))
            layers.append(coupling(size, config.hidden, config.clamp, LABELS, place=k))
        self.flow = Flow({level: Level(Chain(layers))})
        self.latent_shapes = {level: (size,)}
        self.register_buffer("directions", torch.zeros(0, size))
        self.register_buffer("deviations", torch.zeros(0))

    @property
    def default_temperature(self) -> dict[str, float]:
        return dict.fromkeys(self.latent_shapes, self.config.temperature)

    def condition(self, labels: Labels) -> Condition:
        one_hot = F.one_hot(check_labels(labels), LABELS).to(self.deviations)
        with self.arithmetic():
            return Condition({k: terms(x, one_hot) for k, x in self.flow.levels.items()})


class OriginalColorModel(ColorModel):
    """What both networks for colours share."""

    keep: Mapping[str, float]

    def default_keep(self) -> dict[str, float]:
        """As in the paper, where (1 - keep^2) of the variance was drawn anew."""
        return dict(self.keep)

    def coarse_ab(self, z: Latent, condition: Condition) -> Tensor:
        """In 4x4 cells: each costs a derivative of the whole flow."""
        return F.avg_pool2d(self.decode(z, condition), 16)


@dataclass(frozen=True)
class OriginalBedroomConfig(Config):
    """The shape of an `OriginalBedroomCINN`: `lsun-minimal` unless said otherwise.

    condition: channels of what the condition network says at 64x64, 32x32, 16x16, as a vector.
    hidden, clamps: of the couplings there.
    noise: standard deviation, in units of a and of b, of what training adds; the original draws it
        uniformly from a range as wide as 3.46 of these.
    """

    architecture: str = "OriginalBedroomCINN"
    condition: tuple[int, ...] = bounded((64, 128, 128, 512), 1, 4096)
    hidden: tuple[int, ...] = bounded((32, 64, 128, 512), 1, 4096)
    clamps: tuple[float, ...] = bounded((1.0, 1.0, 0.6, 0.6), 0.01, 10.0)
    noise: tuple[float, ...] = bounded((0.0162, 0.0242), 0.0, 100.0)

    image_size = ab_size = 64


def bedroom_flow(
    side: int, condition: Sequence[int], hidden: Sequence[int], clamps: Sequence[float]
) -> Flow:
    """The flow of `lsun-minimal`, for ab (B, 2, side, side); see `OriginalBedroomConfig`."""

    def couplings(channels: int, index: int, kernels: Sequence[int]) -> list[AffineCoupling]:
        sizes = [hidden[index]], clamps[index], condition[index]
        return [coupling(channels, *sizes, kernel, k) for k, kernel in enumerate(kernels)]

    def shuffled(channels: int, index: int, kernels: Sequence[int]) -> list[Bijection]:
        pairs = enumerate(couplings(channels, index, kernels))
        return [x for k, layer in pairs for x in (layer, numpy_permutation(channels, seed=k))]

    whole, half, quarter = (f"{side // k}x{side // k}" for k in (1, 2, 4))
    first = [Standardization(AB_CENTER, AB_SPREAD), *couplings(2, 0, (3, 3))]
    second, third = (
        [HaarDownsampling("channel"), *shuffled(8, index, (1, 3, 1, 3))] for index in (1, 2)
    )
    last = [Flatten((4, side // 4, side // 4)), *shuffled(side**2 // 4, 3, (0,) * 4)]
    return Flow(
        {
            whole: Level(Chain(first)),
            half: Level(Chain(second), Split(2, Chain([]))),
            quarter: Level(Chain(third), Split(4, Chain([]))),
            VECTOR: Level(Chain(last)),
        }
    )


class OriginalBedroomCINN(OriginalColorModel):
    """ab at 64x64 given L at 64x64, for bedrooms: `lsun-minimal`."""

    config_class = OriginalBedroomConfig
    latent_shapes = {VECTOR: (1024,), "16x16": (4, 16, 16), "32x32": (6, 32, 32)}
    keep = {VECTOR: 1.0, "16x16": 0.55, "32x32": 0.0}

    def __init__(self, config: OriginalBedroomConfig) -> None:
        super().__init__()
        self.config = config
        self.condition_network = BedroomConditionNetwork(config.condition)
        self.flow = bedroom_flow(64, config.condition, config.hidden, config.clamps)

    def conditioned_on(self, lightness: Tensor) -> Condition:
        with self.arithmetic():
            normalized = (lightness.to(self.dtype) - L_CENTER) / L_SPREAD
            pairs = zip(self.flow.levels.items(), self.condition_network(normalized), strict=True)
            return Condition({name: terms(level, x) for (name, level), x in pairs})


@dataclass(frozen=True)
class OriginalImageNetConfig(Config):
    """The shape of an `OriginalImageNetCINN`: `imagenet-research` unless said otherwise.

    features: widths of the feature network's blocks 1, 2, 3, of 4 to 7, and of the last.
    vector: widths of the network that makes a vector of the features; the last is the vector's.
    inner: widths inside of the condition subnets, finest first.
    hidden: of the conditional couplings at 64x64, 32x32, 16x16, 8x8, and of their conditions.
    free: of the couplings without condition at 32x32, 16x16, 8x8, 4x4.
    dense: widths inside of the couplings of vectors.
    noise: standard deviation, in units of a and of b, of the noise that training adds.
    """

    architecture: str = "OriginalImageNetCINN"
    features: tuple[int, ...] = bounded((64, 128, 256, 512, 256), 1, 4096)
    vector: tuple[int, ...] = bounded((128, 256, 256, 512), 1, 4096)
    inner: tuple[int, ...] = bounded((128, 128, 256), 1, 4096)
    hidden: tuple[int, ...] = bounded((32, 64, 128, 256), 1, 4096)
    free: tuple[int, ...] = bounded((64, 128, 256, 256), 1, 4096)
    dense: tuple[int, ...] = bounded((512, 512, 512), 1, 4096)
    clamp: float = bounded(1.5, 0.01, 10.0)
    noise: tuple[float, ...] = bounded((0.56, 0.84), 0.0, 100.0)

    image_size, ab_size = 256, 64


class OriginalImageNetCINN(OriginalColorModel):
    """ab at 64x64 given L at 256x256, for any photo: `imagenet-research`."""

    config_class = OriginalImageNetConfig
    latent_shapes = {VECTOR: (512,), "4x4": (96, 4, 4), "8x8": (32, 8, 8), "16x16": (16, 16, 16)}
    keep = {VECTOR: 1.0, "4x4": 1.0, "8x8": 0.55, "16x16": 0.0}
    couplings = (4, 6, 6, 6)  # conditional ones, of each level

    def __init__(self, config: OriginalImageNetConfig) -> None:
        super().__init__()
        self.config = config
        features = config.features[-1]
        self.features = FeatureNetwork(config.features)
        self.vector = vector_network(features, config.vector)
        self.flow = self.build_flow()
        self.subnets = nn.ModuleDict()
        numbers = zip(self.flow.levels, self.couplings, config.hidden, strict=False)
        for i, (name, number, width) in enumerate(numbers):
            subnets = (condition_subnet(features, config.inner[:i], width) for _ in range(number))
            self.subnets[name] = nn.ModuleList(subnets)

    def build_flow(self) -> Flow:
        """Levels have the names of the latents that they leave; the first leaves none."""
        standard = Standardization(AB_CENTER, AB_SPREAD)
        free, half = self.free, SpaceToDepth
        fine = [half(), *free(8, 0), *self.conditional(8, 1), half(), *free(32, 1)]
        middle = [*self.conditional(16, 2), half(), *free(64, 2)]
        coarse = [*self.conditional(32, 3), HaarDownsampling("wavelet"), *free(128, 3)]
        return Flow(
            {
                "64x64": Level(Chain([standard, *self.conditional(2, 0)])),
                "16x16": Level(Chain(fine), Split(16, Chain([]))),
                "8x8": Level(Chain(middle), Split(32, Chain([]))),
                "4x4": Level(Chain(coarse), Split(32, Chain([]))),
                VECTOR: Level(Chain(self.of_vectors())),
            }
        )

    def conditional(self, channels: int, index: int) -> list[Bijection]:
        width, clamp = self.config.hidden[index], self.config.clamp
        layers: list[Bijection] = []
        for k in range(self.couplings[index]):
            layers.append(coupling(channels, [width] * 2, clamp, width, 3, k, slope=0.05))
            layers.append(InvertibleConv1x1(channels, seed=k))
        return layers

    def free(self, channels: int, index: int) -> list[Bijection]:
        """Couplings without condition, on channels that a rotation has mixed."""
        hidden = [self.config.free[index]] * 2
        layers: list[Bijection] = []
        for k in range(2):
            layers.append(InvertibleConv1x1(channels, seed=100 + k))
            layers.append(coupling(channels, hidden, self.config.clamp, kernel=1, slope=0.01))
        return layers

    def of_vectors(self) -> list[Bijection]:
        dense, clamp, features = self.config.dense, self.config.clamp, self.config.vector[-1]
        layers: list[Bijection] = [Flatten((32, 4, 4))]
        for k in range(8):
            layers.append(numpy_permutation(512, seed=k))
            layers.append(coupling(512, dense, clamp, features, place=k))
        return layers

    def conditioned_on(self, lightness: Tensor) -> Condition:
        with self.arithmetic():
            features = self.features(lightness.to(self.dtype))
            known = {k: [net(features) for net in nets] for k, nets in self.subnets.items()}
            known[VECTOR] = self.vector(features)
            return Condition({k: terms(self.flow.levels[k], x) for k, x in known.items()})


ORIGINALS: dict[str, Config] = {
    "mnist-minimal": OriginalDigitConfig(),
    "mnist-research": OriginalDigitConfig(
        couplings=24,
        hidden=(512,) * 3,
        clamp=1.5,
        mean=0.0,
        spread=1.0,
        noise=0.15,
        temperature=0.88,
    ),  # fmt: skip
    "lsun-minimal": OriginalBedroomConfig(),
    "imagenet-research": OriginalImageNetConfig(),
}
"""The configurations of the paper's experiments, at full width, by their names here."""
