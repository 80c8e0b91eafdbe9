"""The left of the page: where photos, folders and archives come in, and what is there already."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path

import gradio as gr
from PIL.Image import Image

from cinn_hub.batch.archives import HIDDEN, is_zip, unpack
from cinn_hub.color_model import ColorModel
from cinn_hub.errors import PhotoError
from cinn_hub.formats import PHOTOS, format_of
from cinn_hub.photos import read, render_grey_preview
from cinn_hub.ui.figures import figures, item, rows
from cinn_hub.ui.files import app_folder
from cinn_hub.ui.lightbox import MOST_PHOTOS, Lightbox, Sheet
from cinn_hub.ui.pictures import TINY_SIZE, inline, shown
from cinn_hub.ui.session import Session
from cinn_hub.ui.views import NO_PHOTO

MOST_MEGABYTES = 500  # of photos in one archive


class Intake:
    """The components. Handlers that run a model are connected in `colorize`."""

    def __init__(self, examples: Path | None) -> None:
        self.drop = gr.File(
            label="Photos",
            show_label=False,
            file_count="multiple",
            height=84,
            elem_id="drop",
        )
        self.folder = gr.UploadButton(
            "Add a folder", file_count="directory", size="sm", elem_id="folder"
        )
        self.photos = figures("photos", "Your photos")
        self.status = gr.Markdown(NO_PHOTO, elem_id="status", elem_classes="note")
        self.paths = example_paths(examples)
        tiles = [item(path.stem, inline(small(path)), path.stem) for path in self.paths]
        value = rows(("", tiles), layout="strip", text="Or try one of these") if tiles else rows()
        self.examples = figures("examples", "Examples", value)

    def example(self, key: str) -> list[str]:
        """The path of the example of that name."""
        return [str(path) for path in self.paths if path.stem == key]


def example_paths(folder: Path | None) -> list[Path]:
    return sorted(folder.glob("*.jpg")) if folder else []


def small(path: Path) -> Image:
    return render_grey_preview(read(path), TINY_SIZE)


def open_sheet(sheet: Sheet, model: ColorModel) -> Session:
    """Reads the photo, once for each model, and makes its thumbnail.

    Raises:
        PhotoError: it cannot be read.
    """
    if sheet.opened is None or sheet.opened.model != model.name:
        sheet.opened = Session.open(sheet.path, model)
        sheet.thumbnail = shown(render_grey_preview(sheet.opened.prepared.photo, TINY_SIZE))
    return sheet.opened


def taken(box: Lightbox, files: Sequence[str] | str | None, folder: bool) -> list[Sheet]:
    """Puts files, and the photos in ZIP archives, on the table; the first of them is in view.

    Arguments:
        folder: whether the files are all that a folder held, of which only photos count.

    Raises:
        PhotoError: an archive cannot be read, or there are too many photos.
    """
    paths = [Path(path) for path in ([files] if isinstance(files, str) else files or [])]
    if folder:
        paths = [path for path in paths if is_photo(path)]
        if not paths:
            raise PhotoError("The folder holds no photos; choose another one.")
    found = [photo for path in paths for photo in photos_of(box, path)]
    sheets = [box.add(str(path)) for path in found]
    if sheets:
        box.at = sheets[0]
    return sheets


def is_photo(path: Path) -> bool:
    return format_of(path, PHOTOS) is not None and not path.name.startswith(HIDDEN)


def photos_of(box: Lightbox, path: Path) -> list[Path]:
    """The photo, or those in the archive."""
    if not is_zip(path):
        return [path]
    folder = Path(tempfile.mkdtemp(dir=app_folder().path))
    return unpack(path, folder, MOST_PHOTOS - len(box.sheets), MOST_MEGABYTES)
