"""The errors that a user can cause. Each message is one sentence: what came, what was expected and,
where it helps, what to do next."""

import math
import reprlib
from typing import Any

SHORT = reprlib.Repr()
SHORT.maxstring = SHORT.maxother = SHORT.maxlong = 80
SHORT.maxlevel = 3


def quoted(value: object, text: bool = False) -> str:
    """What a stranger's file says, for a message: one line, short however long or deep it is.

    text: whether the value is text that needs no quotation marks.
    """
    short = SHORT.repr(value)
    return short[1:-1] if text else short


class CinnHubError(Exception):
    """Base of all errors of cinn_hub; its text can be shown to users as it is."""


class UnknownModelError(CinnHubError):
    """No model, folder or repository has this name."""


class PhotoError(CinnHubError):
    """A photo cannot be read or used."""


class DigitError(CinnHubError):
    """A picture of a digit cannot be read, or a label is not a digit."""


class CheckpointError(CinnHubError):
    """A model folder is incomplete, damaged, or of another version."""


class OfflineError(CinnHubError):
    """The model is neither bundled nor cached, and the Hub cannot be reached."""


def number_or_nan(value: Any) -> float:
    """The value as a float; NaN if it is no number, or beyond all floats."""
    try:
        return math.nan if isinstance(value, str | bytes | bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        return math.nan


def number_in(value: Any, name: str, least: float, most: float) -> float:
    """The value as a float, if it is a number in [least, most].

    Raises:
        CinnHubError: it is something else; `name` is what the sentence calls it.
    """
    number = number_or_nan(value)
    if not least <= number <= most:
        shown = f"{value:g}" if isinstance(value, float) else quoted(value)
        raise CinnHubError(f"{name} is {shown}; it must be from {least:g} to {most:g}.")
    return number
