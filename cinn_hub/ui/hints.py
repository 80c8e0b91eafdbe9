"""The Hints tab: click a spot, choose its colour, and all answers respect it."""

from __future__ import annotations

from pathlib import Path

import cv2
import gradio as gr
import numpy as np

from cinn_hub.errors import CinnHubError, PhotoError
from cinn_hub.guidance import read_hint
from cinn_hub.photos import render_grey_preview
from cinn_hub.ui.colorize import bits
from cinn_hub.ui.downloads import KEPT_SECONDS
from cinn_hub.ui.errors import shown
from cinn_hub.ui.models import Shelf
from cinn_hub.ui.photo_input import example_photos, photo_input
from cinn_hub.ui.session import COMPARE_SIZE, Session, code_to_colorize
from cinn_hub.ui.viewer import PROGRESS, Viewer

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

Spots = list[tuple[float, float, str]]


def build(shelf: Shelf, chosen: gr.State, examples: Path | None = None) -> None:
    """Adds the tab's components and handlers to the Blocks that are open."""
    opened = gr.State(None, time_to_live=KEPT_SECONDS)  # a Session without answers
    spots = gr.State([])
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            upload = photo_input(label="Your photo", height=220, elem_id="hints-photo")
            color = gr.ColorPicker(PALETTE["brick"], label="Colour", elem_id="hint-color")
            with gr.Row(elem_classes="palette"):
                swatches = [
                    gr.Button(name, min_width=28, elem_id=f"swatch-{name}", size="sm")
                    for name in PALETTE
                ]
            with gr.Row():
                undo = gr.Button("Undo", min_width=90, elem_id="undo")
                clear = gr.Button("Remove all", min_width=90, elem_id="clear")
            with gr.Accordion("Settings", open=False, elem_id="hints-settings"):
                n = gr.Slider(1, 8, 4, step=1, label="How many answers")
                seed = gr.Number(0, precision=0, minimum=0, label="Seed")
                text = gr.Textbox(
                    "",
                    label="Hints",
                    info="x y #colour, one a line, in pixels of the photo.",
                    lines=3,
                    elem_id="hints-text",
                )
                go = gr.Button("Colour it", elem_id="hints-go")
            if examples:
                example_photos(examples, upload, "Or try one of these", "hints-examples")
        with gr.Column(scale=5, min_width=320):
            gr.Markdown("Choose a colour, then click where it belongs; click a hint to remove it.")
            canvas = gr.Image(
                label="Hints",
                show_label=False,
                format="png",
                interactive=False,
                buttons=[],
                elem_id="canvas",
                alt_text="the photo with its hints",
            )
            viewer = Viewer("hints", hint="The answers appear here.")

    @shown
    def start(photo: str | None, name: str, progress=PROGRESS):
        if not photo:
            return None, [], None, ""
        progress(0.2, desc="Looking at the photo")
        session = Session.open(photo, shelf.get(name))
        return session, [], marked(session, []), ""

    unchanged = [gr.skip()] * len(viewer.outputs)

    def colorings(session: Session, hints: Spots, n: int, seed: int) -> list:
        model = shelf.get(session.model)
        results = model.colorize(session.prepared, int(n), seed=int(seed or 0), hints=hints)
        listed = ", ".join(f"({x:g}, {y:g}, {color!r})" for x, y, color in hints)
        call = (
            f"model.colorize({session.name!r}, n={int(n)}, seed={int(seed or 0)}, hints=[{listed}])"
        )
        code = code_to_colorize(session, call)
        return viewer.shown(session.holding(results, code, bits(results)))

    def follow(session: Session | None, hints: Spots, n: int, seed: int, progress: gr.Progress):
        """The marks at once, then the answers."""
        yield hints, marked(opened_photo(session), hints), as_text(hints), *unchanged
        progress(0.3, desc="Following the hints")
        yield hints, gr.skip(), gr.skip(), *colorings(session, hints, n, seed)

    @shown
    def click(
        session: Session | None,
        hints: Spots,
        n: int,
        seed: int,
        color: str,
        event: gr.SelectData,
        progress=PROGRESS,
    ):
        place = photo_pixels(opened_photo(session), event.index)
        new = read_hint((*place, color), session.prepared.size)
        hints = toggled(hints, new.x, new.y, new.color, session)
        yield from follow(session, hints, n, seed, progress)

    @shown
    def take_last(session: Session | None, hints: Spots, n: int, seed: int, progress=PROGRESS):
        yield from follow(session, hints[:-1], n, seed, progress)

    @shown
    def take_all(session: Session | None, hints: Spots, n: int, seed: int, progress=PROGRESS):
        yield from follow(session, [], n, seed, progress)

    @shown
    def run(photo: str | None, hints: str, n: int, seed: int, name: str, progress=PROGRESS):
        """Colourings with chosen colours at chosen spots.

        The hints are lines of "x y #rrggbb", in pixels of the photo.
        """
        spots = from_text(hints)
        progress(0.1, desc="Looking at the photo")
        session = Session.open(photo, shelf.get(name))
        progress(0.4, desc="Following the hints")
        answers = colorings(session, spots, n, seed)
        return session, spots, marked(session, spots), *answers

    how = {"concurrency_id": "model"}
    # a new photo, uploaded or an example, and another model start without hints
    gr.on(
        [upload.change, chosen.change],
        start,
        [upload, chosen],
        [opened, spots, canvas, text],
        api_visibility="private",
        show_progress_on=canvas,
        **how,
    )
    shared = [canvas, text, *viewer.outputs]
    following = {"show_progress_on": viewer.gallery, **how}
    held = [opened, spots, n, seed]
    clicks = [
        (canvas.select, click, [*held, color]),
        (undo.click, take_last, held),
        (clear.click, take_all, held),
    ]
    for event, handler, inputs in clicks:
        clicked = event(
            handler,
            inputs,
            [spots, *shared],
            api_visibility="private",
            trigger_mode="multiple",  # people click faster than answers come
            **following,
        )
        viewer.follow(clicked)
    viewer.follow(
        go.click(
            run,
            [upload, text, n, seed, chosen],
            [opened, spots, canvas, *viewer.outputs],
            api_name="hints",
            **following,
        )
    )
    for swatch, button in zip(PALETTE.values(), swatches, strict=True):
        button.click(
            lambda swatch=swatch: swatch, None, color, api_visibility="private", queue=False
        )


def opened_photo(session: Session | None) -> Session:
    """The session, or one sentence if there is none."""
    if session is None:
        raise PhotoError("There is no photo yet; upload one or pick an example.")
    return session


def toggled(hints: Spots, x: float, y: float, color: str, session: Session) -> Spots:
    """The hints with a new one, or without the one that was clicked on."""
    reach = NEAR * max(session.prepared.size)
    rest = [hint for hint in hints if np.hypot(hint[0] - x, hint[1] - y) > reach]
    return rest if len(rest) < len(hints) else [*hints, (x, y, color)]


def photo_pixels(session: Session, place: tuple[int, int]) -> tuple[float, float]:
    """Pixels of what is shown -> pixels of the photo."""
    scale = session.prepared.size[0] / session.prepared.photo.size[0]
    last = (side - 1 for side in session.prepared.size)
    x, y = (min(int((at + 0.5) * scale), end) for at, end in zip(place, last, strict=True))
    return x, y


def marked(session: Session, hints: Spots) -> np.ndarray:
    """The grey photo with a ring of its colour at each hint."""
    picture = np.array(render_grey_preview(session.prepared.photo, COMPARE_SIZE).convert("RGB"))
    scale = session.prepared.photo.size[0] / session.prepared.size[0]
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
        CinnHubError: a line is no hint.
    """
    hints = []
    for line in filter(None, map(str.strip, text.splitlines())):
        parts = line.split()
        try:
            x, y, color = float(parts[0]), float(parts[1]), parts[2]
        except (ValueError, IndexError) as error:
            raise CinnHubError(f'{line!r} is no hint; expected "x y #rrggbb".') from error
        hints.append((x, y, color))
    return hints
