"""Model folders: `config.json` and `model.safetensors`, written whole and read strictly."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import save_file

from cinn_hub.config import Config, read_json
from cinn_hub.errors import CheckpointError, CinnHubError, quoted
from cinn_hub.files import reason_of, whole_file
from cinn_hub.tensors import read_tensors

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"

C = TypeVar("C", bound=Config)


def write_checkpoint(
    config: Config,
    state: Mapping[str, torch.Tensor],
    folder: Path,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Writes the config and the weights, floating-point tensors in `dtype`: both or neither.

    Raises:
        CinnHubError: the folder cannot be written to.
    """
    tensors = {
        name: (x.to(dtype) if x.is_floating_point() else x).cpu().contiguous()
        for name, x in state.items()
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (
            whole_file(folder / WEIGHTS_FILE) as weights,
            whole_file(folder / CONFIG_FILE) as text,
        ):
            save_file(tensors, weights, {"format": "pt"})
            text.write_text(json.dumps(config.to_dict(), indent=2) + "\n", "utf-8")
    except (OSError, SafetensorError) as error:
        raise CinnHubError(
            f"The folder {folder} cannot be written to: {reason_of(error)}."
        ) from error


def read_architecture(folder: Path) -> str | None:
    """The architecture that `config.json` names, None if it names none.

    Raises:
        CheckpointError: the file is missing or cannot be read.
    """
    name = read_json(folder / CONFIG_FILE).get("architecture")
    return name if isinstance(name, str) else None


def read_config(folder: Path, kind: type[C]) -> C:
    """The config of that kind.

    Raises:
        CheckpointError: the file is missing, damaged, or belongs to another architecture.
    """
    entries = read_json(folder / CONFIG_FILE)
    if entries.get("architecture") != kind.architecture:
        raise CheckpointError(
            f"{folder / CONFIG_FILE} names the architecture {quoted(entries.get('architecture'))}, "
            f"not {kind.architecture!r}; load it with cinn_hub.load."
        )
    return kind.from_dict(entries)


def read_weights(folder: Path, wanted: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights by name; floating-point ones become float32. See `read_tensors`.

    Raises:
        CheckpointError: the file is missing or damaged, or does not fit what is wanted.
    """
    path = folder / WEIGHTS_FILE
    if not os.path.exists(path):
        raise CheckpointError(f"{folder} has no {WEIGHTS_FILE}; only safetensors are read.")
    return read_tensors(path, wanted)
