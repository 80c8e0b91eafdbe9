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
from cinn_hub.ui.events import PRIVATE, PROGRESS, Event, connect
from cinn_hub.ui.files import download_folder
from cinn_hub.ui.lightbox import Lightbox, Row
from cinn_hub.ui.queueing import ARCHIVES, SAVES
from cinn_hub.ui.session import FullSize, code_to_save

FORMATS = {format.name: format for format in STILLS}
PICKED, AS_SHOWN = -1, -1  # an index and an intensity
COMPARE = "() => document.querySelector('#stage .stage').dispatchEvent(new Event('compare'))"
REMEMBER = "(format) => { localStorage.setItem('cinn-hub-format', format); }"
RECALL = "() => localStorage.getItem('cinn-hub-format') ?? 'PNG'"
RECIPES = "recipes.txt"  # the Python that makes each picture of an archive


class Files:
    """The components over the picture, and their handlers once `connect` is called."""

    def __init__(self) -> None:
        with gr.Row(elem_id="bar"):
            self.facts = gr.Markdown("", elem_id="facts", elem_classes="note")
            look = {"size": "sm", "min_width": 40}
            self.compare = gr.Button("Compare", elem_id="compare", **look)
            self.save = gr.Button("Download", elem_id="save", **look)
            slim = {"show_label": False, "container": False, "filterable": False, "min_width": 70}
            self.format = gr.Dropdown(list(FORMATS), label="Format", elem_id="format", **slim)
            self.save_all = gr.Button("Download all", elem_id="save-all", **look)
            self.stop = gr.Button("Stop", visible=False, elem_id="save-stop", **look)
        self.file = gr.DownloadButton(visible="hidden", elem_id="file")

    def add_rest(self) -> None:
        """What few people need, elsewhere on the page."""
        look = {"size": "sm"}
        self.quality = gr.Slider(50, 100, 95, step=1, label="Quality of JPEG and WebP")
        self.save_layer = gr.Button("Download the colour layer", elem_id="save-layer", **look)
        self.save_latent = gr.Button("Download the noise", elem_id="save-latent", **look)
        # for clients of the API; the page saves the picked answer as it is shown
        self.index = gr.Number(PICKED, label="Index", precision=0, visible=False)
        self.strength = gr.Number(AS_SHOWN, label="Intensity", visible=False)

    def connect(self, box: gr.State) -> None:
        """Each button makes its file, which the browser then downloads."""
        self.compare.click(None, js=COMPARE, **PRIVATE)
        self.format.input(None, self.format, js=REMEMBER, **PRIVATE)
        form, one = [self.format, self.quality], [self.index, self.strength]
        for button, handler, inputs, kind in (
            (self.save, save, [*one, *form], SAVES),
            (self.save_layer, save_layer, one, SAVES),
            (self.save_latent, save_latent, [self.index], SAVES),
            (self.save_all, save_all, form, ARCHIVES),
        ):
            named = {"api_name": handler.__name__, "show_progress_on": self.facts}
            outputs = [self.file, self.stop]
            self.making(connect(button.click, handler, [box, *inputs], outputs, kind, **named))

    def making(self, event: Event) -> None:
        """The browser downloads what the event makes; Stop, shown while it runs, ends it."""
        event.success(None, js="() => document.querySelector('#file').click()", **PRIVATE)
        hide = {"fn": lambda: gr.Button(visible=False), "outputs": self.stop, "queue": False}
        self.stop.click(**hide, cancels=event, **PRIVATE)
        event.failure(**hide, **PRIVATE)


Steps = Iterator[tuple[str | None, Any]]  # values for a file and for Stop


def made(path: Path) -> tuple[str, Any]:
    return str(path), gr.Button(visible=False)


def working(progress: gr.Progress, at: tuple[int, int], text: str) -> tuple[None, Any]:
    progress(at, desc=text)
    return None, gr.Button(visible=True)


def save(
    box: Lightbox, index: int, intensity: float, kind: str, quality: float, progress=PROGRESS
) -> Steps:
    """One answer at the photo's own size, as the path of a file.

    The index counts from 0, -1 is the picked answer. The intensity is in percent, -1 as shown.
    """
    yield working(progress, (0, 1), "Painting at full size")
    result, stem = full_size(box, index, intensity)
    path = download_folder() / f"{stem}{FORMATS[kind].suffix}"
    result.save(path, quality=int(quality))
    yield made(path)


def save_layer(box: Lightbox, index: int, intensity: float, progress=PROGRESS) -> Steps:
    """The colours of one answer alone, as a PNG to lay over the grey photo."""
    yield working(progress, (0, 1), "Painting at full size")
    result, stem = full_size(box, index, intensity, "layer")
    path = download_folder() / f"{stem}.png"
    result.layer.save(path)
    yield made(path)


def save_latent(box: Lightbox, index: int) -> Steps:
    """The noise that gives one answer, as safetensors; see cinn_hub.latent.Latent.load."""
    row = box.answers()
    index = chosen_index(row, index)
    path = download_folder() / f"{stem_of(row, index, 'latent')}.safetensors"
    row.session.bare_result(index).latent.save(path)
    yield made(path)


def save_all(box: Lightbox, kind: str, quality: float, progress=PROGRESS) -> Steps:
    """A ZIP archive with the answers that have a star, and of each photo without any the picked
    one, at their own sizes, with the names and in the folders of their photos, and the Python that
    makes them."""
    chosen = box.chosen()
    if not chosen:
        raise PhotoError("There are no answers yet; colour a photo first.")
    folder, recipes = download_folder(), []
    names = unique_names([str(Path(s.inside, Path(s.path).stem)) for s, _, _ in chosen])
    with zipfile.ZipFile(folder / "colours.zip", "w", zipfile.ZIP_STORED) as archive:
        for i, ((_, row, index), name) in enumerate(zip(chosen, names, strict=True)):
            yield working(progress, (i, len(chosen)), f"Painting {name}")
            path, suffix = folder / "picture", FORMATS[kind].suffix
            intensity, picture = row.intensity(index) / 100, path.with_suffix(suffix)
            try:
                row.session.full_size(index, intensity).save(picture, int(quality))
            except PhotoError as error:
                gr.Warning(f"{name} is left out: {error}")
                continue
            archive.write(picture, f"{name}{suffix}")
            picture.unlink()
            recipes.append(f"# {name}{suffix}\n{code_to_save(row.session, index, intensity)}")
        archive.writestr(RECIPES, "\n".join(recipes))
    yield made(folder / "colours.zip")


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
