"""Everything that is documented works together: hints, moves and scores in every arithmetic and
under every global setting of PyTorch."""

import contextlib
import copy

import numpy as np
import pytest
import torch
from helpers import SMALL, color_picture

import cinn_hub
from cinn_hub.models.colorization_cinn import ColorizationCINN
from cinn_hub.models.digit_cinn import DigitCINN, DigitConfig
from cinn_hub.networks import SameConv

HINTS = [(20, 20, "#bb5544"), (80, 50, "#4466aa")]


@contextlib.contextmanager
def default_dtype(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


def as_it_is(model):
    return model


# how a model is changed, around what it is used, and how far ab may then be from plain float32
SETTINGS = {
    "float64": (lambda model: model.double(), contextlib.nullcontext, 0.02),
    "float16": (lambda model: model.half(), contextlib.nullcontext, 3.0),
    "bfloat16": (lambda model: model.bfloat16(), contextlib.nullcontext, 12.0),
    "inference mode": (as_it_is, torch.inference_mode, 1e-3),
    "no gradients": (as_it_is, torch.no_grad, 1e-3),
    "gradients": (as_it_is, torch.enable_grad, 1e-3),
    "default float64": (as_it_is, lambda: default_dtype(torch.float64), 1e-3),
    "default bfloat16": (as_it_is, lambda: default_dtype(torch.bfloat16), 1e-3),
    "default device": (as_it_is, lambda: torch.device("meta"), 1e-3),
}
MOVES = {
    "hints": lambda model, photo: model.colorize(photo, 2, seed=1, hints=HINTS)[1],
    "colorize": lambda model, photo: model.colorize(photo, 2, seed=1)[1],
    "score": lambda model, photo: model.score(photo, seed=1),
    "transfer": lambda model, photo: model.transfer(photo, photo, seed=1),
    "explore": lambda model, photo: model.explore(photo, 2, seed=1)[0],
    "similar": lambda model, photo: model.similar(
        photo, model.draw(1, seed=1), n=1, amount=0.5, seed=2
    )[0],
    "interpolate": lambda model, photo: model.interpolate(
        photo, model.draw(1, seed=1), model.draw(1, seed=2), steps=3
    )[1],
}


ALL = [("hints", setting) for setting in SETTINGS] + [(move, "bfloat16") for move in MOVES]


@pytest.mark.parametrize(("move", "setting"), dict.fromkeys(ALL))
def test_moves_under_settings(small_model, setting, move):
    """Hints, which need gradients, under every setting; every move under the coarsest one."""
    photo, (change, around, limit) = color_picture(), SETTINGS[setting]
    expected = MOVES[move](small_model, photo)
    model = change(copy.deepcopy(small_model))
    with around():
        found = MOVES[move](model, photo)
        assert found.image.size == photo.size
    assert found.ab.dtype == np.float32 and np.isfinite(found.log_prob)
    assert np.abs(found.ab - expected.ab).max() < limit


@pytest.mark.parametrize("setting", [name for name in SETTINGS if SETTINGS[name][0] is as_it_is])
def test_a_model_is_loaded_and_built_under_every_setting(model_folder, setting):
    _, around, _ = SETTINGS[setting]
    with around():
        model = cinn_hub.load(model_folder, device="cpu")
    assert model.dtype == torch.float32 and model.device.type == "cpu"
    plain = cinn_hub.load(model_folder, device="cpu")
    expected, found = (
        m.colorize(color_picture(), 1, seed=1, hints=HINTS)[0] for m in (plain, model)
    )
    np.testing.assert_allclose(found.ab, expected.ab, atol=1e-4)


@pytest.mark.parametrize("setting", SETTINGS)
def test_digits_under_every_setting(setting):
    torch.manual_seed(0)
    model = DigitCINN(DigitConfig(hidden=(8, 8, 8), dense=8, bins=4)).eval().requires_grad_(False)
    change, around, _ = SETTINGS[setting]
    expected = model.sample([1, 2], n=2, seed=3)
    image = expected[0, 0, 0].numpy()
    model = change(model)
    with around():
        found = model.sample([1, 2], n=2, seed=3)
        assert model.transfer(image, 5).shape == (1, 1, 28, 28)
        assert model.classify(image).sum() == pytest.approx(1, abs=1e-3)
    assert (found - expected).abs().max() < 0.05


def test_sample_and_colorize_agree(small_model, monkeypatch):
    """One seed, the default temperature: the same colours whichever way they are asked for."""
    photo = color_picture()
    monkeypatch.setattr(
        ColorizationCINN, "default_temperature", {"mood": 0.3, "things": 0.8, "grain": 0.1}
    )
    prepared = small_model.prepare(photo)
    ab = small_model.sample(prepared.condition, 3, seed=7)[0]
    latents = small_model.draws(prepared.condition, 3, seed=7, pool=None)
    for i, result in enumerate(small_model.colorize(prepared, 3, seed=7, pool=None)):
        np.testing.assert_allclose(result.ab, ab[i].permute(1, 2, 0).numpy(), atol=1e-4)
        assert result.latent == latents[i]
    hot = small_model.sample(prepared.condition, 3, temperature=1.0, seed=7)[0]
    assert (hot - ab).abs().max() > 0.1


@pytest.mark.parametrize("kernel", [3, 5])
@pytest.mark.parametrize("groups", [1, 4])
def test_a_convolution_is_one_function(kernel, groups):
    """Whatever its weights, and whether or not gradients are asked for."""
    torch.manual_seed(0)
    layer = SameConv(4, 8, kernel, stride=2, groups=groups)
    x = torch.randn(2, 4, 16, 16)
    assert torch.equal(layer(x), layer(x.clone().requires_grad_()))
    with torch.no_grad():
        assert torch.equal(layer(x), layer.requires_grad_(False)(x))


def test_the_condition_is_one_function(small_model):
    """As above, for the whole condition network of random weights."""
    torch.manual_seed(0)
    model = ColorizationCINN(SMALL).eval()
    lightness = 100 * torch.rand(1, 1, 64, 64)
    with torch.no_grad():
        plain = model.condition_network(lightness)
    asked = model.condition_network(lightness.requires_grad_())
    for a, b in zip(plain, asked, strict=True):
        torch.testing.assert_close(a, b.detach())
