"""The errors that a user can cause. Each message is one sentence: what came, what was expected,
what to do next."""

import reprlib

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
    """Anything that cinn_hub refuses; its text is meant to be shown to people as it is."""


class UnknownModelError(CinnHubError):
    """No model has this name, and no folder is there either."""


class PhotoError(CinnHubError):
    """This is not a photo that can be read or used."""


class DigitError(CinnHubError):
    """This is not a digit that can be read, or not a label."""


class CheckpointError(CinnHubError):
    """A model folder is incomplete, damaged, or of another version."""


class OfflineError(CinnHubError):
    """The model is neither bundled nor cached, and the Hub cannot be reached."""
