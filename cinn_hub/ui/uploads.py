"""The box of photos: where photos, folders and archives come in, and what is there already."""

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
from cinn_hub.errors import CinnHubError
from cinn_hub.formats import PHOTOS, format_of
from cinn_hub.photos import read, render, shrunk
from cinn_hub.ui.decoding import apart
from cinn_hub.ui.files import app_folder
from cinn_hub.ui.lightbox import MOST_PHOTOS, Lightbox, Sheet
from cinn_hub.ui.pictures import TINY_SIZE, figures, inline, item, shown, strip
from cinn_hub.ui.session import Session

MOST_MEGABYTES = 500  # of photos in one archive
NO_PHOTO = "Several photos, a folder or a ZIP are fine, too."


class Uploads:
    """The components. Handlers are connected in `colorize`."""

    def __init__(self, examples: Path | None) -> None:
        with gr.Row(elem_id="box"):
            with gr.Column(elem_id="coming-in", min_width=120):
                self.drop = drop_zone("Photos", "drop")
                look = {"file_count": "directory", "size": "sm", "elem_id": "folder"}
                self.folder = gr.UploadButton("Add a folder", **look)
            self.photos = figures("photos", "Your photos")
        with gr.Row(elem_id="said"):
            self.status = gr.Markdown(NO_PHOTO, elem_id="status", elem_classes="note")
            self.stop = gr.Button("Stop", size="sm", visible=False, elem_id="stop")
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
    return figures(elem_id, label, strip(tiles, "Or try one of these:")), paths


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


def take(box: Lightbox, files: Sequence[str] | str | None, folder: bool = False) -> None:
    """Puts files, and the photos in ZIP archives, on the table, to be coloured.

    What fits is taken and the rest counted in a warning; an archive that cannot be read becomes a
    tile that says why. The first good one is in view.

    Arguments:
        folder: whether the files are all that a folder held, of which only photos count.
    """
    paths = [Path(path) for path in ([files] if isinstance(files, str) else files or [])]
    if folder:
        paths = [path for path in paths if is_photo(path)]
        if not paths:
            gr.Warning("The folder holds no photos; choose another one.")
    found = [entry for path in paths for entry in photos_in(path)]
    if len(found) > box.room:
        gr.Warning(
            f"{box.room} of {len(found)} photos are taken: a table has room for {MOST_PHOTOS}. "
            "Download what is done, remove it, and add the rest."
        )
    sheets = []
    for path, inside, problem in found[: box.room]:
        sheet = box.add(str(path))
        sheet.inside, sheet.problem, sheet.queued = inside, problem, not problem
        sheets.append(sheet)
    for path, *_ in found[len(sheets) :]:
        if path not in paths:  # it was unpacked for nothing
            app_folder().delete(path)
    if sheets:
        box.at = next((sheet for sheet in sheets if sheet.queued), sheets[0])


def is_photo(path: Path) -> bool:
    return format_of(path, PHOTOS) is not None and not is_hidden(path.name)


def photos_in(path: Path) -> list[tuple[Path, str, str]]:
    """The photo; or those in the archive, each with its folder there; what cannot be read of it, or
    as a whole, with the reason."""
    if not is_zip(path):
        return [(path, "", "")]
    folder = Path(tempfile.mkdtemp(dir=app_folder().path))
    try:
        app_folder().make_room(path.stat().st_size)
        found = apart(path.name, unpack, path, folder, most_megabytes=MOST_MEGABYTES)
    except CinnHubError as error:
        shutil.rmtree(folder, ignore_errors=True)
        return [(path, "", str(error))]
    photos = [(photo, photo.parent.relative_to(folder).as_posix(), "") for photo in found.photos]
    lost = [(Path(name), fault) for fault, names in found.lost.items() for name in names]
    return photos + [(name, "", f"{name.name} is {fault}.") for name, fault in lost]
