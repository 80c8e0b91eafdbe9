"""Names, folders and devices; and that importing the package is light."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers import ROOT

import cinn_hub
from cinn_hub.errors import CheckpointError, CinnHubError, UnknownModelError


def test_the_registry_is_bundled():
    for entry in cinn_hub.list_models():
        assert (entry.folder / "model.safetensors").stat().st_size < 24e6
        card = (entry.folder / "README.md").read_text()
        assert "## Data" in card and "--minutes" in card
        assert entry.license and entry.source == "bundled"


def test_all_models_together_are_small():
    """A Space, and everyone who installs the package, gets all of them."""
    sizes = {path: path.stat().st_size for path in (ROOT / "weights").rglob("*")}
    assert sum(sizes.values()) < 64e6
    assert sizes[ROOT / "weights" / "bedroom" / "model.safetensors"] < 8e6


def test_the_registry_knows_the_weights():
    for entry in cinn_hub.list_models():
        weights = entry.folder / "model.safetensors"
        assert weights.stat().st_size == entry.size
        assert hashlib.sha256(weights.read_bytes()).hexdigest() == entry.sha256


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_networks_in_half_precision_give_nearly_the_same_colors(imagenet, dtype):
    photo = ROOT / "examples" / "cat.jpg"
    exact = imagenet.colorize(photo, n=1, seed=1)[0].ab
    model = cinn_hub.load("imagenet", "cpu", dtype=dtype)
    found = model.colorize(photo, n=1, seed=1)[0]
    assert 0 < np.abs(found.ab - exact).mean() < 1
    assert np.isfinite(found.log_prob)


def test_double_precision(mnist):
    model = cinn_hub.load("mnist", "cpu", dtype=torch.float64)
    assert model.dtype == torch.float64
    pictures = model.sample(range(10), n=2, seed=1)
    single = mnist.sample(range(10), n=2, seed=1)
    assert (pictures.float() - single).abs().max() < 0.02
    assert model.classify(pictures[4, 0]).argmax() == 4
    with pytest.raises(CinnHubError, match="dtype is torch.int8"):
        cinn_hub.load("mnist", dtype=torch.int8)


def test_loading_a_folder(tmp_path, small_model):
    small_model.save(tmp_path / "mine")
    for name in (tmp_path / "mine", str(tmp_path / "mine")):
        model = cinn_hub.load(name, device="cpu")
        assert model.name == str(name)
        assert model.config == small_model.config


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("imagnet", "There is no model called 'imagnet'; did you mean 'imagenet'"),
        ("nothing/like/it", "use imagenet, bedroom, mnist, a folder"),
        ("", "There is no model called ''"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(UnknownModelError, match=message):
        cinn_hub.load(name)


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(CheckpointError, match="no config.json"):
        cinn_hub.load(tmp_path)


@pytest.mark.parametrize("device", ["tpu", "cuda:99x", "cpu:x", ""])
def test_unknown_devices(device):
    with pytest.raises(CinnHubError, match="device"):
        cinn_hub.load("imagenet", device=device)


def test_importing_needs_no_gradio_and_no_network_library():
    code = "import cinn_hub, sys; print({'gradio', 'huggingface_hub'} & sys.modules.keys())"
    output = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "set()"
