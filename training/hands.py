"""What of a hand is to stay the same whatever digit it writes: four measures of a picture."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from cinn_hub.digit_model import LABELS

MEASURES = ("slant", "ink", "width", "head or foot")
LEAST = 1e-3  # of what is divided by, for pictures that are empty


def measures_of(pictures: Tensor) -> Tensor:
    """Pictures (N, 1, 28, 28) in [0, 1] -> MEASURES (N, 4): the shear of second moments; the root
    of the sum of pixels; how wide the strokes spread once the shear is undone; the third moment
    from top to bottom, which is larger the smaller the foot is."""
    picture = pictures[:, 0]
    places = torch.arange(picture.shape[-1], device=picture.device, dtype=picture.dtype)
    ink = picture.sum((1, 2)).clamp_min(LEAST)
    columns, rows = picture.sum(1) / ink[:, None], picture.sum(2) / ink[:, None]
    x = places - (columns * places).sum(1, keepdim=True)
    y = places - (rows * places).sum(1, keepdim=True)
    height = (rows * y.square()).sum(1).clamp_min(LEAST)
    slant = torch.einsum("nyx,nx,ny->n", picture, x, y) / ink / height
    spread = (columns * x.square()).sum(1) - slant.square() * height
    skew = (rows * y**3).sum(1) / height**1.5
    return torch.stack([slant, ink.sqrt(), spread.clamp_min(LEAST).sqrt(), skew], 1)


class Hands(nn.Module):
    """How a picture's measures differ from those usual for its label, in standard deviations; and
    a linear readout of them from latents, the same for all labels.

    Arguments:
        images, labels: digits uint8 (N, 1, 28, 28) that say what is usual.
        size: of the latents that are read.
    """

    def __init__(self, images: Tensor, labels: Tensor, size: int) -> None:
        super().__init__()
        measures = torch.cat([measures_of(part / 255) for part in images.split(1000)])
        groups = [measures[labels == k] for k in range(LABELS)]
        self.register_buffer("means", torch.stack([group.mean(0) for group in groups]))
        self.register_buffer("deviations", torch.stack([group.std(0) for group in groups]))
        self.readout = nn.Linear(size, len(MEASURES))

    def forward(self, pictures: Tensor, labels: Tensor) -> Tensor:
        """(N, 4)."""
        return (measures_of(pictures) - self.means[labels]) / self.deviations[labels]
