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
MOST_HEADER = 2**22  # bytes; safetensors reads twenty times that, for half a minute

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
        return {name: read_tensor(tensors, name, like, path) for name, like in wanted.items()}


def read_tensor(tensors: safe_open, name: str, like: Tensor, path: Path) -> Tensor:
    """A copy, so that nothing depends on the file any more, in float32 if it is floating-point."""
    shape = tuple(tensors.get_slice(name).get_shape())
    if shape != like.shape:
        raise CheckpointError(
            f"{path} has {name} of shape {quoted(shape)}, but its config.json asks for "
            f"{tuple(like.shape)}; get both files from the same model."
        )
    x = tensors.get_tensor(name)
    is_float = like.is_floating_point() and x.is_floating_point()
    if not is_float and x.dtype != like.dtype:
        wanted = "floats" if like.is_floating_point() else like.dtype
        raise CheckpointError(f"{path} has {name} as {x.dtype}; expected {wanted}.")
    x = x.to(torch.float32 if is_float else x.dtype, copy=True)
    if not x.isfinite().all():
        raise CheckpointError(f"{path} has NaN or infinity in {name}; get it again.")
    return x


@contextmanager
def open_tensors(path: str | os.PathLike[str]) -> Iterator[safe_open]:
    """A safetensors file, open; nothing but its header has been read.

    Raises:
        CheckpointError: it is missing, damaged or too large, or something else than a file.
    """
    try:
        with open_plain(path) as file:
            size, header = os.fstat(file.fileno()).st_size, int.from_bytes(file.read(8), "little")
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
