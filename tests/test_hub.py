"""Names, folders, dtypes and devices; and that importing the package is light."""

import hashlib
import subprocess
import sys

import numpy as np
import pytest
import torch
from helpers import ROOT, SMALL
from safetensors.torch import load_file

import cinn_hub
from cinn_hub.errors import CinnHubError, UnknownModelError


def test_the_registry_is_bundled():
    """A Space, and everyone who installs the package, gets all models, so they are small."""
    for entry in cinn_hub.list_models():
        weights = (entry.folder / "model.safetensors").read_bytes()
        assert len(weights) == entry.size
        assert hashlib.sha256(weights).hexdigest() == entry.sha256
        card = (entry.folder / "README.md").read_text()
        assert "## Data" in card and "--minutes" in card
        assert entry.license and entry.source == "bundled"
    sizes = {path: path.stat().st_size for path in (ROOT / "weights").rglob("*")}
    assert sum(sizes.values()) < 64e6
    assert sizes[ROOT / "weights" / "bedroom" / "model.safetensors"] < 8e6


def test_what_is_saved_is_loaded(tmp_path, small_model):
    small_model.save(tmp_path / "model", torch.float32)
    for name in (tmp_path / "model", str(tmp_path / "model")):
        again = cinn_hub.load(name, "cpu")
        assert again.name == str(name) and again.config == SMALL
        assert not again.training and not any(p.requires_grad for p in again.parameters())
        for key, tensor in small_model.state_dict().items():
            assert torch.equal(again.state_dict()[key], tensor), key
    written = sorted(path.name for path in (tmp_path / "model").iterdir())
    assert written == ["config.json", "model.safetensors"]


def test_half_precision_files_are_read_as_float32_and_stay_invertible(tmp_path, small_model):
    small_model.save(tmp_path)
    stored = load_file(tmp_path / "model.safetensors").values()
    assert {x.dtype for x in stored if x.is_floating_point()} == {torch.half}
    model = cinn_hub.load(tmp_path, "cpu")
    ab = 20 * torch.randn(2, 2, 16, 16)
    condition = model.condition(100 * torch.rand(2, 1, 64, 64))
    back = model.decode(model.encode(ab, condition)[0], condition)
    torch.testing.assert_close(back, ab, atol=2e-3, rtol=0)


def test_networks_in_half_precision_give_nearly_the_same_colors(imagenet):
    photo = ROOT / "examples" / "cat.jpg"
    exact = imagenet.colorize(photo, n=1, seed=1)[0].ab
    model = cinn_hub.load("imagenet", "cpu", dtype=torch.bfloat16)
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


@pytest.mark.parametrize("device", ["tpu", "cuda:99x", ""])
def test_unknown_devices(device):
    with pytest.raises(CinnHubError, match="device"):
        cinn_hub.load("imagenet", device=device)


def test_importing_is_light():
    code = (
        "import cinn_hub, sys; print({'gradio', 'huggingface_hub', 'torch'} & sys.modules.keys())"
    )
    output = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "set()"
