"""Photos: reading them, squeezing L for the network, enlarging ab on the photo's own L, writing."""

from cinn_hub.photos.photo import (
    Photo,
    PhotoLike,
    fit_within,
    has_few_tones,
    shrunk,
    squeeze,
    squeezed_ab,
)
from cinn_hub.photos.reading import read
from cinn_hub.photos.rendering import Enlargement, GuidedEnlargement, paint, render
from cinn_hub.photos.saving import save
from cinn_hub.photos.sepia import is_colored
from cinn_hub.photos.squeezed import SqueezedPhoto

__all__ = [
    "Enlargement",
    "GuidedEnlargement",
    "Photo",
    "PhotoLike",
    "SqueezedPhoto",
    "fit_within",
    "has_few_tones",
    "is_colored",
    "paint",
    "read",
    "render",
    "save",
    "shrunk",
    "squeeze",
    "squeezed_ab",
]
