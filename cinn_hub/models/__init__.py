"""The architectures, a config and a network each, one file each; and `load`.

A new architecture is a file here and a line in `ARCHITECTURES`.
"""

from __future__ import annotations

import os
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from cinn_hub.config import read_json
from cinn_hub.errors import CheckpointError, quoted
from cinn_hub.hub import find_folder

if TYPE_CHECKING:  # so that `import cinn_hub` loads no torch
    import torch

    from cinn_hub.model import ConditionalINN

ARCHITECTURES = {
    "ColorizationCINN": "cinn_hub.models.colorization_cinn",
    "DigitCINN": "cinn_hub.models.digit_cinn",
    "OriginalDigitCINN": "cinn_hub.originals.models",
    "OriginalBedroomCINN": "cinn_hub.originals.models",
    "OriginalImageNetCINN": "cinn_hub.originals.models",
}
"""The module of each architecture; the class in it has the architecture's name."""


def load(
    name: str | os.PathLike[str] = "imagenet",
    device: str | None = None,
    *,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
    dtype: torch.dtype | None = None,
) -> ConditionalINN:
    """Loads a trained model, ready to use.

    Arguments:
        name: a name of `list_models()`, the path of a model folder, or "user/repo" or
            "user/repo@revision" of the Hugging Face Hub.
        device: "cpu", "cuda" (or "cuda:1") or "mps"; by default the fastest that there is.
        revision: branch, tag or commit of the Hub repository.
        token: for private repositories; by default that of `hf auth login`.
        cache_dir: where downloads are kept; by default the Hub's own cache.
        dtype: torch.float32 (the default) or float64; or bfloat16 or float16, in which only the
            networks inside compute, while the values that are inverted stay float32.

    Raises:
        UnknownModelError: there is no such name, folder or repository.
        OfflineError: it has to be downloaded, and the Hub cannot be reached.
        CheckpointError: the model's files are missing, damaged or of another version.
    """
    folder = find_folder(name, revision, token, cache_dir)
    return find_class(folder).from_folder(folder, os.fspath(name), device, dtype)


def find_class(folder: Path) -> type[ConditionalINN]:
    """The class of the model in a folder, by the architecture that its config names.

    Raises:
        CheckpointError: the config is missing or damaged, or names an unknown architecture.
    """
    name = read_json(folder / "config.json").get("architecture")
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise CheckpointError(
            f"{folder / 'config.json'} names the architecture {quoted(name)}; this cinn_hub "
            f"knows {', '.join(ARCHITECTURES)}; update cinn_hub, or choose another model."
        )
    return getattr(import_module(ARCHITECTURES[name]), name)
