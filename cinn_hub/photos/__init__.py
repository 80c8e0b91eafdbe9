"""Photos: reading them, squeezing L for the network, enlarging ab on the photo's own L, writing."""

from cinn_hub.photos.enlarging import Enlargement, GuidedEnlargement, enlarge
from cinn_hub.photos.photo import (
    Photo,
    PhotoLike,
    fit_within,
    shrunk,
    squeeze,
    squeezed_ab,
)
from cinn_hub.photos.reading import read
from cinn_hub.photos.rendering import (
    paint,
    render,
    render_grey_preview,
    render_layer,
    render_own_preview,
    render_preview,
)
from cinn_hub.photos.saving import save
from cinn_hub.photos.sepia import is_colored

__all__ = [
    "Enlargement",
    "GuidedEnlargement",
    "Photo",
    "PhotoLike",
    "enlarge",
    "fit_within",
    "is_colored",
    "paint",
    "read",
    "render",
    "render_grey_preview",
    "render_layer",
    "render_own_preview",
    "render_preview",
    "save",
    "shrunk",
    "squeeze",
    "squeezed_ab",
]
