"""ColorizationCINN: ab given L, by a condition network and a flow of cells, mood and details."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch.nn.functional as F
from torch import Tensor

from cinn_hub.choosing import Judgement, judge
from cinn_hub.color_model import ColorModel
from cinn_hub.config import Config, bounded
from cinn_hub.errors import quoted
from cinn_hub.flow import Condition
from cinn_hub.latent import Latent
from cinn_hub.models.color_flow import CELLS, DETAILS, GRAIN, MOOD, THINGS, ColorFlow
from cinn_hub.networks import ColorBins, ConditionNetwork, resized

LEVELS = (MOOD, THINGS, DETAILS, GRAIN)
CLASSES = "classes"  # in a condition: the log-probabilities of the classes of colour
MOST_LOOKS = 8
MOST_COUPLINGS = 256  # in a whole model; each takes milliseconds to build


@dataclass(frozen=True)
class ColorizationConfig(Config):
    """The shape of a `ColorizationCINN`, and facts of its training that it needs.

    image_size, ab_size: side in pixels of the L and of the ab that the networks see.
    looks: further sides, in pixels, at which the condition network looks at L. What it expects is
        the mean over all of them, which is better than any one look, for a few times its seconds.
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
    looks: tuple[int, ...] = bounded((), 64, 512, any_length=True, optional=True)
    temperature: dict[str, float] = field(default_factory=dict, metadata={"range": (0, 10)})

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.ab_size % 8:
            raise ValueError("ab_size must be a multiple of 8")
        if self.image_size != 4 * self.ab_size:
            raise ValueError("image_size must be four times ab_size")
        if len(self.looks) > MOST_LOOKS or any(side % 32 for side in self.looks):
            raise ValueError(f"looks must be at most {MOST_LOOKS} multiples of 32")
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
        self.flow = ColorFlow(
            config.ab_size // 8,
            *config.channels[1:],
            config.unit,
            config.features,
            config.feature_blocks,
            config.attentions,
            config.couplings,
            config.hidden,
            config.clamp,
        )
        self.latent_shapes = self.flow.latent_shapes

    @property
    def default_temperature(self) -> dict[str, float]:
        return self.config.temperature

    def default_keep(self) -> dict[str, float]:
        return {MOOD: 0.9, THINGS: 0.4, DETAILS: 0.0, GRAIN: 0.0}

    def conditioned_on(self, lightness: Tensor) -> Condition:
        with self.arithmetic():
            lightness = lightness.to(self.dtype)
            maps, log_p = self.look(lightness)
            levels = self.flow.condition(self.parts_of(maps, log_p, lightness))
            return Condition({**levels, CLASSES: log_p})

    def look(self, lightness: Tensor) -> tuple[list[Tensor], Tensor]:
        """L (B, 1, image_size, image_size) -> the condition network's maps, from fine to coarse,
        and the log-probabilities of the classes of colour that it expects after all looks,
        (B, classes, image_size/8, image_size/8)."""
        maps = self.condition_network(lightness)
        others = [self.condition_network(resized(lightness, side))[0] for side in self.config.looks]
        log_p = [self.bins(fine) for fine in (maps[0], *others)]
        return maps, self.bins.averaged(log_p, maps[0].shape[-1])

    def color_classes(self, condition: Condition) -> tuple[Tensor, Tensor]:
        return condition[CLASSES].exp(), self.bins.colors

    def judge(self, ab: Tensor, condition: Condition) -> Judgement:
        cells = F.adaptive_avg_pool2d(ab, self.config.ab_size // 4)  # as those of `small_ab`
        return judge(self.bins, condition[CLASSES], cells)

    def parts(self, lightness: Tensor) -> dict[str, Tensor]:
        """The outputs of the condition network for L (B, 1, image_size, image_size), as
        `ColorFlow.condition` takes them."""
        return self.parts_of(*self.look(lightness), lightness)

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
        small, _ = self.flow.inverse(z.levels, condition, until=CELLS)
        return small * self.unit

    def coarse_ab(self, z: Latent, condition: Condition) -> Tensor:
        return F.avg_pool2d(self.small_ab(z, condition), 2)
