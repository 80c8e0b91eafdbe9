"""Which colours are possible at each place of a photo, and how plausible a colouring is by them."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

VIVIDNESS_SPREAD = 0.5  # of the logarithm of a photo's mean chroma beside the expected one
FAINTEST = 1.0  # ab units added to both, so that grey has a logarithm


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

    def plausibility(self, log_p: Tensor, ab: Tensor) -> Tensor:
        """How believable colourings of one photo are, (n,), in nats a place; higher is better.

        The mean log-probability of the colours says which hues fit the things in the photo, but is
        highest for pale ones: by the density alone no colour is as likely as grey. So what lies far
        from typical in its vividness loses: the logarithm of its mean chroma beside the expected
        one, squared, over twice the square of its usual spread. It compares colourings of one
        photo, not photos.

        Arguments:
            log_p: (1, K * K, h, w), of the photo.
            ab: (n, 2, H, W), in ab units.
        """
        log_p = log_p.float()
        small = F.adaptive_avg_pool2d(ab.float(), log_p.shape[-2:])
        fit = self.log_prob(log_p, small).mean((1, 2))
        chroma = torch.linalg.vector_norm(small, dim=1).mean((1, 2))
        excess = ((chroma + FAINTEST) / (self.expected_chroma(log_p) + FAINTEST)).log()
        return fit - 0.5 * (excess / VIVIDNESS_SPREAD).square()
