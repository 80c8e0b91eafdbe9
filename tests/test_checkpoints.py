"""Model folders: what is written can be read. What does not fit is in test_hostile.py."""

import torch
from helpers import SMALL
from safetensors.torch import load_file

from cinn_hub.loading import load


def test_round_trip(tmp_path, small_model):
    small_model.save(tmp_path / "model", torch.float32)
    again = load(tmp_path / "model", "cpu")
    assert again.config == SMALL
    assert not again.training and not any(p.requires_grad for p in again.parameters())
    for name, tensor in small_model.state_dict().items():
        assert torch.equal(again.state_dict()[name], tensor), name
    written = sorted(path.name for path in (tmp_path / "model").iterdir())
    assert written == ["config.json", "model.safetensors"]


def test_half_precision_files_are_read_as_float32_and_stay_invertible(tmp_path, small_model):
    small_model.save(tmp_path)
    stored = load_file(tmp_path / "model.safetensors").values()
    assert {x.dtype for x in stored if x.is_floating_point()} == {torch.half}
    model = load(tmp_path, "cpu")
    ab = 20 * torch.randn(2, 2, 16, 16)
    condition = model.condition(100 * torch.rand(2, 1, 64, 64))
    back = model.decode(model.encode(ab, condition)[0], condition)
    torch.testing.assert_close(back, ab, atol=2e-3, rtol=0)
