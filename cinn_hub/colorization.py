"""ColorizationCINN: L -> condition, ab <-> z; photos in, photos out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from cinn_hub import photos
from cinn_hub.color import fit_gamut, mean_chroma, to_lab
from cinn_hub.color_flow import CELLS, DETAILS, GRAIN, MOOD, THINGS, ColorFlow
from cinn_hub.config import Config
from cinn_hub.errors import CinnHubError, PhotoError
from cinn_hub.guidance import (
    REACH,
    Hint,
    HintLike,
    derivative,
    guide,
    read_hints,
    spot_weights,
)
from cinn_hub.model import (
    Condition,
    ConditionalINN,
    Latent,
    Temperature,
    check_seed,
    check_temperature,
    fresh_seed,
)
from cinn_hub.networks import ColorBins, ConditionNetwork


@dataclass(frozen=True)
class ColorizationConfig(Config):
    """The shape of a `ColorizationCINN`, and what it needs to know of its training.

    image_size, ab_size: side in pixels of the L and of the ab that the networks see.
    unit: ab units in one unit of the flow's x.
    noise: standard deviation, in ab units, of the noise that training adds to ab; likelihoods are
        of ab with this noise.
    backbone_width, backbone_depth: multipliers of the EfficientNet-Lite.
    channels: of the condition's maps at image_size/8, /16 and /32.
    features, feature_blocks: width and depth of what the attention between cells knows of them.
    attentions: layers of attention between cells.
    couplings, hidden: of cells (between each two attentions), details and grain; their width.
    temperature: the default for each level that is named, 1 elsewhere.
    """

    architecture: str = "ColorizationCINN"
    image_size: int = 256
    ab_size: int = 64
    unit: float = 15.0
    noise: float = 0.5
    backbone_width: float = 1.0
    backbone_depth: float = 1.0
    channels: tuple[int, ...] = (64, 128, 256)
    attention_blocks: int = 2
    conv_blocks: int = 2
    features: int = 192
    feature_blocks: int = 2
    attentions: int = 5
    couplings: tuple[int, ...] = (2, 3, 3)
    hidden: tuple[int, ...] = (128, 64, 32)
    clamp: float = 1.0
    temperature: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.ab_size < 16 or self.ab_size % 8:
            raise ValueError("ab_size must be a multiple of 8, and 16 or more")
        if self.image_size != 4 * self.ab_size:
            raise ValueError("image_size must be four times ab_size")
        if len(self.channels) != 3 or self.channels[-1] % 32:
            raise ValueError("channels must be three numbers, the last a multiple of 32")
        if self.features % 32:
            raise ValueError("features must be a multiple of 32")
        sizes = (*self.channels, *self.hidden, self.backbone_width, self.backbone_depth)
        if min(*sizes, self.unit, self.clamp) <= 0:
            raise ValueError("sizes, unit and clamp must be above 0")
        if not len(self.couplings) == len(self.hidden) == 3:
            raise ValueError("couplings and hidden need 3 entries: of cells, details and grain")


@dataclass(frozen=True)
class PreparedPhoto:
    """A photo with its condition: everything that is computed once, however many samples follow.

    size: (width, height) that the pixels of hints count in.
    """

    photo: photos.Photo
    condition: Condition
    size: tuple[int, int]

    def shrunk(self, long_side: int) -> PreparedPhoto:
        """The same, with the photo at `long_side` pixels or fewer: to be held in memory."""
        return replace(self, photo=photos.shrunk(self.photo, long_side))


@dataclass(frozen=True, eq=False)
class Colorization:
    """One colouring of a photo: a latent, its small ab and its likelihood.

    The picture itself is made when somebody asks for it: `preview` or `image`.

    Attributes:
        ab: (ab_size, ab_size, 2) float32, of the photo squeezed to a square.
        latent: one row; `colorize(photo, latent=latent)` gives the same colours again.
        log_prob: log p(ab | L) in nats; bits_per_dim: the same per ab value, less is likelier.
        settings: what is needed to make it again: model, seed, temperature, which sample.
    """

    photo: photos.Photo
    ab: np.ndarray
    latent: Latent
    log_prob: float
    bits_per_dim: float
    settings: dict[str, str]

    def preview(self, size: int = 1024) -> Image.Image:
        """The colouring with `size` pixels on its longer side, or fewer if the photo has fewer."""
        return photos.render_preview(self.photo, self.ab, size)

    @cached_property
    def image(self) -> Image.Image:
        """The colouring at the photo's own size; its L is the photo's L. Kept once made."""
        return photos.render(self.photo, self.ab)

    @cached_property
    def layer(self) -> Image.Image:
        """The colours alone, at the photo's own size and one lightness: to be laid over the grey
        photo in an image editor, in the mode "Color"."""
        return photos.render_layer(self.photo, self.ab)

    @property
    def chroma(self) -> float:
        """How colourful it is: the mean distance from grey, in ab units."""
        return mean_chroma(self.ab)

    def with_intensity(self, intensity: float) -> Colorization:
        """The same colours, paler (below 1) or stronger (above).

        Latent and likelihood stay those of the colours as they were drawn.
        """
        if not 0 <= intensity <= 3:
            raise CinnHubError(f"The intensity is {intensity:g}; it must be from 0 to 3.")
        total = intensity * float(self.settings.get("intensity", 1))
        settings = {**self.settings, "intensity": f"{total:g}"}
        return replace(self, ab=self.ab * np.float32(intensity), settings=settings)

    def on(self, photo: photos.Photo) -> Colorization:
        """The same colours on the same photo at another size."""
        return replace(self, photo=photo)

    def save(self, path: str | Path, quality: int = 95) -> None:
        """Writes the full-size picture with the photo's EXIF and the settings; see `photos.save`.

        Raises:
            PhotoError: the suffix is of no known format, or the folder cannot be written to.
        """
        image = vars(self).get("image") or photos.render(self.photo, self.ab)  # not to be kept
        photos.save(image, path, settings=self.settings, quality=quality)


class ColorizationCINN(ConditionalINN):
    """Colours for a lightness: ab at 64x64 given L at 256x256, coarse to fine.

    The condition network says which colours are to be expected, and what it sees. `ColorFlow`
    models how the colours differ from that, as one exactly invertible map.
    """

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

    def condition(self, lightness: Tensor) -> Condition:
        """L (B, 1, image_size, image_size) in [0, 100] -> what each level of the flow is given."""
        with self.arithmetic():
            return Condition(self.flow.condition(self.parts(lightness.to(self.dtype))))

    def parts(self, lightness: Tensor) -> dict[str, Tensor]:
        """What the condition network says of L, for `ColorFlow.condition`."""
        fine, middle, coarse = self.condition_network(lightness)
        expected, spread = self.bins.mean_and_spread(self.bins(fine))
        return {
            "middle": middle,
            "coarse": coarse,
            "expected": expected,
            "spread": spread,
            "lightness": F.avg_pool2d(lightness, 4),
        }

    def temperature(self, scale: float = 1.0) -> dict[str, float]:
        """The default temperature of each level, times `scale`."""
        check_temperature(scale, ["every level"])
        default = check_temperature(self.config.temperature, list(self.latent_shapes))
        return {level: scale * value for level, value in default.items()}

    @torch.no_grad()
    def prepare(self, photo: photos.PhotoLike | PreparedPhoto) -> PreparedPhoto:
        """Reads the photo and runs the condition network, once for all that follows.

        The network sees the whole photo squeezed to a square, so colours do not depend on its size.

        Raises:
            PhotoError: this is no photo that can be read.
        """
        if isinstance(photo, PreparedPhoto):
            return photo
        photo = photos.read(photo)
        small = photos.squeeze(photo.lightness, self.config.image_size)
        lightness = torch.from_numpy(small)[None, None].to(self.device)
        return PreparedPhoto(photo, self.condition(lightness), photo.size)

    @torch.no_grad()
    def colorize(
        self,
        photo: photos.PhotoLike | PreparedPhoto,
        n: int = 8,
        temperature: Temperature | None = None,
        seed: int | None = None,
        latent: Latent | None = None,
        hints: Sequence[HintLike] = (),
        reach: float = REACH,
    ) -> list[Colorization]:
        """n different colourings of one photo.

        Arguments:
            photo: path, file, bytes, PIL image, array, or what `prepare` returned.
            temperature: scale of z, one number or one a level; the model's default if not given.
            seed: the same seed gives the same colourings, sample i whatever n; a fresh one if not
                given, to be found in `settings`.
            latent: decode these latents instead of drawing; n, temperature and seed are not used.
            hints: (x, y, "#rrggbb"), pixels of the photo: every colouring gets about that colour
                there, and what belongs to the same thing follows. See `guidance`.
            reach: how far, in ab units, the rest of a colouring may move with the hints; a large
                number lets the whole photo follow.

        Raises:
            PhotoError: this is no photo that can be read.
            CinnHubError: n, temperature, seed, reach or a hint is out of range.
        """
        counted = "sample" if latent is None else None
        if latent is None:
            latent = self.drawn(n, temperature, seed)
        prepared = self.prepare(photo)
        if hints:
            latent = self.guided(prepared, latent, read_hints(hints, prepared.size), reach)
        return self.results(prepared, latent, counted)

    def drawn(self, n: int, temperature: Temperature | None, seed: int | None) -> Latent:
        """`draw` with this model's default temperature, and with how it was drawn as settings."""
        seed = fresh_seed() if seed is None else check_seed(seed)
        temperature = self.temperature() if temperature is None else temperature
        by_level = check_temperature(temperature, list(self.latent_shapes))
        settings = {"seed": str(seed), "temperature": describe_by_level(by_level)}
        return Latent(self.draw(n, temperature, seed).levels, settings)

    def guided(
        self, prepared: PreparedPhoto, latent: Latent, hints: Sequence[Hint], reach: float
    ) -> Latent:
        """The latents near these whose colourings follow the hints."""
        if not reach > 0:
            raise CinnHubError(f"The reach is {reach:g}; it must be above 0.")
        latent, side = self.fitted(latent), self.config.ab_size
        spots = spot_weights(hints, prepared.size, side)
        lightness = photos.squeeze(prepared.photo.lightness, side)
        at_spots = np.einsum("khw,hw->k", spots.numpy(), lightness)
        wanted = np.stack([hinted_ab(*pair) for pair in zip(hints, at_spots, strict=True)])

        def decode(z: Tensor) -> Tensor:
            return self.decode(latent.unflattened(z), prepared.condition)

        def cells(z: Tensor) -> Tensor:
            levels = latent.unflattened(z).levels
            small = self.flow.inverse(levels, prepared.condition, until=CELLS) * self.unit
            return F.avg_pool2d(small, 2).flatten(1)

        z, colors = latent.flatten(), torch.from_numpy(wanted).to(self.device)
        rest = derivative(cells, torch.zeros_like(z[:1]))
        z = guide(decode, z, spots.to(self.device), colors, rest, reach)
        text = " ".join(f"{hint.x:g},{hint.y:g},{hint.color}" for hint in hints)
        settings = {**latent.settings, "hints": text, "reach": f"{reach:g}"}
        return Latent(latent.unflattened(z).levels, settings)

    @torch.no_grad()
    def similar(
        self,
        photo: photos.PhotoLike | PreparedPhoto,
        latent: Latent,
        n: int = 8,
        amount: float = 0.35,
        seed: int | None = None,
    ) -> list[Colorization]:
        """n colourings near one: its latent, a part of it drawn anew each time.

        amount: how much is new; 0 gives the same colouring n times, 1 n unrelated ones.
        """
        fresh = self.drawn(n, None, seed)
        near = self.fitted(latent, rows=1).repeated(n).renewed(fresh, amount)
        settings = {"near": describe(latent.settings), "amount": f"{amount:g}", **fresh.settings}
        return self.results(self.prepare(photo), Latent(near.levels, settings), "sample")

    @torch.no_grad()
    def explore(
        self,
        photo: photos.PhotoLike | PreparedPhoto,
        side: int = 5,
        temperature: Temperature | None = None,
        seed: int | None = None,
    ) -> list[Colorization]:
        """A map of colourings, side x side, row by row: a plane through z along two drawn ones.

        The middle is z = 0, the model's most typical colouring; the corners have the temperature.
        """
        if not 2 <= side <= 15:
            raise CinnHubError(f"The side of the map is {side}; it must be from 2 to 15.")
        axes = self.drawn(2, temperature, seed)
        across, down = axes[0], axes[1]
        places = np.linspace(-1, 1, side) * 0.5**0.5
        cells = [(x, y) for y in places for x in places]

        def plane(level: str) -> Tensor:
            return torch.cat([x * across.levels[level] + y * down.levels[level] for x, y in cells])

        settings = {**axes.settings, "side": str(side)}
        latent = Latent({level: plane(level) for level in axes.levels}, settings)
        return self.results(self.prepare(photo), latent, "cell")

    @torch.no_grad()
    def interpolate(
        self, photo: photos.PhotoLike | PreparedPhoto, a: Latent, b: Latent, steps: int = 9
    ) -> list[Colorization]:
        """The way from one colouring to another, both included, along a great circle in z."""
        if steps < 2:
            raise CinnHubError(f"There are {steps} steps; a way needs 2 or more.")
        a, b = self.fitted(a, rows=1), self.fitted(b, rows=1)
        way = Latent.cat([a.slerp(b, i / (steps - 1)) for i in range(steps)])
        settings = {"from": describe(a.settings), "to": describe(b.settings), "steps": str(steps)}
        return self.results(self.prepare(photo), Latent(way.levels, settings), "step")

    @torch.no_grad()
    def latent_of(self, photo: photos.PhotoLike | PreparedPhoto) -> Latent:
        """The latent of a coloured photo's own colours, given its lightness.

        Raises:
            PhotoError: the photo is grey or toned.
        """
        prepared = self.prepare(photo)
        if not photos.is_colored(prepared.photo):
            raise PhotoError(
                f"{prepared.photo.name} has no colours that could be taken; choose a colour photo."
            )
        latent, _ = self.encode(self.own_ab(prepared), prepared.condition)
        return Latent(latent.levels, {"reference": prepared.photo.name})

    def own_ab(self, prepared: PreparedPhoto) -> Tensor:
        """The photo's own small ab, (1, 2, ab_size, ab_size); zero for a grey one."""
        ab = photos.squeezed_ab(prepared.photo, self.config.ab_size)
        return torch.from_numpy(ab).permute(2, 0, 1)[None].contiguous().to(self.device)

    @torch.no_grad()
    def score(self, photo: photos.PhotoLike | PreparedPhoto, seed: int = 0) -> Colorization:
        """How likely a photo's own colours are: `log_prob` and `bits_per_dim` of the result.

        The model's noise is added to ab first, as in training: what is scored is a density of noisy
        ab, so results compare with the figures on the model's card. Colourings that were drawn at a
        low temperature are likelier than real colours: they lack what is rare.

        Raises:
            PhotoError: the photo cannot be read.
        """
        prepared = self.prepare(photo)
        ab = self.own_ab(prepared)
        generator = torch.Generator().manual_seed(check_seed(seed))
        noise = torch.randn(*ab.shape[2:], 2, generator=generator).permute(2, 0, 1).to(self.device)
        latent, _ = self.encode(ab + self.config.noise * noise, prepared.condition)
        settings = {"scored": prepared.photo.name, "seed": str(seed)}
        return self.results(prepared, Latent(latent.levels, settings))[0]

    @torch.no_grad()
    def transfer(
        self,
        photo: photos.PhotoLike | PreparedPhoto | Latent,
        onto: photos.PhotoLike | PreparedPhoto,
        keep: float | Mapping[str, float] | None = None,
        temperature: Temperature | None = None,
        seed: int | None = 0,
    ) -> Colorization:
        """The colour mood of one photo on another: encode under one condition, decode under the
        other (Ardizzone et al. 2019, sec. 4.2).

        Arguments:
            photo: a coloured photo, or its latent from `latent_of`.
            onto: the photo to colour.
            temperature, seed: of what is drawn, as in `colorize`; by default always the same.
            keep: how much of the reference's latent counts, from 0 to 1, one number or one a level;
                the rest is drawn. If not given, most of the coarse levels, less and less of the
                fine ones, whose places mean nothing on another photo. See `default_keep`.

        Raises:
            PhotoError: a photo cannot be read, or the first one has no colours.
        """
        keep = self.default_keep() if keep is None else keep
        kept = dict.fromkeys(self.latent_shapes, 0.0)
        kept |= keep if isinstance(keep, Mapping) else dict.fromkeys(kept, keep)
        reference = photo if isinstance(photo, Latent) else self.latent_of(photo)
        fresh = self.drawn(1, temperature, seed)
        mixed = fresh.renewed(self.fitted(reference, rows=1), kept)
        settings = {**reference.settings, "keep": describe_by_level(kept), **fresh.settings}
        return self.results(self.prepare(onto), Latent(mixed.levels, settings))[0]

    def default_keep(self) -> dict[str, float]:
        """How much of a reference `transfer` keeps at each level."""
        return {MOOD: 0.9, THINGS: 0.4, DETAILS: 0.0, GRAIN: 0.0}

    def results(
        self, prepared: PreparedPhoto, latent: Latent, counted: str | None = None
    ) -> list[Colorization]:
        """The colourings of these latents; `counted` names an entry of settings to number them."""
        latent = self.fitted(latent)
        ab = self.decode(latent, prepared.condition)
        log_prob = self.log_prob(ab, prepared.condition)
        bits = self.bits_per_dim(log_prob).tolist()
        pictures = ab.permute(0, 2, 3, 1).float().cpu().numpy()
        found = []
        for i, (row, picture) in enumerate(zip(latent, pictures, strict=True)):
            number = {counted: str(i)} if counted else {}
            mine = {**latent.settings, **number, "model": self.name}
            row = Latent(row.levels, mine)
            found.append(
                Colorization(prepared.photo, picture, row, log_prob[i].item(), bits[i], mine)
            )
        return found


def hinted_ab(hint: Hint, lightness: float) -> np.ndarray:
    """ab (2,) of the hint's colour, as far as it exists at the photo's lightness there."""
    lab = to_lab(np.array([[hint.rgb]], np.uint8))
    lab[..., 0] = lightness
    return fit_gamut(lab)[0, 0, 1:]


def describe(settings: Mapping[str, str]) -> str:
    """As text for metadata: "seed 7, sample 2"."""
    return ", ".join(f"{key} {value}" for key, value in settings.items() if key != "model")


def describe_by_level(values: Mapping[str, float]) -> str:
    """As text for metadata: "0.8" for all levels, or "1x1=0.9 2x2=0.8"."""
    if len(different := set(values.values())) == 1:
        return f"{different.pop():g}"
    return " ".join(f"{level}={value:g}" for level, value in values.items())
