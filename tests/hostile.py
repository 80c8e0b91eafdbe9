"""Model folders that were made to hurt: a table of how each is made of a good one, and of a part of
the sentence with which it must be refused."""

from __future__ import annotations

import json
import os
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

CONFIG, WEIGHTS = "config.json", "model.safetensors"
Change = Callable[[Path], None]


@dataclass(frozen=True)
class Hostile:
    """kind: of the good model that it is made of, "color" or "digits"; says: in its sentence."""

    change: Change
    says: str
    kind: str = "color"


# ------------------------------------------------------------------ ways to change a folder


def content(name: str, data: bytes | str) -> Change:
    """The file has this content."""
    data = data.encode() if isinstance(data, str) else data
    return lambda folder: (folder / name).write_bytes(data) and None


def entries(**changed: object) -> Change:
    """The config with these entries; None takes one out."""

    def change(folder: Path) -> None:
        config = {**json.loads((folder / CONFIG).read_text()), **changed}
        kept = {key: value for key, value in config.items() if value is not None}
        (folder / CONFIG).write_text(json.dumps(kept))

    return change


def entry(key: str, text: str) -> Change:
    """The config with this text, JSON or not, as the value of the key."""

    def change(folder: Path) -> None:
        entries(**{key: "@"})(folder)
        path = folder / CONFIG
        path.write_text(path.read_text().replace('"@"', text))

    return change


def twice(folder: Path) -> None:
    path = folder / CONFIG
    path.write_text('{"clamp": 1.0, ' + path.read_text().lstrip()[1:])


def missing(name: str) -> Change:
    return lambda folder: (folder / name).unlink()


def instead(name: str, make: Callable[[Path], object]) -> Change:
    """Something else is in the place of the file."""

    def change(folder: Path) -> None:
        (folder / name).unlink()
        make(folder / name)

    return change


def link(target: str) -> Callable[[Path], None]:
    return lambda path: path.symlink_to(target)


def listening_socket(path: Path) -> None:
    before = os.getcwd()
    os.chdir(path.parent)  # the names of sockets are short
    try:
        with socket.socket(socket.AF_UNIX) as opened:
            opened.bind(path.name)
    finally:
        os.chdir(before)


def sparse(name: str, size: int) -> Change:
    return lambda folder: os.truncate(folder / name, size)


def tensors(**changed: Callable[[torch.Tensor], torch.Tensor] | None) -> Change:
    """The weights, with the first tensor whose name ends like that changed, or taken out."""

    def change(folder: Path) -> None:
        state = load_file(folder / WEIGHTS)
        for ending, function in changed.items():
            name = min(name for name in state if name.endswith(ending))
            state[name] = function(state[name]) if function else state[name]
            if function is None:
                del state[name]
        save_file(state, folder / WEIGHTS)

    return change


def header(edit: Callable[[dict], object]) -> Change:
    """The weights, with their header edited in place or replaced by what is returned: a dict, or
    the bytes themselves."""

    def change(folder: Path) -> None:
        whole = (folder / WEIGHTS).read_bytes()
        end = 8 + struct.unpack("<Q", whole[:8])[0]
        found = json.loads(whole[8:end])
        found.pop("__metadata__", None)
        edited = edit(found) or found
        text = edited if isinstance(edited, bytes) else json.dumps(edited).encode()
        (folder / WEIGHTS).write_bytes(struct.pack("<Q", len(text)) + text + whole[end:])

    return change


def of_first(**values: object) -> Change:
    """The header with these values for the tensor that lies first in the file."""

    def edit(found: dict) -> None:
        first = min(found.values(), key=lambda about: (about["data_offsets"], about["shape"]))
        first.update(values)

    return header(edit)


def overlapping(found: dict) -> None:
    """Two tensors of one size share their bytes, and the others follow without a hole."""
    about = sorted(found.values(), key=lambda about: about["data_offsets"])
    about[-1]["data_offsets"] = [0, about[-1]["data_offsets"][1] - about[-1]["data_offsets"][0]]


def repeated(found: dict) -> bytes:
    text = json.dumps(found)
    name, about = next(iter(found.items()))
    return (text[:-1] + f", {json.dumps(name)}: {json.dumps({**about, 'shape': [1]})}}}").encode()


def named(name: str) -> Change:
    """The weights with one more tensor, of that name."""

    def change(folder: Path) -> None:
        save_file({**load_file(folder / WEIGHTS), name: torch.ones(1)}, folder / WEIGHTS)

    return change


def longest(folder: Path) -> None:
    """The weights begin with a length that no file has."""
    path = folder / WEIGHTS
    path.write_bytes(b"\xff" * 8 + path.read_bytes()[8:])


def appended(data: bytes) -> Change:
    def change(folder: Path) -> None:
        with (folder / WEIGHTS).open("ab") as file:
            file.write(data)

    return change


def cut(folder: Path) -> None:
    path = folder / WEIGHTS
    os.truncate(path, path.stat().st_size - 100)


def filled(value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: torch.full_like(x, value)


def nearly_singular(x: torch.Tensor) -> torch.Tensor:
    x = x.clone()
    x[0] = x[1] * (1 + 1e-7)
    return x


def many_tiny(folder: Path) -> None:
    save_file({f"tensor{i}": torch.zeros(1) for i in range(30_000)}, folder / WEIGHTS)


DEEP = "[" * 20_000
NOT_PLAIN = "is not an ordinary file"
NOT_JSON = "cannot be read as JSON"
DAMAGED = "is damaged or not a safetensors file"
ROTATION, SCALE = "steps.layers.4.weight", "log_scale"

HOSTILE = {
    # the config as a file
    "config missing": Hostile(missing(CONFIG), "has no config.json"),
    "config empty": Hostile(content(CONFIG, ""), NOT_JSON),
    "config of a page": Hostile(content(CONFIG, "<html>404</html>"), NOT_JSON),
    "config of a list": Hostile(content(CONFIG, "[1, 2]"), "holds a list"),
    "config of a number": Hostile(content(CONFIG, "NaN"), "holds a float"),
    "config not UTF-8": Hostile(content(CONFIG, b'{"architecture": "\xff"}'), "'utf-8' codec"),
    "config in UTF-16": Hostile(content(CONFIG, "{}".encode("utf-16")), "'utf-8' codec"),
    "config deep": Hostile(content(CONFIG, DEEP), "recursion"),
    "config deep in objects": Hostile(content(CONFIG, '{"a":' * 20_000), "recursion"),
    "config of 2 MB": Hostile(content(CONFIG, " " * 2**21), "it is larger than 1 MB"),
    "config of 1 TB": Hostile(sparse(CONFIG, 2**40), "it is larger than 1 MB"),
    "config of zeros": Hostile(content(CONFIG, bytes(1000)), NOT_JSON),
    "config a FIFO": Hostile(instead(CONFIG, os.mkfifo), NOT_PLAIN),
    "config a socket": Hostile(instead(CONFIG, listening_socket), NOT_PLAIN),
    "config a folder": Hostile(instead(CONFIG, os.mkdir), NOT_PLAIN),
    "config endless": Hostile(instead(CONFIG, link("/dev/zero")), NOT_PLAIN),
    "config a link to itself": Hostile(instead(CONFIG, link(CONFIG)), "symbolic links"),
    "config a link to nothing": Hostile(instead(CONFIG, link("nowhere")), "has no config.json"),
    "config a link to the weights": Hostile(instead(CONFIG, link(WEIGHTS)), NOT_JSON),
    # what the config says
    "a key twice": Hostile(twice, "it has 'clamp' 2 times"),
    "a key unknown": Hostile(entries(colour=3), "has colour, which"),
    "a key of 500 kB": Hostile(entries(**{"k" * 500_000: 1}), "which ColorizationConfig does not"),
    "a key with newlines": Hostile(entries(**{"a\n\x1b[2Jb": 1}), "does not know"),
    "half a character": Hostile(entry("architecture", r'"\ud800"'), r"\ud800"),
    "an architecture of 500 kB": Hostile(entries(architecture="A" * 500_000), "names the arch"),
    "an architecture that is a path": Hostile(entries(architecture="os.system"), "'os.system'"),
    "a format of another time": Hostile(entries(format_version=10**300), "has format_version"),
    "unit NaN": Hostile(entry("unit", "NaN"), "unit has nan"),
    "unit infinite": Hostile(entry("unit", "1e999"), "unit has inf"),
    "unit of nothing": Hostile(entry("unit", "5e-324"), "unit has"),
    "unit deep": Hostile(entry("unit", "[" * 300 + "]" * 300), "must be float"),
    "noise infinite": Hostile(entry("noise", "-Infinity"), "noise has -inf"),
    "an integer of 400 digits": Hostile(entry("features", "9" * 400), "features has 99"),
    "an integer of 5000 digits": Hostile(entry("features", "9" * 5000), NOT_JSON),
    "temperature NaN": Hostile(entry("temperature", '{"mood": NaN}'), "temperature has nan"),
    "a level of 100 kB": Hostile(entries(temperature={"m" * 10**5: 1}), "unknown levels"),
    "couplings of 1e9": Hostile(entries(couplings=[10**9] * 3), "couplings has 1e+09"),
    "couplings of 100,000 levels": Hostile(entries(couplings=[1] * 10**5), "need 3 entries"),
    "couplings that multiply": Hostile(
        entries(couplings=[64, 64, 64], attentions=64), "make 4160 couplings; there may be 256"
    ),
    "channels of 1e9": Hostile(entries(channels=[10**9, 10**9, 32]), "channels has 1e+09"),
    "channels at their limit": Hostile(entries(channels=[4096] * 3), "model.safetensors has"),
    "features at their limit": Hostile(entries(features=4096), "model.safetensors has"),
    "all at the limit": Hostile(
        entries(
            channels=[4096] * 3, hidden=[4096] * 3, features=4096, attentions=64,
            couplings=[2, 64, 64], attention_blocks=64, conv_blocks=64, feature_blocks=64,
            backbone_width=10.0, backbone_depth=10.0, image_size=512, ab_size=128,
        ),
        "lacks the tensor",
    ),
    "a picture of 1e6 pixels": Hostile(entries(image_size=4 * 10**6), "image_size has 4e+06"),
    "blocks below zero": Hostile(entries(conv_blocks=-5), "conv_blocks has -5"),
    "clamp of zero": Hostile(entries(clamp=0), "clamp has 0"),
    "a truth for a number": Hostile(entries(image_size=True), "image_size = True"),
    "a text for a number": Hostile(entries(unit="15" * 10**5), "has unit = '15"),
    "10,000 directions": Hostile(entries(directions=["x"] * 10**4), "has 10000 names", "digits"),
    "a direction of 100 kB": Hostile(entries(directions=["x" * 10**5]), "printable", "digits"),
    "a direction in two lines": Hostile(entries(directions=["a\nb"]), "printable", "digits"),
    "dropout of all": Hostile(entries(dropout=1.0), "dropout has 1", "digits"),
    # the weights as a file
    "weights missing": Hostile(missing(WEIGHTS), "has no model.safetensors"),
    "weights empty": Hostile(content(WEIGHTS, ""), DAMAGED),
    "weights of 7 bytes": Hostile(content(WEIGHTS, "1234567"), DAMAGED),
    "weights of a page": Hostile(content(WEIGHTS, "<html>404</html>"), DAMAGED),
    "weights a pickle": Hostile(lambda f: torch.save({"a": torch.ones(1)}, f / WEIGHTS), DAMAGED),
    "weights of Git LFS": Hostile(
        content(WEIGHTS, "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n"),
        DAMAGED,
    ),
    "weights of 1 TB": Hostile(sparse(WEIGHTS, 2**40), "has 1,048,576 MB, more than the 512 MB"),
    "weights cut": Hostile(cut, DAMAGED),
    "weights with more behind them": Hostile(appended(b"more"), DAMAGED),
    "weights a FIFO": Hostile(instead(WEIGHTS, os.mkfifo), NOT_PLAIN),
    "weights a socket": Hostile(instead(WEIGHTS, listening_socket), NOT_PLAIN),
    "weights a folder": Hostile(instead(WEIGHTS, os.mkdir), NOT_PLAIN),
    "weights endless": Hostile(instead(WEIGHTS, link("/dev/zero")), NOT_PLAIN),
    "weights a link to itself": Hostile(instead(WEIGHTS, link(WEIGHTS)), "has no model"),
    "weights a link to nothing": Hostile(instead(WEIGHTS, link("no")), "has no model.safetensors"),
    # their header
    "a header of 2^64 bytes": Hostile(longest, "its header is larger than 4 MB"),
    "a header of 5 MB": Hostile(
        header(lambda found: b" " * 5 * 2**20), "its header is larger than 4 MB"
    ),
    "a header of 30,000 tensors": Hostile(many_tiny, "lacks the tensor"),
    "a header that is not JSON": Hostile(header(lambda found: b"{{{{"), DAMAGED),
    "a header that is a list": Hostile(header(lambda found: b"[1, 2, 3]"), DAMAGED),
    "a header that is not UTF-8": Hostile(header(lambda found: b'{"\xff\xfe": 1}'), DAMAGED),
    "a deep header": Hostile(header(lambda found: b'{"a":' * 10**5), DAMAGED),
    "a tensor twice": Hostile(header(repeated), DAMAGED),
    "a name of 500 kB": Hostile(named("a" * 500_000), "has the unknown tensor"),
    "a name with newlines": Hostile(named("a\n\x1b[2Jb"), "has the unknown tensor"),
    "overlapping tensors": Hostile(header(overlapping), DAMAGED),
    "a hole between tensors": Hostile(of_first(data_offsets=[2, 4]), DAMAGED),
    "an end before the start": Hostile(of_first(data_offsets=[8, 0]), DAMAGED),
    "offsets below zero": Hostile(of_first(data_offsets=[-8, 0]), DAMAGED),
    "offsets beyond the file": Hostile(of_first(data_offsets=[0, 10**15]), DAMAGED),
    "offsets of 2^70": Hostile(of_first(data_offsets=[0, 2**70]), DAMAGED),
    "a shape of 2^62": Hostile(of_first(shape=[2**62, 2**62]), DAMAGED),
    "a shape below zero": Hostile(of_first(shape=[-1]), DAMAGED),
    "a dtype unheard of": Hostile(of_first(dtype="F1024"), DAMAGED),
    # the tensors
    "a tensor too many": Hostile(named("zzz"), "has the unknown tensor zzz"),
    "a tensor missing": Hostile(tensors(bias=None), "lacks the tensor"),
    "a tensor of another shape": Hostile(tensors(bias=lambda x: x[:-1].clone()), "of shape"),
    "a tensor of integers": Hostile(tensors(bias=lambda x: x.to(torch.int32)), "as I32"),
    "a tensor of bytes": Hostile(tensors(bias=lambda x: x.to(torch.float8_e4m3fn)), "as F8_E4M3"),
    "a tensor of complex numbers": Hostile(
        tensors(bias=lambda x: x.to(torch.complex64)), "expected BF16 or F16 or F32 or F64"
    ),
    "a truth as a number": Hostile(
        tensors(is_initialized=lambda x: x.float()), "as F32; expected BOOL"
    ),
    "NaN": Hostile(tensors(bias=filled(torch.nan)), "NaN or infinity"),
    "infinity": Hostile(tensors(bias=filled(torch.inf)), "NaN or infinity"),
    "beyond float32": Hostile(
        tensors(bias=lambda x: torch.full_like(x, 1e300, dtype=torch.float64)), "NaN or infinity"
    ),
    "a rotation of zeros": Hostile(tensors(**{ROTATION: filled(0.0)}), "singular or nearly so"),
    "a rotation of ones": Hostile(tensors(**{ROTATION: filled(1.0)}), "singular or nearly so"),
    "a rotation that is nearly singular": Hostile(
        tensors(**{ROTATION: nearly_singular}), "singular or nearly so"
    ),
    "a scale of e^1000": Hostile(tensors(**{SCALE: filled(1000.0)}), "has a log-scale of 1e+03"),
    "a scale of e^-1000": Hostile(tensors(**{SCALE: filled(-1000.0)}), "has a log-scale of 1e+03"),
}  # fmt: skip
