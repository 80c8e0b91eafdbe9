"""Photos in, several colourings out; first with a small random model, then with the shipped one."""

import dataclasses

import numpy as np
import pytest
import torch
from helpers import ROOT, color_picture
from PIL import Image

from cinn_hub import color, photos
from cinn_hub.errors import CinnHubError, PhotoError
from cinn_hub.latent import Latent


def test_a_photo_in_several_colorings_out(small_model, photo):
    results = small_model.colorize(photo, n=3, seed=5)
    assert len(results) == 3
    for result in results:
        assert result.image.size == photo.size
        assert result.preview(48).size == (48, 32)
        assert result.ab.shape == (16, 16, 2) and result.ab.dtype == np.float32
        assert result.settings == {
            "model": "unnamed",
            "weights": small_model.fingerprint,
            "seed": "5",
            "temperature": "1",
            "pool": "48",
            "sample": result.settings["sample"],
        }
        assert np.isfinite(result.log_prob)
        assert result.bits_per_dim == pytest.approx(-result.log_prob / (512 * np.log(2)), rel=1e-5)
    assert not np.allclose(results[0].ab, results[1].ab)


def test_seeds(small_model, photo):
    three = small_model.colorize(photo, n=3, seed=5)
    one = small_model.colorize(photo, n=1, seed=5)
    np.testing.assert_allclose(one[0].ab, three[0].ab, atol=1e-3)
    assert np.array_equal(small_model.colorize(photo, n=3, seed=5)[2].image, three[2].image)
    assert not np.allclose(small_model.colorize(photo, n=1, seed=6)[0].ab, one[0].ab)
    fresh = small_model.colorize(photo, n=1)[0]
    again = small_model.colorize(photo, n=1, seed=int(fresh.settings["seed"]))[0]
    assert np.array_equal(fresh.ab, again.ab)


def test_a_latent_gives_the_same_colors_again(small_model, photo, tmp_path):
    result = small_model.colorize(photo, n=2, temperature=0.7, seed=5)[1]
    again = small_model.colorize(photo, latent=result.latent)[0]
    np.testing.assert_allclose(again.ab, result.ab, atol=1e-4)
    assert again.settings == result.settings
    result.latent.save(tmp_path / "z.safetensors")
    loaded = small_model.colorize(photo, latent=Latent.load(tmp_path / "z.safetensors"))[0]
    np.testing.assert_allclose(loaded.ab, result.ab, atol=1e-4)


def test_prepare_does_the_work_once(small_model, photo, monkeypatch):
    prepared = small_model.prepare(photo)
    assert small_model.prepare(prepared) is prepared
    expected = small_model.colorize(photo, n=1, seed=1)[0].ab
    monkeypatch.delattr(type(small_model), "conditioned_on")
    assert np.array_equal(small_model.colorize(prepared, n=1, seed=1)[0].ab, expected)


def test_default_temperature_is_the_configs(small_model, photo, monkeypatch):
    config = dataclasses.replace(small_model.config, temperature={"mood": 0.5})
    monkeypatch.setattr(small_model, "config", config)
    default = small_model.colorize(photo, n=1, seed=1)[0]
    explicit = small_model.colorize(photo, n=1, seed=1, temperature={"mood": 0.5})[0]
    assert np.array_equal(default.ab, explicit.ab)
    assert default.settings["temperature"] == "mood=0.5 things=1 details=1 grain=1"
    assert small_model.temperature(2) == {"mood": 1, "things": 2, "details": 2, "grain": 2}


def test_colors_do_not_change_lightness(small_model):
    picture = color_picture(300, 500)
    image = small_model.colorize(picture, n=1, seed=2)[0].image
    expected = color.to_lab(np.asarray(picture))[..., 0]
    assert np.abs(color.to_lab(np.asarray(image))[..., 0] - expected).max() < 0.6


def test_saved_pictures_tell_how_to_make_them_again(small_model, photo, tmp_path):
    result = small_model.colorize(photo, n=2, seed=5, temperature=0.8)[1]
    result.save(tmp_path / "a.png")
    text = Image.open(tmp_path / "a.png").text
    assert text["cinn_hub:seed"] == "5" and text["cinn_hub:sample"] == result.settings["sample"]
    assert text["cinn_hub:temperature"] == "0.8"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"n": 0}, "n is 0"),
        ({"n": -3}, "n is -3"),
        ({"temperature": -1}, "temperature is -1"),
        ({"seed": -1}, "seed is -1"),
        ({"pool": 0}, "The pool is 0"),
        ({"n": 0, "pool": 7}, "n is 0"),
    ],
)
def test_bad_arguments(small_model, photo, arguments, message):
    with pytest.raises(CinnHubError, match=message):
        small_model.colorize(photo, **arguments)


def test_bad_photos(small_model):
    with pytest.raises(PhotoError, match="1 x 1 pixels"):
        small_model.colorize(np.zeros((1, 1), np.uint8))


@pytest.fixture(scope="module")
def example():
    return Image.open(ROOT / "examples" / "photographer.jpg")


def test_the_shipped_weights_are_exactly_invertible(imagenet):
    generator = np.random.default_rng(0)
    for seed in range(8):
        lab = color.to_lab(np.asarray(color_picture(256, 256, seed)))
        lab[..., 0] = (lab[..., 0] + generator.normal(0, 2, (256, 256))).clip(0, 100)
        lightness = torch.from_numpy(lab[..., 0].copy())[None, None]
        ab = torch.from_numpy(photos.squeeze(lab[..., 1:], 64)).permute(2, 0, 1)[None]
        with torch.inference_mode():
            condition = imagenet.condition(lightness)
            z, _ = imagenet.encode(ab, condition)
            assert (imagenet.decode(z, condition) - ab).abs().max() < 0.05


def test_the_shipped_weights_give_different_colors(imagenet, example):
    results = imagenet.colorize(example, n=8, seed=0)
    assert len({result.image.tobytes() for result in results}) == 8
    means = np.array([result.ab.mean((0, 1)) for result in results])
    assert means.std(0).max() > 2
    assert 4 < np.mean([color.mean_chroma(result.ab) for result in results]) < 40


@pytest.mark.parametrize("name", ["astronaut", "cat", "coffee", "rocket"])
def test_true_colors_are_likelier_than_the_opposite_ones(imagenet, name):
    prepared = imagenet.prepare(ROOT / "examples" / "moods" / f"{name}.jpg")
    ab = imagenet.as_x(prepared.ab)
    noise = 0.5 * torch.randn(ab.shape, generator=torch.Generator().manual_seed(0))
    log_prob = imagenet.log_prob(torch.cat([ab + noise, -ab + noise]), prepared.condition)
    assert log_prob[0] > log_prob[1]


@pytest.mark.parametrize("side", [128, 700, 4000])
def test_colors_do_not_depend_on_the_size_of_the_photo(imagenet, example, side):
    width, height = example.size
    reference, *others = (r.ab for r in imagenet.colorize(example, n=4, temperature=0.7, seed=3))
    apart = np.mean([np.abs(other - reference).mean() for other in others])
    size = (round(side * width / max(width, height)), round(side * height / max(width, height)))
    resized = imagenet.colorize(example.resize(size, Image.Resampling.LANCZOS), 1, 0.7, 3)[0].ab
    # an upload of 128 pixels lacks the details that the network sees at 256
    assert np.abs(resized - reference).mean() < (0.4 if side < 256 else 0.05) * apart
