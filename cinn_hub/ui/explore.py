"""The Explore tab: a map of colourings to click on, and the way from one to another."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import Dependency
from PIL.Image import Image

from cinn_hub.animation import write_animation
from cinn_hub.errors import CinnHubError
from cinn_hub.latent import Latent
from cinn_hub.ui.downloads import download_after, hidden_download, stop_on
from cinn_hub.ui.errors import error_notes
from cinn_hub.ui.folder import download_folder
from cinn_hub.ui.models import Shelf
from cinn_hub.ui.photo_input import example_photos, photo_input
from cinn_hub.ui.pictures import picture_file
from cinn_hub.ui.session import (
    COMPARE_SIZE,
    Session,
    checked,
    code_to_colorize,
    temperature_code,
)
from cinn_hub.ui.viewer import Viewer
from cinn_hub.ui.waiting import ARCHIVES, LOOKS
from cinn_hub.ui.wiring import PRIVATE, PROGRESS, Wiring

SIDE = 5
FILM_SIZE = 640  # pixels on the longer side
FILMS = {"WebP": ".webp", "GIF": ".gif", "MP4": ".mp4"}

ABOUT_THE_MAP = (
    "A map through the space of colourings: two random directions, the most typical answer in the "
    "middle, bolder ones towards the corners."
)
ABOUT_THE_WAY = (
    "### From A to B\nPick a cell of the map and take it as A, another as B; cells are counted row "
    "by row."
)


def build(shelf: Shelf, model_name: gr.State, examples: Path | None = None) -> None:
    """Adds the tab's components and handlers to the Blocks that are open."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            controls = Controls(examples)
        with gr.Column(scale=5, min_width=320):
            viewer = Viewer(
                "explore",
                columns=SIDE,
                thumbnail=280,
                hint="The map appears here; click a cell to see it large.",
                sortable=False,
            )
            walk = Walk()
    explorer = Explorer(shelf, viewer)
    connect_map(controls, walk, explorer, model_name)
    connect_walk(controls, walk, explorer, model_name)


class Controls:
    """What a visitor sets: the left column."""

    def __init__(self, examples: Path | None) -> None:
        gr.Markdown(ABOUT_THE_MAP)
        self.photo = photo_input(label="Your photo", height=240, elem_id="explore-photo")
        self.go = gr.Button("Draw the map", variant="primary", elem_id="explore-go")
        self.again = gr.Button("Another map", elem_id="explore-again")
        with gr.Accordion("Settings", open=False):
            info = "Of the four corners."
            self.temperature = gr.Slider(0, 2, 1.2, step=0.05, label="Temperature", info=info)
            self.seed = gr.Number(0, precision=0, minimum=0, label="Seed")
        self.examples = examples and example_photos(
            examples, self.photo, "Or try one of these", "explore-examples"
        )


class Walk:
    """From cell A of the map to cell B: what lies between, and a film of it."""

    def __init__(self) -> None:
        with gr.Column(visible=False) as self.column:
            gr.Markdown(ABOUT_THE_WAY)
            self.add_ends()
            self.place = gr.Slider(0, 1, 0, step=0.02, label="From A to B", elem_id="place")
            self.between = gr.Image(
                label="Between",
                format="png",
                interactive=False,
                buttons=["fullscreen"],
                show_label=False,
                visible=False,
                elem_id="between",
                alt_text="a colouring on the way from A to B",
            )
            self.add_film()

    def add_ends(self) -> None:
        with gr.Row():
            self.take_a = gr.Button("Take as A", min_width=100, elem_id="take-a")
            self.take_b = gr.Button("Take as B", min_width=100, elem_id="take-b")
        with gr.Row():
            number = {"precision": 0, "minimum": 1, "min_width": 80}
            self.a = gr.Number(1, label="A", **number)
            self.b = gr.Number(SIDE * SIDE, label="B", elem_id="b", **number)

    def add_film(self) -> None:
        with gr.Row():
            self.frames = gr.Slider(5, 48, 24, step=1, label="Frames", min_width=120)
            self.kind = gr.Radio(list(FILMS), value="WebP", label="Film", min_width=200)
        with gr.Row():
            self.film = gr.Button("Download the film", variant="primary", elem_id="film")
            self.stop = gr.Button("Stop", visible=False, elem_id="film-stop")
        self.file = hidden_download("film-file")

    def begin_after(self, event: Dependency) -> None:
        """After an event that draws a map: the way is open, and stands at its beginning."""
        event.success(
            lambda: (gr.Column(visible=True), 0, gr.Image(None, visible=False)),
            None,
            [self.column, self.place, self.between],
            queue=False,
            **PRIVATE,
        )


def connect_map(controls: Controls, walk: Walk, explorer: Explorer, model_name: gr.State) -> None:
    viewer = explorer.viewer
    run = Wiring(
        explorer.run,
        [controls.photo, controls.temperature, controls.seed, model_name],
        viewer.outputs,
        progress_on=viewer.gallery,
        after=[viewer.follow, walk.begin_after],
    )
    run.on(controls.go.click, controls.photo.upload, api_name="explore")
    run.on_fresh_seed(controls.again, controls.seed)
    run.on_example(controls.examples)


def connect_walk(controls: Controls, walk: Walk, explorer: Explorer, model_name: gr.State) -> None:
    viewer = explorer.viewer
    for button, number in ((walk.take_a, walk.a), (walk.take_b, walk.b)):
        button.click(lambda index: index + 1, viewer.picked, number, queue=False, **PRIVATE)
    place = Wiring(
        explorer.show_place,
        [viewer.session, walk.a, walk.b, walk.place],
        [walk.between],
        kind=LOOKS,
    )
    place.on(
        walk.place.input,
        walk.a.change,
        walk.b.change,
        trigger_mode="always_last",
        show_progress="hidden",
        **PRIVATE,
    )
    connect_film(walk, explorer)
    interpolate = Wiring(
        explorer.interpolate,
        [controls.photo, controls.temperature, controls.seed]
        + [walk.a, walk.b, walk.frames, walk.kind, model_name],
        [walk.file],
        kind=ARCHIVES,
    )
    # for clients of the API, who need not have drawn a map
    interpolate.on(gr.Button(visible=False).click, api_name="interpolate")


def connect_film(walk: Walk, explorer: Explorer) -> None:
    writing = walk.film.click(
        explorer.write_film,
        [explorer.viewer.session, walk.a, walk.b, walk.frames, walk.kind],
        [walk.file, walk.stop],
        show_progress_on=walk.film,
        **PRIVATE,
        **ARCHIVES.event,
    )
    download_after(writing, walk.file)
    stop_on(walk.stop, writing)


@dataclass(frozen=True)
class Explorer:
    """The tab's handlers."""

    shelf: Shelf
    viewer: Viewer

    @error_notes
    def run(self, photo: str | None, temperature: float, seed: int, name: str, progress=PROGRESS):
        """A map of 5 x 5 colourings, row by row: previews, and the middle one large."""
        progress(0.1, desc="Looking at the photo")
        session = self.explored(photo, temperature, seed, name, progress)
        return self.viewer.values(session, SIDE * SIDE // 2)

    def explored(
        self, photo: str | None, temperature: float, seed: int, name: str, progress: gr.Progress
    ) -> Session:
        """The photo with its map."""
        model = self.shelf.get(name)
        session = Session.open(photo, model)
        scaled, seed = model.temperature(temperature), int(seed or 0)
        progress(0.3, desc="Drawing the map")
        results = model.explore(session.prepared, SIDE, scaled, seed)
        progress(0.8, desc="Painting the map")
        options = f"side={SIDE}, seed={seed}, temperature={temperature_code(scaled)}"
        code = code_to_colorize(session, f"model.explore({session.name!r}, {options})")
        return session.holding(results, code, [""] * len(results))

    @error_notes
    def show_place(self, session: Session | None, a: int, b: int, t: float) -> gr.Image:
        latents = ends(checked(session), a, b)
        picture = self.between(session, *latents, t, COMPARE_SIZE)
        return gr.Image(picture_file(picture), visible=True)

    def between(self, session: Session, a: Latent, b: Latent, t: float, size: int) -> Image:
        """The colouring at t on the way from a to b, of `size` pixels on the longer side."""
        model = self.shelf.get(session.model)
        return model.colorize(session.prepared, latent=a.slerp(b, t))[0].preview(size)

    @error_notes
    def write_film(
        self, session: Session | None, a: int, b: int, frames: int, kind: str, progress=PROGRESS
    ) -> Iterator[tuple[str | None, Any]]:
        latents, frames = ends(checked(session), a, b), int(frames)
        pictures = []
        for i in range(frames):
            progress((i, frames), desc="Painting frames")
            yield None, gr.Button(visible=True)
            pictures.append(self.between(session, *latents, i / (frames - 1), FILM_SIZE))
        target = download_folder() / f"{Path(session.path).stem}_{a}_to_{b}{FILMS[kind]}"
        write_animation(pictures, target)
        yield str(target), gr.Button(visible=False)

    @error_notes
    def interpolate(
        self,
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
        session = self.explored(photo, temperature, seed, name, progress)
        *_, (film, _) = self.write_film(session, a, b, frames, kind, progress)
        return film


def ends(session: Session, a: int, b: int) -> tuple[Latent, Latent]:
    """The latents of two cells, counted from 1."""
    results = session.bare_results
    cells = len(results)
    for number in (a, b):
        if number is None or not 1 <= int(number) <= cells:
            raise CinnHubError(f"There is no cell {number}; the map has cells 1 to {cells}.")
    return results[int(a) - 1].latent, results[int(b) - 1].latent
