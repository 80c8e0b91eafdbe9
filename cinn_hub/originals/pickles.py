"""PyTorch's own files, which are pickles: read as tensors alone, so that no code in them runs."""

from __future__ import annotations

import os
import pickle
import re
from pathlib import Path
from typing import Any

import torch

from cinn_hub.errors import CheckpointError, quoted
from cinn_hub.files import open_plain, reason_of

MOST_PICKLE = 2**32  # bytes; the largest original with its optimizers has a quarter of that


def read_pickle(path: Path) -> Any:
    """What `torch.save` wrote, of any year, on the CPU: tensors in dicts and lists.

    Raises:
        CheckpointError: the file is missing, damaged or too large, or holds more than tensors.
    """
    try:
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MOST_PICKLE:
                raise CheckpointError(
                    f"{path} has {size / 2**20:,.0f} MB, more than the "
                    f"{MOST_PICKLE / 2**20:.0f} MB that are read."
                )
            return torch.load(file, map_location="cpu", weights_only=True)
    except CheckpointError:
        raise
    except FileNotFoundError as error:
        raise CheckpointError(f"The file {path} does not exist; check the path.") from error
    except Exception as error:  # a damaged pickle can raise anything
        raise refusal_of(path, error) from error


def refusal_of(path: Path, error: Exception) -> CheckpointError:
    """Why a pickle was not read, in one sentence."""
    text = str(error)
    if isinstance(error, pickle.UnpicklingError) and (wanted := re.search(r"GLOBAL (\S+)", text)):
        name = quoted(wanted[1], text=True)
        return CheckpointError(
            f"{path} needs more than tensors ({name}), which could run any code, so it was not "
            "loaded; save its state_dict alone."
        )
    reason = quoted(reason_of(error).partition(". ")[0], text=True)
    return CheckpointError(
        f"{path} is damaged or not a file of torch.save ({reason}); get it again."
    )
