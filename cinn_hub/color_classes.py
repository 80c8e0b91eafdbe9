"""Which colours are possible at each place of a photo, and how plausible a colouring is by them."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

VIVIDNESS_SPREAD = 0.5  # of the logarithm of a photo's mean chroma beside the expected one
FAINTEST = 1.0  # ab units added to both, so that grey has a logarithm


@dataclass(frozen=True, eq=False)
class ColorClasses:
    """Colour as a classification at each place of one photo (Zhang et al. 2016).

    Attributes:
        log_p: (K * K, h, w) log-probabilities of a square grid of ab, a in steps of K, then b;
            grey is in the middle.
        spacing: of the grid, in ab units.
    """

    log_p: Tensor
    spacing: float

    @property
    def per_axis(self) -> int:
        """K."""
        return round(len(self.log_p) ** 0.5)

    def expected_chroma(self) -> Tensor:
        """The mean distance from grey that colours here should have, in ab units."""
        axis = torch.arange(self.per_axis, device=self.log_p.device) - self.per_axis // 2
        chroma = self.spacing * torch.hypot(axis[:, None].float(), axis[None].float())
        return torch.einsum("khw,k->hw", self.log_p.float().exp(), chroma.flatten()).mean()

    def plausibility(self, ab: Tensor) -> Tensor:
        """How believable colourings of this photo are, (n,), in nats a place; more is better.

        The mean log-probability of the colours says which hues fit the things in the photo, but is
        highest for pale ones: by the density alone no colour is as likely as grey. So what lies far
        from typical in its vividness loses: the logarithm of its mean chroma beside the expected
        one, squared, over twice the square of its usual spread. It compares colourings of one
        photo, not photos.

        ab: (n, 2, H, W), in ab units.
        """
        small = F.adaptive_avg_pool2d(ab.float(), self.log_p.shape[-2:])
        fit = log_prob(self.log_p.float()[None], small, self.spacing).mean((1, 2))
        chroma = torch.linalg.vector_norm(small, dim=1).mean((1, 2))
        excess = ((chroma + FAINTEST) / (self.expected_chroma() + FAINTEST)).log()
        return fit - 0.5 * (excess / VIVIDNESS_SPREAD).square()


def log_prob(log_p: Tensor, ab: Tensor, spacing: float) -> Tensor:
    """Log-probability of the colours ab (n, 2, h, w) at each place, (n, h, w).

    A colour is shared among the four classes around it (bilinear weights), so that the expected
    colour of an exact prediction is exactly that colour.

    log_p: (n, K * K, h, w), or (1, ...) for all.
    """
    per_axis = round(log_p.shape[1] ** 0.5)
    log_p = log_p.expand(len(ab), -1, -1, -1)
    place = (ab / spacing + per_axis // 2).clamp(0, per_axis - 1.001)
    low = place.floor()
    share, low = place - low, low.long()
    total = torch.zeros_like(ab[:, 0])
    for i in (0, 1):
        for j in (0, 1):
            index = (low[:, 0] + i) * per_axis + low[:, 1] + j
            share_a = share[:, 0] if i else 1 - share[:, 0]
            share_b = share[:, 1] if j else 1 - share[:, 1]
            total = total + share_a * share_b * log_p.gather(1, index[:, None])[:, 0]
    return total
