"""Conditional invertible neural networks: diverse colours for grey photos, digits, and more.

import cinn_hub

model = cinn_hub.load("imagenet")
for i, result in enumerate(model.colorize("grandma.jpg", n=8)):
    result.save(f"grandma-{i}.png")

`load("imagenet")` gives a `cinn_hub.color_model.ColorModel`, `load("mnist")` a
`cinn_hub.digit_model.DigitModel`; their docstrings tell all methods.
"""

from cinn_hub.errors import (
    CheckpointError,
    CinnHubError,
    DigitError,
    OfflineError,
    PhotoError,
    UnknownModelError,
)
from cinn_hub.hub import list_models
from cinn_hub.models import load
from cinn_hub.originals import convert

__version__ = "0.1.0"

__all__ = [
    "CheckpointError",
    "CinnHubError",
    "DigitError",
    "OfflineError",
    "PhotoError",
    "UnknownModelError",
    "convert",
    "list_models",
    "load",
]
