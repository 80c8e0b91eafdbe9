"""What trainings make small: a function for each loss; the tasks weigh them in `forward`."""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor

from cinn_hub.flow import Flow, LevelCondition
from cinn_hub.latent import Latent
from cinn_hub.model import standard_normal_log_prob
from cinn_hub.networks import ColorBins


def color_loss(log_p: Tensor, ab: Tensor, bins: ColorBins) -> Tensor:
    """Cross-entropy of the real colours, in mean nats a position.

    Arguments:
        log_p: (B, bins, h, w), of the classes of colour.
        ab: (B, 2, h, w).
    """
    return -bins.log_prob(log_p, ab).mean()


def teacher_loss(log_p: Tensor, wanted: Tensor) -> Tensor:
    """Cross-entropy of what a teacher expects, in mean nats a position; both (B, bins, h, w)."""
    return -(wanted * log_p).sum(1).mean()


def class_loss(scores: Tensor, wanted: Tensor, softness: float = 2.0) -> Tensor:
    """Kullback-Leibler divergence from the wanted probabilities, softened (Hinton et al. 2015);
    both are scores (B, classes)."""
    log_p, log_q = ((x.float() / softness).log_softmax(1) for x in (wanted, scores))
    return F.kl_div(log_q, log_p, reduction="batchmean", log_target=True)


def level_loss(flow: Flow, name: str, x: Tensor, features: Tensor) -> Tensor:
    """-log p of one level of a colour flow, given the coarser ab, in nats per value, (B,).

    x: ab in the flow's unit, at the level's own side.
    """
    level, condition = flow.levels[name], LevelCondition(features)
    z, log_det = level.steps(x, condition)
    if level.split is not None:
        (_, z), more = level.split(z, condition)
        log_det = log_det + more
    z = z.flatten(1)
    energy = 0.5 * (z.square().sum(1) + z.shape[1] * math.log(2 * math.pi))
    return (energy - log_det) / z.shape[1]


def latent_loss(z: Latent, log_det: Tensor) -> Tensor:
    """-log p of pictures, in mean nats: of all levels, or of those that z has."""
    return -(standard_normal_log_prob(z) + log_det).mean()
