"""What goes into colouring and comes out: a photo with its condition, and one colouring of it."""

from __future__ import annotations

import io
import threading
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from cinn_hub import photos
from cinn_hub.color import mean_chroma
from cinn_hub.errors import number_in
from cinn_hub.flow import Condition
from cinn_hub.latent import Latent

MOST_INTENSE = 3
NOTEBOOK_SIZE = 480  # pixels on the longer side of what notebooks show
LAYER_LIGHTNESS = 65.0  # of the colours alone


@dataclass(frozen=True, eq=False)
class PreparedPhoto:
    """A photo with its condition: what is computed once, however many colourings follow.

    Attributes:
        photo: the photo, at its own size or smaller (see `shrunk`).
        condition: what the flow is given of the photo, in one row.
        size: (width, height) of the photo as it was read; hints are in pixels of this size.
        lightness: (ab_size, ab_size) float32, L of the photo squeezed to a square.
        ab: (ab_size, ab_size, 2) float32, the photo's own colours, squeezed likewise; None for a
            grey photo.
        colored: whether the photo has colours, not only the toning of a sepia print.
        weights: fingerprint of the model that it was prepared for.
        kept: results that were computed when first needed, and are used again; use `lock`.
    """

    photo: photos.Photo
    condition: Condition
    size: tuple[int, int]
    lightness: np.ndarray
    ab: np.ndarray | None
    colored: bool
    weights: str
    kept: dict[str, Tensor] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def __repr__(self) -> str:
        colors = "coloured" if self.colored else "grey or toned"
        return f"PreparedPhoto({self.photo.name}, {self.size[0]} x {self.size[1]}, {colors})"

    def shrunk(self, long_side: int) -> PreparedPhoto:
        """The same with the photo at `long_side` pixels or fewer, which takes less memory."""
        return replace(self, photo=photos.shrunk(self.photo, long_side))


@dataclass(frozen=True, eq=False)
class Colorization:
    """One colouring of a photo: a latent, its small ab and its likelihood.

    The picture itself is made on demand: `preview` or `image`.

    Attributes:
        ab: (ab_size, ab_size, 2) float32, the colours, of the photo squeezed to a square.
        latent: the noise, one row; `colorize(photo, latent=latent)` gives the same colours again.
        log_prob: log p(ab | L) in nats, an exact density of ab with the model's noise, in ab units;
            bits_per_dim: the same per ab value; lower is likelier. Pale colourings are likelier
            than real ones, so sort by plausibility.
        plausibility: how believable the colours are beside others of the photo, in nats a place;
            higher is better. See `choosing.judge`; of a model without classes of colour it
            is log_prob per ab value.
        settings: what is needed to make it again, as text: model and weights, seed, temperature,
            number of the sample.
    """

    photo: photos.Photo
    ab: np.ndarray
    latent: Latent
    log_prob: float
    bits_per_dim: float
    plausibility: float
    settings: dict[str, str]

    def __repr__(self) -> str:
        settings = ", ".join(f"{key} {value}" for key, value in self.settings.items())
        return f"Colorization({self.photo.name}, {self.bits_per_dim:.3f} bits/dim, {settings})"

    def _repr_png_(self) -> bytes:
        """A preview, for notebooks."""
        buffer = io.BytesIO()
        self.preview(NOTEBOOK_SIZE).save(buffer, "PNG")
        return buffer.getvalue()

    def preview(self, size: int = 1024) -> Image.Image:
        """The colouring with `size` pixels on its longer side, or fewer if the photo has fewer."""
        return photos.render(photos.shrunk(self.photo, size), self.ab, hinted=self.hinted)

    @cached_property
    def image(self) -> Image.Image:
        """The colouring at the photo's own size; its L is the photo's L. Made once and kept."""
        return photos.render(self.photo, self.ab, hinted=self.hinted)

    @cached_property
    def layer(self) -> Image.Image:
        """The colours alone, at the photo's own size and one lightness. Lay it over the grey photo
        in an image editor, in the mode "Color"."""
        return photos.render(self.photo, self.ab, hinted=self.hinted, flat=LAYER_LIGHTNESS)

    @property
    def hinted(self) -> bool:
        """Whether somebody asked for some of its colours."""
        return self.latent.hinted

    @property
    def chroma(self) -> float:
        """How colourful it is: the mean distance from grey, in ab units."""
        return mean_chroma(self.ab)

    def distance(self, other: Colorization) -> float:
        """The mean distance of its colours from another colouring's, in ab units."""
        return float(np.linalg.norm(self.ab - other.ab, axis=2).mean())

    def with_intensity(self, intensity: float) -> Colorization:
        """The same colours, paler (below 1) or stronger (above).

        Latent and likelihood stay those of the model's own colours.
        """
        intensity = number_in(intensity, "The intensity", 0, MOST_INTENSE)
        total = intensity * float(self.settings.get("intensity", 1))
        settings = {**self.settings, "intensity": f"{total:g}"}
        return replace(self, ab=self.ab * np.float32(intensity), settings=settings)

    def on(self, photo: photos.Photo) -> Colorization:
        """The same colours on the same photo at another size."""
        return replace(self, photo=photo)

    def save(
        self,
        path: str | Path,
        quality: int = 95,
        enlargement: type[photos.Enlargement] = photos.GuidedEnlargement,
    ) -> None:
        """Writes the full-size picture with the photo's EXIF and the settings; see `photos.save`.

        enlargement: of the colours; `originals.bilateral` has that of Ardizzone et al. 2019.

        Raises:
            PhotoError: the suffix is unknown, or the file cannot be written.
        """
        image = vars(self).get("image") if enlargement is photos.GuidedEnlargement else None
        if image is None:  # the rendered one is not kept
            image = photos.render(self.photo, self.ab, enlargement, self.hinted)
        photos.save(image, path, settings=self.settings, quality=quality)
