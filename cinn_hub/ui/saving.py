"""The files of answers: formats, download buttons, and what makes each file."""

from __future__ import annotations

import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

import gradio as gr

from cinn_hub.errors import PhotoError
from cinn_hub.formats import STILLS
from cinn_hub.ui.events import PROGRESS, connect, download_after, stop_on
from cinn_hub.ui.files import download_folder
from cinn_hub.ui.lightbox import Lightbox, Row, Sheet
from cinn_hub.ui.queueing import ARCHIVES, SAVES
from cinn_hub.ui.session import FullSize, code_to_save

FORMATS = {format.name: format for format in STILLS}
PICKED, AS_SHOWN = -1, -1  # an index and an intensity
RECIPES = "recipes.txt"  # the Python that makes each picture of an archive


class Files:
    """The components, and their handlers once `connect` is called."""

    def __init__(self) -> None:
        with gr.Group(elem_classes="files"):
            with gr.Row():
                self.format = gr.Radio(
                    list(FORMATS), value="PNG", label="Format of the files", min_width=260
                )
                self.quality = gr.Slider(
                    50, 100, 95, step=1, label="Quality", min_width=160, visible=False
                )
            with gr.Row():
                look = {"size": "sm", "min_width": 100, "interactive": False}
                self.save = gr.Button("Download", variant="primary", elem_id="save", **look)
                self.save_all = gr.Button("Row as ZIP", elem_id="save-all", **look)
                self.save_layer = gr.Button("Colour layer", elem_id="save-layer", **look)
                self.save_latent = gr.Button("Noise file", elem_id="save-latent", **look)
                self.save_favourites = gr.Button("Favourites", elem_id="save-favourites", **look)
                self.stop = gr.Button("Stop", visible=False, elem_id="save-stop")
        # for clients of the API; the page saves the picked answer as it is shown
        self.index = gr.Number(PICKED, label="Index", precision=0, visible=False)
        self.strength = gr.Number(AS_SHOWN, label="Intensity", visible=False)

    @property
    def buttons(self) -> list[gr.Button]:
        """All that need answers; the last one needs favourites."""
        return [self.save, self.save_all, self.save_layer, self.save_latent, self.save_favourites]

    def connect(self, box: gr.State, file: gr.DownloadButton) -> None:
        """Each button makes its file, which the browser then downloads by way of `file`."""
        connect(self.format.input, format_chosen, self.format, self.quality)
        form, one = [self.format, self.quality], [self.index, self.strength]
        for button, handler, inputs, kind in (
            (self.save, save, [*one, *form], SAVES),
            (self.save_layer, save_layer, one, SAVES),
            (self.save_latent, save_latent, [self.index], SAVES),
            (self.save_all, save_all, form, ARCHIVES),
            (self.save_favourites, save_favourites, form, ARCHIVES),
        ):
            outputs = file if kind == SAVES else [file, self.stop]
            named = {"api_name": handler.__name__, "show_progress_on": button}
            making = connect(button.click, handler, [box, *inputs], outputs, kind=kind, **named)
            download_after(making, file)
            if kind == ARCHIVES:
                stop_on(self.stop, making)


def format_chosen(kind: str) -> dict[str, Any]:
    return gr.update(visible=FORMATS[kind].lossy)


def save(box: Lightbox, index: int, intensity: float, kind: str, quality: float) -> str:
    """One answer at the photo's own size, as the path of a file.

    The index counts from 0, -1 is the picked answer. The intensity is in percent, -1 as shown.
    """
    result, stem = full_size(box, index, intensity)
    path = download_folder() / f"{stem}{FORMATS[kind].suffix}"
    result.save(path, quality=int(quality))
    return str(path)


def save_layer(box: Lightbox, index: int, intensity: float) -> str:
    """The colours of one answer alone, as a PNG to lay over the grey photo."""
    result, stem = full_size(box, index, intensity, "layer")
    path = download_folder() / f"{stem}.png"
    result.layer.save(path)
    return str(path)


def save_latent(box: Lightbox, index: int) -> str:
    """The noise that gives one answer, as safetensors; see cinn_hub.latent.Latent.load."""
    row = box.answers()
    index = chosen_index(row, index)
    path = download_folder() / f"{stem_of(row, index, 'latent')}.safetensors"
    row.session.bare_result(index).latent.save(path)
    return str(path)


def save_all(
    box: Lightbox, kind: str, quality: float, progress=PROGRESS
) -> Iterator[tuple[str | None, Any]]:
    """All answers in view at the photo's own size, as a ZIP archive."""
    row = box.answers()
    chosen = [(box.photo(), row, i) for i in range(len(row.pictures))]
    names = [stem_of(row, i) for _, row, i in chosen]
    archive = f"{Path(row.session.path).stem}_colors.zip"
    yield from archived(archive, chosen, names, kind, quality, progress)


def save_favourites(
    box: Lightbox, kind: str, quality: float, progress=PROGRESS
) -> Iterator[tuple[str | None, Any]]:
    """All favourites at their photos' own sizes, as a ZIP archive with the photos' names."""
    chosen = box.favourites()
    if not chosen:
        raise PhotoError("There are no favourites yet; click the star on an answer.")
    names = unique_names([Path(sheet.path).stem for sheet, _, _ in chosen])
    yield from archived("favourites.zip", chosen, names, kind, quality, progress)


def unique_names(stems: Sequence[str]) -> list[str]:
    """The stems; those that several have get the first number with which nobody has the name.

    Names that differ in upper and lower case alone count as the same: some systems know no
    difference.
    """
    several = Counter(stem.casefold() for stem in stems)
    taken = {stem for stem, times in several.items() if times == 1}
    names = []
    for stem in stems:
        name = stem
        if several[stem.casefold()] > 1:
            numbered = (f"{stem}_{number}" for number in count(1))
            name = next(name for name in numbered if name.casefold() not in taken)
            taken.add(name.casefold())
        names.append(name)
    return names


def archived(
    name: str,
    chosen: list[tuple[Sheet, Row, int]],
    stems: list[str],
    kind: str,
    quality: float,
    progress: gr.Progress,
) -> Iterator[tuple[str | None, Any]]:
    """Writes the answers into an archive, with their recipes; yields for `[file, stop]`."""
    folder = download_folder()
    recipes = []
    with zipfile.ZipFile(folder / name, "w", zipfile.ZIP_STORED) as archive:
        for i, ((_, row, index), stem) in enumerate(zip(chosen, stems, strict=True)):
            progress((i, len(chosen)), desc=f"Painting {stem} at full size")
            yield None, gr.Button(visible=True)
            path = folder / f"{stem}{FORMATS[kind].suffix}"
            intensity = row.intensity(index) / 100
            row.session.full_size(index, intensity).save(path, int(quality))
            archive.write(path, path.name)
            path.unlink()
            recipes.append(f"# {path.name}\n{code_to_save(row.session, index, intensity)}")
        archive.writestr(RECIPES, "\n".join(recipes))
    yield str(folder / name), gr.Button(visible=False)


def full_size(
    box: Lightbox, index: int, intensity: float, what: str = "color"
) -> tuple[FullSize, str]:
    """An answer in view at the photo's own size, and the stem of a file for it."""
    row = box.answers()
    index = chosen_index(row, index)
    percent = row.intensity(index) if intensity == AS_SHOWN else intensity
    return row.session.full_size(index, percent / 100), stem_of(row, index, what)


def chosen_index(row: Row, index: int) -> int:
    return row.picked if index == PICKED else row.check(int(index))


def stem_of(row: Row, index: int, what: str = "color") -> str:
    return f"{Path(row.session.path).stem}_{what}{index + 1}"
