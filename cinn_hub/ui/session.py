"""What one visitor's tab holds of a photo and its colourings, and the code that makes them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cinn_hub import photos
from cinn_hub.colorization import Colorization, PreparedPhoto
from cinn_hub.colorizing import ColorModel
from cinn_hub.errors import CinnHubError, PhotoError

COMPARE_SIZE = 1280  # pixels on the longer side of what is shown large


@dataclass(frozen=True)
class Session:
    """A photo, its colourings, and the Python that makes them again.

    The photo is held small: the file is read again when a full-size picture is asked for.
    """

    path: str
    model: str
    prepared: PreparedPhoto
    results: tuple[Colorization, ...] = ()
    captions: tuple[str, ...] = ()
    code: str = ""

    @classmethod
    def open(cls, path: str | None, model: ColorModel) -> Session:
        """Reads the photo and runs the condition network.

        Raises:
            PhotoError: there is none, or it cannot be read.
        """
        if not path:
            raise PhotoError("There is no photo yet; upload one or pick an example.")
        prepared = model.prepare(path)
        return cls(path, model.name, prepared.shrunk(COMPARE_SIZE))

    @property
    def name(self) -> str:
        """The photo's file name."""
        return Path(self.path).name

    def holding(self, results: list[Colorization], code: str, captions: list[str]) -> Session:
        return replace(self, results=tuple(results), captions=tuple(captions), code=code)

    def result(self, index: int) -> Colorization:
        """One of the answers, counted from 0.

        Raises:
            CinnHubError: there is none of that number.
        """
        if not 0 <= index < len(self.results):
            count = len(self.results)
            raise CinnHubError(f"There is no answer {index}; there are {count}, counted from 0.")
        return self.results[index]

    def full_size(self, index: int, intensity: float) -> Colorization:
        """A colouring on the photo at its own size.

        Raises:
            CinnHubError: there is none of that number.
            PhotoError: the upload has been deleted in the meantime.
        """
        result = self.result(index).with_intensity(intensity)
        self.check_upload()
        return result.on(photos.read(self.path))

    def check_upload(self) -> None:
        """Refuses to go on where the upload has been deleted."""
        if not Path(self.path).exists():
            raise PhotoError("Uploads are deleted after an hour; upload the photo again.")


def checked(session: Session | None) -> Session:
    """The session, or one sentence if there is none."""
    if session is None or not session.results:
        raise PhotoError("There are no colourings yet, or their hour is over; colour the photo.")
    return session


def code_to_colorize(session: Session, call: str) -> str:
    """Python that gives `results`, starting from nothing."""
    return f"import cinn_hub\n\nmodel = cinn_hub.load({session.model!r})\nresults = {call}\n"


def code_to_save(session: Session, index: int, intensity: float) -> str:
    """The same, with the picked colouring written to a file."""
    scaled = "" if intensity == 1 else f".with_intensity({intensity:g})"
    name = f"{Path(session.path).stem}_color{index + 1}.png"
    return f"{session.code}results[{index}]{scaled}.save({name!r})\n"


def temperature_code(temperature: Mapping[str, float]) -> str:
    return json.dumps({level: round(value, 4) for level, value in temperature.items()})
