"""The errors that a user can cause. Each message is one sentence: what came, what was expected and,
where it helps, what to do next."""

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
