"""ColorModel: photos in, photos out, for any architecture that gives ab for L."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cinn_hub import choosing, photos
from cinn_hub.choosing import POOL, Judgement, PossibleColor, possible_colors
from cinn_hub.colorization import Colorization, PreparedPhoto
from cinn_hub.errors import CinnHubError, PhotoError
from cinn_hub.flow import Condition
from cinn_hub.hints import (
    GREY,
    REACH,
    Hint,
    HintLike,
    cell_of,
    check_reach,
    derivative,
    guide,
    hinted_ab,
    read_hints,
    spot_weights,
)
from cinn_hub.latent import (
    AT_ONCE,
    Latent,
    Temperature,
    by_level_as_text,
    check_count,
    check_seed,
    nested,
)
from cinn_hub.model import ConditionalINN
from cinn_hub.questions import DRAWS, Question, telling_spots

if TYPE_CHECKING:
    from cinn_hub.film import Shot
    from cinn_hub.film.filming import OnPicture

COARSE_CELLS = 8  # along each side
KEPT = "coarse derivative"
MAP_SIDES = (2, 15)  # cells along each side of a map

AnyPhoto = photos.PhotoLike | photos.SqueezedPhoto | PreparedPhoto


class ColorModel(ConditionalINN):
    """Colours for a lightness: x is the ab of a photo squeezed to a square, the condition its L.

    A subclass has `config` with `image_size`, `ab_size` (sides in pixels of the L and the ab that
    the networks see) and `noise` (what training adds to ab, in ab units), and says how L becomes a
    condition, which colours that makes possible, and how much of a reference `transfer` keeps.
    """

    has_classes = False

    def condition(self, lightness: Tensor) -> Condition:
        """L (B, 1, image_size, image_size) in [0, 100] -> the features of each level.

        Raises:
            CinnHubError: L has another shape, or values that no L has.
        """
        side = self.config.image_size
        if lightness.dim() != 4 or lightness.shape[1:] != (1, side, side):
            raise CinnHubError(
                f"L has the shape {tuple(lightness.shape)}; it must be (B, 1, {side}, {side})."
            )
        least, most = (x.item() for x in lightness.aminmax())
        if not (lightness.is_floating_point() and least >= -1 and (most == 0 or 1 < most <= 101)):
            raise CinnHubError(
                f"L has values of {lightness.dtype} from {least:g} to {most:g}; it must have "
                "floating-point values in [0, 100]."
            )
        return self.conditioned_on(lightness)

    def conditioned_on(self, lightness: Tensor) -> Condition:
        """As `condition`, of an L that is one."""
        raise NotImplementedError

    def color_classes(self, condition: Condition) -> tuple[Tensor, Tensor]:
        """The colours that each place of a photo may have, whatever colours the other places have.

        Returns:
            probabilities (B, M, h, w) of M classes of colour, and their ab (M, 2) in ab units.

        Raises:
            CinnHubError: the model has no classes of colour.
        """
        raise self.without_classes()

    def judge(self, ab: Tensor, condition: Condition) -> Judgement:
        """How believable each colouring ab (n, 2, h, w) of one photo is; see `choosing.judge`.

        Raises:
            CinnHubError: the model has no classes of colour.
        """
        raise self.without_classes()

    def without_classes(self) -> CinnHubError:
        return CinnHubError(
            f"The model {self.name} does not say which colours are possible; use one that does, "
            "such as imagenet."
        )

    def small_ab(self, z: Latent, condition: Condition) -> Tensor:
        """ab of these latents as small as it is judged by, (N, 2, h, w)."""
        return self.decode(z, condition)

    @torch.no_grad()
    def questions(
        self,
        photo: AnyPhoto,
        n: int = 3,
        hints: Sequence[HintLike] = (),
        unknown: Sequence[tuple[float, float]] = (),
        seed: int = 0,
    ) -> list[Question]:
        """The n spots whose colours would settle most, given what is known already.

        Arguments:
            hints: colours that are known.
            unknown: (x, y) of spots whose colour nobody knows.
            seed: of the draws whose differences are to be explained.

        Raises:
            PhotoError: the photo cannot be read.
            CinnHubError: n, seed, a hint or a spot is out of range; or the model has no classes of
                colour.
        """
        check_count(n)
        if not self.has_classes:
            raise self.without_classes()
        prepared = self.prepare(photo)
        draws = self.draw(DRAWS, None, seed, self.center(prepared.condition))
        ab = self.small_ab(draws, prepared.condition)
        side = ab.shape[-1]
        known, skipped = (
            [cell_of(hint, prepared.size, side) for hint in read_hints(spots, prepared.size)]
            for spots in (hints, [(x, y, GREY) for x, y in unknown])
        )
        found = []
        for row, column, share in telling_spots(ab, n, known, skipped):
            x, y = (
                int((k + 0.5) * length / side)
                for k, length in zip((column, row), prepared.size, strict=True)
            )
            found.append(Question(x, y, self.colors_at(prepared, x, y), share))
        return found

    def coarse_ab(self, z: Latent, condition: Condition) -> Tensor:
        """ab of these latents in about 8x8 cells, (N, 2, h, w); `reach` is measured in it."""
        cell = max(1, self.config.ab_size // COARSE_CELLS)
        return F.avg_pool2d(self.decode(z, condition), cell)

    @torch.no_grad()
    def prepare(self, photo: AnyPhoto) -> PreparedPhoto:
        """Reads the photo and runs the condition network, so that later calls need not do it.

        The network sees the whole photo squeezed to a square, so colours do not depend on its size.

        Raises:
            PhotoError: the photo cannot be read.
            CinnHubError: the photo was prepared for another model.
        """
        if isinstance(photo, PreparedPhoto):
            if photo.weights != self.fingerprint:
                raise CinnHubError(
                    f"{photo.photo.name} was prepared for another model; prepare it with this one."
                )
            return photo
        sides = self.config.image_size, self.config.ab_size
        if not isinstance(photo, photos.SqueezedPhoto):
            photo = photos.SqueezedPhoto.of(photos.read(photo), *sides)
        lightness = torch.from_numpy(photo.lightness)[None, None].to(self.device)
        return PreparedPhoto(
            photo=photo.photo,
            condition=self.conditioned_on(lightness),
            size=photo.size,
            lightness=photos.squeeze(photo.lightness, self.config.ab_size),
            ab=photo.ab,
            colored=photo.colored,
            weights=self.fingerprint,
        )

    def expected_ab(self, condition: Condition) -> Tensor:
        """The mean of the colours that are possible at each place, (B, 2, h, w) in ab units."""
        probabilities, ab = self.color_classes(condition)
        return torch.einsum("bmhw,mc->bchw", probabilities, ab)

    @torch.no_grad()
    def colors_at(self, photo: AnyPhoto, x: float, y: float, n: int = 6) -> list[PossibleColor]:
        """Up to n different colours that are possible at a pixel of the photo, the likeliest first.

        They are as light as the photo is there, and can be given as hints.

        Raises:
            PhotoError: the photo cannot be read.
            CinnHubError: the pixel lies outside the photo, or n is less than 1.
        """
        check_count(n)
        prepared = self.prepare(photo)
        spot = read_hints([(x, y, GREY)], prepared.size)
        weights = spot_weights(spot, prepared.size, self.config.ab_size)[0].numpy()
        lightness = float((weights * prepared.lightness).sum())
        probabilities, ab = self.color_classes(prepared.condition)
        row, column = cell_of(spot[0], prepared.size, probabilities.shape[-1])
        p = probabilities[0, :, row, column].float().cpu().numpy()
        return possible_colors(p, ab.float().cpu().numpy(), lightness, n)

    def as_x(self, ab: np.ndarray) -> Tensor:
        """ab (ab_size, ab_size, 2) -> (1, 2, ab_size, ab_size) on this model's device."""
        return torch.from_numpy(ab).permute(2, 0, 1)[None].contiguous().to(self.device)

    def default_keep(self) -> dict[str, float]:
        """How much of a reference `transfer` keeps at each level, from 0 to 1."""
        raise NotImplementedError

    @torch.no_grad()
    def colorize(
        self,
        photo: AnyPhoto,
        n: int = 8,
        temperature: Temperature | None = None,
        seed: int | None = None,
        latent: Latent | Sequence[Latent] | None = None,
        hints: Sequence[HintLike] = (),
        reach: float = REACH,
        pool: int | None = POOL,
        mood: Latent | None = None,
    ) -> list[Colorization]:
        """n different colourings of one photo.

        Arguments:
            photo: path, file, bytes, PIL image, array, or what `prepare` returned.
            n, temperature, seed, pool, mood: see `draws`.
            latent: decode this instead of drawing; what `draws` takes is ignored. One `Latent` of
                one or more rows, or a list of them, each with settings of its own.
            hints: (x, y, "#rrggbb"), in pixels of the photo: every colouring gets about that colour
                there ("#808080": no colour), and what belongs to the same thing follows. A fourth
                value is the hint's own reach. See `hints`.
            reach: how far, in ab units, the rest of a colouring may move with the hints; a large
                number lets the whole photo follow.

        Raises:
            PhotoError: the photo cannot be read.
            CinnHubError: n, temperature, seed, reach, pool or a hint is out of range.
        """
        prepared = self.prepare(photo)
        if latent is None:
            rows = self.draws(prepared.condition, n, temperature, seed, pool, mood)
        else:
            latents = [latent] if isinstance(latent, Latent) else latent
            rows = [row for one in latents for row in self.fitted(one)]
        if spots := read_hints(hints, prepared.size):
            rows = self.guided(prepared, rows, spots, reach)
        return self.results(prepared, rows)

    @torch.no_grad()
    def draws(
        self,
        condition: Condition,
        n: int = 8,
        temperature: Temperature | None = None,
        seed: int | None = None,
        pool: int | None = POOL,
        mood: Latent | None = None,
    ) -> list[Latent]:
        """The latents of n colourings of a photo, one row each.

        `colorize` decodes them. For more colourings than fit into memory, draw first, and give
        `colorize` some of the latents at a time.

        Arguments:
            condition: of the photo: `prepare(photo).condition`.
            temperature: scale of z around the latent of the expected colours, one number or one
                per level; 0 gives these colours, 1 plain draws. By default the model's own.
            seed: the same seed gives the same colourings. By default a fresh seed, which is in
                `settings`.
            pool: draw so many samples, or n if that is more, and take the n of them that differ
                most and are believable, the most plausible first; see `choosing`. `settings` say
                which sample each is. None, or a model without classes of colour: the first n, and
                sample i does not depend on n.
            mood: of one row, such as an answer's `latent` or `latent_of` a colour photo: its
                coarsest level, the tint of the whole photo, is that of all colourings.

        Raises:
            CinnHubError: n, temperature, seed or pool is out of range, or the mood belongs to
                another model.
        """
        everyone = pool is None or not self.has_classes
        pool = check_count(n) if everyone else max(check_count(pool, "The pool"), check_count(n))
        latent = self.draw(pool, temperature, seed, self.center(condition))
        if mood is not None:
            shared = self.fitted(mood, rows=1).repeated(pool)
            latent = latent.mix(shared, [next(iter(self.latent_shapes))])
            latent = replace(latent, settings=latent.settings | nested("mood", mood.settings))
        if everyone:
            return latent.numbered("sample")
        ab = self.small_ab(latent, condition)
        draws = latent.numbered("sample", pool=str(pool))
        return [draws[i] for i in choosing.choose(ab, self.judge(ab, condition), n)]

    def center(self, condition: Condition) -> Latent | None:
        """The latent of the expected colours; None of a model without classes of colour."""
        if not self.has_classes:
            return None
        side = self.config.ab_size
        enlarged = F.interpolate(self.expected_ab(condition), (side, side), mode="bilinear")
        return self.encode(enlarged, condition)[0]

    def guided(
        self,
        prepared: PreparedPhoto,
        latents: Sequence[Latent],
        hints: Sequence[Hint],
        reach: float,
    ) -> list[Latent]:
        """The latents near these whose colourings follow the hints."""
        check_reach(reach)
        with torch.inference_mode(False), torch.no_grad():  # a derivative is needed
            spots = spot_weights(hints, prepared.size, self.config.ab_size)
            at_spots = np.einsum("khw,hw->k", spots.numpy(), prepared.lightness)
            wanted = np.stack([hinted_ab(*pair) for pair in zip(hints, at_spots, strict=True)])
            reaches = [hint.reach or reach for hint in hints]
            condition = prepared.condition.map(torch.clone)
            rest = self.coarse_derivative(prepared)
            start = self.fitted(Latent.cat(latents))

            def decode(z: Tensor) -> Tensor:
                return self.decode(start.unflattened(z), condition)

            z = start.flatten().clone()
            known = (spots.to(z), torch.from_numpy(wanted).to(z), rest, reaches)
            moved = torch.cat([guide(decode, part, *known) for part in z.split(AT_ONCE)])
        about = {"hints": " ".join(map(str, hints)), "reach": f"{reach:.10g}"}
        return [
            replace(
                old, levels=new.levels, hinted=True, settings=before_hints(old.settings) | about
            )
            for old, new in zip(latents, start.unflattened(moved), strict=True)
        ]

    def coarse_derivative(self, prepared: PreparedPhoto) -> Tensor:
        """The derivative at z = 0 of `coarse_ab` by the values of z that it depends on, the first
        ones. Computed once for a photo: it takes as long as dozens of colourings."""
        with prepared.lock, torch.inference_mode(False), torch.no_grad():
            if KEPT not in prepared.kept:
                zero = Latent.standard(self.latent_shapes, [0], self.device).scale(0.0)
                zero = zero.to(self.dtype)
                condition = prepared.condition.map(torch.clone)

                def coarse(z: Tensor) -> Tensor:
                    return self.coarse_ab(zero.unflattened(z), condition).flatten(1)

                whole = derivative(coarse, zero.flatten())
                last = int(whole.any(0).nonzero().max())
                prepared.kept[KEPT] = whole[:, : last + 1].clone()
            return prepared.kept[KEPT]

    @torch.no_grad()
    def similar(
        self,
        photo: AnyPhoto,
        latent: Latent,
        n: int = 8,
        amount: float = 0.35,
        seed: int | None = None,
    ) -> list[Colorization]:
        """n colourings near a given one: each has its latent, with a part drawn anew, at the
        temperature at which it was drawn.

        amount: how much is new, from 0 (n times the same colouring) to 1 (n unrelated ones).
        """
        prepared = self.prepare(photo)
        center = self.center(prepared.condition)
        noise = self.fitted(latent, rows=1).noise_of(center)
        fresh = self.draw(n, noise.temperatures, seed)
        near = noise.repeated(n).renewed(fresh, amount).placed(center)
        settings = {**nested("near", latent.settings), "seed": fresh.settings["seed"]}
        near = replace(near, settings=settings | {"amount": f"{amount:.10g}"})
        return self.results(prepared, near.numbered("sample"))

    @torch.no_grad()
    def explore(
        self,
        photo: AnyPhoto,
        side: int = 5,
        temperature: Temperature | None = None,
        seed: int | None = None,
    ) -> list[Colorization]:
        """A map of side x side colourings, row by row: a plane in z, along two drawn latents.

        The middle are the expected colours; the corners are draws at the full temperature.
        """
        least, most = MAP_SIDES
        if not (isinstance(side, int) and least <= side <= most):
            raise CinnHubError(
                f"The side of the map is {side}; it must be a whole number from {least} to {most}."
            )
        prepared = self.prepare(photo)
        center = self.center(prepared.condition)
        axes = self.draw(2, 1.0, seed)
        places = np.linspace(-1, 1, side) * 0.5**0.5
        cells = [(x, y) for y in places for x in places]
        plane = axes.map(lambda z: torch.cat([x * z[:1] + y * z[1:] for x, y in cells]))
        if center is not None:  # as much of it as the corners lack
            lacking = [1 - np.hypot(*cell) for cell in cells]
            plane = plane.plus(center.map(lambda z: torch.cat([k * z for k in lacking])))
        by_level = self.temperatures(temperature)
        settings = axes.settings | {"temperature": by_level_as_text(by_level), "side": str(side)}
        plane = replace(plane.around(center, by_level), settings=settings)
        return self.results(prepared, plane.numbered("cell"))

    @torch.no_grad()
    def interpolate(
        self, photo: AnyPhoto, a: Latent, b: Latent, steps: int = 9
    ) -> list[Colorization]:
        """`steps` colourings on the way from a to b, both included; see `Latent.path`.

        The way leads around what both are spread around, see `Latent.around`.
        """
        prepared = self.prepare(photo)
        center = self.center(prepared.condition)
        ends = [self.fitted(z, rows=1).noise_of(center) for z in (a, b)]
        settings = nested("from", a.settings) | nested("to", b.settings) | {"steps": str(steps)}
        found = []
        for i in range(check_count(steps, "The number of steps", least=2)):
            step = ends[0].slerp(ends[1], i / (steps - 1)).placed(center)
            found.append(replace(step, settings={**settings, "step": str(i)}))
        return self.results(prepared, found)

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
        return self.named(replace(latent, settings={"photo": prepared.photo.name}))

    @torch.no_grad()
    def score(self, photo: AnyPhoto, seed: int = 0) -> Colorization:
        """How likely a photo's own colours are: `log_prob` and `bits_per_dim` of the result.

        First the model's noise is added to ab, as in training, so that results can be compared with
        the figures on the model's card. Colourings made at a low temperature score as likelier than
        real colours, because they lack rare colours.

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
        return self.results(prepared, [replace(latent, settings=settings)])[0]

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
            photo: a colour photo, or its latent from `latent_of`.
            onto: the photo to colour.
            keep: how much of the reference counts, from 0 to 1, one number or one per level;
                the rest is drawn at random. By default most of the coarse levels, and less of the
                fine ones, whose places mean nothing on another photo. See `default_keep`.
            temperature, seed: of the rest, as in `colorize`; by default always the same seed.

        Raises:
            PhotoError: a photo cannot be read, or the first one has no colours.
        """
        keep = self.default_keep() if keep is None else keep
        shares = dict.fromkeys(self.latent_shapes, 0.0)
        shares |= keep if isinstance(keep, Mapping) else dict.fromkeys(shares, keep)
        reference = photo if isinstance(photo, Latent) else self.latent_of(photo)
        prepared = self.prepare(onto)
        center = self.center(prepared.condition)
        fresh = self.draw(1, temperature, seed, center)
        mixed = fresh.noise_of(center).renewed(self.fitted(reference, rows=1), shares)
        spread = {k: 1 - (1 - shares[k]) * (1 - t) for k, t in fresh.temperature.items()}
        mixed = replace(mixed, settings=fresh.settings, temperature=spread).placed(center)
        about = {"keep": by_level_as_text(shares), **nested("reference", reference.settings)}
        return self.results(prepared, mixed.numbered("sample", **about))[0]

    @torch.no_grad()
    def typical(self, photo: AnyPhoto) -> Colorization:
        """The photo in the colours that are expected: temperature 0."""
        prepared = self.prepare(photo)
        return self.results(prepared, self.draws(prepared.condition, 1, 0.0, 0, pool=None))[0]

    def film(
        self,
        path: str | os.PathLike[str],
        out: str | os.PathLike[str],
        on_picture: OnPicture | None = None,
        **wanted: Any,
    ) -> list[Shot]:
        """Colours a film: one latent a shot, the conditions of its pictures, and the running mean
        of ab along the motion.

        L, size, times and sound stay; pictures that are to be turned are written upright, and more
        than 8 bits as 8. A run that was killed goes on after its last finished segment, if all
        arguments are the same; after Ctrl-C, `out` has what was done. Memory does not grow with
        the length. Needs PyAV: `pip install "cinn-hub[film]"`.

        Arguments:
            path: a film that PyAV reads.
            out: .mp4, .mov or .mkv, in H.264; its metadata have the shots.
            wanted: temperature, seed, latent, shot and hints: see `cinn_hub.film.Wish`.

        Raises:
            PhotoError: the film cannot be read, or is HDR.
            CinnHubError: an argument is out of range, or the film cannot be written.
        """
        from cinn_hub.film import Wish, color_film

        return color_film(self, path, out, Wish(**wanted), on_picture)

    def results(self, prepared: PreparedPhoto, latents: Sequence[Latent]) -> list[Colorization]:
        """The colourings of these latents, of one row each."""
        z = Latent.cat(latents)
        ab, log_prob = self.decode_with_log_prob(z, prepared.condition)
        bits = self.bits_per_dim(log_prob).tolist()
        if self.has_classes:
            plausible = self.judge(ab, prepared.condition).plausibility.tolist()
        else:
            plausible = (log_prob / self.dimensions).tolist()
        pictures = ab.permute(0, 2, 3, 1).float().cpu().numpy()
        named = [self.named(latent) for latent in latents]
        return [
            Colorization(
                photo=prepared.photo,
                ab=pictures[i],
                latent=row,
                log_prob=log_prob[i].item(),
                bits_per_dim=bits[i],
                plausibility=plausible[i],
                settings=row.settings,
            )
            for i, row in enumerate(named)
        ]

    def named(self, latent: Latent) -> Latent:
        """The latent with this model's name and weights among its settings."""
        own = {"model": self.public_name, "weights": self.fingerprint}
        return replace(latent, settings={**latent.settings, **own})


def before_hints(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings of a latent as those of what hints make of it: earlier hints stay known."""
    return nested("before", settings) if "hints" in settings else dict(settings)
