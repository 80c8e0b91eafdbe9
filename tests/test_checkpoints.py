"""Model folders: what is written can be read, and whatever does not fit is refused."""

import json

import pytest
import torch
from helpers import SMALL
from safetensors.torch import load_file, save_file

from cinn_hub.errors import CheckpointError
from cinn_hub.loading import load
from cinn_hub.models.colorization_cinn import ColorizationConfig


@pytest.fixture
def folder(tmp_path, small_model):
    small_model.save(tmp_path / "model", torch.float32)
    return tmp_path / "model"


def edit_config(folder, **entries):
    path = folder / "config.json"
    config = {**json.loads(path.read_text()), **entries}
    path.write_text(json.dumps({k: v for k, v in config.items() if v is not None}))


def edit_weights(folder, change):
    path = folder / "model.safetensors"
    state = load_file(path)
    change(state)
    save_file(state, path)


def test_round_trip(folder, small_model):
    again = load(folder, "cpu")
    assert again.config == SMALL
    assert not again.training and not any(p.requires_grad for p in again.parameters())
    for name, tensor in small_model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    assert sorted(p.name for p in folder.iterdir()) == ["config.json", "model.safetensors"]


def test_half_precision_files_are_read_as_float32_and_stay_invertible(tmp_path, small_model):
    small_model.save(tmp_path)
    stored = load_file(tmp_path / "model.safetensors").values()
    assert {x.dtype for x in stored if x.is_floating_point()} == {torch.half}
    model = load(tmp_path, "cpu")
    ab = 20 * torch.randn(2, 2, 16, 16)
    condition = model.condition(100 * torch.rand(2, 1, 64, 64))
    back = model.decode(model.encode(ab, condition)[0], condition)
    torch.testing.assert_close(back, ab, atol=2e-3, rtol=0)


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"architecture": "Diffusion"}, "names the architecture 'Diffusion'"),
        ({"architecture": None}, "names the architecture None"),
        ({"architecture": ["x"]}, "names the architecture None"),
        ({"format_version": 2}, "has format_version 2, but this cinn_hub reads version 1"),
        ({"format_version": None}, "has format_version None"),
        ({"colour": 3}, "has colour, which ColorizationConfig does not know"),
        ({"unit": None}, "lacks unit, which ColorizationConfig needs"),
        ({"unit": float("nan")}, "unit has nan; it must be finite"),
        ({"noise": float("inf")}, "noise has inf; it must be finite"),
        ({"couplings": [1, 2, 10**9]}, "couplings has 1e\\+09; it must be from 0 to 64"),
        ({"attention_blocks": -1}, "attention_blocks has -1; it must be from 0"),
        ({"temperature": {"9x9": 1}}, r"temperature has the unknown levels \['9x9'\]"),
        ({"unit": "15"}, "has unit = '15', but it must be float"),
        ({"image_size": True}, "has image_size = True"),
        ({"image_size": 64.0}, "has image_size = 64.0"),
        ({"couplings": [1, 2]}, "couplings and hidden need 3 entries"),
        ({"couplings": [1, 2, "3"]}, "has couplings = '3'"),
        ({"ab_size": 20}, "ab_size must be a multiple of 8"),
        ({"ab_size": 8}, "ab_size has 8; it must be from 16 to 128"),
        ({"image_size": 128}, "image_size must be four times ab_size"),
        ({"channels": [8, 16]}, "channels must be three numbers"),
        ({"hidden": [12, 12, -3]}, "hidden has -3; it must be from 1"),
        ({"clamp": 0}, "clamp has 0; it must be from 0.01"),
        ({"temperature": {"mood": "hot"}}, "has temperature = 'hot'"),
        ({"temperature": {"mood": 11}}, "temperature has 11; it must be from 0 to 10"),
    ],
)
def test_configs_are_read_strictly(folder, entries, message):
    edit_config(folder, **entries)
    with pytest.raises(CheckpointError, match=message):
        load(folder, "cpu")


def test_every_default_survives_json():
    config = ColorizationConfig(temperature={"mood": 1, "things": 0.5})
    assert ColorizationConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


@pytest.mark.parametrize("content", ["", "{", "[1, 2]", '"text"'])
def test_a_config_that_is_no_object(folder, content):
    (folder / "config.json").write_text(content)
    with pytest.raises(CheckpointError, match="config.json (cannot be read as JSON|holds)"):
        load(folder, "cpu")


def first_name(state):
    return sorted(state)[0]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: s.pop(first_name(s)), "model.safetensors lacks the tensor bins.head"),
        (lambda s: s.update(extra=torch.ones(2)), "has the unknown tensor extra"),
        (
            lambda s: s.update({first_name(s): torch.ones(7)}),
            r"of shape \(7,\), but its",
        ),
        (lambda s: s[first_name(s)].fill_(float("nan")), "has NaN or infinity in bins.head"),
    ],
)
def test_weights_are_read_strictly(folder, change, message):
    edit_weights(folder, change)
    with pytest.raises(CheckpointError, match=message):
        load(folder, "cpu")


def test_missing_and_damaged_files(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(CheckpointError, match="is damaged or not a safetensors file"):
        load(folder, "cpu")
    weights.rename(folder / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match="has no model.safetensors; only safetensors"):
        load(folder, "cpu")
    (folder / "config.json").unlink()
    with pytest.raises(CheckpointError, match="has no config.json; give the folder of a model"):
        load(folder, "cpu")
