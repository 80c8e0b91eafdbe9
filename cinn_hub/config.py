"""Checks of every `config.json`: frozen dataclasses, read strictly."""

from __future__ import annotations

import dataclasses
import json
import sys
import typing
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cinn_hub.errors import CheckpointError, quoted
from cinn_hub.files import MOST_CONFIG, read_plain, reason_of

FORMAT_VERSION = 1
FINITE = (-sys.float_info.max, sys.float_info.max)


def bounded(default: Any, least: float, most: float, most_entries: int | None = None) -> Any:
    """A field whose number must be in [least, most]; in a tuple or dict, all of its numbers.

    most_entries: of a tuple; by default it must have as many as the default.
    """
    metadata: dict[str, Any] = {"range": (least, most)}
    if isinstance(default, tuple):
        count = len(default)
        metadata["entries"] = (min(1, count), most_entries) if most_entries else (count, count)
    return dataclasses.field(default=default, metadata=metadata)


@dataclass(frozen=True)
class Config:
    """Base of the configurations. `architecture` names the model class.

    What is of another type is refused with a ValueError, and so are numbers that are not finite,
    and those of `bounded` fields that are out of their range, or not as many as they should be.
    """

    architecture: str
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        types = typing.get_type_hints(type(self))
        for field in dataclasses.fields(self):
            name, limits = field.name, field.metadata.get("range", FINITE)
            value = checked(getattr(self, name), types[name], name, limits)
            object.__setattr__(self, name, value)
            least, most = field.metadata.get("entries", (0, sys.maxsize))
            if isinstance(value, tuple) and not least <= len(value) <= most:
                wanted = f"{least}" if least == most else f"{least} to {most}"
                raise ValueError(f"{name} has {len(value)} entries; it needs {wanted}")

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    def canonical(self, without: Collection[str] = ()) -> str:
        """The config as JSON that does not depend on how it was made, for fingerprints; without
        some of its entries."""
        values = {key: value for key, value in self.to_dict().items() if key not in without}
        return json.dumps(values, sort_keys=True)

    @classmethod
    def from_dict(cls, entries: dict[str, Any]) -> Self:
        """Builds the config from JSON, in which every key must be there.

        Raises:
            CheckpointError: a key is missing or unknown, a value is of the wrong type or out of
                range, or the format is of another version.
        """
        if entries.get("format_version") != FORMAT_VERSION:
            raise CheckpointError(
                f"config.json has format_version {quoted(entries.get('format_version'))}, but this "
                f"cinn_hub reads version {FORMAT_VERSION}; use the cinn_hub that wrote it."
            )
        known = {field.name for field in dataclasses.fields(cls)}
        if wrong := entries.keys() ^ known:
            key = min(wrong)
            fault = "lacks" if key in known else "has the unknown entry"
            raise CheckpointError(
                f"config.json {fault} {quoted(key, text=True)} for a {cls.__name__}; get it again, "
                "or update cinn_hub."
            )
        try:
            return cls(**entries)
        except ValueError as error:
            raise CheckpointError(f"config.json does not fit {cls.__name__}: {error}.") from error


def checked(value: Any, wanted: Any, name: str, limits: tuple[float, float]) -> Any:
    """The value with JSON's lists turned back to tuples, and whole numbers to floats, if it is of
    the wanted type and its numbers are within the limits.

    Raises:
        ValueError: it is not.
    """
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is tuple and isinstance(value, list | tuple):
        return tuple(checked(item, arguments[0], name, limits) for item in value)
    if origin is dict and isinstance(value, dict):
        return {key: checked(item, arguments[1], name, limits) for key, item in value.items()}
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(repr(value))  # infinity where an integer is beyond all floats
    if origin or not isinstance(value, wanted) or (wanted is bool) != isinstance(value, bool):
        expected = wanted.__name__ if isinstance(wanted, type) else str(wanted)
        raise ValueError(f"{name} has {quoted(value)}; it must be {expected}")
    if wanted in (int, float) and not limits[0] <= value <= limits[1]:
        raise ValueError(
            f"{name} has {quoted(value)}; it must be from {limits[0]:g} to {limits[1]:g}"
        )
    return value


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
    entries = dict(pairs)
    if len(entries) < len(pairs):
        raise ValueError("it has a key twice")
    return entries
