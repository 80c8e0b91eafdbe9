"""The errors that a user can cause. Each message is one sentence: what came, what was expected,
what to do next."""


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
