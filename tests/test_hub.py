"""Names, folders and devices; and that importing the package is light."""

import subprocess
import sys

import pytest
from helpers import ROOT

import cinn_hub
from cinn_hub.checkpoints import write_model
from cinn_hub.errors import CheckpointError, CinnHubError, UnknownModelError


def test_the_registry_is_bundled():
    for entry in cinn_hub.list_models():
        assert (entry.folder / "model.safetensors").stat().st_size < 24e6
        card = (entry.folder / "README.md").read_text()
        assert "## Data" in card and "--minutes" in card
        assert entry.license


def test_loading_a_folder(tmp_path, small_model):
    write_model(small_model, tmp_path / "mine")
    for name in (tmp_path / "mine", str(tmp_path / "mine")):
        model = cinn_hub.load(name, device="cpu")
        assert model.name == str(name)
        assert model.config == small_model.config


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("imagnet", "There is no model and no folder 'imagnet'; did you mean 'imagenet'"),
        ("nothing/like/it", "the names are imagenet, mnist"),
        ("", "There is no model and no folder ''"),
    ],
)
def test_unknown_names(name, message):
    with pytest.raises(UnknownModelError, match=message):
        cinn_hub.load(name)


def test_a_folder_without_a_model(tmp_path):
    with pytest.raises(CheckpointError, match="no config.json"):
        cinn_hub.load(tmp_path)


@pytest.mark.parametrize("device", ["tpu", "cuda:99x", ""])
def test_unknown_devices(device):
    with pytest.raises(CinnHubError, match="device"):
        cinn_hub.load("imagenet", device=device)


def test_importing_needs_no_gradio_and_no_network_library():
    code = "import cinn_hub, sys; print({'gradio', 'huggingface_hub'} & sys.modules.keys())"
    output = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert output.stdout.strip() == "set()"
