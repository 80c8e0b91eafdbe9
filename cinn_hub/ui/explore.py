"""The Explore tab: a map of colourings to click on, and the way from one to another."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from cinn_hub.animation import write_animation
from cinn_hub.errors import CinnHubError
from cinn_hub.latent import fresh_seed
from cinn_hub.ui.downloads import (
    MAKING,
    download_after,
    download_folder,
    hidden_download,
    stop_on,
)
from cinn_hub.ui.errors import shown
from cinn_hub.ui.models import Shelf
from cinn_hub.ui.photo_input import example_photos, photo_input
from cinn_hub.ui.session import (
    COMPARE_SIZE,
    Session,
    checked,
    code_to_colorize,
    temperature_code,
)
from cinn_hub.ui.viewer import PROGRESS, Viewer

SIDE = 5
FILM_SIZE = 640  # pixels on the longer side
FILMS = {"WebP": ".webp", "GIF": ".gif", "MP4": ".mp4"}


def build(shelf: Shelf, chosen: gr.State, examples: Path | None = None) -> None:
    """Adds the tab's components and handlers to the Blocks that are open."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            gr.Markdown(
                "A map through the space of colourings: two random directions, the most typical "
                "answer in the middle, bolder ones towards the corners."
            )
            upload = photo_input(label="Your photo", height=240, elem_id="explore-photo")
            go = gr.Button("Draw the map", variant="primary", elem_id="explore-go")
            again = gr.Button("Another map", elem_id="explore-again")
            with gr.Accordion("Settings", open=False):
                temperature = gr.Slider(
                    0, 2, 1.2, step=0.05, label="Temperature", info="Of the four corners."
                )
                seed = gr.Number(0, precision=0, minimum=0, label="Seed")
            if examples:
                tried = example_photos(examples, upload, "Or try one of these", "explore-examples")
        with gr.Column(scale=5, min_width=320):
            viewer = Viewer(
                "explore",
                columns=SIDE,
                thumbnail=280,
                hint="The map appears here; click a cell to see it large.",
                sortable=False,
            )
            with gr.Column(visible=False) as walk:
                gr.Markdown(
                    "### From A to B\nPick a cell of the map and take it as A, another as B; "
                    "cells are counted row by row."
                )
                with gr.Row():
                    take_a = gr.Button("Take as A", min_width=100, elem_id="take-a")
                    take_b = gr.Button("Take as B", min_width=100, elem_id="take-b")
                with gr.Row():
                    a = gr.Number(1, label="A", precision=0, minimum=1, min_width=80)
                    b = gr.Number(
                        SIDE * SIDE, label="B", precision=0, minimum=1, min_width=80, elem_id="b"
                    )
                place = gr.Slider(0, 1, 0, step=0.02, label="From A to B", elem_id="place")
                between = gr.Image(
                    label="Between",
                    format="png",
                    interactive=False,
                    buttons=["fullscreen"],
                    show_label=False,
                    visible=False,
                    elem_id="between",
                    alt_text="a colouring on the way from A to B",
                )
                with gr.Row():
                    frames = gr.Slider(5, 48, 24, step=1, label="Frames", min_width=120)
                    kind = gr.Radio(list(FILMS), value="WebP", label="Film", min_width=200)
                with gr.Row():
                    film = gr.Button("Download the film", variant="primary", elem_id="film")
                    stop = gr.Button("Stop", visible=False, elem_id="film-stop")
                film_file = hidden_download("film-file")

    @shown
    def run(photo: str | None, temperature: float, seed: int, name: str, progress=PROGRESS):
        """A map of 5 x 5 colourings, row by row: previews, and the middle one large."""
        progress(0.1, desc="Looking at the photo")
        session = explored(shelf, photo, temperature, seed, name, progress)
        return viewer.shown(session, SIDE * SIDE // 2)

    @shown
    def show_place(session: Session | None, a: int, b: int, t: float):
        latents = ends(checked(session), a, b)
        model = shelf.get(session.model)
        way = latents[0].slerp(latents[1], t)
        seen = model.colorize(session.prepared, latent=way)[0].preview(COMPARE_SIZE)
        return gr.Image(seen, visible=True)

    @shown
    def write_film(
        session: Session | None, a: int, b: int, frames: int, kind: str, progress=PROGRESS
    ) -> Iterator[tuple[str | None, Any]]:
        latents = ends(checked(session), a, b)
        model = shelf.get(session.model)
        pictures = []
        for i in range(int(frames)):
            progress((i, int(frames)), desc="Painting frames")
            yield None, gr.Button(visible=True)
            way = latents[0].slerp(latents[1], i / (int(frames) - 1))
            pictures.append(model.colorize(session.prepared, latent=way)[0].preview(FILM_SIZE))
        target = download_folder() / f"{Path(session.path).stem}_{a}_to_{b}{FILMS[kind]}"
        write_animation(pictures, target)
        yield str(target), gr.Button(visible=False)

    @shown
    def interpolate(
        photo: str | None,
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
        session = explored(shelf, photo, temperature, seed, name, progress)
        *_, (film, _) = write_film(session, a, b, frames, kind, progress)
        return film

    how = {"concurrency_id": "model"}
    inputs = [upload, temperature, seed, chosen]
    painting = {"show_progress_on": viewer.gallery, **how}
    events = [
        gr.on(
            [go.click, upload.upload], run, inputs, viewer.outputs, api_name="explore", **painting
        ),
        again.click(fresh_seed, None, seed, api_visibility="private").then(
            run, inputs, viewer.outputs, api_visibility="private", **painting
        ),
    ]
    if examples:
        events.append(
            tried.load_input_event.then(
                run, inputs, viewer.outputs, api_visibility="private", **painting
            )
        )
    for event in events:
        viewer.follow(event)
        event.success(
            lambda: (gr.Column(visible=True), 0, gr.Image(None, visible=False)),
            None,
            [walk, place, between],
            queue=False,
            api_visibility="private",
        )
    for button, number in ((take_a, a), (take_b, b)):
        button.click(
            lambda index: index + 1, viewer.picked, number, api_visibility="private", queue=False
        )
    gr.on(
        [place.input, a.change, b.change],
        show_place,
        [viewer.session, a, b, place],
        between,
        trigger_mode="always_last",
        show_progress="hidden",
        api_visibility="private",
        **how,
    )
    writing = film.click(
        write_film,
        [viewer.session, a, b, frames, kind],
        [film_file, stop],
        api_visibility="private",
        show_progress_on=film,
        **MAKING,
    )
    download_after(writing, film_file)
    stop_on(stop, writing)
    gr.Button(visible=False).click(  # for clients of the API, who need not have drawn a map
        interpolate,
        [upload, temperature, seed, a, b, frames, kind, chosen],
        film_file,
        api_name="interpolate",
        **how,
    )


def explored(
    shelf: Shelf, photo: str | None, temperature: float, seed: int, name: str, progress: gr.Progress
) -> Session:
    """The photo with its map."""
    model = shelf.get(name)
    session = Session.open(photo, model)
    scaled = model.temperature(temperature)
    progress(0.3, desc="Drawing the map")
    results = model.explore(session.prepared, SIDE, scaled, int(seed or 0))
    progress(0.8, desc="Painting the map")
    call = (
        f"model.explore({session.name!r}, side={SIDE}, seed={int(seed or 0)}, "
        f"temperature={temperature_code(scaled)})"
    )
    return session.holding(results, code_to_colorize(session, call), [""] * len(results))


def ends(session: Session, a: int, b: int):
    """The latents of two cells, counted from 1."""
    cells = len(session.results)
    for number in (a, b):
        if number is None or not 1 <= int(number) <= cells:
            raise CinnHubError(f"There is no cell {number}; the map has cells 1 to {cells}.")
    return session.results[int(a) - 1].latent, session.results[int(b) - 1].latent
