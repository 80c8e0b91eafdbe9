"""Configs are read strictly: every number of every architecture, missing, negative, not finite."""

import dataclasses
import json
from importlib import import_module

import pytest

from cinn_hub.config import Config, bounded, numbers_in, read_json
from cinn_hub.errors import CheckpointError
from cinn_hub.loading import ARCHITECTURES

KINDS = [
    getattr(import_module(module), name).config_class for name, module in ARCHITECTURES.items()
]
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


@pytest.mark.parametrize("number", [-1, float("nan"), float("inf"), 1e9, 10**400])
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
