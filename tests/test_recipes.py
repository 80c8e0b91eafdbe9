"""What `settings` say makes the picture again, for every move on every move's result."""

import dataclasses
from itertools import product

import numpy as np
import pytest
from helpers import color_picture

from cinn_hub.latent import Latent, by_level_from_text
from cinn_hub.models.colorization_cinn import ColorizationCINN

HINTS = [(20.25, 20, "#bb5544"), (50, 30, "#4466bb", 12.5)]
BOLD = {"mood": 0.5, "things": 0.123456789}


@pytest.fixture(scope="module")
def reference():
    picture = color_picture(120, 90, seed=4)
    picture.filename = "reference.png"
    return picture


def cool(model, photo):
    condition = model.prepare(photo).condition
    return model.draws(condition, 2, temperature=0.7, seed=5, pool=None)[1]


MOVES = {
    "hints": lambda m, photo, z, _: m.colorize(photo, latent=z, hints=HINTS, reach=7.5)[0],
    "near": lambda m, photo, z, _: m.similar(photo, z, n=3, amount=1 / 3, seed=2**40 + 1)[2],
    "way": lambda m, photo, z, _: m.interpolate(photo, z, cool(m, photo), steps=4)[1],
    "onto": lambda m, photo, z, _: m.transfer(
        z, photo, keep={"mood": 1 / 3, "things": 0.5}, seed=3
    ),
}
FIRST = {
    "draw": lambda m, photo, _: m.colorize(photo, n=3, temperature=BOLD, seed=7)[2],
    "pool": lambda m, photo, _: m.colorize(photo, n=2, seed=7, pool=6)[1],
    "mood": lambda m, photo, reference: m.colorize(
        photo, n=2, seed=7, pool=6, mood=m.latent_of(reference)
    )[1],
    "map": lambda m, photo, _: m.explore(photo, side=3, seed=2)[5],
    "typical": lambda m, photo, _: m.typical(photo),
    "photo": lambda m, photo, reference: m.transfer(reference, photo),
}


def again(model: ColorizationCINN, photo, settings: dict[str, str], photos: dict) -> Latent:
    """The latent that these settings describe, made from nothing else."""

    def inner(name):
        start = f"{name}."
        found = {k[len(start) :]: v for k, v in settings.items() if k.startswith(start)}
        return again(model, photo, found, photos)

    def levels(key):
        return by_level_from_text(settings[key], model.latent_shapes)

    if "photo" in settings:
        return model.latent_of(photos[settings["photo"]])
    if "hints" in settings:
        hints = [
            (float(x), float(y), color, *map(float, reach))
            for x, y, color, *reach in (hint.split(",") for hint in settings["hints"].split())
        ]
        known = {k: v for k, v in settings.items() if k not in ("hints", "reach")}
        is_second = any(key.startswith("before.") for key in settings)
        z = inner("before") if is_second else again(model, photo, known, photos)
        reach = float(settings["reach"])
        return model.colorize(photo, latent=z, hints=hints, reach=reach)[0].latent
    if "step" in settings:
        steps = int(settings["steps"])
        way = model.interpolate(photo, inner("from"), inner("to"), steps)
        return way[int(settings["step"])].latent
    seed = int(settings["seed"])
    if "cell" in settings:
        side = int(settings["side"])
        return model.explore(photo, side, levels("temperature"), seed)[int(settings["cell"])].latent
    if "keep" in settings:
        temperature = levels("temperature")
        return model.transfer(inner("reference"), photo, levels("keep"), temperature, seed).latent
    sample = int(settings.get("sample", 0))
    if "amount" in settings:
        amount = float(settings["amount"])
        return model.similar(photo, inner("near"), sample + 1, amount, seed)[sample].latent
    mood = inner("mood") if any(key.startswith("mood.") for key in settings) else None
    drawn = model.colorize(photo, sample + 1, levels("temperature"), seed, pool=None, mood=mood)
    return drawn[sample].latent


def check(model, photo, reference, result):
    latent = again(model, photo, result.settings, {"reference.png": reference})
    made = model.colorize(photo, latent=latent)[0]
    np.testing.assert_allclose(made.ab, result.ab, atol=0.02)
    assert made.hinted == result.hinted


@pytest.mark.parametrize("first", FIRST)
def test_what_is_drawn(small_model, photo, reference, first):
    check(small_model, photo, reference, FIRST[first](small_model, photo, reference))


@pytest.mark.parametrize(("first", "second"), list(product(("draw", "photo"), MOVES)))
def test_moves_on_what_is_drawn(small_model, photo, reference, first, second):
    start = FIRST[first](small_model, photo, reference).latent
    check(small_model, photo, reference, MOVES[second](small_model, photo, start, reference))


@pytest.mark.parametrize(("first", "second"), list(product(MOVES, MOVES)))
def test_moves_on_moves(small_model, photo, reference, first, second):
    start = MOVES[first](
        small_model, photo, small_model.colorize(photo, n=2, seed=9)[1].latent, reference
    )
    result = MOVES[second](small_model, photo, start.latent, reference)
    check(small_model, photo, reference, result)
    asked = "hints" in (first, second)
    assert result.hinted == result.latent.hinted == asked


def test_a_file_says_whether_colours_were_asked_for(small_model, photo, tmp_path):
    hinted = small_model.colorize(photo, n=1, seed=1, hints=HINTS)[0].latent
    near = small_model.similar(photo, hinted, n=1, seed=1)[0].latent
    for latent in (hinted, near, small_model.draw(1)):
        latent.save(tmp_path / "z.safetensors")
        loaded = Latent.load(tmp_path / "z.safetensors")
        assert (loaded.hinted, loaded.settings) == (latent.hinted, latent.settings)
        assert loaded.temperature == latent.temperature
    settings = {"hints": "1,1,#aabbcc", "reach": "30"}  # of a file from before it said so
    dataclasses.replace(near, settings=settings, hinted=False).save(tmp_path / "old.safetensors")
    assert Latent.load(tmp_path / "old.safetensors").hinted


@pytest.mark.parametrize("boldness", [0.1, 2.0])
def test_similar_ones_are_as_bold(small_model, photo, boldness):
    temperature = small_model.temperature(boldness)
    center = small_model.center(small_model.prepare(photo).condition)
    picked = small_model.colorize(photo, 1, temperature, seed=1)[0]
    near = small_model.similar(photo, picked.latent, n=4, amount=0.9, seed=2)
    z = Latent.cat([one.latent for one in near])
    spread = z.noise_of(center).levels["grain"].std().item()
    assert spread == pytest.approx(temperature["grain"], rel=0.1)
    assert z.temperature == picked.latent.temperature == temperature


def test_levels_that_are_not_named_keep_the_models_own_temperature():
    from helpers import SMALL

    model = ColorizationCINN(dataclasses.replace(SMALL, temperature={"things": 0.4}))
    settings = model.draw(1, {"mood": 0.5}, seed=1).settings
    assert settings["temperature"] == "mood=0.5 things=0.4 details=1 grain=1"


def test_no_folder_of_this_machine_is_written_into_pictures(small_model, photo, tmp_path):
    folder = tmp_path / "secret" / "my-model"
    small_model.save_pretrained(folder)
    model = ColorizationCINN.from_folder(folder)
    result = model.similar(photo, model.colorize(photo, 1, seed=1)[0].latent, n=1)[0]
    assert result.settings["model"] == "my-model"
    assert "secret" not in str(result.settings)


def test_the_fingerprint_is_of_the_config_too(small_model):
    config = small_model.config
    for change in ({"unit": 2 * config.unit}, {"clamp": 2 * config.clamp}):
        other = ColorizationCINN(dataclasses.replace(config, **change))
        other.load_state_dict(small_model.state_dict())
        assert other.fingerprint != small_model.fingerprint
    warmer = ColorizationCINN(dataclasses.replace(config, temperature={"mood": 0.5}))
    warmer.load_state_dict(small_model.state_dict())
    assert warmer.fingerprint == small_model.fingerprint  # what a latent means is the same
