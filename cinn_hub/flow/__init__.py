"""Invertible layers and their composition over resolution levels. Knows tensors; no photos.

*Forward* is data to latent, *inverse* is latent to data, everywhere. One condition may serve many
samples: where `x` has n times as many rows as the condition, row i belongs to condition i // n.
"""

from cinn_hub.flow.base import (
    Bijection,
    Chain,
    Condition,
    Flow,
    Level,
    LevelCondition,
    Split,
    Subnet,
    add_to_samples,
    attention_of,
    exactly,
    no_log_det,
    per_sample,
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
from cinn_hub.flow.couplings import (
    AffineCoupling,
    CellAttention,
    ConditionalGaussian,
    ConditionalShift,
    Gaussian,
)
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
