"""The authors' checkpoints of their four networks -> our models, by keys and shapes alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from cinn_hub.config import Config
from cinn_hub.errors import CheckpointError, quoted
from cinn_hub.flow import AffineCoupling, HaarDownsampling, InvertibleConv1x1, Level
from cinn_hub.model import ConditionalINN
from cinn_hub.originals.models import (
    ORIGINALS,
    VECTOR,
    OriginalBedroomCINN,
    OriginalDigitCINN,
    OriginalImageNetCINN,
)
from cinn_hub.originals.networks import BLOCKS

NET = "net"  # where the tensors are, in files with the optimizers' state
OPTIMIZERS = ("opt", "opt_f")
LEFT_OUT = ("tmp_var", "num_batches_tracked")  # values of the last batch; a count of batches
MNIST_MINIMAL, CONVS = ("0", "2"), ("conv1", "conv2", "conv3")
DENSE = ("fc1", "fc2", "fc2b", "fc3")
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


class Source:
    """The tensors of a checkpoint; each is taken once, and in the end none may be left.

    Attributes:
        dropped: what is not needed, and how many of it.
    """

    def __init__(self, file: Any, path: str) -> None:
        self.path = path
        self.dropped: Counter[str] = Counter()
        self.left: dict[str, Tensor] = {}
        if not isinstance(file, Mapping):
            raise self.refusal(f"holds a {type(file).__name__}, not a dict of tensors")
        if isinstance(file.get(NET), Mapping):
            for key in file.keys() - {NET}:
                if key not in OPTIMIZERS:
                    raise self.refusal(f"has {quoted(key)}, which none of the originals has")
                self.dropped["optimizer state"] += 1
            file = file[NET]
        for key, value in file.items():
            if not (isinstance(key, str) and isinstance(value, Tensor)):
                raise self.refusal(f"has {quoted(key)}, which is not a tensor with a name")
            part = next((part for part in LEFT_OUT if part in key), None)
            if part:
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
        if tuple(value.shape) != tuple(shape):
            raise self.refusal(
                f"has {key} of shape {quoted(tuple(value.shape))} where {tuple(shape)} fits"
            )
        if not (value.is_floating_point() and value.layout == torch.strided):
            raise self.refusal(f"has {key} as {value.dtype} where plain floats fit")
        if not value.float().isfinite().all():
            raise self.refusal(f"has NaN or infinity in {key}")
        return value

    def drop(self, key: str, shape: Sequence[int]) -> Tensor:
        """As `take`, for what the model does not need."""
        self.dropped[key.rpartition(".")[2]] += 1
        return self.take(key, shape)

    def finish(self) -> None:
        """Refuses a checkpoint in which something is left."""
        if self.left:
            key = quoted(min(self.left), text=True)
            raise self.refusal(f"has {key}, which this network does not have")


def recognize(source: Source) -> str:
    """Which of the originals a checkpoint holds, by its keys."""
    signs = {
        "imagenet-research": "module.inn.module_list.1.s1.conv1.weight",
        "lsun-minimal": "cond_net.resolution_levels.0.0.weight",
        "mnist-minimal": "cinn.module_list.3.s1.0.weight",
        "mnist-research": "module_list.3.s1.fc1.weight",
    }
    for name, key in signs.items():
        if key in source.left:
            return name
    keys = quoted(min(source.left), text=True) if source.left else "no tensors"
    raise source.refusal(f"holds none of the four original networks, but {keys}")


@torch.no_grad()
def read_original(file: Any, path: str) -> tuple[str, ConditionalINN, Counter[str]]:
    """The name of the original that a file holds, its model, and what was not needed.

    Arguments:
        file: what `read_pickle` gave; path: what messages call it.

    Raises:
        CheckpointError: it is not one of the four; a key is missing, left over, or misshapen.
    """
    source = Source(file, path)
    name = recognize(source)
    model = READERS[name](source, name)
    source.finish()
    for part, layer in model.named_modules():
        if isinstance(layer, InvertibleConv1x1) and (fault := layer.fault()):
            raise source.refusal(f"cannot be inverted: {part} {fault}")
    return name, model.eval().requires_grad_(False), source.dropped


def sized(source: Source, name: str, **widths: Sequence[str]) -> Config:
    """The configuration of that name with the widths of these tensors."""
    found = {field: tuple(map(source.width, keys)) for field, keys in widths.items()}
    try:
        return replace(ORIGINALS[name], **found)
    except ValueError as error:
        raise source.refusal(f"does not fit {name}: {error}") from error


def weights(template: str, names: Sequence[object]) -> list[str]:
    """The keys of these layers' weights; {} in the template is the layer's name."""
    return [f"{template.format(name)}.weight" for name in names]


def read_digits(source: Source, name: str) -> OriginalDigitCINN:
    minimal = name == "mnist-minimal"
    nodes, layers = ("cinn.module_list", MNIST_MINIMAL) if minimal else ("module_list", DENSE)
    hidden = weights(nodes + ".3.s1.{}", layers[:-1])
    model = OriginalDigitCINN(sized(source, name, hidden=hidden))
    couplings = couplings_of(model.flow.levels["28x28"])
    terms = [
        copy_coupling(layer, source, f"{nodes}.{3 + 2 * k}", layers, model.terms.in_features)
        for k, layer in enumerate(couplings)
    ]
    model.terms.weight.copy_(torch.cat(terms))
    return model


def read_bedroom(source: Source, name: str) -> OriginalBedroomCINN:
    levels, nodes = "cond_net.resolution_levels.", "cinn.module_list."
    condition = weights(levels + "{}", ["0.2", "1.3", "2.1", "3.3"])
    hidden = weights(nodes + "{}.s1.0", [1, 4, 14, 24])
    model = OriginalBedroomCINN(sized(source, name, condition=condition, hidden=hidden))
    for i, level in enumerate(model.condition_network.levels):
        copy_sequence(level, source, f"{levels}{i}")
    widths = dict(zip(model.terms, model.config.condition, strict=True))
    for name, numbers in BEDROOM_NODES.items():
        terms: dict[int, list[Tensor]] = {}
        for node, layer in zip(numbers, couplings_of(model.flow.levels[name]), strict=True):
            term = copy_coupling(layer, source, f"{nodes}{node}", MNIST_MINIMAL, widths[name])
            terms.setdefault(term.shape[-1] if term.dim() == 4 else 0, []).append(term)
        into = model.terms[name]
        for kernel, module in zip(sorted(terms), getattr(into, "by_kernel", [into]), strict=True):
            module.weight.copy_(torch.cat(terms[kernel]))
    check_haar(source, f"{nodes}3", 2)
    check_haar(source, f"{nodes}13", 2)
    return model


def read_imagenet(source: Source, name: str) -> OriginalImageNetCINN:
    net, vector, nodes = (
        f"module.{part}." for part in ("feature_network", "fc_cond_network", "inn.module_list")
    )
    config = sized(
        source,
        name,
        features=weights(net + "{}", ["bw_conv1_1", "conv2_1", "conv3_1", "conv4_1", "conv8_3"]),
        vector=weights(vector + "{}", [0, 2, 4, 6]),
        inner=weights(nodes + "54.subnet.{}", [0, 2, 4]),
        hidden=weights(nodes + "{}.s1.conv1", [1, 14, 34, 54]),
        free=weights(nodes + "{}.s1.conv1", [11, 28, 48, 68]),
        dense=weights(nodes + "76.s1.{}", DENSE[:-1]),
    )
    model = OriginalImageNetCINN(config)
    copy_features(model, source, net)
    copy_sequence(model.vector, source, vector[:-1])
    for level, width in zip(model.terms, config.hidden, strict=True):
        copy_level(model, level, source, nodes, width)
    features = config.vector[-1]
    couplings = zip(IMAGENET_NODES[VECTOR], couplings_of(model.flow.levels[VECTOR]), strict=True)
    terms = [copy_coupling(c, source, f"{nodes}{n}", DENSE, features) for n, c in couplings]
    model.vector_terms.weight.copy_(torch.cat(terms))
    check_haar(source, f"{nodes}66", 32)
    return model


READERS: dict[str, Callable[[Source, str], ConditionalINN]] = {
    "mnist-minimal": read_digits,
    "mnist-research": read_digits,
    "lsun-minimal": read_bedroom,
    "imagenet-research": read_imagenet,
}


def copy_level(
    model: OriginalImageNetCINN, name: str, source: Source, nodes: str, width: int
) -> None:
    """One level of `imagenet-research`, with the condition subnets of its couplings."""
    kinds = AffineCoupling | InvertibleConv1x1
    layers = [layer for layer in model.flow.levels[name].steps.layers if isinstance(layer, kinds)]
    terms, conditional = [], []
    for node, layer in zip(IMAGENET_NODES[name], layers, strict=True):
        key = f"{nodes}{node}"
        if isinstance(layer, InvertibleConv1x1):
            copy_rotation(layer, source, key)
        elif layer.subnet1.term is None:
            copy_coupling(layer, source, key, CONVS, 0)
        else:
            terms.append(copy_coupling(layer, source, key, CONVS, width))
            conditional.append(key)
    *subnets, last = model.terms[name]
    last.weight.copy_(torch.cat(terms))
    for i, module in enumerate(subnets):
        copy_groups(module, source, [f"{key}.subnet.{i}" for key in conditional])


def copy_features(model: OriginalImageNetCINN, source: Source, net: str) -> None:
    """The feature network, whose layers have the names of Zhang et al. 2016."""
    for b, (block, (convs, _, _)) in enumerate(zip(model.features.blocks, BLOCKS, strict=True), 1):
        names = [f"conv{b}_{i}" for i in range(1, convs + 1)] + [f"conv{b}_{convs}norm"]
        if b == 1:
            names[0] = "bw_conv1_1"
        modules = [layer for layer in block if not isinstance(layer, nn.ReLU)]
        for key, module in zip(names, modules, strict=True):
            copy_groups(module, source, [net + key])
    last = model.features.last
    modules = {"conv8_1": last[0], "conv8_2": last[2], "conv8_3": last[4]}
    modules |= {"conv8_313": model.features.scores, "class8_ab": model.features.colors}
    for key, module in modules.items():
        copy_groups(module, source, [net + key])


def couplings_of(level: Level) -> list[AffineCoupling]:
    return [layer for layer in level.steps.layers if isinstance(layer, AffineCoupling)]


def copy_coupling(
    layer: AffineCoupling, source: Source, key: str, names: Sequence[str], features: int
) -> Tensor:
    """A coupling, whose `s2` comes first as our `subnet1` does.

    Arguments:
        names: of the layers in its networks.
        features: how many inputs of the first ones belong to the condition.

    Returns:
        the weights of its two terms, first to last, which belong to the level.
    """
    terms = []
    for subnet, theirs in ((layer.subnet1, "s2"), (layer.subnet2, "s1")):
        for i, (module, name) in enumerate(zip(subnet.layers, names, strict=True)):
            outputs, inputs, *kernel = module.weight.shape
            seen = inputs + (features if i == 0 else 0)
            weight = source.take(f"{key}.{theirs}.{name}.weight", (outputs, seen, *kernel))
            module.weight.copy_(weight[:, :inputs])
            module.bias.copy_(source.take(f"{key}.{theirs}.{name}.bias", module.bias.shape))
            if i == 0:
                terms.append(weight[:, inputs:])
    return torch.cat(terms)


def copy_rotation(layer: InvertibleConv1x1, source: Source, key: str) -> None:
    """A fixed rotation; its inverse and its determinant are found anew."""
    size = len(layer.weight)
    layer.weight.copy_(source.take(f"{key}.M", (size, size, 1, 1))[:, :, 0, 0])
    source.drop(f"{key}.M_inv", (size, size, 1, 1))
    source.drop(f"{key}.logDetM", ())


def copy_sequence(modules: nn.Sequential, source: Source, key: str) -> None:
    """Modules in a row, which have their numbers as names."""
    for i, module in enumerate(modules):
        copy_groups(module, source, [f"{key}.{i}"])


def copy_groups(module: nn.Module, source: Source, keys: Sequence[str]) -> None:
    """One module, or several as the groups of one."""
    for name, ours in module.state_dict().items():
        if name not in LEFT_OUT:
            for part, key in zip(ours.chunk(len(keys)), keys, strict=True):
                part.copy_(source.take(f"{key}.{name}", part.shape))


def check_haar(source: Source, key: str, channels: int) -> None:
    """Refuses other wavelets than those of `HaarDownsampling`."""
    block = torch.eye(4).view(4, 1, 2, 2)
    wavelets = 4 * HaarDownsampling()(block, None)[0][:, :, 0, 0].T
    found = source.drop(f"{key}.haar_weights", (4 * channels, 1, 2, 2))
    if not torch.equal(found.float(), wavelets.view(4, 1, 2, 2).repeat(channels, 1, 1, 1)):
        raise source.refusal(f"has other numbers than Haar's wavelets in {key}.haar_weights")
