"""The tool Explore: a map of colourings to click on, and the way from one answer to another."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gradio as gr

from cinn_hub.animation import write_animation
from cinn_hub.colorization import Colorization
from cinn_hub.errors import CinnHubError
from cinn_hub.formats import FILMS
from cinn_hub.latent import Latent
from cinn_hub.ui.events import FOR_CLIENTS, PROGRESS, connect, seed_field
from cinn_hub.ui.files import download_folder
from cinn_hub.ui.lightbox import Lightbox, Row
from cinn_hub.ui.pictures import LARGE_SIZE, shown
from cinn_hub.ui.queueing import ARCHIVES, LOOKS
from cinn_hub.ui.saving import Steps, made, working
from cinn_hub.ui.session import Session, as_code
from cinn_hub.ui.table import Table, with_seed

SIDE = 5
FILM_SIZE = 640  # pixels on the longer side
FORMATS = {format.name: format for format in FILMS}

Way = tuple[Session, Latent, Latent]  # a photo, and two of its answers
ABOUT_THE_WAY = "From the answer that was in view before this one to this one:"


class Explore:
    """Adds the tool's components and handlers to the Blocks that are open."""

    def __init__(self, table: Table) -> None:
        self.table = table
        with table.tabs["Explore"]:
            go = gr.Button("Draw a map of answers", elem_id="explore-go")
            info = "How bold the corners of the map are."
            bold = gr.Slider(0, 2, 1.2, step=0.05, label="Boldness", info=info)
            settings = {"temperature": bold, "seed": seed_field()}
            table.on_move(go.click, self.run, [table.photo], settings, "explore")
            self.build_walk(settings)

    def build_walk(self, settings: dict[str, gr.Component]) -> None:
        """From one answer to the next: what lies between, and a film of it."""
        gr.Markdown(ABOUT_THE_WAY)
        place = gr.Slider(0, 1, 1, step=0.02, label="How far", elem_id="place")
        frames = gr.Slider(5, 48, 24, step=1, precision=0, label="Frames of the film")
        kind = gr.Dropdown(list(FORMATS), value="WebP", label="Format of the film")
        film = gr.Button("Download the film", elem_id="film")
        box, files = self.table.box, self.table.files
        showing = place.input, self.show_place, [box, place], self.table.picture, LOOKS
        connect(*showing, trigger_mode="always_last", show_progress="hidden")
        writing = self.write_film, [box, frames, kind], [files.file, files.stop], ARCHIVES
        files.making(connect(film.click, *writing, show_progress_on=files.facts))
        # clients of the API need not have drawn a map: they name two cells of one
        hidden = {"precision": 0, "minimum": 1, "visible": False}
        cells = {"a": gr.Number(1, **hidden), "b": gr.Number(25, **hidden)}
        named = settings | cells | {"frames": frames, "kind": kind}
        run = with_seed(self.interpolate, lambda: 0), [box, self.table.photo], files.file
        connect(FOR_CLIENTS, *run, ARCHIVES, named, api_name="interpolate")

    def run(
        self,
        box: Lightbox,
        photo: str | None,
        progress=PROGRESS,
        *,
        temperature: float,
        seed: int,
    ) -> None:
        """A map of 5 x 5 colourings, row by row: previews, and the middle one large."""
        sheet, model, turn = self.table.open(box, photo, progress)
        temperatures = model.temperature(temperature)
        options = {"side": SIDE, "seed": seed, "temperature": temperatures}
        progress(0.3, desc="Drawing the map")
        results = model.explore(sheet.opened.prepared, **options)
        progress(0.8, desc="Painting the map")
        call = f"model.explore({sheet.name!r}, {as_code(options)})"
        captions = [""] * len(results)
        self.table.lay(box, sheet, turn, "a map", results, call, captions, side=SIDE)

    def show_place(self, box: Lightbox, t: float) -> dict[str, Any]:
        picture = shown(self.between(ends(box), t).preview(LARGE_SIZE))
        return {"picture": picture, "name": f"{t:.0%} of the way"}

    def between(self, way: Way, t: float) -> Colorization:
        """The colouring at t, from 0 to 1."""
        session, a, b = way
        model, prepared = self.table.shelf.of(session)
        return model.colorize(prepared, latent=a.slerp(b, t))[0]

    def write_film(self, box: Lightbox, frames: int, kind: str, progress=PROGRESS) -> Steps:
        way = ends(box)
        name = f"{box.at.other[1] + 1}_to_{box.row.picked + 1}"
        yield from self.filmed(way, name, frames, kind, progress)

    def filmed(self, way: Way, name: str, frames: int, kind: str, progress: gr.Progress) -> Steps:
        """Writes the film."""
        pictures = []
        for i in range(frames):
            yield working(progress, (i, frames), "Painting frames")
            pictures.append(self.between(way, i / (frames - 1)).preview(FILM_SIZE))
        target = download_folder() / f"{Path(way[0].path).stem}_{name}{FORMATS[kind].suffix}"
        write_animation(pictures, target)
        yield made(target)

    def interpolate(
        self,
        box: Lightbox,
        photo: str | None,
        progress=PROGRESS,
        *,
        a: int,
        b: int,
        frames: int,
        kind: str,
        **settings: Any,
    ) -> str:
        """A film from cell A to cell B (1 to 25) of the map of this temperature and seed."""
        self.run(box, photo, progress, **settings)
        first, last = (cell(box.row, number).latent for number in (a, b))
        way = box.row.session, first, last
        steps = self.filmed(way, f"{a}_to_{b}", frames, kind, progress)
        *_, (film, _) = steps
        return film


def cell(row: Row, number: int | None) -> Colorization:
    """A cell of a map, counted from 1."""
    cells = len(row.pictures)
    if number is None or not 1 <= number <= cells:
        raise CinnHubError(f"There is no cell {number}; the map has cells 1 to {cells}.")
    return row.session.bare_result(number - 1)


def ends(box: Lightbox) -> Way:
    """The photo in view, and the latents of the answer before and of the picked one."""
    row, other = box.answers(), box.photo().other
    if other is None:
        raise CinnHubError("No other answer to this photo was in view yet; pick another one.")
    latents = other[0].session.bare_result(other[1]).latent
    return row.session, latents, row.session.bare_result(row.picked).latent
