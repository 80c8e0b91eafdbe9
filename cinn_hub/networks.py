"""Networks that are not invertible: the condition network of photos, and subnets of couplings."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from cinn_hub.flow import LevelCondition, add_to_samples

# expansion, channels, repeats, stride of the first, kernel (Tan & Le 2019; the Lite variants have
# no squeeze-excitation and ReLU6 throughout)
EFFICIENTNET_STAGES = (
    (1, 16, 1, 1, 3),
    (6, 24, 2, 2, 3),
    (6, 40, 2, 2, 5),
    (6, 80, 3, 2, 3),
    (6, 112, 3, 1, 5),
    (6, 192, 4, 2, 5),
    (6, 320, 1, 1, 3),
)
TAPS = (1, 2, 4, 6)  # the stages whose outputs a decoder wants: strides 4, 8, 16, 32


def scaled_width(channels: int, multiplier: float) -> int:
    """channels * multiplier as a multiple of 8, never below 90 % of it."""
    wanted = channels * multiplier
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


class SameConv(nn.Conv2d):
    """A convolution padded as TensorFlow's "same", with the BatchNorm behind it folded in.

    With stride 2 "same" leaves the odd pixel to the right and below. A kernel one larger, whose
    first row and column are zero in the pretrained network, does that with even padding, and much
    faster.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1
    ) -> None:
        size = kernel if stride == 1 else kernel + 1
        super().__init__(inputs, outputs, size, stride, kernel // 2, groups=groups)


class InvertedBottleneck(nn.Module):
    """Expand, filter each channel, project; the sum with the input where shapes agree."""

    def __init__(self, inputs: int, outputs: int, expansion: int, stride: int, kernel: int) -> None:
        super().__init__()
        hidden = inputs * expansion
        self.expand = SameConv(inputs, hidden, 1) if expansion > 1 else None
        self.depthwise = SameConv(hidden, hidden, kernel, stride, groups=hidden)
        self.project = SameConv(hidden, outputs, 1)
        self.residual = stride == 1 and inputs == outputs

    def forward(self, x: Tensor) -> Tensor:
        hidden = x if self.expand is None else F.relu6(self.expand(x), inplace=True)
        out = self.project(F.relu6(self.depthwise(hidden), inplace=True))
        return x + out if self.residual else out


class EfficientNetLite(nn.Module):
    """The features of EfficientNet-Lite (Tan & Le 2019) with its BatchNorms folded in.

    Arguments:
        inputs: channels of the picture, 1 for L alone.
        width, depth: multipliers; Lite0 is (1.0, 1.0), Lite1 (1.0, 1.1), Lite2 (1.1, 1.2).
    """

    def __init__(self, inputs: int = 1, width: float = 1.0, depth: float = 1.0) -> None:
        super().__init__()
        self.stem = SameConv(inputs, 32, 3, 2)
        stages, channels, last = [], 32, len(EFFICIENTNET_STAGES) - 1
        for i, (expansion, base, repeats, stride, kernel) in enumerate(EFFICIENTNET_STAGES):
            outputs = scaled_width(base, width)
            repeats = repeats if i in (0, last) else math.ceil(repeats * depth)
            blocks = []
            for j in range(repeats):
                step = stride if j == 0 else 1
                blocks.append(InvertedBottleneck(channels, outputs, expansion, step, kernel))
                channels = outputs
            stages.append(nn.Sequential(*blocks))
        self.stages = nn.ModuleList(stages)
        self.tap_channels = [scaled_width(EFFICIENTNET_STAGES[i][1], width) for i in TAPS]

    def forward(self, x: Tensor) -> list[Tensor]:
        """x (B, inputs, S, S), in about [-1, 1] -> features at strides 4, 8, 16 and 32."""
        x = F.relu6(self.stem(x), inplace=True)
        taps = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i in TAPS:
                taps.append(x)
        return taps


class ChannelNorm(nn.LayerNorm):
    """LayerNorm over the channels of (B, C, H, W), at each position."""

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvBlock(nn.Module):
    """A ConvNeXt block (Liu et al. 2022): a depthwise filter, then two layers at each position."""

    def __init__(self, channels: int, kernel: int = 5, expansion: int = 4) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, kernel, padding="same", groups=channels)
        self.norm = ChannelNorm(channels)
        self.expand = nn.Conv2d(channels, expansion * channels, 1)
        self.project = nn.Conv2d(expansion * channels, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.project(F.gelu(self.expand(self.norm(self.depthwise(x)))))


class AttentionBlock(nn.Module):
    """Every position looks at every other, so that the two halves of a sky agree; then an MLP."""

    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm1 = nn.LayerNorm(channels)
        self.query_key_value = nn.Linear(channels, 3 * channels)
        self.merge = nn.Linear(channels, channels)
        self.norm2 = nn.LayerNorm(channels)
        self.mlp = nn.Sequential(
            nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels)
        )

    def forward(self, x: Tensor) -> Tensor:
        """x (B, C, H, W) -> the same shape."""
        tokens = x.flatten(2).transpose(1, 2)
        split = self.query_key_value(self.norm1(tokens)).unflatten(2, (3, self.heads, -1))
        query, key, value = split.permute(2, 0, 3, 1, 4)
        seen = (query @ key.transpose(-1, -2) * query.shape[-1] ** -0.5).softmax(-1) @ value
        tokens = tokens + self.merge(seen.transpose(1, 2).flatten(2))
        tokens = tokens + self.mlp(self.norm2(tokens))
        return tokens.transpose(1, 2).reshape(x.shape)


class ConditionNetwork(nn.Module):
    """L -> feature maps at 32x32, 16x16 and 8x8, for a picture of 256 px; size/8 to size/32.

    A pretrained backbone, attention at its coarsest map, and a decoder that adds the finer ones top
    down.

    Arguments:
        size: side of the L that it is given, a multiple of 32.
        channels: of the maps at size/8, size/16 and size/32.
        width, depth: multipliers of the backbone.
        attention_blocks, conv_blocks: how many at size/32, and at each of the two finer maps.
    """

    def __init__(
        self,
        size: int,
        channels: Sequence[int],
        width: float = 1.0,
        depth: float = 1.0,
        attention_blocks: int = 2,
        conv_blocks: int = 2,
    ) -> None:
        super().__init__()
        fine, middle, coarse = channels
        side = size // 32
        self.backbone = EfficientNetLite(1, width, depth)
        tap4, tap8, tap16, tap32 = self.backbone.tap_channels
        self.project32 = nn.Conv2d(tap32, coarse, 1)
        self.positions = nn.Parameter(torch.zeros(1, coarse, side, side))
        self.attention = nn.Sequential(
            *[AttentionBlock(coarse, coarse // 32) for _ in range(attention_blocks)]
        )
        self.project16 = nn.Conv2d(tap16 + coarse, middle, 1)
        self.blocks16 = nn.Sequential(*[ConvBlock(middle) for _ in range(conv_blocks)])
        self.project4 = nn.Conv2d(tap4, tap8, 2, 2)
        self.project8 = nn.Conv2d(2 * tap8 + middle, fine, 1)
        self.blocks8 = nn.Sequential(*[ConvBlock(fine) for _ in range(conv_blocks)])

    def forward(self, lightness: Tensor) -> list[Tensor]:
        """L (B, 1, size, size) in [0, 100] -> maps at size/8, size/16 and size/32."""
        return self.maps(self.features(lightness))

    def features(self, lightness: Tensor) -> list[Tensor]:
        """L (B, 1, size, size) in [0, 100] -> the backbone's, at strides 4, 8, 16 and 32."""
        return self.backbone((lightness * 2.55 - 127) / 128)

    def maps(self, features: list[Tensor]) -> list[Tensor]:
        """The decoder: the backbone's features -> maps at size/8, size/16 and size/32."""
        tap4, tap8, tap16, tap32 = features
        positions = self.positions
        if tap32.shape[2:] != positions.shape[2:]:  # trained on smaller pictures
            positions = F.interpolate(positions, tap32.shape[2:], mode="bilinear")
        coarse = self.attention(self.project32(tap32) + positions)
        middle = self.blocks16(self.project16(torch.cat([tap16, enlarged(coarse)], 1)))
        fine = torch.cat([self.project4(tap4), tap8, enlarged(middle)], 1)
        return [self.blocks8(self.project8(fine)), middle, coarse]


def enlarged(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, 2 H, 2 W)."""
    return F.interpolate(x, scale_factor=2, mode="nearest")


class ColorBins(nn.Module):
    """Colour as a classification over a square grid of ab, at each position (Zhang et al. 2016).

    Arguments:
        channels: of the features.
        spacing: of the grid, in ab units.
        per_axis: K, an odd number of grid points along each axis; grey is in the middle.
    """

    def __init__(self, channels: int, spacing: float = 11.0, per_axis: int = 19) -> None:
        super().__init__()
        self.spacing = spacing
        self.per_axis = per_axis
        self.head = nn.Conv2d(channels, per_axis**2, 1)

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> log-probabilities (B, K * K, H, W), a in steps of K, then b."""
        scores = self.head(features)
        return scores.to(torch.promote_types(scores.dtype, torch.float32)).log_softmax(1)

    @property
    def axis(self) -> Tensor:
        """The grid along a, and along b, (K,) in ab units."""
        weight = self.head.weight
        steps = torch.arange(self.per_axis, device=weight.device, dtype=weight.dtype)
        return self.spacing * (steps - self.per_axis // 2)

    @property
    def colors(self) -> Tensor:
        """ab of each class, (K * K, 2), in ab units."""
        return torch.cartesian_prod(self.axis, self.axis)

    def mean_and_spread(self, log_p: Tensor) -> tuple[Tensor, Tensor]:
        """Expected ab and its standard deviation, each (B, 2, H, W), in ab units."""
        p = log_p.exp().unflatten(1, (self.per_axis, self.per_axis))
        axis = self.axis.to(p).view(1, 1, -1, 1, 1)
        p = torch.stack([p.sum(2), p.sum(1)], 1)  # (B, 2, K, H, W): of a, of b
        mean = (p * axis).sum(2)
        return mean, ((p * axis.square()).sum(2) - mean.square()).clamp_min(0).sqrt()

    def expected_chroma(self, log_p: Tensor) -> Tensor:
        """The mean distance from grey that the colours of a photo have, in ab units."""
        chroma = torch.linalg.vector_norm(self.colors, dim=1).to(log_p)
        return torch.einsum("bkhw,k->bhw", log_p.exp(), chroma).mean()

    def log_prob(self, log_p: Tensor, ab: Tensor) -> Tensor:
        """Log-probability of the colours ab (n, 2, h, w) at each place, (n, h, w).

        A colour is shared among the four classes around it (bilinear weights), so that the expected
        colour of an exact prediction is exactly that colour.

        log_p: (n, K * K, h, w), or (1, ...) for all.
        """
        log_p = log_p.expand(len(ab), -1, -1, -1)
        place = (ab / self.spacing + self.per_axis // 2).clamp(0, self.per_axis - 1.001)
        low = place.floor()
        share, low = place - low, low.long()
        total = torch.zeros_like(ab[:, 0])
        for i in (0, 1):
            for j in (0, 1):
                index = (low[:, 0] + i) * self.per_axis + low[:, 1] + j
                share_a = share[:, 0] if i else 1 - share[:, 0]
                share_b = share[:, 1] if j else 1 - share[:, 1]
                total = total + share_a * share_b * log_p.gather(1, index[:, None])[:, 0]
        return total


class ConvSubnet(nn.Module):
    """The network inside a coupling: three convolutions over [x, coarser values] and the features.

    A convolution is linear, so the one over the features runs once for all samples of a photo. The
    last one starts at zero: the coupling starts as the identity.
    """

    def __init__(self, inputs: int, outputs: int, features: int, coarser: int, hidden: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(inputs + coarser, hidden, 3, padding=1)
        self.features = nn.Conv2d(features, hidden, 1, bias=False)
        self.second = nn.Conv2d(hidden, hidden, 1)
        self.last = zeros(nn.Conv2d(hidden, outputs, 3, padding=1))

    def forward(self, x: Tensor, condition: LevelCondition) -> Tensor:
        """x (B * n, inputs, H, W) -> (B * n, outputs, H, W)."""
        if condition.coarser is not None:
            x = torch.cat([x, condition.coarser], 1)
        hidden = add_to_samples(self.first(saturated(x)), self.features(condition.features))
        return self.last(F.gelu(self.second(F.gelu(hidden))))


class PriorNetwork(nn.Module):
    """Mean and log-scale of a `ConditionalGaussian`, from the features and the coarser values."""

    def __init__(self, outputs: int, features: int, coarser: int, hidden: int) -> None:
        super().__init__()
        self.features = nn.Conv2d(features, hidden, 1)
        self.coarser = nn.Conv2d(coarser, hidden, 1) if coarser else None
        self.last = zeros(nn.Conv2d(hidden, outputs, 1))

    def forward(self, condition: LevelCondition) -> Tensor:
        hidden = self.features(condition.features)
        if self.coarser is not None:
            hidden = add_to_samples(self.coarser(saturated(condition.coarser)), hidden)
        return self.last(F.gelu(hidden))


def zeros(layer: nn.Conv2d | nn.Linear) -> nn.Conv2d | nn.Linear:
    """The layer with weights and biases of 0, as the last of a network is before it is trained."""
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def saturated(x: Tensor, limit: float = 8.0) -> Tensor:
    """x where it is small, and never beyond the limit: what a subnet may see of values.

    Without it a rare sample outside of the training data is scaled up more and more from coupling
    to coupling and from level to level.
    """
    return x * (1 + (x / limit).square()).rsqrt()
