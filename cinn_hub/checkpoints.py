"""Model folders: `config.json` and `model.safetensors`, written whole, checked before reading."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from cinn_hub.config import Config, read_json
from cinn_hub.errors import CheckpointError, CinnHubError, quoted
from cinn_hub.files import MOST_TENSORS, open_plain, reason_of, whole_file

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
MOST_HEADER = 2**22
VALUES_AT_ONCE = 2**20  # values checked at once, to bound memory
FLOATS = {"F16", "BF16", "F32", "F64"}
WHOLE = {torch.bool: {"BOOL"}, torch.int64: {"I64"}}

C = TypeVar("C", bound=Config)


def write_checkpoint(
    config: Config,
    state: Mapping[str, Tensor],
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


def read_config(folder: Path, kind: type[C]) -> C:
    """The config of that kind.

    Raises:
        CheckpointError: the file is missing, damaged, or belongs to another architecture.
    """
    entries = read_json(folder / CONFIG_FILE)
    if (found := entries.get("architecture")) != kind.architecture:
        raise CheckpointError(
            f"{folder / CONFIG_FILE} names the architecture {quoted(found)}, not "
            f"{kind.architecture!r}; load it with cinn_hub.load."
        )
    return kind.from_dict(entries)


def read_weights(folder: Path, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights by name, in float32 where they are floating-point, once they are seen to fit.

    Arguments:
        wanted: tensors, perhaps on the meta device, whose names, shapes and kinds are expected.

    Raises:
        CheckpointError: see `open_tensors`; or a tensor is missing, unknown, misshapen, of another
            kind, or not finite.
    """
    path = folder / WEIGHTS_FILE
    if not os.path.exists(path):
        raise CheckpointError(f"{folder} has no {WEIGHTS_FILE}; only safetensors are read.")
    with open_tensors(path) as tensors:
        if wrong := wanted.keys() ^ set(tensors.keys()):
            name = min(wrong)
            fault = "lacks the tensor" if name in wanted else "has the unknown tensor"
            raise CheckpointError(
                f"{path} {fault} {quoted(name, text=True)}; get it and its config.json from the "
                "same model."
            )
        for name, like in wanted.items():
            check_kind(tensors, name, like, path)
        return {name: read_tensor(tensors, name, like, path) for name, like in wanted.items()}


@contextmanager
def open_tensors(path: str | os.PathLike[str]) -> Iterator[safe_open]:
    """A safetensors file, open; nothing but its header has been read.

    Raises:
        CheckpointError: it is missing, damaged or too large, or something else than a file.
    """
    try:
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            header = int.from_bytes(file.read(8), "little")
        if size > MOST_TENSORS:
            raise CheckpointError(f"{path} has {size:,} bytes; up to {MOST_TENSORS:,} are read.")
        if header > MOST_HEADER:
            raise ValueError(f"its header is larger than {MOST_HEADER / 2**20:.0f} MB")
        with safe_open(os.fspath(path), "pt") as tensors:
            yield tensors
    except FileNotFoundError as error:
        raise CheckpointError(f"The file {path} does not exist; check the path.") from error
    except (OSError, SafetensorError, ValueError) as error:
        reason = quoted(reason_of(error), text=True)
        raise CheckpointError(
            f"{path} is damaged or not a safetensors file ({reason}); get it again."
        ) from error


def check_kind(tensors: safe_open, name: str, like: Tensor, path: Path) -> None:
    """Compares a tensor's shape and dtype, as the header names them, with those of `like`."""
    header = tensors.get_slice(name)
    if tuple(header.get_shape()) != like.shape:
        raise CheckpointError(
            f"{path} has {name} of shape {quoted(tuple(header.get_shape()))}, but its config.json "
            f"asks for {tuple(like.shape)}; get both files from the same model."
        )
    expected = FLOATS if like.is_floating_point() else WHOLE[like.dtype]
    if header.get_dtype() not in expected:
        raise CheckpointError(
            f"{path} has {name} as {header.get_dtype()}; expected {' or '.join(sorted(expected))}."
        )


def read_tensor(tensors: safe_open, name: str, like: Tensor, path: Path) -> Tensor:
    """A copy, so that nothing depends on the file any more; refused if it is not finite."""
    x = tensors.get_tensor(name)
    if not like.is_floating_point():
        return x.clone()
    if not all(part.float().isfinite().all() for part in x.flatten().split(VALUES_AT_ONCE)):
        raise CheckpointError(f"{path} has NaN or infinity in {name}; get it again.")
    return x.to(torch.float32, copy=True)
