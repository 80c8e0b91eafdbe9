"""The tool Explore: a map of colourings to click on, and the way from one answer to another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from cinn_hub.animation import write_animation
from cinn_hub.colorization import Colorization
from cinn_hub.errors import CinnHubError
from cinn_hub.formats import FILMS
from cinn_hub.latent import Latent
from cinn_hub.ui.events import (
    FOR_CLIENTS,
    PROGRESS,
    connect,
    download_after,
    hidden_download,
    seed_field,
    stop_on,
)
from cinn_hub.ui.files import download_folder
from cinn_hub.ui.lightbox import Lightbox, Row
from cinn_hub.ui.pictures import LARGE_SIZE, shown
from cinn_hub.ui.queueing import ARCHIVES, LOOKS
from cinn_hub.ui.session import Session, as_code
from cinn_hub.ui.table import Table, is_beside

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


class Explore:
    """Adds the tool's components and handlers to the Blocks that are open."""

    def __init__(self, table: Table) -> None:
        self.table = table
        gr.Markdown(ABOUT_THE_MAP)
        look = {"interactive": False}
        go = gr.Button("Draw the map", variant="primary", elem_id="explore-go", **look)
        again = gr.Button("Another map", elem_id="explore-again", **look)
        with gr.Accordion("Settings", open=False):
            info = "How bold the four corners of the map are."
            bold = gr.Slider(0, 2, 1.2, step=0.05, label="Boldness", info=info)
            settings = {"temperature": bold, "seed": seed_field()}
        table.on_seeds(go, again, self.run, settings, "explore")
        self.build_walk(settings)

    def build_walk(self, settings: dict[str, gr.Component]) -> None:
        """From A to the picked answer: what lies between, and a film of it."""
        gr.Markdown(ABOUT_THE_WAY)
        label = "From A to the picked answer"
        place = gr.Slider(0, 1, 0, step=0.02, label=label, elem_id="place", interactive=False)
        with gr.Row():
            frames = gr.Slider(5, 48, 24, step=1, precision=0, label="Frames", min_width=120)
            kind = gr.Radio(list(FORMATS), value="WebP", label="Film", min_width=120)
        with gr.Row():
            film = gr.Button("Download the film", elem_id="film", interactive=False)
            stop = gr.Button("Stop", visible=False, elem_id="film-stop")
        file, box = hidden_download("film-file"), self.table.box
        for component in (place, film):
            self.table.show(component, interactive=is_beside)
        showing = place.input, self.show_place, [box, place], self.table.stage, LOOKS
        connect(*showing, trigger_mode="always_last", show_progress="hidden")
        writing = film.click, self.write_film, [box, frames, kind], [file, stop], ARCHIVES
        event = connect(*writing, show_progress_on=film)
        download_after(event, file)
        stop_on(stop, event)
        # clients of the API need not have drawn a map: they name two cells of one
        hidden = {"precision": 0, "minimum": 1, "visible": False}
        cells = {"a": gr.Number(1, **hidden), "b": gr.Number(25, **hidden)}
        named = settings | cells | {"frames": frames, "kind": kind}
        inputs = [box, self.table.photo]
        for_clients = FOR_CLIENTS, self.interpolate, inputs, file, ARCHIVES, named
        connect(*for_clients, api_name="interpolate")

    def run(
        self,
        box: Lightbox,
        photo: str | None,
        progress=PROGRESS,
        *,
        temperature: float,
        seed: int | None,
    ) -> None:
        """A map of 5 x 5 colourings, row by row: previews, and the middle one large."""
        sheet, model = self.table.open(box, photo, progress)
        temperatures = model.temperature(temperature)
        options = {"side": SIDE, "seed": seed or 0, "temperature": temperatures}
        progress(0.3, desc="Drawing the map")
        results = model.explore(sheet.opened.prepared, **options)
        progress(0.8, desc="Painting the map")
        call = f"model.explore({sheet.name!r}, {as_code(options)})"
        title, captions = f"Map, seed {options['seed']}", [""] * len(results)
        self.table.lay(box, sheet, title, results, call, captions, side=SIDE)

    def show_place(self, box: Lightbox, t: float) -> dict[str, Any]:
        session, a, b = ends(box)
        picture = shown(self.between(session, a, b, t).preview(LARGE_SIZE))
        return {"picture": picture, "name": f"{t:.0%} of the way from A"}

    def between(self, session: Session, a: Latent, b: Latent, t: float) -> Colorization:
        """The colouring at t on the way from a to b."""
        model, prepared = self.table.shelf.of(session)
        return model.colorize(prepared, latent=a.slerp(b, t))[0]

    def write_film(
        self, box: Lightbox, frames: int, kind: str, progress=PROGRESS
    ) -> Iterator[tuple[str | None, Any]]:
        session, a, b = ends(box)
        name = f"{box.pinned[1] + 1}_to_{box.row.picked + 1}"
        yield from self.filmed(session, a, b, name, frames, kind, progress)

    def filmed(
        self,
        session: Session,
        a: Latent,
        b: Latent,
        name: str,
        frames: int,
        kind: str,
        progress: gr.Progress,
    ) -> Iterator[tuple[str | None, Any]]:
        """Writes the film; yields for `[file, stop]`."""
        pictures = []
        for i in range(frames):
            progress((i, frames), desc="Painting frames")
            yield None, gr.Button(visible=True)
            pictures.append(self.between(session, a, b, i / (frames - 1)).preview(FILM_SIZE))
        target = download_folder() / f"{Path(session.path).stem}_{name}{FORMATS[kind].suffix}"
        write_animation(pictures, target)
        yield str(target), gr.Button(visible=False)

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
        steps = self.filmed(box.row.session, first, last, f"{a}_to_{b}", frames, kind, progress)
        *_, (film, _) = steps
        return film


def cell(row: Row, number: int | None) -> Colorization:
    """A cell of a map, counted from 1."""
    cells = len(row.pictures)
    if number is None or not 1 <= number <= cells:
        raise CinnHubError(f"There is no cell {number}; the map has cells 1 to {cells}.")
    return row.session.bare_result(number - 1)


def ends(box: Lightbox) -> tuple[Session, Latent, Latent]:
    """The photo in view, and the latents of A and of the picked answer."""
    row = box.answers()
    if box.pinned is None or box.pinned[0] not in box.photo().rows:
        raise CinnHubError("No answer to this photo is kept as A; pick one, and keep it as A.")
    a, index = box.pinned
    latents = a.session.bare_result(index).latent, row.session.bare_result(row.picked).latent
    return row.session, *latents
