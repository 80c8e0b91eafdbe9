"""Invertible layers and their composition over resolution levels. Knows tensors; no photos.

*Forward* is data to latent, *inverse* is latent to data, everywhere. One condition may serve many
samples: where `x` has n times as many rows as the condition, row i belongs to condition i // n.
"""

from cinn_hub.flow.attention import CellAttention
from cinn_hub.flow.base import (
    Bijection,
    Condition,
    LevelCondition,
    Subnet,
    add_to_samples,
    no_log_det,
    soft_clamp,
    sum_per_sample,
)
from cinn_hub.flow.bounded import (
    AutoregressiveSplines,
    BoundedHaar,
    DetailSplines,
    LogScale,
    Probit,
    spline,
)
from cinn_hub.flow.couplings import AffineCoupling, ConditionalGaussian, ConditionalShift
from cinn_hub.flow.levels import Chain, Flow, Level, Split, attention_of
from cinn_hub.flow.linear import (
    ActNorm,
    ConditionalRotation,
    Flatten,
    HaarDownsampling,
    InvertibleConv1x1,
    Permutation,
    SpaceToDepth,
    Standardization,
)

__all__ = [
    "ActNorm",
    "AffineCoupling",
    "AutoregressiveSplines",
    "Bijection",
    "BoundedHaar",
    "CellAttention",
    "Chain",
    "Condition",
    "ConditionalGaussian",
    "ConditionalRotation",
    "ConditionalShift",
    "DetailSplines",
    "Flatten",
    "Flow",
    "HaarDownsampling",
    "InvertibleConv1x1",
    "Level",
    "LevelCondition",
    "LogScale",
    "Permutation",
    "Probit",
    "SpaceToDepth",
    "Split",
    "Standardization",
    "Subnet",
    "add_to_samples",
    "attention_of",
    "no_log_det",
    "soft_clamp",
    "spline",
    "sum_per_sample",
]
