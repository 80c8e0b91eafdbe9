"""The four networks of Ardizzone et al. 2019, and their checkpoints -> model folders: `convert`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from cinn_hub.errors import CinnHubError
from cinn_hub.files import reason_of

DTYPES = ("float32", "float16")
ORIGIN = (
    "Converted with `cinn-hub convert` from `{file}` (SHA-256 `{sha256}`), a checkpoint of the "
    "network `{network}`: Ardizzone, Lüth, Kruse, Rother, Köthe, *Guided Image Generation with "
    "Conditional Invertible Neural Networks*, 2019, arXiv:1907.02392. The authors' code is "
    "https://github.com/VLL-HD/conditional_INNs, which names no licence. The weights are theirs, "
    "or of whoever trained them, and their terms hold."
)


@dataclass(frozen=True)
class Conversion:
    """What was found in a checkpoint.

    Attributes:
        network: "mnist-minimal", "mnist-research", "lsun-minimal" or "imagenet-research".
        parameters: how many the model has.
        folder: of the model.
    """

    network: str
    parameters: int
    folder: Path

    def __str__(self) -> str:
        return f"{self.network}, {self.parameters:,} parameters -> {self.folder}"


def convert(
    file: str | os.PathLike[str], out: str | os.PathLike[str], dtype: str = "float32"
) -> Conversion:
    """Makes a model folder, which `load` reads, from a checkpoint that the paper's code wrote.

    The names and shapes of the tensors tell which of the paper's four networks it is, and how wide.
    Nothing but tensors is read: code in the file does not run.

    Arguments:
        file: what the paper's training code saved with `torch.save`.
        out: a folder that does not exist yet, or is empty.
        dtype: "float32", which keeps every bit, or "float16".

    Raises:
        CheckpointError: the file is damaged, or not a checkpoint of these networks.
        CinnHubError: the folder is not empty, or cannot be written to.
    """
    import torch

    from cinn_hub.originals.checkpoints import read_original, read_pickle
    from cinn_hub.publishing import draft_card, write_card

    path, folder = Path(file), Path(out)
    if dtype not in DTYPES:
        raise CinnHubError(f"The dtype is {dtype!r}; it must be {' or '.join(DTYPES)}.")
    check_new(folder)
    content, sha256 = read_pickle(path)
    network, model = read_original(content, str(path))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    origin = ORIGIN.format(file=path.name, sha256=sha256, network=network)
    model.save(folder, getattr(torch, dtype))
    write_card(draft_card(type(model).__name__, parameters / 1e6, origin), folder)
    return Conversion(network, parameters, folder)


def check_new(folder: Path) -> None:
    """Refuses a folder with anything in it."""
    try:
        if folder.exists() and any(folder.iterdir()):
            raise CinnHubError(f"{folder} is not empty; give a new folder for the model.")
    except OSError as error:
        raise CinnHubError(f"{folder} cannot be a folder: {reason_of(error)}.") from error
