"""The authors' checkpoints of their four networks -> our models, by keys and shapes alone."""

from __future__ import annotations

import hashlib
import os
import pickle
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from cinn_hub.config import Config
from cinn_hub.errors import CheckpointError, quoted
from cinn_hub.files import open_plain, reason_of
from cinn_hub.flow import AffineCoupling, InvertibleConv1x1, Level
from cinn_hub.model import ConditionalINN
from cinn_hub.originals.models import (
    ORIGINALS,
    VECTOR,
    OriginalBedroomCINN,
    OriginalDigitCINN,
    OriginalImageNetCINN,
)

MOST_PICKLE = 2**32  # bytes; the largest original with its optimizers has a quarter of that
NET = "net"  # where the tensors are, in files with the optimizers' state
OPTIMIZERS = ("opt", "opt_f")
LEFT_OUT = (
    *("tmp_var", "num_batches_tracked"),  # values of the last batch; a count of batches
    *("M_inv", "logDetM", "haar_weights"),  # follow from others, or never change
    *("conv8_313", "class8_ab"),  # classes of colour, which the flow does not see
)
"""Parts of the names of tensors that are not needed."""
# the names of layers inside of a coupling's networks
SEQUENCE, CONVS, DENSE = ("0", "2"), ("conv1", "conv2", "conv3"), ("fc1", "fc2", "fc2b", "fc3")
# of the feature network, as in Zhang et al. 2016
FEATURES = (
    *("bw_conv1_1", "conv1_2", "conv1_2norm", "conv2_1", "conv2_2", "conv2_2norm"),
    *(f"conv{b}_{i}" for b in range(3, 8) for i in ("1", "2", "3", "3norm")),
    *("conv8_1", "conv8_2", "conv8_3"),
)
# which of their nodes are the couplings, and in the research network the rotations, of our levels
BEDROOM_NODES = {
    "64x64": (1, 2),
    "32x32": (4, 6, 8, 10),
    "16x16": (14, 16, 18, 20),
    VECTOR: (24, 26, 28, 30),
}
IMAGENET_NODES = {
    "64x64": range(1, 9),
    "16x16": (*range(10, 26), 27, 28, 29, 32),
    "8x8": (*range(34, 46), 47, 48, 49, 52),
    "4x4": (*range(54, 66), 67, 68, 69, 72),
    VECTOR: range(76, 91, 2),
}
IMAGENET_CONDITIONAL = (1, 14, 34, 54)  # the first couplings that see a condition, of each level


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


class Source:
    """The tensors of a checkpoint; each is taken once, and in the end none may be left.

    Attributes:
        dropped: what is not needed, and how many of it.
    """

    def __init__(self, file: Any, path: str) -> None:
        self.path = path
        self.dropped: Counter[str] = Counter()
        self.left: dict[str, Tensor] = {}
        if isinstance(file, Mapping) and NET in file:
            for key in file.keys() - {NET}:
                if key not in OPTIMIZERS:
                    raise self.refusal(f"has {quoted(key)}, which none of the originals has")
                self.dropped["optimizer state"] += 1
            file = file[NET]
        if not isinstance(file, Mapping):
            raise self.refusal(f"holds a {type(file).__name__}, not a dict of tensors")
        for key, value in file.items():
            if not (isinstance(key, str) and isinstance(value, Tensor)):
                raise self.refusal(f"has {quoted(key)}, which is not a tensor with a name")
            if part := next((part for part in LEFT_OUT if part in key), None):
                self.dropped[part] += 1
            else:
                self.left[key] = value

    def refusal(self, fault: str) -> CheckpointError:
        return CheckpointError(f"{self.path} {fault}; expected a checkpoint of an original cINN.")

    def width(self, key: str) -> int:
        """The first dimension of a tensor that will be taken."""
        value = self.left.get(key)
        if value is None or value.dim() == 0:
            raise self.refusal(f"lacks {key}")
        return len(value)

    def take(self, key: str, shape: Sequence[int]) -> Tensor:
        """The tensor of that name, if it has that shape and finite numbers."""
        value = self.left.pop(key, None)
        if value is None:
            raise self.refusal(f"lacks {key}")
        plain = value.is_floating_point() and value.layout == torch.strided
        if not plain or tuple(value.shape) != tuple(shape):
            found = f"{value.dtype} of shape {quoted(tuple(value.shape))}"
            raise self.refusal(f"has {key} as {found} where plain floats of {tuple(shape)} fit")
        if not value.float().isfinite().all():
            raise self.refusal(f"has NaN or infinity in {key}")
        return value

    def copy(self, module: nn.Module, key: str) -> None:
        """The tensors of one module into ours."""
        if isinstance(module, InvertibleConv1x1):
            matrix = self.take(f"{key}.M", (*module.weight.shape, 1, 1))
            module.weight.copy_(matrix[..., 0, 0])
            return
        for name, ours in module.state_dict().items():
            if name not in LEFT_OUT:
                ours.copy_(self.take(f"{key}.{name}", ours.shape))

    def copy_sequence(self, modules: nn.Sequential, key: str) -> None:
        """Modules in a row, which have their numbers as names."""
        for i, module in enumerate(modules):
            self.copy(module, f"{key}{i}")

    def copy_level(
        self, level: Level, nodes: str, numbers: Sequence[int], names: Sequence[str]
    ) -> None:
        """The couplings and rotations of a level; `s2` comes first, as our `subnet1` does.

        Arguments:
            nodes: where their nodes are; numbers: of these.
            names: of the layers in a coupling's networks.
        """
        kinds = AffineCoupling | InvertibleConv1x1
        layers = [layer for layer in level.steps.layers if isinstance(layer, kinds)]
        for number, layer in zip(numbers, layers, strict=True):
            if isinstance(layer, InvertibleConv1x1):
                self.copy(layer, f"{nodes}{number}")
                continue
            for subnet, theirs in ((layer.subnet1, "s2"), (layer.subnet2, "s1")):
                for module, name in zip(subnet.layers, names, strict=True):
                    self.copy(module, f"{nodes}{number}.{theirs}.{name}")


@torch.no_grad()
def read_original(file: Any, path: str) -> tuple[str, ConditionalINN, Counter[str]]:
    """The name of the original that a file holds, its model, and what was not needed.

    Arguments:
        file: what `read_pickle` gave; path: what messages call it.

    Raises:
        CheckpointError: it is not one of the four; a key is missing, left over, or misshapen.
    """
    source = Source(file, path)
    name = next((name for name, (key, _) in READERS.items() if key in source.left), None)
    if name is None:
        keys = quoted(min(source.left), text=True) if source.left else "no tensors"
        raise source.refusal(f"holds none of the four original networks, but {keys}")
    model = READERS[name][1](source, name)
    if source.left:
        key = quoted(min(source.left), text=True)
        raise source.refusal(f"has {key}, which {name} does not have")
    for part, layer in model.named_modules():
        if isinstance(layer, InvertibleConv1x1) and (fault := layer.fault()):
            raise source.refusal(f"cannot be inverted: {part} {fault}")
    return name, model.eval().requires_grad_(False), source.dropped


def sized(source: Source, name: str, **layers: tuple[str, Sequence[object]]) -> Config:
    """The configuration of that name with widths as in the checkpoint.

    layers: {field: (a key with {} in it, the names of layers to put there)}.
    """
    widths = {
        field: tuple(source.width(key.format(layer) + ".weight") for layer in names)
        for field, (key, names) in layers.items()
    }
    try:
        return replace(ORIGINALS[name], **widths)
    except ValueError as error:
        raise source.refusal(f"does not fit {name}: {error}") from error


def read_digits(source: Source, name: str) -> OriginalDigitCINN:
    minimal = name == "mnist-minimal"
    nodes, layers = ("cinn.module_list.", SEQUENCE) if minimal else ("module_list.", DENSE)
    model = OriginalDigitCINN(sized(source, name, hidden=(nodes + "3.s1.{}", layers[:-1])))
    numbers = range(3, 3 + 2 * model.config.couplings, 2)
    source.copy_level(model.flow.levels["28x28"], nodes, numbers, layers)
    return model


def read_bedroom(source: Source, name: str) -> OriginalBedroomCINN:
    levels, nodes = "cond_net.resolution_levels.", "cinn.module_list."
    config = sized(
        source,
        name,
        condition=(levels + "{}", ("0.2", "1.3", "2.1", "3.3")),
        hidden=(nodes + "{}.s1.0", (1, 4, 14, 24)),
    )
    model = OriginalBedroomCINN(config)
    for i, modules in enumerate(model.condition_network.levels):
        source.copy_sequence(modules, f"{levels}{i}.")
    for level, numbers in BEDROOM_NODES.items():
        source.copy_level(model.flow.levels[level], nodes, numbers, SEQUENCE)
    return model


def read_imagenet(source: Source, name: str) -> OriginalImageNetCINN:
    net, vector, nodes = (
        f"module.{part}." for part in ("feature_network", "fc_cond_network", "inn.module_list")
    )
    config = sized(
        source,
        name,
        features=(net + "{}", ("bw_conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv8_3")),
        vector=(vector + "{}", (0, 2, 4, 6)),
        inner=(nodes + "54.subnet.{}", (0, 2, 4)),
        hidden=(nodes + "{}.s1.conv1", IMAGENET_CONDITIONAL),
        free=(nodes + "{}.s1.conv1", (11, 28, 48, 68)),
        dense=(nodes + "76.s1.{}", DENSE[:-1]),
    )
    model = OriginalImageNetCINN(config)
    own = [module for module in model.features.modules() if hasattr(module, "weight")]
    for key, module in zip(FEATURES, own, strict=True):
        source.copy(module, net + key)
    source.copy_sequence(model.vector, vector)
    for level, numbers in IMAGENET_NODES.items():
        names = DENSE if level == VECTOR else CONVS
        source.copy_level(model.flow.levels[level], nodes, numbers, names)
    for first, subnets in zip(IMAGENET_CONDITIONAL, model.subnets.values(), strict=True):
        for k, subnet in enumerate(subnets):
            source.copy_sequence(subnet, f"{nodes}{first + 2 * k}.subnet.")
    return model


READERS = {
    "imagenet-research": ("module.inn.module_list.1.s1.conv1.weight", read_imagenet),
    "lsun-minimal": ("cond_net.resolution_levels.0.0.weight", read_bedroom),
    "mnist-minimal": ("cinn.module_list.3.s1.0.weight", read_digits),
    "mnist-research": ("module_list.3.s1.fc1.weight", read_digits),
}
"""By their names, a tensor that only this network has, and what reads it."""
