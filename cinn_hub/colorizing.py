"""ColorModel: photos in, photos out, for any architecture that gives ab for L."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cinn_hub import photos
from cinn_hub.colorization import Colorization, PreparedPhoto
from cinn_hub.errors import CinnHubError, PhotoError
from cinn_hub.flow import Condition
from cinn_hub.guidance import (
    REACH,
    Hint,
    HintLike,
    derivative,
    guide,
    hinted_ab,
    read_hints,
    spot_weights,
)
from cinn_hub.latent import Latent, Temperature, check_seed
from cinn_hub.model import ConditionalINN, describe_by_level

COARSE_CELLS = 8  # along each side
MAP_SIDES = (2, 15)  # cells along each side of a map

AnyPhoto = photos.PhotoLike | PreparedPhoto


class ColorModel(ConditionalINN):
    """Colours for a lightness: x is the ab of a photo squeezed to a square, the condition its L.

    A subclass has `config` with `image_size`, `ab_size` (sides in pixels of the L and the ab that
    the networks see) and `noise` (what training adds to ab, in ab units), and says how L becomes a
    condition and how much of a reference `transfer` keeps.
    """

    def condition(self, lightness: Tensor) -> Condition:
        """L (B, 1, image_size, image_size) in [0, 100] -> the features of each level."""
        raise NotImplementedError

    def default_keep(self) -> dict[str, float]:
        """How much of a reference `transfer` keeps at each level, from 0 to 1."""
        raise NotImplementedError

    def coarse_ab(self, z: Latent, condition: Condition) -> Tensor:
        """ab of these latents in about 8x8 cells, (N, 2, h, w): what a hint's reach is about."""
        cell = max(1, self.config.ab_size // COARSE_CELLS)
        return F.avg_pool2d(self.decode(z, condition), cell)

    @torch.no_grad()
    def prepare(self, photo: AnyPhoto) -> PreparedPhoto:
        """Reads the photo and runs the condition network, once for all that follows.

        The network sees the whole photo squeezed to a square, so colours do not depend on its size.

        Raises:
            PhotoError: the photo cannot be read.
            CinnHubError: it was prepared for another model.
        """
        if isinstance(photo, PreparedPhoto):
            if photo.weights != self.fingerprint:
                raise CinnHubError(
                    f"{photo.photo.name} was prepared for another model; prepare it with this one."
                )
            return photo
        photo = photos.read(photo)
        small = photos.squeeze(photo.lightness, self.config.image_size)
        lightness = torch.from_numpy(small)[None, None].to(self.device)
        return PreparedPhoto(
            photo=photo,
            condition=self.condition(lightness),
            size=photo.size,
            lightness=photos.squeeze(small, self.config.ab_size),
            ab=photos.squeezed_ab(photo, self.config.ab_size) if photo.rgb is not None else None,
            colored=photos.is_colored(photo),
            weights=self.fingerprint,
        )

    @torch.no_grad()
    def colorize(
        self,
        photo: AnyPhoto,
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
            temperature: scale of z, one number or one per level; by default the model's own.
            seed: the same seed gives the same colourings, sample i whatever n is; by default a
                fresh one, which is in `settings`.
            latent: decode these instead of drawing some; n, temperature and seed are ignored.
            hints: (x, y, "#rrggbb"), pixels of the photo: every colouring gets about that colour
                there, and what belongs to the same thing follows. See `guidance`.
            reach: how far, in ab units, the rest of a colouring may move with the hints; a large
                number lets the whole photo follow.

        Raises:
            PhotoError: the photo cannot be read.
            CinnHubError: n, temperature, seed, reach or a hint is out of range.
        """
        index_name = "sample" if latent is None else None
        if latent is None:
            latent = self.draw(n, temperature, seed)
        prepared = self.prepare(photo)
        if hints:
            latent = self.guided(prepared, latent, read_hints(hints, prepared.size), reach)
        return self.results(prepared, latent, index_name)

    def guided(
        self, prepared: PreparedPhoto, latent: Latent, hints: Sequence[Hint], reach: float
    ) -> Latent:
        """The latents near these whose colourings follow the hints."""
        if not reach > 0:
            raise CinnHubError(f"The reach is {reach:g}; it must be above 0, in ab units.")
        with torch.inference_mode(False), torch.no_grad():  # a derivative is needed
            spots = spot_weights(hints, prepared.size, self.config.ab_size)
            at_spots = np.einsum("khw,hw->k", spots.numpy(), prepared.lightness)
            wanted = np.stack([hinted_ab(*pair) for pair in zip(hints, at_spots, strict=True)])
            latent = self.fitted(latent).map(torch.clone)
            condition = prepared.condition.map(torch.clone)

            def decode(z: Tensor) -> Tensor:
                return self.decode(latent.unflattened(z), condition)

            def coarse(z: Tensor) -> Tensor:
                return self.coarse_ab(latent.unflattened(z), condition).flatten(1)

            z = latent.flatten()
            rest = derivative(coarse, torch.zeros_like(z[:1]))
            z = guide(decode, z, spots.to(z), torch.from_numpy(wanted).to(z), rest, reach)
        text = " ".join(f"{hint.x:g},{hint.y:g},{hint.color}" for hint in hints)
        settings = {**latent.settings, "hints": text, "reach": f"{reach:g}"}
        return Latent(latent.unflattened(z).levels, settings)

    @torch.no_grad()
    def similar(
        self,
        photo: AnyPhoto,
        latent: Latent,
        n: int = 8,
        amount: float = 0.35,
        seed: int | None = None,
    ) -> list[Colorization]:
        """n colourings near one: its latent, with a part drawn anew each time.

        amount: how much is new, from 0 (n times the same colouring) to 1 (n unrelated ones).
        """
        fresh = self.draw(n, None, seed)
        near = self.fitted(latent, rows=1).repeated(n).renewed(fresh, amount)
        settings = {"near": describe(latent.settings), "amount": f"{amount:g}", **fresh.settings}
        return self.results(self.prepare(photo), Latent(near.levels, settings), "sample")

    @torch.no_grad()
    def explore(
        self,
        photo: AnyPhoto,
        side: int = 5,
        temperature: Temperature | None = None,
        seed: int | None = None,
    ) -> list[Colorization]:
        """A map of colourings, side x side, row by row: a plane through z along two drawn latents.

        The middle is z = 0, the most typical colouring; the corners have the full temperature.
        """
        least, most = MAP_SIDES
        if not least <= side <= most:
            raise CinnHubError(f"The side of the map is {side}; it must be from {least} to {most}.")
        axes = self.draw(2, temperature, seed)
        places = np.linspace(-1, 1, side) * 0.5**0.5
        cells = [(x, y) for y in places for x in places]
        plane = axes.map(lambda z: torch.cat([x * z[:1] + y * z[1:] for x, y in cells]))
        settings = {**axes.settings, "side": str(side)}
        return self.results(self.prepare(photo), Latent(plane.levels, settings), "cell")

    @torch.no_grad()
    def interpolate(
        self, photo: AnyPhoto, a: Latent, b: Latent, steps: int = 9
    ) -> list[Colorization]:
        """`steps` colourings from one to another, both included; see `Latent.path`."""
        way = self.fitted(a, rows=1).path(self.fitted(b, rows=1), steps)
        settings = {"from": describe(a.settings), "to": describe(b.settings), "steps": str(steps)}
        return self.results(self.prepare(photo), Latent(way.levels, settings), "step")

    @torch.no_grad()
    def latent_of(self, photo: AnyPhoto) -> Latent:
        """The latent of a photo's own colours, given its lightness.

        Raises:
            PhotoError: the photo is grey or toned.
        """
        prepared = self.prepare(photo)
        if not prepared.colored:
            raise PhotoError(
                f"{prepared.photo.name} is grey or toned and has no colours to take; choose a "
                "colour photo."
            )
        latent, _ = self.encode(self.as_x(prepared.ab), prepared.condition)
        return self.named(latent, {"reference": prepared.photo.name})

    @torch.no_grad()
    def score(self, photo: AnyPhoto, seed: int = 0) -> Colorization:
        """How likely a photo's own colours are: `log_prob` and `bits_per_dim` of the result.

        The model's noise is added to ab first, as in training: what is scored is a density of noisy
        ab, so results can be compared with the figures on the model's card. Colourings made at a
        low temperature score as likelier than real colours, because they lack rare colours.

        Raises:
            PhotoError: the photo cannot be read, or is grey.
        """
        prepared = self.prepare(photo)
        if prepared.ab is None:
            raise PhotoError(
                f"{prepared.photo.name} is grey and has no colours to score; choose a colour photo."
            )
        generator = torch.Generator("cpu").manual_seed(check_seed(seed))
        shape = prepared.ab.shape
        noise = torch.randn(*shape, generator=generator, device="cpu", dtype=torch.float32)
        ab = prepared.ab + np.float32(self.config.noise) * noise.numpy()
        latent, _ = self.encode(self.as_x(ab), prepared.condition)
        settings = {"scored": prepared.photo.name, "seed": str(seed)}
        return self.results(prepared, Latent(latent.levels, settings))[0]

    @torch.no_grad()
    def transfer(
        self,
        photo: AnyPhoto | Latent,
        onto: AnyPhoto,
        keep: float | Mapping[str, float] | None = None,
        temperature: Temperature | None = None,
        seed: int | None = 0,
    ) -> Colorization:
        """The colours of one photo on another: encode under one condition, decode under the
        other (Ardizzone et al. 2019, sec. 4.2).

        Arguments:
            photo: a coloured photo, or its latent from `latent_of`.
            onto: the photo to colour.
            keep: how much of the reference's latent counts, from 0 to 1, one number or one a level;
                the rest is drawn. If not given, most of the coarse levels, less and less of the
                fine ones, whose places mean nothing on another photo. See `default_keep`.
            temperature, seed: of the rest, as in `colorize`; by default always the same.

        Raises:
            PhotoError: a photo cannot be read, or the first one has no colours.
        """
        keep = self.default_keep() if keep is None else keep
        shares = dict.fromkeys(self.latent_shapes, 0.0)
        shares |= keep if isinstance(keep, Mapping) else dict.fromkeys(shares, keep)
        reference = photo if isinstance(photo, Latent) else self.latent_of(photo)
        fresh = self.draw(1, temperature, seed)
        mixed = fresh.renewed(self.fitted(reference, rows=1), shares)
        settings = {**reference.settings, "keep": describe_by_level(shares), **fresh.settings}
        return self.results(self.prepare(onto), Latent(mixed.levels, settings))[0]

    @torch.no_grad()
    def distances(self, photo: AnyPhoto, results: Sequence[Colorization]) -> list[float]:
        """How odd each colouring of a photo is: the mean distance of its colours from the photo's
        most typical ones, those of z = 0, in ab units."""
        typical = self.results(self.prepare(photo), self.draw(1, 0.0, seed=0))[0].ab
        return [float(np.linalg.norm(result.ab - typical, axis=2).mean()) for result in results]

    def results(
        self, prepared: PreparedPhoto, latent: Latent, index_name: str | None = None
    ) -> list[Colorization]:
        """The colourings of these latents.

        index_name: the entry of settings that says which row it is, such as "sample".
        """
        ab, log_prob = self.decode_with_log_prob(latent, prepared.condition)
        bits = self.bits_per_dim(log_prob).tolist()
        pictures = ab.permute(0, 2, 3, 1).float().cpu().numpy()
        colorizations = []
        for i, (row, picture) in enumerate(zip(self.fitted(latent), pictures, strict=True)):
            index = {index_name: str(i)} if index_name else {}
            row = self.named(row, index)
            colorizations.append(
                Colorization(
                    prepared.photo, picture, row, log_prob[i].item(), bits[i], row.settings
                )
            )
        return colorizations

    def named(self, latent: Latent, settings: Mapping[str, str]) -> Latent:
        """The latent with these settings added, and with this model's name and weights."""
        own = {"model": self.name, "weights": self.fingerprint}
        return Latent(latent.levels, {**latent.settings, **settings, **own})

    def as_x(self, ab: np.ndarray) -> Tensor:
        """ab (ab_size, ab_size, 2) -> (1, 2, ab_size, ab_size) on this model's device."""
        return torch.from_numpy(ab).permute(2, 0, 1)[None].contiguous().to(self.device)


def describe(settings: Mapping[str, str]) -> str:
    """As text for metadata: "seed 7, sample 2"."""
    own = ("model", "weights")
    return ", ".join(f"{key} {value}" for key, value in settings.items() if key not in own)
