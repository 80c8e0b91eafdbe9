"""Configs are read strictly: every number of every architecture, missing, negative, not finite."""

import dataclasses
import json
import math
import time
from importlib import import_module

import pytest
import torch

from cinn_hub.config import Config, bounded, numbers_in, read_json
from cinn_hub.errors import CheckpointError
from cinn_hub.loading import ARCHITECTURES

MODELS = {
    model.config_class: model
    for model in (getattr(import_module(module), name) for name, module in ARCHITECTURES.items())
}
KINDS = list(MODELS)
KEYS = [(kind, field.name) for kind in KINDS for field in dataclasses.fields(kind)]
NUMBERS = [
    (kind, field.name)
    for kind, field in ((kind, field) for kind in KINDS for field in dataclasses.fields(kind))
    if field.name != "format_version" and list(numbers_in(getattr(kind(), field.name)))
]


def entries(kind):
    return json.loads(json.dumps(kind().to_dict()))


def with_number(value, number):
    """The value with its last number exchanged."""
    return [*value[:-1], number] if isinstance(value, list) else number


def test_there_is_something_to_test():
    assert len(KINDS) == len(ARCHITECTURES) and len(NUMBERS) > 15


@pytest.mark.parametrize(("kind", "key"), KEYS)
def test_every_key_is_required(kind, key):
    values = entries(kind)
    del values[key]
    with pytest.raises(CheckpointError, match=key):
        kind.from_dict(values)


@pytest.mark.parametrize("number", [-1000, float("nan"), float("inf"), 1e9, 10**400])
@pytest.mark.parametrize(("kind", "key"), NUMBERS)
def test_every_number_is_checked(kind, key, number):
    values = entries(kind)
    values[key] = with_number(values[key], number)
    with pytest.raises(CheckpointError, match=key):
        kind.from_dict(values)


@pytest.mark.parametrize("number", [-0.5, float("nan"), float("-inf"), 11])
def test_temperatures_are_checked(number):
    kind = next(kind for kind in KINDS if "temperature" in kind.__dataclass_fields__)
    with pytest.raises(CheckpointError, match="temperature"):
        kind.from_dict({**entries(kind), "temperature": {"mood": number}})


@pytest.mark.parametrize("text", ["NaN", "Infinity", "-1", "null", "true", '"1"', "[1]", "{}"])
def test_what_a_file_says_is_checked(tmp_path, text):
    (tmp_path / "config.json").write_text(
        f'{{"architecture": "Example", "format_version": 1, "width": {text}}}'
    )
    with pytest.raises(CheckpointError, match="width"):
        Example.from_dict(read_json(tmp_path / "config.json"))


@dataclasses.dataclass(frozen=True)
class Example(Config):
    architecture: str = "Example"
    width: float = bounded(1.0, 0.5, 2.0)


def test_bounds_are_allowed_themselves():
    assert Example(width=0.5).width == 0.5 and Example(width=2.0).width == 2.0


@pytest.mark.parametrize(("kind", "key"), NUMBERS)
def test_every_number_has_bounds_that_can_be_built(kind, key):
    """At either bound the model is built at once, on the meta device, or the config is refused."""
    field = kind.__dataclass_fields__[key]
    assert all(math.isfinite(bound) for bound in field.metadata["range"]), key
    for bound in field.metadata["range"]:
        default = getattr(kind(), key)
        number = type(next(numbers_in(default)))(bound)
        value = (number,) * len(default) if isinstance(default, tuple) else number
        try:
            config = kind(**{key: value})
        except ValueError:
            continue
        start = time.process_time()
        with torch.device("meta"):
            MODELS[kind](config)
        assert time.process_time() - start < 2


@pytest.mark.parametrize("kind", KINDS)
def test_no_list_is_as_long_as_it_likes(kind):
    for field in dataclasses.fields(kind):
        default = getattr(kind(), field.name)
        if isinstance(default, tuple):
            item = default[0] if default else "x"
            with pytest.raises(ValueError):
                kind(**{field.name: (item,) * 100})
