"""Names -> model folders: the registry of models, and `load`."""

from __future__ import annotations

import difflib
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cinn_hub.errors import CinnHubError, UnknownModelError

if TYPE_CHECKING:
    from cinn_hub.model import ConditionalINN

PACKAGE = Path(__file__).resolve().parent
BUNDLES = (PACKAGE / "weights", PACKAGE.parent / "weights")  # installed; a clone
DEVICES = ("cpu", "cuda", "mps")


@dataclass(frozen=True)
class RegistryEntry:
    """What is known of a model by its name."""

    name: str
    task: str
    summary: str
    license: str

    @property
    def folder(self) -> Path | None:
        """The bundled model folder, None where the model is not bundled."""
        folders = (bundle / self.name for bundle in BUNDLES)
        return next((f for f in folders if (f / "config.json").exists()), None)


REGISTRY = (
    RegistryEntry(
        name="imagenet",
        task="colorization",
        summary="colours for any photo: things, animals, people, food, rooms, landscapes",
        license="research use: see the terms of the training photos on the model card",
    ),
    RegistryEntry(
        name="mnist",
        task="digits",
        summary="handwritten digits of a chosen label, and any handwriting in all ten",
        license="CC BY-SA 3.0, as MNIST",
    ),
)


def list_models() -> list[RegistryEntry]:
    """The models that `load` knows by name."""
    return list(REGISTRY)


def load(name: str | os.PathLike[str] = "imagenet", device: str | None = None) -> ConditionalINN:
    """The trained model of that name or in that folder, ready to use.

    Arguments:
        name: a name of `list_models()`, or the path of a model folder.
        device: "cpu", "cuda" (or "cuda:1"), "mps"; the best there is if not given.

    Raises:
        UnknownModelError: there is no such name and no such folder.
        CheckpointError: the folder's files are missing, damaged or of another version.
    """
    folder = find_folder(name)
    from cinn_hub.checkpoints import read_model  # here, so that `cinn-hub --help` needs no torch

    where = choose_device(device)
    model = read_model(folder)
    model.name = os.fspath(name)
    return model.to(where)


def find_folder(name: str | os.PathLike[str]) -> Path:
    """The folder of a registry name, or the folder that the name is the path of."""
    text = os.fspath(name)
    entry = next((entry for entry in REGISTRY if entry.name == text), None)
    if entry and entry.folder:
        return entry.folder
    if text and Path(text).is_dir():
        return Path(text)
    known = [entry.name for entry in REGISTRY]
    near = difflib.get_close_matches(text, known, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"the names are {', '.join(known)}."
    raise UnknownModelError(f"There is no model and no folder {text!r}; {hint}")


def choose_device(device: str | None) -> str:
    """The device of that name if it can be used here; the best there is for None."""
    import torch

    usable = {"cpu": True, "cuda": torch.cuda.is_available()}
    usable["mps"] = torch.backends.mps.is_available()
    if device is None:
        return next(kind for kind in ("cuda", "mps", "cpu") if usable[kind])
    kind = str(device).split(":")[0]
    if kind not in DEVICES:
        raise CinnHubError(f"The device is {device!r}; it must be one of {', '.join(DEVICES)}.")
    if not usable[kind]:
        raise CinnHubError(f"The device {device!r} cannot be used here; try device='cpu'.")
    return str(device)
