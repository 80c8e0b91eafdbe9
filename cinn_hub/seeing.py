"""SeeingModel: what a colour model sees in a photo, once for all colourings of it."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cinn_hub import photos
from cinn_hub.colorization import PreparedPhoto
from cinn_hub.errors import CinnHubError
from cinn_hub.flow import Condition
from cinn_hub.guidance import GREY, cell_of, read_hints, spot_weights
from cinn_hub.latent import Latent, check_count
from cinn_hub.model import ConditionalINN
from cinn_hub.palette import PossibleColor, possible_colors

COARSE_CELLS = 8  # along each side

AnyPhoto = photos.PhotoLike | PreparedPhoto


class SeeingModel(ConditionalINN):
    """A model of ab given L: its condition, and which colours that makes possible.

    A subclass has `config` with `image_size`, `ab_size` (sides in pixels of the L and the ab that
    the networks see), and says how L becomes a condition. `ColorModel` makes colourings of it.

    Attributes:
        has_classes: whether there are `color_classes` and `plausibility`, which pools and
            `colors_at` need.
    """

    has_classes = False

    def condition(self, lightness: Tensor) -> Condition:
        """L (B, 1, image_size, image_size) in [0, 100] -> the features of each level."""
        raise NotImplementedError

    def color_classes(self, condition: Condition) -> tuple[Tensor, Tensor]:
        """The colours that each place of a photo may have, whatever colours the other places have.

        Returns:
            probabilities (B, M, h, w) of M classes of colour, and their ab (M, 2) in ab units.

        Raises:
            CinnHubError: the model has no classes of colour.
        """
        raise self.without_classes()

    def plausibility(self, ab: Tensor, condition: Condition) -> Tensor:
        """How believable each colouring ab (n, 2, h, w) of one photo is, (n,); higher is better.

        See `ColorBins.plausibility`.

        Raises:
            CinnHubError: the model has no classes of colour.
        """
        raise self.without_classes()

    def without_classes(self) -> CinnHubError:
        return CinnHubError(
            f"The model {self.name} does not say which colours are possible; use one that does, "
            "such as imagenet."
        )

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

    def expected_ab(self, condition: Condition, side: int) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of the colours that are possible, each (2, side, side)."""
        probabilities, ab = self.color_classes(condition)
        p = F.adaptive_avg_pool2d(probabilities[0], side)
        mean, square = (torch.einsum("mhw,mc->chw", p, x) for x in (ab, ab.square()))
        return mean, (square - mean.square()).clamp_min(0).sqrt()

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
