"""The Hints tab: click a spot, choose its colour, and all answers respect it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import gradio as gr
import numpy as np
from gradio.components import Component

from cinn_hub.errors import CinnHubError, PhotoError
from cinn_hub.guidance import REACH, read_hint
from cinn_hub.photos import render_grey_preview
from cinn_hub.ui.colorize import bits
from cinn_hub.ui.errors import error_notes
from cinn_hub.ui.folder import KEPT_SECONDS
from cinn_hub.ui.models import Shelf
from cinn_hub.ui.photo_input import example_photos, photo_input
from cinn_hub.ui.session import COMPARE_SIZE, Session, code_to_colorize
from cinn_hub.ui.viewer import Viewer
from cinn_hub.ui.wiring import PRIVATE, PROGRESS, Wiring

PALETTE = {
    "brick": "#aa3311",
    "copper": "#d98b4a",
    "skin": "#e8c9a0",
    "straw": "#d6b437",
    "grass": "#5a8f3c",
    "sea": "#2f6f6a",
    "sky": "#4a7fc1",
    "violet": "#7a4a9c",
}
NEAR = 0.02  # of the longer side: a click so near to a hint takes it away
REACHES = (5, 100)  # ab units

Spots = list[tuple[float, float, str]]


def build(shelf: Shelf, model_name: gr.State, examples: Path | None = None) -> None:
    """Adds the tab's components and handlers to the Blocks that are open."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            controls = Controls(examples)
        with gr.Column(scale=5, min_width=320):
            gr.Markdown("Choose a colour, then click where it belongs; click a hint to remove it.")
            canvas = hint_canvas()
            viewer = Viewer("hints", hint="The answers appear here.")
    hinter = Hinter(shelf, viewer)
    connect_photo(controls, canvas, hinter, model_name)
    connect_clicks(controls, canvas, hinter)
    connect_button(controls, canvas, hinter, model_name)


class Controls:
    """What a visitor sets: the left column; and the photo and the hints so far."""

    def __init__(self, examples: Path | None) -> None:
        self.opened = gr.State(None, time_to_live=KEPT_SECONDS)  # a Session without answers
        self.spots = gr.State([])
        self.photo = photo_input(label="Your photo", height=220, elem_id="hints-photo")
        self.color = gr.ColorPicker(PALETTE["brick"], label="Colour", elem_id="hint-color")
        with gr.Row(elem_classes="palette"):
            for name, color in PALETTE.items():
                swatch = gr.Button(name, min_width=28, elem_id=f"swatch-{name}", size="sm")
                pick = partial(str, color)
                swatch.click(pick, None, self.color, queue=False, **PRIVATE)
        with gr.Row():
            self.undo = gr.Button("Undo", min_width=90, elem_id="undo")
            self.clear = gr.Button("Remove all", min_width=90, elem_id="clear")
        with gr.Accordion("Settings", open=False, elem_id="hints-settings"):
            self.add_settings()
        if examples:
            example_photos(examples, self.photo, "Or try one of these", "hints-examples")

    def add_settings(self) -> None:
        self.n = gr.Slider(1, 8, 4, step=1, label="How many answers")
        self.seed = gr.Number(0, precision=0, minimum=0, label="Seed")
        info = "How far the rest of the photo may follow the hints, in units of colour (ab)."
        self.reach = gr.Slider(
            *REACHES, REACH, step=1, label="Reach", info=info, elem_id="hints-reach"
        )
        info = "x y #colour, one a line, in pixels of the photo."
        self.text = gr.Textbox("", label="Hints", info=info, lines=3, elem_id="hints-text")
        self.go = gr.Button("Colour it", elem_id="hints-go")

    @property
    def settings(self) -> list[Component]:
        return [self.n, self.seed, self.reach]


def hint_canvas() -> gr.Image:
    """The photo to click on."""
    return gr.Image(
        label="Hints",
        show_label=False,
        format="png",
        interactive=False,
        buttons=[],
        elem_id="canvas",
        alt_text="the photo with its hints",
    )


def connect_photo(
    controls: Controls, canvas: gr.Image, hinter: Hinter, model_name: gr.State
) -> None:
    """A new photo, uploaded or an example, and another model start without hints."""
    start = Wiring(
        hinter.start,
        [controls.photo, model_name],
        [controls.opened, controls.spots, canvas, controls.text],
        progress_on=canvas,
    )
    start.on(controls.photo.change, model_name.change, **PRIVATE)


def connect_clicks(controls: Controls, canvas: gr.Image, hinter: Hinter) -> None:
    viewer = hinter.viewer
    inputs = [controls.opened, controls.spots, *controls.settings]
    for event, handler, more in (
        (canvas.select, hinter.click, [controls.color]),
        (controls.undo.click, hinter.take_last, []),
        (controls.clear.click, hinter.take_all, []),
    ):
        clicked = Wiring(
            handler,
            inputs + more,
            [controls.spots, canvas, controls.text, *viewer.outputs],
            progress_on=viewer.gallery,
            after=[viewer.follow],
        )
        # people click faster than answers come
        clicked.on(event, trigger_mode="multiple", **PRIVATE)


def connect_button(
    controls: Controls, canvas: gr.Image, hinter: Hinter, model_name: gr.State
) -> None:
    viewer = hinter.viewer
    run = Wiring(
        hinter.run,
        [controls.photo, controls.text, *controls.settings, model_name],
        [controls.opened, controls.spots, canvas, *viewer.outputs],
        progress_on=viewer.gallery,
        after=[viewer.follow],
    )
    run.on(controls.go.click, api_name="hints")


@dataclass(frozen=True)
class Hinter:
    """The tab's handlers. Those with `spots` are handed a photo that is open already."""

    shelf: Shelf
    viewer: Viewer

    @error_notes
    def start(self, photo: str | None, name: str, progress=PROGRESS):
        if not photo:
            return None, [], None, ""
        progress(0.2, desc="Looking at the photo")
        session = Session.open(photo, self.shelf.get(name))
        return session, [], marked(session, []), ""

    @error_notes
    def click(
        self,
        session: Session | None,
        spots: Spots,
        n: int,
        seed: int,
        reach: float,
        color: str,
        event: gr.SelectData,
        progress=PROGRESS,
    ):
        place = photo_pixels(opened_photo(session), event.index)
        new = read_hint((*place, color), session.size)
        spots = toggled(spots, new.x, new.y, new.color, session)
        yield from self.follow(session, spots, n, seed, reach, progress)

    @error_notes
    def take_last(
        self,
        session: Session | None,
        spots: Spots,
        n: int,
        seed: int,
        reach: float,
        progress=PROGRESS,
    ):
        yield from self.follow(session, spots[:-1], n, seed, reach, progress)

    @error_notes
    def take_all(
        self,
        session: Session | None,
        spots: Spots,
        n: int,
        seed: int,
        reach: float,
        progress=PROGRESS,
    ):
        yield from self.follow(session, [], n, seed, reach, progress)

    def follow(
        self,
        session: Session | None,
        spots: Spots,
        n: int,
        seed: int,
        reach: float,
        progress: gr.Progress,
    ) -> Iterator[tuple[Any, ...]]:
        """The marks at once, then the answers."""
        unchanged = [gr.skip()] * len(self.viewer.outputs)
        yield spots, marked(opened_photo(session), spots), as_text(spots), *unchanged
        progress(0.3, desc="Following the hints")
        yield spots, gr.skip(), gr.skip(), *self.colorings(session, spots, n, seed, reach)

    @error_notes
    def run(
        self,
        photo: str | None,
        hints: str,
        n: int,
        seed: int,
        reach: float,
        name: str,
        progress=PROGRESS,
    ):
        """Colourings with chosen colours at chosen spots.

        The hints are lines of "x y #rrggbb", in pixels of the photo. The reach is how far, in ab
        units, the rest of the photo may follow them.
        """
        spots = from_text(hints)
        progress(0.1, desc="Looking at the photo")
        session = Session.open(photo, self.shelf.get(name))
        progress(0.4, desc="Following the hints")
        answers = self.colorings(session, spots, n, seed, reach)
        return session, spots, marked(session, spots), *answers

    def colorings(
        self, session: Session, spots: Spots, n: int, seed: int, reach: float
    ) -> list[Any]:
        n, seed = int(n), int(seed or 0)
        model = self.shelf.get(session.model)
        results = model.colorize(session.prepared, n, seed=seed, hints=spots, reach=reach)
        listed = ", ".join(f"({x:g}, {y:g}, {color!r})" for x, y, color in spots)
        options = f"n={n}, seed={seed}, hints=[{listed}], reach={reach:g}"
        code = code_to_colorize(session, f"model.colorize({session.name!r}, {options})")
        return self.viewer.values(session.holding(results, code, bits(results)))


def opened_photo(session: Session | None) -> Session:
    """The session, or one sentence if there is none."""
    if session is None:
        raise PhotoError("There is no photo yet; upload one or pick an example.")
    return session


def toggled(hints: Spots, x: float, y: float, color: str, session: Session) -> Spots:
    """The hints with a new one, or without the one that was clicked on."""
    reach = NEAR * max(session.size)
    rest = [hint for hint in hints if np.hypot(hint[0] - x, hint[1] - y) > reach]
    return rest if len(rest) < len(hints) else [*hints, (x, y, color)]


def photo_pixels(session: Session, place: tuple[int, int]) -> tuple[float, float]:
    """Pixels of what is shown -> pixels of the photo."""
    scale = session.size[0] / session.prepared.photo.size[0]
    last = (side - 1 for side in session.size)
    x, y = (min(int((at + 0.5) * scale), end) for at, end in zip(place, last, strict=True))
    return x, y


def marked(session: Session, hints: Spots) -> np.ndarray:
    """The grey photo with a ring of its colour at each hint."""
    photo = session.prepared.photo
    picture = np.array(render_grey_preview(photo, COMPARE_SIZE).convert("RGB"))
    scale = photo.size[0] / session.size[0]
    radius = max(6, round(0.012 * max(picture.shape)))
    for x, y, color in hints:
        place = round(x * scale), round(y * scale)
        rgb = tuple(bytes.fromhex(color[1:]))
        cv2.circle(picture, place, radius, (255, 255, 255), -1, cv2.LINE_AA)
        cv2.circle(picture, place, radius - 2, rgb, -1, cv2.LINE_AA)
    return picture


def as_text(hints: Spots) -> str:
    return "\n".join(f"{x:g} {y:g} {color}" for x, y, color in hints)


def from_text(text: str) -> Spots:
    """Reads what `as_text` writes.

    Raises:
        CinnHubError: a line does not have this form.
    """
    hints = []
    for line in filter(None, map(str.strip, text.splitlines())):
        parts = line.split()
        try:
            x, y, color = float(parts[0]), float(parts[1]), parts[2]
        except (ValueError, IndexError) as error:
            raise CinnHubError(
                f'The line {line!r} is not a hint; expected "x y #rrggbb", as "10 20 #aa3311".'
            ) from error
        hints.append((x, y, color))
    return hints
