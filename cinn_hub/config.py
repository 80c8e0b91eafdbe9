"""Checks of every `config.json`: frozen dataclasses, read strictly."""

from __future__ import annotations

import dataclasses
import json
import math
import sys
import typing
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cinn_hub.errors import CheckpointError, quoted
from cinn_hub.files import MOST_CONFIG, read_plain, reason_of

FORMAT_VERSION = 1


def bounded(
    default: Any, least: float, most: float, any_length: bool = False, optional: bool = False
) -> Any:
    """A field whose number must be in [least, most]; in a tuple or dict, all of its numbers.

    any_length: whether a tuple may have more or fewer entries than the default.
    optional: whether a file may lack the field, since it came later than the format.
    """
    entries = len(default) if isinstance(default, tuple) and not any_length else None
    facts = {"range": (least, most), "entries": entries, "optional": optional}
    return dataclasses.field(default=default, metadata=facts)


@dataclass(frozen=True)
class Config:
    """Base of the configurations. `architecture` names the model class.

    Every number must be finite, and those of `bounded` fields must lie in their range and be as
    many as they should; what does not fit is refused with a ValueError.
    """

    architecture: str
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            wanted = field.metadata.get("entries")
            if wanted is not None and len(value) != wanted:
                raise ValueError(f"{field.name} has {len(value)} entries; it needs {wanted}")
            least, most = field.metadata.get("range", (-math.inf, math.inf))
            for number in numbers_in(value):
                if not abs(number) <= sys.float_info.max:
                    raise ValueError(f"{field.name} has {quoted(number)}; it must be finite")
                if not least <= number <= most:
                    raise ValueError(
                        f"{field.name} has {number:g}; it must be from {least:g} to {most:g}"
                    )

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def canonical(self, without: Collection[str] = ()) -> str:
        """The config as JSON that does not depend on how it was made, for fingerprints; without
        some of its entries, and without optional ones at their defaults."""
        types = typing.get_type_hints(type(self))
        plain = {f.name: f.default for f in dataclasses.fields(self) if f.metadata.get("optional")}
        values = {
            key: checked(value, types[key], key)
            for key, value in self.to_dict().items()
            if key not in without and not (key in plain and value == plain[key])
        }
        return json.dumps(values, sort_keys=True)

    @classmethod
    def from_dict(cls, entries: dict[str, Any]) -> Self:
        """Builds the config from JSON, in which every key must be there that is not optional.

        Raises:
            CheckpointError: a key is missing or unknown, a value is of the wrong type or out of
                range, or the format is of another version.
        """
        if entries.get("format_version") != FORMAT_VERSION:
            raise CheckpointError(
                f"config.json has format_version {quoted(entries.get('format_version'))}, but this "
                f"cinn_hub reads version {FORMAT_VERSION}; use the cinn_hub that wrote it."
            )
        types = typing.get_type_hints(cls)
        optional = {f.name for f in dataclasses.fields(cls) if f.metadata.get("optional")}
        if wrong := (entries.keys() ^ types.keys()) - (optional - entries.keys()):
            key = min(wrong)
            fault = "lacks" if key in types else "has the unknown entry"
            raise CheckpointError(
                f"config.json {fault} {quoted(key, text=True)} for a {cls.__name__}; get it again, "
                "or update cinn_hub."
            )
        values = {key: checked(value, types[key], key) for key, value in entries.items()}
        try:
            return cls(**values)
        except ValueError as error:
            raise CheckpointError(f"config.json does not fit {cls.__name__}: {error}.") from error


def numbers_in(value: Any) -> Iterator[float]:
    """All numbers in a value, a tuple or the values of a dict."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        yield value
    elif isinstance(value, tuple | dict):
        for item in value.values() if isinstance(value, dict) else value:
            yield from numbers_in(item)


def checked(value: Any, wanted: Any, name: str) -> Any:
    """The value with JSON's lists turned back to tuples, if it is of the wanted type."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(checked(item, arguments[0], name) for item in value)
    if origin is dict and isinstance(value, dict):
        return {key: checked(item, arguments[1], name) for key, item in value.items()}
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(repr(value))  # infinity where an integer is beyond all floats
    if origin is None and isinstance(value, wanted) and (wanted is bool) == isinstance(value, bool):
        return value
    expected = wanted.__name__ if isinstance(wanted, type) else str(wanted)
    raise CheckpointError(f"config.json has {name} = {quoted(value)}, but it must be {expected}.")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        CheckpointError: the file is missing, too large or something else than a file; or it is not
            a JSON object, or names a key twice.
    """
    try:
        text = read_plain(path, MOST_CONFIG).decode("utf-8")
        entries = json.loads(text, object_pairs_hook=without_repetition)
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path.parent} has no {path.name}; give the folder of a model, which has one."
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        reason = quoted(reason_of(error), text=True)
        raise CheckpointError(f"{path} cannot be read as JSON: {reason}.") from error
    if not isinstance(entries, dict):
        raise CheckpointError(
            f"{path} holds a {type(entries).__name__}, not a JSON object; get it again."
        )
    return entries


def without_repetition(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """The object of these pairs; programs do not agree which of two equal keys counts."""
    (key, times), *_ = Counter(key for key, _ in pairs).most_common(1) or [("", 0)]
    if times > 1:
        raise ValueError(f"it has {quoted(key)} {times} times")
    return dict(pairs)
