"""The authors' checkpoints of their four networks -> our models, by keys and shapes alone."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cinn_hub.errors import CheckpointError, quoted
from cinn_hub.files import open_plain, reason_of
from cinn_hub.flow import AffineCoupling, InvertibleConv1x1
from cinn_hub.model import ConditionalINN
from cinn_hub.originals import models
from cinn_hub.originals.models import ORIGINALS, OriginalBedroomCINN, OriginalImageNetCINN

MOST_PICKLE = 2**32  # bytes; the largest original with its optimizers has a quarter of that
NET = "net"  # where the tensors are, in files with the optimizers' state
OPTIMIZERS = ("opt", "opt_f")
LEFT_OUT = (
    *("tmp_var", "num_batches_tracked"),  # values of the last batch; a count of batches
    *("M_inv", "logDetM", "haar_weights"),  # follow from others, or never change
    *("conv8_313", "class8_ab"),  # classes of colour, which the flow does not see
)
"""Parts of the names of tensors that are not needed."""


def modules(prefix: str, *names: object) -> list[str]:
    return [f"{prefix}.{name}" for name in names]


FEATURES = ("bw_conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv8_3")
COUPLING = "module.inn.module_list.{}.s1.conv1"
WIDTHS: dict[str, dict[str, list[str]]] = {
    "mnist-minimal": {"hidden": ["cinn.module_list.3.s1.0"]},
    "mnist-research": {"hidden": modules("module_list.3.s1", "fc1", "fc2", "fc2b")},
    "lsun-minimal": {
        "condition": modules("cond_net.resolution_levels", "0.2", "1.3", "2.1", "3.3"),
        "hidden": [f"cinn.module_list.{node}.s1.0" for node in (1, 4, 14, 24)],
    },
    "imagenet-research": {
        "features": modules("module.feature_network", *FEATURES),
        "vector": modules("module.fc_cond_network", 0, 2, 4, 6),
        "inner": modules("module.inn.module_list.54.subnet", 0, 2, 4),
        "hidden": [COUPLING.format(node) for node in (1, 14, 34, 54)],
        "free": [COUPLING.format(node) for node in (11, 28, 48, 68)],
        "dense": modules("module.inn.module_list.76.s1", "fc1", "fc2", "fc2b"),
    },
}
"""{name: {field of its config: the modules whose outputs are as many}}. A file that has all of them
is of that network."""


def read_pickle(path: Path) -> tuple[Any, str]:
    """What `torch.save` wrote, of any year, on the CPU: tensors in dicts and lists; its SHA-256.

    Tensors alone are read, so that no code in the file runs.

    Raises:
        CheckpointError: the file is missing, damaged or too large, or holds more than tensors.
    """
    try:
        with open_plain(path) as file:
            size = os.fstat(file.fileno()).st_size
            if size > MOST_PICKLE:
                raise ValueError(f"it has {size:,} bytes; up to {MOST_PICKLE:,} are read")
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
            file.seek(0)
            return torch.load(file, map_location="cpu", weights_only=True), sha256
    except FileNotFoundError as error:
        raise CheckpointError(f"The file {path} does not exist; check the path.") from error
    except Exception as error:  # a damaged pickle can raise anything
        if isinstance(error, pickle.UnpicklingError) and (
            wanted := re.search(r"GLOBAL (\S+)", str(error))
        ):
            raise CheckpointError(
                f"{path} needs more than tensors ({quoted(wanted[1], text=True)}), which could run "
                "any code, so it was not loaded; save its state_dict alone."
            ) from error
        reason = quoted(reason_of(error).partition(". ")[0], text=True)
        raise CheckpointError(
            f"{path} is damaged or not a file of torch.save ({reason}); get it again."
        ) from error


@torch.no_grad()
def read_original(file: Any, path: str) -> tuple[str, ConditionalINN]:
    """The name of the original that a file holds, and its model.

    Arguments:
        file: what `read_pickle` gave; path: what messages call it.

    Raises:
        CheckpointError: it is not one of the four; a key is missing, left over, or misshapen.
    """
    tensors = tensors_of(file, path)
    theirs = sorted({key.rpartition(".")[0] for key in tensors}, key=natural)
    fitting = (n for n, fields in WIDTHS.items() if {*theirs}.issuperset(sum(fields.values(), [])))
    if (name := next(fitting, None)) is None:
        keys = quoted(theirs[0], text=True) if theirs else "no tensors"
        raise refusal(path, f"holds none of the four original networks, but {keys}")
    try:
        widths = {
            field: tuple(len(tensors[f"{key}.weight"]) for key in keys)
            for field, keys in WIDTHS[name].items()
        }
        config = replace(ORIGINALS[name], **widths)
    except (KeyError, ValueError) as error:
        raise refusal(path, f"does not fit {name}: {error}") from error
    model = getattr(models, config.architecture)(config)
    ours = list(in_their_order(model))
    if len(ours) != len(theirs):
        raise refusal(path, f"has {len(theirs)} modules where {name} has {len(ours)}")
    for module, key in zip(ours, theirs, strict=True):
        copy(module, key, tensors, path)
    if tensors:
        key = quoted(min(tensors), text=True)
        raise refusal(path, f"has {key}, which {name} does not have")
    for part, layer in model.named_modules():
        if isinstance(layer, InvertibleConv1x1) and (fault := layer.fault()):
            raise refusal(path, f"cannot be inverted: {part} {fault}")
    return name, model.eval().requires_grad_(False)


def tensors_of(file: Any, path: str) -> dict[str, Tensor]:
    """The tensors that are needed, by name."""
    if isinstance(file, Mapping) and NET in file:
        if others := sorted(file.keys() - {NET, *OPTIMIZERS}, key=str):
            raise refusal(path, f"has {quoted(others[0])}, which none of the originals has")
        file = file[NET]
    if not isinstance(file, Mapping):
        raise refusal(path, f"holds a {type(file).__name__}, not a dict of tensors")
    tensors = {}
    for key, value in file.items():
        if not (isinstance(key, str) and isinstance(value, Tensor)):
            raise refusal(path, f"has {quoted(key)}, which is not a tensor with a name")
        if not any(part in key for part in LEFT_OUT):
            if value.dim() == 0:
                raise refusal(path, f"has {quoted(key)}, which is a single number")
            tensors[key] = value
    return tensors


def natural(name: str) -> list[str | int]:
    """For sorting: 9 comes before 10."""
    return [int(part) if part.isdecimal() else part for part in re.split(r"([0-9]+)", name)]


def in_their_order(model: ConditionalINN) -> Iterator[nn.Module]:
    """Our modules that have weights, in the order of the authors' names; `s1` is our `subnet2`."""
    subnets: list[nn.Sequential] = []
    if isinstance(model, OriginalImageNetCINN):
        yield from weighted(model.vector)
        yield from weighted(model.features)
        subnets = [subnet for level in model.subnets.values() for subnet in level]
    of_condition = iter(subnets)
    for level in model.flow.levels.values():
        for layer in level.steps.layers:
            if isinstance(layer, AffineCoupling):
                yield from (*layer.subnet2.layers, *layer.subnet1.layers)
                if layer.subnet1.kernel and layer.subnet1.place is not None:
                    yield from weighted(next(of_condition, nn.Sequential()))
            elif isinstance(layer, InvertibleConv1x1):
                yield layer
    if isinstance(model, OriginalBedroomCINN):
        yield from weighted(model.condition_network)


def weighted(module: nn.Module) -> Iterator[nn.Module]:
    return (part for part in module.modules() if hasattr(part, "weight"))


def copy(module: nn.Module, key: str, tensors: dict[str, Tensor], path: str) -> None:
    """Takes the tensors of one module into ours.

    Raises:
        CheckpointError: one is missing, of another shape or kind, or has numbers that are not
            finite.
    """
    is_rotation = isinstance(module, InvertibleConv1x1)
    for part, ours in module.state_dict().items():
        name = f"{key}.M" if is_rotation else f"{key}.{part}"
        shape = (*ours.shape, 1, 1) if is_rotation else ours.shape
        if part in LEFT_OUT:
            continue
        if (value := tensors.pop(name, None)) is None:
            raise refusal(path, f"lacks {name}")
        plain = value.is_floating_point() and value.layout == torch.strided
        if not plain or value.shape != shape:
            found = f"{value.dtype} of shape {quoted(tuple(value.shape))}"
            raise refusal(path, f"has {name} as {found} where plain floats of {tuple(shape)} fit")
        if not value.float().isfinite().all():
            raise refusal(path, f"has NaN or infinity in {name}")
        ours.copy_(value.view_as(ours))


def refusal(path: str, fault: str) -> CheckpointError:
    return CheckpointError(f"{path} {fault}; expected a checkpoint of an original cINN.")
