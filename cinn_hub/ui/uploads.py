"""The left of the page: where photos, folders and archives come in, and what is there already."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import gradio as gr
from PIL.Image import Image

from cinn_hub.batch.archives import is_zip, unpack
from cinn_hub.batch.findings import is_hidden
from cinn_hub.color_model import ColorModel
from cinn_hub.errors import CinnHubError, PhotoError
from cinn_hub.formats import PHOTOS, format_of
from cinn_hub.photos import read, render, shrunk
from cinn_hub.ui.decoding import apart
from cinn_hub.ui.files import app_folder
from cinn_hub.ui.lightbox import MOST_PHOTOS, Lightbox, Sheet
from cinn_hub.ui.pictures import TINY_SIZE, figures, inline, item, shown, strip
from cinn_hub.ui.session import Session

MOST_MEGABYTES = 500  # of photos in one archive
NO_PHOTO = (
    "No photo yet: drop some above (several, a folder or a ZIP are fine), or click an example. "
    "Then they can be coloured."
)


class Uploads:
    """The components. Handlers that run a model are connected in `colorize`."""

    def __init__(self, examples: Path | None) -> None:
        self.drop = drop_zone("Photos", "drop")
        self.folder = gr.UploadButton(
            "Add a folder", file_count="directory", size="sm", elem_id="folder"
        )
        self.photos = figures("photos", "Your photos")
        self.status = gr.Markdown(NO_PHOTO, elem_id="status", elem_classes="note")
        self.examples, self.paths = example_tiles(examples, "examples", "Examples", grey_tile)


def drop_zone(label: str, elem_id: str) -> gr.File:
    look = {"show_label": False, "height": 84}
    return gr.File(label=label, file_count="multiple", elem_id=elem_id, **look)


def example_tiles(
    folder: Path | None, elem_id: str, label: str, tile: Callable[[Path], Image]
) -> tuple[gr.HTML, dict[str, Path]]:
    """The photos of a folder to click on, and their paths by their keys."""
    paths = {path.stem: path for path in sorted(folder.glob("*.jpg"))} if folder else {}
    tiles = [item(key, inline(tile(path)), key) for key, path in paths.items()]
    return figures(elem_id, label, strip(tiles, "Or try one of these")), paths


def grey_tile(path: Path) -> Image:
    return render(shrunk(read(path), TINY_SIZE))


def open_sheet(sheet: Sheet, model: ColorModel) -> Session:
    """Reads the photo, once for each model, and makes its thumbnail.

    Raises:
        PhotoError: it cannot be read.
    """
    if sheet.opened is None or sheet.opened.loaded() is not model:
        sheet.opened = Session.open(sheet.path, model)
        sheet.thumbnail = shown(render(shrunk(sheet.opened.prepared.photo, TINY_SIZE)))
    return sheet.opened


def take(box: Lightbox, files: Sequence[str] | str | None, folder: bool = False) -> list[Sheet]:
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
    return format_of(path, PHOTOS) is not None and not is_hidden(path.name)


def photos_of(box: Lightbox, path: Path) -> list[Path]:
    """The photo, or those in the archive."""
    if not is_zip(path):
        return [path]
    folder = Path(tempfile.mkdtemp(dir=app_folder().path))
    app_folder().make_room(path.stat().st_size)
    try:
        most = MOST_PHOTOS - len(box.sheets), MOST_MEGABYTES
        return apart(path.name, unpack, path, folder, *most).photos
    except CinnHubError:
        shutil.rmtree(folder, ignore_errors=True)
        raise
