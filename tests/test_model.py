"""The four moves on tensors, latents, seeds and temperatures."""

import math

import pytest
import torch
from helpers import SMALL, randomize

from cinn_hub.errors import CheckpointError, CinnHubError
from cinn_hub.latent import Latent, sample_seed, slerp
from cinn_hub.models.colorization_cinn import ColorizationCINN

SHAPES = {"1x1": (2, 1, 1), "2x2": (6, 1, 1), "4x4": (6, 2, 2)}


def random_model(config):
    torch.manual_seed(0)
    model = ColorizationCINN(config)
    randomize(model.flow)
    return model.double().eval()


@pytest.fixture
def double_model():
    return random_model(SMALL)


@pytest.fixture
def inputs():
    generator = torch.Generator().manual_seed(5)
    lightness = 100 * torch.rand(2, 1, 64, 64, generator=generator, dtype=torch.float64)
    ab = 15 * torch.randn(2, 2, 16, 16, generator=generator, dtype=torch.float64)
    return lightness, ab


def round_trip(model, lightness, ab):
    """z, and the largest error of ab on its way to z and back, in units of the flow's x."""
    condition = model.condition(lightness)
    z, _ = model.encode(ab, condition)
    return z, (model.decode(z, condition) - ab).abs().max().item() / model.unit


@torch.no_grad()
def test_round_trip(double_model, inputs):
    _, error = round_trip(double_model, *inputs)
    assert error < 1e-9


@torch.no_grad()
def test_float32_errs_by_little_more_than_the_rounding_of_z(double_model, inputs):
    lightness, ab = inputs
    z, _ = round_trip(double_model, lightness, ab)
    rounded = z.unflattened(z.flatten().float().double())
    back = double_model.decode(rounded, double_model.condition(lightness))
    by_rounding = (back - ab).abs().max().item() / double_model.unit
    _, error = round_trip(double_model.float(), lightness.float(), ab.float())
    assert 0 < by_rounding < 1e-4
    assert error < 100 * by_rounding  # random weights of ten seeds: 2 to 37 times


def test_log_det_is_that_of_the_jacobian(inputs):
    lightness, ab = inputs[0][:1], inputs[1][:1]
    model = random_model(SMALL)
    with torch.no_grad():
        condition = model.condition(lightness)
    z, log_det = model.encode(ab, condition)
    jacobian = torch.autograd.functional.jacobian(
        lambda x: model.encode(x, condition)[0].flatten()[0], ab
    )
    expected = torch.linalg.slogdet(jacobian.flatten(1)).logabsdet
    torch.testing.assert_close(log_det[0], expected, atol=1e-6, rtol=0)
    density = -0.5 * (z.flatten().square().sum() + z.flatten().numel() * math.log(2 * math.pi))
    log_prob = model.log_prob(ab, condition)[0]
    torch.testing.assert_close(log_prob, density + expected)


def test_gradients_reach_every_parameter(double_model, inputs):
    lightness, ab = inputs
    double_model.train()
    (-double_model.log_prob(ab, double_model.condition(lightness)).sum()).backward()
    for name, parameter in double_model.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_sampling_depends_on_seed_and_not_on_n(small_model, inputs):
    condition = small_model.condition(inputs[0].float())
    three = small_model.sample(condition, 3, seed=7)
    assert three.shape == (2, 3, 2, 16, 16)
    assert torch.equal(three, small_model.sample(condition, 3, seed=7))
    one = small_model.sample(condition, 1, seed=7)
    torch.testing.assert_close(three[:, :1], one, atol=1e-3, rtol=0)
    assert not torch.allclose(three, small_model.sample(condition, 3, seed=8))
    assert not torch.allclose(three[:, 0], three[:, 1])
    assert not torch.equal(
        small_model.sample(condition, 1), small_model.sample(condition, 1)
    )  # no seed: other ones each time


def test_seeds_of_neighbours_are_no_shifted_copies():
    many = [*range(20), *(2**32 * k + j for k in (1, 2, 2**32, 2**96) for j in range(5)), 10**400]
    seeds = {sample_seed(seed, i) for seed in many for i in range(20)}
    assert len(seeds) == 20 * len(many)
    assert sample_seed(7, 2) == 18279110831140952437  # as it always was


def test_temperature_scales_each_level(small_model, inputs):
    condition = small_model.condition(inputs[0].float())
    cold = small_model.sample(condition, 2, temperature=0, seed=1)
    torch.testing.assert_close(cold[:, 0], cold[:, 1])
    coarse_only = small_model.sample(condition, 2, {"grain": 0, "details": 0}, seed=1)
    assert not torch.allclose(coarse_only[:, 0], coarse_only[:, 1])


def test_transfer_keeps_the_latent(small_model, inputs):
    lightness, ab = inputs[0].float(), inputs[1].float()
    source, target = small_model.condition(lightness[:1]), small_model.condition(lightness[1:])
    moved = small_model.decode(small_model.encode(ab[:1], source)[0], target)
    assert not torch.allclose(moved, ab[:1], atol=0.1)
    back = small_model.decode(small_model.encode(moved, target)[0], source)
    torch.testing.assert_close(back, ab[:1], atol=0.01, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n is 0; it must be a whole number"),
        ({"n": 2.5}, "n is 2.5; it must be"),
        ({"n": 1, "temperature": -0.1}, "The temperature is -0.1; it must be from 0 to 10"),
        ({"n": 1, "temperature": float("nan")}, "The temperature is nan"),
        ({"n": 1, "temperature": {"3x3": 1}}, r"has the unknown levels \['3x3'\]"),
        ({"n": 1, "seed": -1}, "The seed is -1; it must be a whole number"),
        ({"n": 1, "seed": "7"}, "The seed is '7'; it must be a whole number"),
        ({"n": 1, "temperature": "hot"}, "The temperature is 'hot'; it must be from 0 to 10"),
        ({"n": 1, "temperature": 10**400}, "The temperature is 1000+.*; it must be from 0 to 10"),
        ({"n": 1, "temperature": {"mood": None}}, "The temperature is None"),
    ],
)
def test_bad_arguments_get_one_sentence(small_model, arguments, message):
    with pytest.raises(CinnHubError, match=message):
        small_model.draw(**arguments)


def test_latents_survive_their_file(tmp_path):
    z = Latent.standard(SHAPES, [1, 2]).around(None, 0.5)
    z.save(tmp_path / "z.safetensors", model="imagenet", seed=3)
    again = Latent.load(tmp_path / "z.safetensors")
    assert list(again.levels) == list(SHAPES)
    assert torch.equal(again.flatten(), z.flatten())
    assert again.settings == {"model": "imagenet", "seed": "3"}


def test_a_file_that_is_no_latent_is_refused(tmp_path):
    (tmp_path / "z.safetensors").write_bytes(b"nonsense")
    for name in ("z.safetensors", "missing.safetensors"):
        with pytest.raises(
            CheckpointError, match=f"{name} is damaged or not a safetensors|{name} does not exist"
        ):
            Latent.load(tmp_path / name)


def test_latent_operations():
    a, b = Latent.standard(SHAPES, [1]), Latent.standard(SHAPES, [2])
    mixed = a.mix(b, ["1x1"])
    assert torch.equal(mixed.levels["1x1"], b.levels["1x1"])
    assert torch.equal(mixed.levels["4x4"], a.levels["4x4"])
    torch.testing.assert_close(a.scale({"1x1": 2}).levels["1x1"], 2 * a.levels["1x1"])
    assert len(Latent.cat([a, b])) == 2
    assert torch.equal(Latent.cat([a, b])[-1].flatten(), b.flatten())
    with pytest.raises(CinnHubError, match=r"The levels \['9x9'\] are unknown"):
        a.mix(b, ["9x9"])


def test_slerp_keeps_norms_and_meets_its_ends():
    a, b = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 3.0]])
    torch.testing.assert_close(slerp(a, b, 0.5).norm(), torch.tensor(3.0))
    torch.testing.assert_close(slerp(a, b, 0.0), a)
    torch.testing.assert_close(slerp(a, b, 1.0), b)
    torch.testing.assert_close(slerp(a, a, 0.3), a)
    torch.testing.assert_close(slerp(a, torch.zeros(1, 2), 0.5), a / 2)


def test_a_model_is_saved_in_a_folder_named_by_text(small_model, tmp_path):
    small_model.save(str(tmp_path / "model"))
    assert ColorizationCINN.from_folder(tmp_path / "model").fingerprint == small_model.fingerprint
