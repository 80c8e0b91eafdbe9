"""Model folders: `config.json` and `model.safetensors`, written whole and read strictly."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from cinn_hub.config import Config, read_json
from cinn_hub.errors import CheckpointError, CinnHubError
from cinn_hub.files import whole_file

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"

C = TypeVar("C", bound=Config)


def write_checkpoint(
    config: Config,
    state: Mapping[str, torch.Tensor],
    folder: Path,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Writes the config and the weights, floating-point tensors in `dtype`.

    Raises:
        CinnHubError: the folder cannot be written to.
    """
    tensors = {
        name: (x.to(dtype) if x.is_floating_point() else x).cpu().contiguous()
        for name, x in state.items()
    }
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with whole_file(folder / WEIGHTS_FILE) as unfinished:
            save_file(tensors, unfinished, {"format": "pt"})
        with whole_file(folder / CONFIG_FILE) as unfinished:
            unfinished.write_text(json.dumps(config.to_dict(), indent=2) + "\n", "utf-8")
    except (OSError, SafetensorError) as error:
        raise CinnHubError(f"The folder {folder} cannot be written to: {error}.") from error


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
            f"{folder / CONFIG_FILE} names the architecture {entries.get('architecture')!r}, not "
            f"{kind.architecture!r}; load it with cinn_hub.load."
        )
    return kind.from_dict(entries)


def read_tensors(folder: Path) -> dict[str, torch.Tensor]:
    """The weights by name; floating-point ones become float32.

    Raises:
        CheckpointError: the file is missing or damaged.
    """
    path = folder / WEIGHTS_FILE
    if not path.is_file():
        raise CheckpointError(f"{folder} has no {WEIGHTS_FILE}; only safetensors are read.")
    try:
        state = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged or not a safetensors file ({error}); get it again."
        ) from error
    return {name: x.float() if x.is_floating_point() else x for name, x in state.items()}


def check_tensors(
    found: Mapping[str, torch.Tensor], wanted: Mapping[str, torch.Tensor], folder: Path
) -> None:
    """Refuses missing, unknown, misshapen and non-finite tensors, naming the first."""
    path = folder / WEIGHTS_FILE
    for name in sorted(wanted.keys() ^ found.keys()):
        fault = "lacks the tensor" if name in wanted else "has the unknown tensor"
        raise CheckpointError(f"{path} {fault} {name}; it does not fit its config.json.")
    for name, x in found.items():
        if x.shape != wanted[name].shape:
            raise CheckpointError(
                f"{path} has {name} of shape {tuple(x.shape)}, but its config.json asks for "
                f"{tuple(wanted[name].shape)}."
            )
        if x.is_floating_point() and not x.isfinite().all():
            raise CheckpointError(f"{path} has NaN or infinity in {name}; get it again.")
