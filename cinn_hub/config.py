"""What every `config.json` has in common: frozen dataclasses, read strictly."""

from __future__ import annotations

import dataclasses
import json
import typing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from cinn_hub.errors import CheckpointError

FORMAT_VERSION = 1


@dataclass(frozen=True)
class Config:
    """Base of the configurations. `architecture` names the model class."""

    architecture: str
    format_version: int = FORMAT_VERSION

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, entries: dict[str, Any]) -> Self:
        """Builds the config from JSON, refusing unknown keys, wrong types and other versions.

        Raises:
            CheckpointError: one sentence that names the entry.
        """
        if entries.get("format_version") != FORMAT_VERSION:
            raise CheckpointError(
                f"config.json has format_version {entries.get('format_version')!r}, but this "
                f"cinn_hub reads version {FORMAT_VERSION}; update cinn_hub."
            )
        types = typing.get_type_hints(cls)
        if unknown := sorted(entries.keys() - types.keys()):
            raise CheckpointError(
                f"config.json has {unknown}, which {cls.__name__} does not know; update cinn_hub."
            )
        values = {key: checked(value, types[key], key) for key, value in entries.items()}
        try:
            return cls(**values)
        except (TypeError, ValueError) as error:
            raise CheckpointError(f"config.json does not fit {cls.__name__}: {error}.") from error


def checked(value: Any, wanted: Any, name: str) -> Any:
    """The value with JSON's lists turned back to tuples, if it is of the wanted type."""
    origin, arguments = typing.get_origin(wanted), typing.get_args(wanted)
    if origin is tuple and isinstance(value, list):
        return tuple(checked(item, arguments[0], name) for item in value)
    if origin is dict and isinstance(value, dict):
        return {key: checked(item, arguments[1], name) for key, item in value.items()}
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if origin is None and isinstance(value, wanted) and (wanted is bool) == isinstance(value, bool):
        return value
    raise CheckpointError(f"config.json has {name} = {value!r}, but it must be of type {wanted}.")


def read_json(path: Path) -> dict[str, Any]:
    """The object in a JSON file.

    Raises:
        CheckpointError: the file is missing or holds no JSON object.
    """
    try:
        entries = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{path.parent} has no {path.name}, so it is no model folder."
        ) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read as JSON: {error}.") from error
    if not isinstance(entries, dict):
        raise CheckpointError(f"{path} holds {type(entries).__name__}; expected a JSON object.")
    return entries
