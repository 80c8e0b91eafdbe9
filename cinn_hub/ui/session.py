"""What one visitor's tab holds of a photo and its colourings, and the files that are made of it."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from cinn_hub import photos
from cinn_hub.colorization import Colorization, ColorizationCINN, PreparedPhoto
from cinn_hub.errors import PhotoError

COMPARE_SIZE = 1280  # pixels on the longer side of what is shown large
KEPT_SECONDS = 3600  # uploads, results and downloads
DOWNLOADS = Path(tempfile.gettempdir()) / "cinn-hub-downloads"


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
    def open(cls, path: str | None, model: ColorizationCINN) -> Session:
        """Reads the photo and runs the condition network.

        Raises:
            PhotoError: there is none, or it cannot be read.
        """
        if not path:
            raise PhotoError("There is no photo yet; upload one or pick an example.")
        prepared = model.prepare(path).shrunk(COMPARE_SIZE)
        return cls(path, model.name, prepared)

    @property
    def name(self) -> str:
        """The photo's file name."""
        return Path(self.path).name

    def holding(self, results: list[Colorization], code: str, captions: list[str]) -> Session:
        return replace(self, results=tuple(results), captions=tuple(captions), code=code)

    def full_size(self, index: int, intensity: float) -> Colorization:
        """A colouring on the photo at its own size.

        Raises:
            PhotoError: the upload has been deleted in the meantime.
        """
        if not Path(self.path).exists():
            raise PhotoError("Uploads are deleted after an hour; upload the photo again.")
        return self.results[index].with_intensity(intensity).on(photos.read(self.path))


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


def download_folder() -> Path:
    """A new folder for a file to download; those of an hour ago are deleted."""
    DOWNLOADS.mkdir(mode=0o700, exist_ok=True)
    for old in DOWNLOADS.iterdir():
        if time.time() - old.stat().st_mtime > KEPT_SECONDS:
            shutil.rmtree(old, ignore_errors=True)
    return Path(tempfile.mkdtemp(dir=DOWNLOADS))
