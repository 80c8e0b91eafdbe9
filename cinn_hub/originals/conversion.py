"""Checkpoints of the original networks -> model folders of this package."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from cinn_hub.errors import CheckpointError, CinnHubError
from cinn_hub.files import reason_of, whole_file

DTYPES = ("float32", "float16")
NAMES = {
    "tmp_var": "values of the last batch (tmp_var)",
    "num_batches_tracked": "counts of batches (num_batches_tracked)",
    "haar_weights": "wavelets that are known (haar_weights)",
    "M_inv": "inverses of rotations (M_inv)",
    "logDetM": "determinants of rotations (logDetM)",
}


@dataclass(frozen=True)
class Conversion:
    """What was found in a checkpoint.

    Attributes:
        network: "mnist-minimal", "mnist-research", "lsun-minimal" or "imagenet-research".
        parameters: how many the model has.
        dropped: {what is not needed: how many of it}.
        folder: of the model.
    """

    network: str
    parameters: int
    dropped: Mapping[str, int]
    folder: Path

    def __str__(self) -> str:
        dropped = [f"{count} {NAMES.get(what, what)}" for what, count in self.dropped.items()]
        lines = [f"{self.network}, {self.parameters:,} parameters -> {self.folder}"]
        return "\n".join([*lines, *(f"dropped: {text}" for text in dropped)])


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

    from cinn_hub.originals.checkpoints import read_original
    from cinn_hub.originals.pickles import read_pickle

    path, folder = Path(file), Path(out)
    if dtype not in DTYPES:
        raise CinnHubError(f"The dtype is {dtype!r}; it must be {' or '.join(DTYPES)}.")
    check_new(folder)
    network, model, dropped = read_original(read_pickle(path), str(path))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    card = card_of(network, parameters, path, type(model).__name__)
    model.save(folder, getattr(torch, dtype))
    try:
        with whole_file(folder / "README.md") as unfinished:
            unfinished.write_text(card, "utf-8")
    except OSError as error:
        raise CinnHubError(
            f"The card in {folder} cannot be written: {reason_of(error)}."
        ) from error
    return Conversion(network, parameters, dict(dropped), folder)


def check_new(folder: Path) -> None:
    """Refuses a folder with anything in it."""
    try:
        if folder.exists() and any(folder.iterdir()):
            raise CinnHubError(f"{folder} is not empty; give a new folder for the model.")
    except OSError as error:
        raise CinnHubError(f"{folder} cannot be a folder: {reason_of(error)}.") from error


def card_of(network: str, parameters: int, path: Path, class_name: str) -> str:
    """The draft of the model's card, which states where its weights come from."""
    from cinn_hub.cards import draft_card

    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise CheckpointError(f"{path} cannot be read: {reason_of(error)}.") from error
    origin = (
        f"Converted with `cinn-hub convert` from `{path.name}` (SHA-256 `{digest}`), a checkpoint "
        f"of the network `{network}`: Ardizzone, Lüth, Kruse, Rother, Köthe, *Guided Image "
        "Generation with Conditional Invertible Neural Networks*, 2019, arXiv:1907.02392. The "
        "authors' code is https://github.com/VLL-HD/conditional_INNs, which names no licence. The "
        "weights are theirs, or of whoever trained them, and their terms hold."
    )
    return str(draft_card(class_name, parameters / 1e6, origin))
