"""What one visitor's tab holds of a photo and its colourings, and the code that makes them."""

from __future__ import annotations

import json
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from cinn_hub import photos
from cinn_hub.color_model import ColorModel
from cinn_hub.colorization import LAYER_LIGHTNESS, Colorization, PreparedPhoto
from cinn_hub.errors import CinnHubError, PhotoError
from cinn_hub.ui import decoding
from cinn_hub.ui.decoding import apart
from cinn_hub.ui.files import app_folder
from cinn_hub.ui.memory import Kept, Memory

COMPARE_SIZE = 1280  # pixels on the longer side of what is shown large
STEPS = 65535 / 100  # of a kept lightness, for each unit of L
NO_PHOTO = photos.Photo(np.zeros((1, 1), np.float32))

MADE_ROOM = (
    "Others came after you, and these colours had to make room for theirs; colour the photo again."
)

memory = Memory()  # of this process: all visitors share it


@dataclass(frozen=True, eq=False)
class Session:
    """A photo, its colourings, and the Python that makes them again.

    It is small by itself. The photo (at `COMPARE_SIZE`), its condition and the colourings are in
    the memory that all visitors share. A photo that had to make room there is prepared again from
    its file; colourings are not, and their visitor reads why.
    """

    path: str
    model: str
    size: tuple[int, int]
    colored: bool
    photo: Kept[PreparedPhoto]
    loaded: weakref.ref[ColorModel]
    answers: Kept[tuple[Colorization, ...]] | None = None
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
        packed = prepare_packed(path, model)
        kept = Kept(memory, packed, bytes_of_photo(packed))
        return cls(path, model.name, packed.size, packed.colored, kept, weakref.ref(model))

    @property
    def name(self) -> str:
        """The photo's file name."""
        return Path(self.path).name

    @property
    def prepared(self) -> PreparedPhoto:
        """The photo at `COMPARE_SIZE`, with its condition; made again where it had to make room.

        Raises:
            PhotoError: it had to make room, and its file has been deleted in the meantime.
        """
        packed = self.photo.get()
        if packed is None:
            model = self.loaded()
            self.check_upload()
            if model is None:
                raise PhotoError(MADE_ROOM)
            packed = prepare_packed(self.path, model)
            self.photo.put(packed, bytes_of_photo(packed))
        lightness = packed.photo.lightness / np.float32(STEPS)
        return with_lightness(packed, lightness)

    def holding(
        self, results: Sequence[Colorization], code: str, captions: Sequence[str]
    ) -> Session:
        """The same photo with these answers."""
        bare = tuple(result.on(NO_PHOTO) for result in results)
        answers = Kept(memory, bare, sum(map(bytes_of_answer, bare)), lasting=True)
        return replace(self, answers=answers, captions=tuple(captions), code=code)

    def result(self, index: int) -> Colorization:
        """One of the answers, counted from 0, on the photo at `COMPARE_SIZE`; errors as those of
        `bare_result`."""
        return self.bare_result(index).on(self.prepared.photo)

    def bare_result(self, index: int) -> Colorization:
        """One of the answers without the photo: colours, latent and figures.

        Raises:
            CinnHubError: there is none of that number.
            PhotoError: they had to make room.
        """
        held = self.answers.get() if self.answers else ()
        if held is None:
            raise PhotoError(MADE_ROOM)
        if not 0 <= index < len(held):
            raise CinnHubError(
                f"There is no answer {index}; there are {len(held)}, counted from 0."
            )
        return held[index]

    def full_size(self, index: int, intensity: float) -> FullSize:
        """A colouring for the photo at its own size.

        Raises:
            CinnHubError: there is none of that number.
            PhotoError: the answers had to make room, or the upload has been deleted.
        """
        result = self.bare_result(index).with_intensity(intensity)
        self.check_upload()
        app_folder().make_room(3 * self.size[0] * self.size[1])
        return FullSize(self.path, result)

    def check_upload(self) -> None:
        """Refuses to go on where the upload has been deleted."""
        if not Path(self.path).exists():
            raise PhotoError(
                "This photo has been deleted, as all uploads are after an hour, or earlier if many "
                "people use the app; upload it again."
            )


@dataclass(frozen=True, eq=False)
class FullSize:
    """A colouring on the photo of that path; pictures of it are painted apart, see `decoding`."""

    path: str
    result: Colorization
    flat: float | None = None

    @property
    def layer(self) -> FullSize:
        """The colours alone, at one lightness."""
        return replace(self, flat=LAYER_LIGHTNESS)

    def save(self, path: Path, quality: int = 95) -> None:
        """Writes the picture; errors as those of `photos.read` and `photos.save`."""
        how = (self.result.ab, self.result.hinted, self.flat)
        settings = {} if self.flat else self.result.settings
        options = {"settings": settings, "quality": quality}
        apart(Path(self.path).name, decoding.paint, self.path, path, *how, **options)


def prepare_packed(path: str, model: ColorModel) -> PreparedPhoto:
    """What a session keeps of a photo: small, its L in 16 bits, without its own colours."""
    sides = (model.config.image_size, model.config.ab_size, COMPARE_SIZE)
    prepared = model.prepare(apart(Path(path).name, decoding.squeezed, path, *sides))
    steps = np.round(prepared.photo.lightness.clip(0, 100) * STEPS)
    return with_lightness(prepared, steps.astype(np.uint16))


def with_lightness(prepared: PreparedPhoto, lightness: np.ndarray) -> PreparedPhoto:
    return replace(prepared, photo=replace(prepared.photo, lightness=lightness, rgb=None))


def bytes_of_photo(prepared: PreparedPhoto) -> int:
    photo = prepared.photo
    arrays = (photo.lightness, photo.alpha, prepared.lightness, prepared.ab)
    tensors = prepared.condition.values()
    return sum(a.nbytes for a in arrays if a is not None) + sum(t.nbytes for t in tensors)


def bytes_of_answer(result: Colorization) -> int:
    return result.ab.nbytes + sum(z.nbytes for z in result.latent.levels.values())


def code_to_colorize(session: Session, call: str) -> str:
    """Python that gives `results`, starting from nothing."""
    return f"import cinn_hub\n\nmodel = cinn_hub.load({session.model!r})\nresults = {call}\n"


def code_to_save(session: Session, index: int, intensity: float) -> str:
    """The same, with the picked colouring written to a file."""
    scaled = "" if intensity == 1 else f".with_intensity({intensity:g})"
    name = f"{Path(session.path).stem}_color{index + 1}.png"
    return f"{session.code}results[{index}]{scaled}.save({name!r})\n"


def as_code(options: Mapping[str, Any]) -> str:
    """Arguments of a call as Python; numbers by level are rounded to what makes a difference."""

    def text(value: Any) -> str:
        if isinstance(value, Mapping):
            return json.dumps({level: round(number, 4) for level, number in value.items()})
        return repr(value)

    return ", ".join(f"{name}={text(value)}" for name, value in options.items())
