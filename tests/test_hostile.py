"""No model folder, whoever made it, hangs, fills the memory or gives NaN: each is refused at once,
in a sentence. Each kind of wrongness once, made of one small model; test_configs.py has the rest of
what a config can say, and the safetensors library tests what a header can."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

import cinn_hub
from cinn_hub.errors import CheckpointError

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures memory in /proc")
CONFIG, WEIGHTS = "config.json", "model.safetensors"
Change = Callable[[Path], object]


# ------------------------------------------------------------------ ways to change a folder


def content(name: str, data: bytes | str) -> Change:
    """The file has this content."""
    data = data.encode() if isinstance(data, str) else data
    return lambda folder: (folder / name).write_bytes(data)


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


def sparse(name: str, size: int) -> Change:
    return lambda folder: os.truncate(folder / name, size)


def entry(key: str, text: str) -> Change:
    """The config with this text, JSON or not, as the value of the key."""

    def change(folder: Path) -> None:
        entries = {**json.loads((folder / CONFIG).read_text()), key: "@"}
        (folder / CONFIG).write_text(json.dumps(entries).replace('"@"', text))

    return change


def entries(**changed: object) -> Change:
    """The config with these entries."""

    def change(folder: Path) -> None:
        for key, value in changed.items():
            entry(key, json.dumps(value))(folder)

    return change


def tensors(**changed: Callable[[torch.Tensor], torch.Tensor] | None) -> Change:
    """The weights, with the first tensor whose name ends like that changed, or taken out."""

    def change(folder: Path) -> None:
        state = load_file(folder / WEIGHTS)
        for ending, function in changed.items():
            name = min(name for name in state if name.endswith(ending))
            x = state.pop(name)
            if function:
                state[name] = function(x)
        save_file(state, folder / WEIGHTS)

    return change


def added(**more: torch.Tensor) -> Change:
    """The weights with more tensors."""
    return lambda folder: save_file({**load_file(folder / WEIGHTS), **more}, folder / WEIGHTS)


def filled(value: float) -> Callable[[torch.Tensor], torch.Tensor]:
    return lambda x: torch.full_like(x, value)


def nearly_singular(x: torch.Tensor) -> torch.Tensor:
    x = x.clone()
    x[0] = x[1] * (1 + 1e-7)
    return x


NOT_PLAIN = "is not an ordinary file"
NOT_JSON = "cannot be read as JSON"
DAMAGED = "is damaged or not a safetensors file"

HOSTILE: dict[str, tuple[Change, str]] = {
    # the config as a file
    "config missing": (missing(CONFIG), "has no config.json; give the folder of a model"),
    "config of a page": (content(CONFIG, "<html>404</html>"), NOT_JSON),
    "config of a list": (content(CONFIG, "[1, 2]"), "holds a list"),
    "config deep": (content(CONFIG, '{"a":' * 20_000), "recursion"),
    "config of 1 TB": (sparse(CONFIG, 2**40), "it is larger than 1 MB"),
    "config a FIFO": (instead(CONFIG, os.mkfifo), NOT_PLAIN),
    "config endless": (instead(CONFIG, link("/dev/zero")), NOT_PLAIN),
    "config a link to itself": (instead(CONFIG, link(CONFIG)), "symbolic links"),
    # what the config says
    "a key of 500 kB": (entries(**{"k" * 500_000: 1}), "has the unknown entry kkk"),
    "a key with newlines": (entries(**{"a\n\x1b[2Jb": 1}), "has the unknown entry a\\n"),
    "half a character": (entry("architecture", r'"\ud800"'), r"\ud800"),
    "an architecture that is a list": (entries(architecture=["os"]), "architecture ['os']"),
    "a key twice": (entry("clamp", '1.0, "clamp": 1.0'), "a key twice"),
    "unit NaN": (entry("unit", "NaN"), "unit has nan"),
    "an integer of 5000 digits": (entry("features", "9" * 5000), NOT_JSON),
    "couplings of 100,000 levels": (entries(couplings=[1] * 10**5), "it needs 3"),
    "all at the limit": (
        entries(
            channels=[4096] * 3, hidden=[4096] * 3, features=4096, attentions=64,
            couplings=[2, 64, 64], attention_blocks=64, conv_blocks=64, feature_blocks=64,
            backbone_width=10.0, backbone_depth=10.0, image_size=512, ab_size=128,
        ),
        "lacks the tensor",
    ),
    # the weights as a file, and their header
    "weights missing": (missing(WEIGHTS), "has no model.safetensors; only safetensors"),
    "weights a pickle": (lambda f: torch.save({"a": torch.ones(1)}, f / WEIGHTS), DAMAGED),
    "weights of 1 TB": (sparse(WEIGHTS, 2**40), "up to 536,870,912 are read"),
    "weights cut": (sparse(WEIGHTS, 20_000), DAMAGED),
    "weights a FIFO": (instead(WEIGHTS, os.mkfifo), NOT_PLAIN),
    "a header of 5 MB": (
        content(WEIGHTS, struct.pack("<Q", 5 * 2**20) + b" " * 5 * 2**20), "larger than 4 MB"
    ),
    "a name with newlines": (added(**{"a\n\x1b[2Jb": torch.ones(1)}), "has the unknown tensor"),
    # the tensors
    "a tensor missing": (tensors(bias=None), "lacks the tensor"),
    "a tensor of another shape": (tensors(bias=lambda x: x[:-1].clone()), "of shape"),
    "a tensor of integers": (tensors(bias=lambda x: x.to(torch.int32)), "as torch.int32"),
    "NaN": (tensors(bias=filled(torch.nan)), "NaN or infinity"),
    "beyond float32": (
        tensors(bias=lambda x: torch.full_like(x, 1e300, dtype=torch.float64)), "NaN or infinity"
    ),
    "a rotation that is nearly singular": (
        tensors(**{"steps.layers.4.weight": nearly_singular}), "singular or nearly so"
    ),
    "a scale of e^1000": (tensors(log_scale=filled(1000.0)), "has a log-scale of 1e+03"),
}  # fmt: skip


@pytest.fixture(scope="module")
def good(tmp_path_factory, small_model):
    folder = tmp_path_factory.mktemp("good")
    small_model.save(folder, torch.float32)
    return folder


def memory(field: str) -> float:
    """A field of /proc/self/status, in MB."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) / 1024 for line in status if line.startswith(field))


def too_late(number, frame):
    raise TimeoutError


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_at_once_in_a_sentence(good, tmp_path, name):
    change, says = HOSTILE[name]
    folder = tmp_path / "model"
    shutil.copytree(good, folder)
    change(folder)
    Path("/proc/self/clear_refs").write_text("5")  # the peak is counted anew
    before, start = memory("VmRSS"), time.process_time()
    signal.signal(signal.SIGALRM, too_late)
    signal.alarm(60)  # generous, for busy machines: what hangs, hangs for ever
    try:
        with pytest.raises(CheckpointError) as caught:
            cinn_hub.load(folder, device="cpu")
    finally:
        signal.alarm(0)
    assert time.process_time() - start < 5 and memory("VmHWM") - before < 300
    text = str(caught.value)
    assert says in text
    assert text.isprintable() and text.endswith(".") and len(text) < 500


def test_the_model_that_they_were_made_of_is_good(good):
    assert cinn_hub.load(good, device="cpu").name == str(good)
