"""The colours of a film, picture by picture: one latent a shot, and ab that moves with what it is
on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import cv2
import numpy as np
import torch

from cinn_hub.color import to_rgb
from cinn_hub.colorization import Colorization, PreparedPhoto
from cinn_hub.film.motion import Motion
from cinn_hub.film.reading import Picture
from cinn_hub.flow import Condition
from cinn_hub.latent import Latent
from cinn_hub.photos import GuidedEnlargement, Photo
from cinn_hub.photos.content import Content
from cinn_hub.photos.rendering import box

EVERY = 4  # pictures from one that the network sees to the next
MEMORY = 12  # pictures that the network saw, of which the colours are about the mean
# What is new gets the colours of what is known up to so many pixels away and about so many units of
# L apart, if that is such a share of all that is so near
AROUND, TONE, LEAST_AROUND = 20, 12.0, 0.003
MUCH = 0.2  # share of a picture that is new, so that the network sees it at once


class Colorer(Protocol):
    """What a film needs of a model; `ColorModel` has it."""

    fingerprint: str

    def prepare(self, photo: Photo) -> PreparedPhoto: ...

    def center(self, condition: Condition) -> Latent | None: ...

    def colorize(self, photo: PreparedPhoto, n: int, **wanted: Any) -> list[Colorization]: ...

    def fitted(self, z: Latent, rows: int | None = None) -> Latent: ...

    def decode(self, z: Latent, condition: Condition) -> torch.Tensor: ...


Choose = Callable[[PreparedPhoto, int], Latent]
"""The latent of a shot, one row, given its first picture and its number, from 1."""


@dataclass(frozen=True, eq=False)
class Track:
    """What is known after a picture of a shot.

    Attributes:
        time: of the picture; shot: its number, from 1.
        noise: the shot's latent without what draws are spread around, see `Latent.noise_of`: that
            is another one for each picture.
        guide: (h, w) float32, the picture's L, see `guide_of`.
        small: (s, s, 2) float32, ab of the latest picture that the network saw, squeezed.
        age: how many pictures ago that was.
        mean: (h, w, 2) float32, the picture's ab: the running mean of what the network saw there.
        seen: (h, w) float32, of how many pictures that is the mean.
    """

    time: int
    shot: int
    noise: Latent
    guide: np.ndarray
    small: np.ndarray
    age: int
    mean: np.ndarray
    seen: np.ndarray

    def updated(self) -> Track:
        """With what the network saw, if that was just now; else what is new gets the colours of
        what is around it and as light, until the network sees it."""
        if self.age and self.seen.all():
            return self
        guide = self.guide
        target = GuidedEnlargement.of(self.small, guide).rows(guide, slice(0, None))
        content = Content.of(guide)
        target *= np.outer(content.rows, content.columns)[..., None]
        if self.age == 0:
            mean = self.mean + (target - self.mean) / (1 + self.seen)[..., None]
            return replace(self, mean=mean, seen=np.minimum(self.seen + 1, MEMORY))
        known = (self.seen > 0).astype(np.float32)[..., None]
        around, share = filled(self.mean, known, guide[..., None])
        new = np.where(share > LEAST_AROUND, around, target)
        return replace(self, mean=np.where(known > 0, self.mean, new))


def filled(ab: np.ndarray, known: np.ndarray, guide: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mean ab (h, w, 2) of what is around each pixel, about as light, and known, (h, w, 1) of 0
    and 1; and the share of that in what is around: a bilateral grid (Chen et al. 2007)."""
    step = guide / TONE
    total, share = np.zeros_like(ab), np.zeros_like(known)
    for tone in range(int(step.min()), int(step.max()) + 2):
        alike = np.clip(1 - abs(step - tone), 0, 1)
        total += alike * box(alike * known * ab, AROUND)
        share += alike * box(alike * known, AROUND)
    return total / np.maximum(share, 1e-6), share


@dataclass(frozen=True)
class Painter:
    """Colours the pictures of a film, each given the one before.

    choose: gives the latent of a shot.
    """

    model: Colorer
    choose: Choose

    def begin(self, picture: Picture, guide: np.ndarray, shot: int) -> Track:
        """The first picture of a shot."""
        prepared = self.model.prepare(Photo(picture.lightness, name=f"shot {shot}"))
        latent = self.model.fitted(self.choose(prepared, shot))
        noise = latent.noise_of(self.model.center(prepared.condition))
        nothing = np.zeros((*guide.shape, 2), np.float32)
        small = self.look(prepared, noise)
        track = Track(picture.time, shot, noise, guide, small, 0, nothing, nothing[..., 0])
        return track.updated()

    def follow(self, track: Track, picture: Picture, guide: np.ndarray, motion: Motion) -> Track:
        """The next picture of the shot."""
        mean, seen, age = motion.carry(track.mean), motion.carry(track.seen), track.age + 1
        small = track.small
        if age >= EVERY or (seen == 0).mean() > MUCH:
            prepared = self.model.prepare(Photo(picture.lightness, name=f"shot {track.shot}"))
            small, age = self.look(prepared, track.noise), 0
        return Track(picture.time, track.shot, track.noise, guide, small, age, mean, seen).updated()

    @torch.no_grad()
    def look(self, prepared: PreparedPhoto, noise: Latent) -> np.ndarray:
        """ab (s, s, 2) of a picture with the shot's noise; none where nothing is to be seen."""
        noise = self.model.fitted(noise)
        center = self.model.center(prepared.condition)
        ab = self.model.decode(noise.placed(center), prepared.condition)
        small = np.ascontiguousarray(ab[0].permute(1, 2, 0).float().cpu().numpy())
        detail = 1.0 if noise.hinted else Content.of(prepared.lightness).detail
        return small * np.float32(detail)


def paint(lightness: np.ndarray, ab: np.ndarray) -> np.ndarray:
    """sRGB (H, W, 3) uint8 of this L (H, W) with ab (h, w, 2) enlarged."""
    enlarged = cv2.resize(ab, lightness.shape[::-1], interpolation=cv2.INTER_LINEAR)
    return to_rgb(np.dstack([lightness, enlarged]))
