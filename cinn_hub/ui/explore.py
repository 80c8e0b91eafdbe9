"""The tool Explore: a map of colourings to click on, and the way from one answer to another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from PIL.Image import Image

from cinn_hub.animation import write_animation
from cinn_hub.colorization import Colorization
from cinn_hub.errors import CinnHubError
from cinn_hub.formats import FILMS
from cinn_hub.latent import Latent
from cinn_hub.ui.colorize import added
from cinn_hub.ui.errors import error_notes
from cinn_hub.ui.files import download_folder
from cinn_hub.ui.intake import open_sheet
from cinn_hub.ui.lightbox import Lightbox, Row, Sheet
from cinn_hub.ui.models import Shelf
from cinn_hub.ui.pictures import LARGE_SIZE, shown
from cinn_hub.ui.queueing import ARCHIVES, LOOKS
from cinn_hub.ui.session import temperature_code
from cinn_hub.ui.table import Table
from cinn_hub.ui.wiring import PRIVATE, PROGRESS, Wiring, download_after, hidden_download, stop_on

SIDE = 5
FILM_SIZE = 640  # pixels on the longer side
FORMATS = {format.name: format for format in FILMS}

ABOUT_THE_MAP = (
    "A map of colourings: the most typical answer in the middle, bolder ones towards the corners."
)
ABOUT_THE_WAY = (
    "### From A to another\nKeep one answer as A, then pick another one from any row of this "
    "photo. The slider and the film go from A to it."
)


def build(shelf: Shelf, model_name: gr.State, table: Table) -> None:
    """Adds the tool's components and handlers to the Blocks that are open."""
    controls, walk = Controls(), Walk()
    explorer = Explorer(shelf, table)
    connect_map(controls, explorer, model_name)
    connect_walk(controls, walk, explorer, model_name)


class Controls:
    """What a visitor sets."""

    def __init__(self) -> None:
        self.photo = gr.File(label="Photo", visible=False)  # for clients of the API
        gr.Markdown(ABOUT_THE_MAP)
        self.go = gr.Button(
            "Draw the map", variant="primary", elem_id="explore-go", interactive=False
        )
        self.again = gr.Button("Another map", elem_id="explore-again", interactive=False)
        with gr.Accordion("Settings", open=False):
            info = "How bold the four corners of the map are."
            self.temperature = gr.Slider(0, 2, 1.2, step=0.05, label="Boldness", info=info)
            self.seed = gr.Number(0, precision=0, minimum=0, label="Seed")


class Walk:
    """From A to the picked answer: what lies between, and a film of it."""

    def __init__(self) -> None:
        gr.Markdown(ABOUT_THE_WAY)
        self.place = gr.Slider(
            0,
            1,
            0,
            step=0.02,
            label="From A to the picked answer",
            elem_id="place",
            interactive=False,
        )
        with gr.Row():
            self.frames = gr.Slider(5, 48, 24, step=1, label="Frames", min_width=120)
            self.kind = gr.Radio(list(FORMATS), value="WebP", label="Film", min_width=120)
        with gr.Row():
            self.film = gr.Button("Download the film", elem_id="film", interactive=False)
            self.stop = gr.Button("Stop", visible=False, elem_id="film-stop")
        self.file = hidden_download("film-file")
        number = {"precision": 0, "minimum": 1, "visible": False}
        self.a, self.b = gr.Number(1, label="A", **number), gr.Number(25, label="B", **number)


def connect_map(controls: Controls, explorer: Explorer, model_name: gr.State) -> None:
    table = explorer.table
    run = Wiring(
        explorer.run,
        [controls.photo, table.box, controls.temperature, controls.seed, model_name],
        table.outputs,
        progress_on=table.answers,
        after=[table.follow],
    )
    run.on(controls.go.click, api_name="explore")
    run.on_fresh_seed(controls.again, controls.seed)
    table.need_photo += [controls.go, controls.again]


def connect_walk(controls: Controls, walk: Walk, explorer: Explorer, model_name: gr.State) -> None:
    table = explorer.table
    table.need_a += [walk.place, walk.film]
    place = Wiring(explorer.show_place, [table.box, walk.place], [table.stage], kind=LOOKS)
    place.on(walk.place.input, trigger_mode="always_last", show_progress="hidden", **PRIVATE)
    writing = walk.film.click(
        ARCHIVES(explorer.write_film),
        [table.box, walk.frames, walk.kind],
        [walk.file, walk.stop],
        show_progress_on=walk.film,
        **PRIVATE,
    )
    download_after(writing, walk.file)
    stop_on(walk.stop, writing)
    interpolate = Wiring(
        explorer.interpolate,
        [controls.photo, table.box, controls.temperature, controls.seed]
        + [walk.a, walk.b, walk.frames, walk.kind, model_name],
        [walk.file],
        kind=ARCHIVES,
    )
    # for clients of the API, who need not have drawn a map
    interpolate.on(gr.Button(visible=False).click, api_name="interpolate")


@dataclass(frozen=True)
class Explorer:
    """The tool's handlers."""

    shelf: Shelf
    table: Table

    @error_notes
    def run(
        self,
        photo: str | None,
        box: Lightbox,
        temperature: float,
        seed: int,
        name: str,
        progress=PROGRESS,
    ):
        """A map of 5 x 5 colourings, row by row: previews, and the middle one large."""
        progress(0.1, desc="Looking at the photo")
        self.explored(photo, box, temperature, seed, name, progress)
        return self.table.values(box)

    def explored(
        self,
        photo: str | None,
        box: Lightbox,
        temperature: float,
        seed: int,
        name: str,
        progress: gr.Progress,
    ) -> Row:
        """A map of the photo on the table."""
        model = self.shelf.get(name)
        sheet = added(box, photo)
        prepared = open_sheet(sheet, model).prepared
        scaled, seed = model.temperature(temperature), int(seed or 0)
        progress(0.3, desc="Drawing the map")
        results = model.explore(prepared, SIDE, scaled, seed)
        progress(0.8, desc="Painting the map")
        options = f"side={SIDE}, seed={seed}, temperature={temperature_code(scaled)}"
        call = f"model.explore({sheet.name!r}, {options})"
        captions = [""] * len(results)
        return self.table.lay(box, sheet, f"Map, seed {seed}", results, call, captions, side=SIDE)

    @error_notes
    def show_place(self, box: Lightbox, t: float) -> dict[str, Any]:
        sheet, a, b = ends(box)
        picture = shown(self.between(sheet, a, b, t).preview(LARGE_SIZE))
        return {"picture": picture, "name": f"{t:.0%} of the way from A"}

    def between(self, sheet: Sheet, a: Latent, b: Latent, t: float) -> Colorization:
        """The colouring at t on the way from a to b."""
        model = self.shelf.get(sheet.opened.model)
        return model.colorize(sheet.opened.prepared, latent=a.slerp(b, t))[0]

    @error_notes
    def write_film(
        self, box: Lightbox, frames: int, kind: str, progress=PROGRESS
    ) -> Iterator[tuple[str | None, Any]]:
        sheet, a, b = ends(box)
        name = f"{box.pinned[1] + 1}_to_{box.row.picked + 1}"
        yield from self.filmed(sheet, a, b, name, int(frames), kind, progress)

    def filmed(
        self,
        sheet: Sheet,
        a: Latent,
        b: Latent,
        name: str,
        frames: int,
        kind: str,
        progress: gr.Progress,
    ) -> Iterator[tuple[str | None, Any]]:
        """Writes the film; yields for `[file, stop]`."""
        pictures: list[Image] = []
        for i in range(frames):
            progress((i, frames), desc="Painting frames")
            yield None, gr.Button(visible=True)
            pictures.append(self.between(sheet, a, b, i / (frames - 1)).preview(FILM_SIZE))
        target = download_folder() / f"{Path(sheet.path).stem}_{name}{FORMATS[kind].suffix}"
        write_animation(pictures, target)
        yield str(target), gr.Button(visible=False)

    @error_notes
    def interpolate(
        self,
        photo: str | None,
        box: Lightbox,
        temperature: float,
        seed: int,
        a: int,
        b: int,
        frames: int,
        kind: str,
        name: str,
        progress=PROGRESS,
    ) -> str:
        """A film from cell A to cell B (1 to 25) of the map of this temperature and seed."""
        row = self.explored(photo, box, temperature, seed, name, progress)
        latents = [cell(row, number).latent for number in (a, b)]
        films = self.filmed(box.photo(), *latents, f"{a}_to_{b}", int(frames), kind, progress)
        *_, (film, _) = films
        return film


def cell(row: Row, number: int) -> Colorization:
    """A cell of a map, counted from 1."""
    cells = len(row.pictures)
    if number is None or not 1 <= int(number) <= cells:
        raise CinnHubError(f"There is no cell {number}; the map has cells 1 to {cells}.")
    return row.session.bare_result(int(number) - 1)


def ends(box: Lightbox) -> tuple[Sheet, Latent, Latent]:
    """The photo in view, and the latents of A and of the picked answer."""
    row, sheet = box.answers(), box.photo()
    if box.pinned is None or box.pinned[0] not in sheet.rows:
        raise CinnHubError("No answer to this photo is kept as A; pick one, and keep it as A.")
    a, index = box.pinned
    return sheet, a.session.bare_result(index).latent, row.session.bare_result(row.picked).latent
