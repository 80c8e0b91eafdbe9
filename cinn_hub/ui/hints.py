"""The tool Hints: click a spot, choose its colour, and all answers respect it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import cv2
import gradio as gr
import numpy as np
from gradio.components import Component

from cinn_hub.errors import CinnHubError
from cinn_hub.guidance import REACH, read_hint
from cinn_hub.photos import render_grey_preview
from cinn_hub.ui.colorize import added, words
from cinn_hub.ui.errors import error_notes
from cinn_hub.ui.intake import open_sheet
from cinn_hub.ui.lightbox import Lightbox
from cinn_hub.ui.models import Shelf
from cinn_hub.ui.session import COMPARE_SIZE, Session
from cinn_hub.ui.table import Table
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


def build(shelf: Shelf, model_name: gr.State, table: Table) -> None:
    """Adds the tool's components and handlers to the Blocks that are open."""
    controls = Controls()
    with table.canvas_place:
        canvas = hint_canvas()
    hinter = Hinter(shelf, table)
    connect_photo(canvas, table)
    connect_clicks(controls, canvas, hinter, model_name)
    run = Wiring(
        hinter.run,
        [controls.photo, table.box, controls.text, *controls.settings, model_name],
        table.outputs,
        progress_on=table.answers,
        after=[table.follow],
    )
    run.on(controls.go.click, api_name="hints")
    table.need_photo += [controls.undo, controls.clear, controls.go]


class Controls:
    """What a visitor sets."""

    def __init__(self) -> None:
        self.photo = gr.File(label="Photo", visible=False)  # for clients of the API
        gr.Markdown("Choose a colour, then click where it belongs; click a hint to remove it.")
        self.color = gr.ColorPicker(PALETTE["brick"], label="Colour", elem_id="hint-color")
        with gr.Row(elem_classes="palette"):
            for name, color in PALETTE.items():
                swatch = gr.Button(name, min_width=28, elem_id=f"swatch-{name}", size="sm")
                pick = partial(str, color)
                swatch.click(pick, None, self.color, queue=False, **PRIVATE)
        with gr.Row():
            self.undo = gr.Button("Undo", min_width=90, elem_id="undo", interactive=False)
            self.clear = gr.Button("Remove all", min_width=90, elem_id="clear", interactive=False)
        with gr.Accordion("Settings", open=False, elem_id="hints-settings"):
            self.add_settings()

    def add_settings(self) -> None:
        self.n = gr.Slider(1, 8, 4, step=1, label="How many answers")
        self.seed = gr.Number(0, precision=0, minimum=0, label="Seed")
        info = "How much the rest of the photo may change colour (in ab units)."
        self.reach = gr.Slider(
            *REACHES, REACH, step=1, label="Reach", info=info, elem_id="hints-reach"
        )
        info = "x y #colour, one per line, in pixels of the photo."
        self.text = gr.Textbox("", label="Hints", info=info, lines=3, elem_id="hints-text")
        self.go = gr.Button("Apply these hints", elem_id="hints-go", interactive=False)

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


def connect_photo(canvas: gr.Image, table: Table) -> None:
    """The canvas shows the answer in view."""
    table.answers.change(
        lambda box: marked(box), table.box, canvas, show_progress="hidden", **PRIVATE
    )


def connect_clicks(
    controls: Controls, canvas: gr.Image, hinter: Hinter, model_name: gr.State
) -> None:
    table = hinter.table
    inputs = [table.box, *controls.settings, model_name]
    for event, handler, more in (
        (canvas.select, hinter.click, [controls.color]),
        (controls.undo.click, hinter.take_last, []),
        (controls.clear.click, hinter.take_all, []),
    ):
        clicked = Wiring(
            handler,
            inputs + more,
            [controls.text, canvas, *table.outputs],
            progress_on=table.answers,
            after=[table.follow],
        )
        # people click faster than answers come
        clicked.on(event, trigger_mode="multiple", **PRIVATE)


@dataclass(frozen=True)
class Hinter:
    """The tool's handlers."""

    shelf: Shelf
    table: Table

    @error_notes
    def click(
        self,
        box: Lightbox,
        n: int,
        seed: int,
        reach: float,
        name: str,
        color: str,
        event: gr.SelectData,
        progress=PROGRESS,
    ):
        sheet = box.photo()
        session = open_sheet(sheet, self.shelf.get(name))
        place = photo_pixels(session, event.index)
        new = read_hint((*place, color), session.size)
        sheet.spots = toggled(sheet.spots, new.x, new.y, new.color, session)
        yield from self.follow(box, n, seed, reach, name, progress)

    @error_notes
    def take_last(self, box: Lightbox, n, seed, reach, name, progress=PROGRESS):
        box.photo().spots = box.photo().spots[:-1]
        yield from self.follow(box, n, seed, reach, name, progress)

    @error_notes
    def take_all(self, box: Lightbox, n, seed, reach, name, progress=PROGRESS):
        box.photo().spots = []
        yield from self.follow(box, n, seed, reach, name, progress)

    def follow(
        self, box: Lightbox, n: int, seed: int, reach: float, name: str, progress: gr.Progress
    ) -> Iterator[tuple[Any, ...]]:
        """The marks at once, then the answers."""
        sheet = box.photo()
        open_sheet(sheet, self.shelf.get(name))
        unchanged = [gr.skip()] * len(self.table.outputs)
        yield as_text(sheet.spots), marked(box), *unchanged
        progress(0.3, desc="Following the hints")
        self.color(box, n, seed, reach, name)
        yield gr.skip(), marked(box), *self.table.values(box)

    @error_notes
    def run(
        self,
        photo: str | None,
        box: Lightbox,
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
        sheet = added(box, photo)
        open_sheet(sheet, self.shelf.get(name))
        sheet.spots = spots
        progress(0.4, desc="Following the hints")
        self.color(box, n, seed, reach, name)
        return self.table.values(box)

    def color(self, box: Lightbox, n: int, seed: int, reach: float, name: str) -> None:
        n, seed, sheet = int(n), int(seed or 0), box.photo()
        model = self.shelf.get(name)
        prepared = sheet.opened.prepared
        results = model.colorize(prepared, n, seed=seed, hints=sheet.spots, reach=reach)
        listed = ", ".join(f"({x:g}, {y:g}, {color!r})" for x, y, color in sheet.spots)
        options = f"n={n}, seed={seed}, hints=[{listed}], reach={reach:g}"
        call = f"model.colorize({sheet.name!r}, {options})"
        self.table.lay(box, sheet, "Hints", results, call, words(results))


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


def marked(box: Lightbox) -> np.ndarray | None:
    """The picked answer with a ring of its colour at each hint."""
    if box.at is None or box.at.opened is None:
        return None
    session, row = box.at.opened, box.row
    photo = session.prepared.photo
    shown = render_grey_preview(photo, COMPARE_SIZE)
    if row is not None:
        shown = row.session.result(row.picked).preview(COMPARE_SIZE)
    picture = np.array(shown.convert("RGB"))
    scale = photo.size[0] / session.size[0]
    radius = max(6, round(0.012 * max(picture.shape)))
    for x, y, color in box.at.spots:
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
