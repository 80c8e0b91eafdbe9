"""Model folders: `config.json` and `model.safetensors`, read strictly. No pickles."""

from __future__ import annotations

import json
import os
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from cinn_hub.colorization import ColorizationCINN, ColorizationConfig
from cinn_hub.config import read_json
from cinn_hub.digits import DigitCINN, DigitConfig
from cinn_hub.errors import CheckpointError
from cinn_hub.model import ConditionalINN

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
ARCHITECTURES = {
    "ColorizationCINN": (ColorizationCINN, ColorizationConfig),
    "DigitCINN": (DigitCINN, DigitConfig),
}


def write_model(model: ConditionalINN, folder: Path, dtype: torch.dtype = torch.float16) -> None:
    """Writes the config and the weights, floating-point tensors in `dtype`."""
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(model.config.to_dict(), indent=2) + "\n"
    (folder / CONFIG_FILE).write_text(text, "utf-8")
    state = {
        name: (x.to(dtype) if x.is_floating_point() else x).cpu().contiguous()
        for name, x in model.state_dict().items()
    }
    unfinished = folder / (WEIGHTS_FILE + ".new")
    save_file(state, unfinished, {"format": "pt"})
    os.chmod(unfinished, 0o644)  # safetensors writes for the owner alone
    os.replace(unfinished, folder / WEIGHTS_FILE)


def read_model(folder: Path) -> ConditionalINN:
    """Builds the model that `config.json` names and fills it, every tensor checked.

    Floating-point weights become float32, in evaluation mode.

    Raises:
        CheckpointError: a file is missing or damaged, or the two do not fit each other.
    """
    entries = read_json(folder / CONFIG_FILE)
    name = entries.get("architecture")
    if not isinstance(name, str) or name not in ARCHITECTURES:
        raise CheckpointError(
            f"{folder / CONFIG_FILE} names the architecture {name!r}; "
            f"this cinn_hub knows {sorted(ARCHITECTURES)}."
        )
    architecture, config = ARCHITECTURES[name]
    with torch.device("meta"):
        model = architecture(config.from_dict(entries))
    state = read_tensors(folder)
    check_tensors(state, model.state_dict(), folder)
    model.load_state_dict(state, strict=True, assign=True)
    return model.eval().requires_grad_(False)


def read_tensors(folder: Path) -> dict[str, torch.Tensor]:
    path = folder / WEIGHTS_FILE
    if not path.exists():
        raise CheckpointError(f"{folder} has no {WEIGHTS_FILE}; only safetensors are read.")
    try:
        state = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged or no safetensors file ({error}); get it again."
        ) from error
    return {name: x.float() if x.is_floating_point() else x for name, x in state.items()}


def check_tensors(
    found: dict[str, torch.Tensor], wanted: dict[str, torch.Tensor], folder: Path
) -> None:
    """Refuses missing, unknown, misshapen and non-finite tensors, naming the first."""
    for name in sorted(wanted.keys() ^ found.keys()):
        fault = "lacks" if name in wanted else "has the unknown tensor"
        raise CheckpointError(f"{folder / WEIGHTS_FILE} {fault} {name}; config.json wants another.")
    for name, x in found.items():
        if x.shape != wanted[name].shape:
            raise CheckpointError(
                f"{folder / WEIGHTS_FILE} has {name} of shape {tuple(x.shape)}; "
                f"config.json wants {tuple(wanted[name].shape)}."
            )
        if x.is_floating_point() and not x.isfinite().all():
            raise CheckpointError(
                f"{folder / WEIGHTS_FILE} has NaN or infinity in {name}; get it again."
            )
