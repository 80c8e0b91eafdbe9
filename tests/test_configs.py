"""Configs are read strictly: whatever is missing, of another kind or out of range is refused."""

import dataclasses
import json
import math
from importlib import import_module

import pytest

from cinn_hub.config import Config, bounded
from cinn_hub.errors import CheckpointError
from cinn_hub.models import ARCHITECTURES
from cinn_hub.models.colorization_cinn import ColorizationConfig
from cinn_hub.originals.models import OriginalDigitConfig

MODELS = [getattr(import_module(module), name) for name, module in ARCHITECTURES.items()]


@dataclasses.dataclass(frozen=True)
class Example(Config):
    """A field of each kind."""

    architecture: str = "Example"
    width: float = bounded(1.0, 0.5, 2.0)
    depth: int = bounded(3, 1, 9)
    sizes: tuple[int, ...] = bounded((4, 8), 0, 16)
    shares: dict[str, float] = dataclasses.field(
        default_factory=dict, metadata={"range": (0.0, 1.0)}
    )
    names: tuple[str, ...] = bounded((), 0, 0, most_entries=3)


ENTRIES = {
    "format_version": 1,
    "architecture": "Example",
    "width": 1.5,
    "depth": 2,
    "sizes": [1, 2],
    "shares": {"a": 0.5},
    "names": ["x"],
}


def test_what_is_right_is_read():
    found = Example.from_dict(json.loads(json.dumps(ENTRIES)))
    assert found == Example(width=1.5, depth=2, sizes=(1, 2), shares={"a": 0.5}, names=("x",))
    assert Example.from_dict(json.loads(json.dumps(found.to_dict()))) == found
    assert Example(width=0.5).width == 0.5 and Example(width=2.0).width == 2.0


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("format_version", 2, "has format_version 2, but this cinn_hub reads version 1"),
        ("colour", 3, "has the unknown entry colour for a Example"),
        ("width", None, "lacks width for a Example"),
        ("width", "15", "width has '15'; it must be float"),
        ("width", math.nan, "width has nan; it must be from 0.5 to 2"),
        ("width", 10**400, "width has inf"),
        ("depth", True, "depth has True; it must be int"),
        ("depth", 2.0, "depth has 2.0; it must be int"),
        ("depth", 10**400, "depth has 1000"),
        ("sizes", [1, "3"], "sizes has '3'"),
        ("sizes", [1, 17], "sizes has 17; it must be from 0 to 16"),
        ("sizes", [1] * 3, "sizes has 3 entries; it needs 2"),
        ("sizes", {"0": 1}, "sizes has {'0': 1}; it must be tuple"),
        ("shares", {"a": math.nan}, "shares has nan"),
        ("names", [1], "names has 1; it must be str"),
        ("names", ["x"] * 4, "names has 4 entries; it needs 0 to 3"),
    ],
)
def test_what_is_wrong_is_refused_in_a_sentence(key, value, says):
    entries = {k: v for k, v in {**ENTRIES, key: value}.items() if v is not None}
    with pytest.raises(CheckpointError) as caught:
        Example.from_dict(entries)
    text = str(caught.value)
    assert says in text and text.endswith(".") and text.isprintable() and len(text) < 300


def test_the_canonical_text_does_not_depend_on_how_a_config_was_made():
    """Whole numbers, tuples and the order of keys are what JSON makes of them."""
    made = ColorizationConfig(unit=15, temperature={"mood": 1, "grain": 0.5})
    read = ColorizationConfig.from_dict(json.loads(json.dumps(made.to_dict())))
    turned = ColorizationConfig(temperature={"grain": 0.5, "mood": 1.0})
    assert made.canonical() == read.canonical() == turned.canonical()
    assert made.canonical() != ColorizationConfig(unit=15.5).canonical()


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_number_has_bounds_and_no_list_is_as_long_as_it_likes(model):
    kind = model.config_class
    for field in dataclasses.fields(kind):
        default = getattr(kind(), field.name)
        if field.name in ("format_version", "architecture"):
            continue
        assert all(math.isfinite(bound) for bound in field.metadata["range"]), field.name
        if isinstance(default, tuple):
            with pytest.raises(ValueError, match=field.name):
                kind(**{field.name: (default or ("x",))[:1] * 100})


def test_what_does_not_fit_together():
    for entries, says in (
        ({"ab_size": 20}, "ab_size must be a multiple of 8"),
        ({"image_size": 128}, "image_size must be four times ab_size"),
        ({"channels": (8, 16, 33)}, "must be multiples of 32"),
        ({"temperature": {"9x9": 1.0}}, "temperature has the unknown levels ['9x9']"),
        ({"couplings": (64, 64, 64), "attentions": 64}, "make 4160 couplings; there may be 256"),
    ):
        with pytest.raises(ValueError) as caught:
            ColorizationConfig(**entries)
        assert says in str(caught.value)
    with pytest.raises(ValueError, match="directions has 1 entries; it needs 0"):
        OriginalDigitConfig(directions=("x",))
