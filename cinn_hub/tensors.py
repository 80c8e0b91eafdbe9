"""Files of tensors: safetensors whose size and header are checked before anything is read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from cinn_hub.errors import CheckpointError, quoted
from cinn_hub.files import MOST_TENSORS, open_plain, reason_of

MOST_HEADER = 2**22
AT_ONCE = 2**20  # values checked at once, to bound memory
FLOATS = {"F16", "BF16", "F32", "F64"}
WHOLE = {torch.bool: {"BOOL"}, torch.int64: {"I64"}}


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
            most = f"{MOST_TENSORS / 2**20:.0f} MB"
            raise CheckpointError(
                f"{path} has {size / 2**20:,.0f} MB, more than the {most} that are read."
            )
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


def read_tensors(path: Path, wanted: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors by name, in float32 where they are floating-point, once they are seen to fit.

    Arguments:
        wanted: tensors, perhaps on the meta device, whose names, shapes and kinds are expected.

    Raises:
        CheckpointError: see `open_tensors`; or a tensor is missing, unknown, misshapen, of another
            kind, or not finite.
    """
    with open_tensors(path) as tensors:
        check_names(set(tensors.keys()), set(wanted), path)
        for name, like in wanted.items():
            check_kind(tensors, name, like, path)
        for name in wanted:
            check_finite(tensors.get_tensor(name), name, path)
        # copies, so that nothing depends on the file any more
        return {
            name: tensors.get_tensor(name).to(
                torch.float32 if like.is_floating_point() else like.dtype, copy=True
            )
            for name, like in wanted.items()
        }


def check_names(found: set[str], wanted: set[str], path: Path) -> None:
    for name in sorted(wanted ^ found):
        fault = "lacks the tensor" if name in wanted else "has the unknown tensor"
        raise CheckpointError(
            f"{path} {fault} {quoted(name, text=True)}; get it and its config.json from the same "
            "model."
        )


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


def check_finite(x: Tensor, name: str, path: Path) -> None:
    """Refuses values that are not finite as float32."""
    if x.is_floating_point():
        parts = x.flatten().split(AT_ONCE)
        if not all(part.float().isfinite().all() for part in parts):
            raise CheckpointError(f"{path} has NaN or infinity in {name}; get it again.")
