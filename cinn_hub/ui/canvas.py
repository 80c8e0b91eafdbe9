"""The canvas of hints: the picked answer, with spots that have a colour and a reach."""

from __future__ import annotations

from typing import Any

import gradio as gr

from cinn_hub.choosing import PossibleColor
from cinn_hub.errors import CinnHubError
from cinn_hub.hints import GREY, REACH, Hint
from cinn_hub.ui import views
from cinn_hub.ui.figures import PAGE
from cinn_hub.ui.lightbox import Lightbox, Row

REACHES = (5, 100)  # ab units

TEMPLATE = f"""
<div class="hinting empty">
  <div class="picture"><img class="answer" alt=""></div>
  <p class="text"></p>
  <div class="panel" role="group" aria-label="Colour of the hint" hidden>
    <span class="swatches"></span>
    <button type="button" class="neutral" style="background: {GREY}">it was grey</button>
    <label class="other">other <input type="color" class="free"></label>
    <label class="far">reach: near <input type="range" class="reach" min="{REACHES[0]}"
      max="{REACHES[1]}" aria-label="Reach of the hint"> far</label>
    <button type="button" class="remove">Remove</button>
  </div>
  <div class="tools">
    <button type="button" class="add">Add a hint</button>
    <button type="button" class="undo">Undo</button>
    <button type="button" class="clear">Remove all</button>
    <span class="said" aria-live="polite"></span>
  </div>
</div>
"""


def hint_canvas() -> gr.HTML:
    """Events: "input" when the hints have changed, "select" when a spot asks for colours."""
    return gr.HTML(
        {},
        html_template=TEMPLATE,
        js_on_load=(PAGE / "canvas.js").read_text("utf-8"),
        apply_default_css=False,
        label="Hints",
        elem_id="canvas",
    )


def answer_with_hints(box: Lightbox) -> dict[str, Any]:
    """What the canvas shows of the answer in view."""
    row = box.row
    if row is None:
        return {"base": None, "edit": 0, "spots": [], "text": "Hints need a photo with answers."}
    try:
        picture = views.large_pictures(row, row.picked)[1]
    except CinnHubError as error:  # it had to make room
        return {"base": None, "edit": 0, "spots": [], "text": str(error)}
    return canvas_value(row, picture, row.hints, row.edit)


def canvas_value(row: Row, picture: dict[str, Any], hints: list[Hint], edit: int) -> dict[str, Any]:
    base = row.base or row
    return {
        "base": base.id,
        "edit": edit,
        "image": picture,
        "name": f"number {row.picked + 1} with its hints",
        "size": row.session.size,
        "spots": [[hint.x, hint.y, hint.color, hint.reach] for hint in hints],
        "reach": REACH,
    }


def palette_value(x: float, y: float, colors: list[PossibleColor]) -> dict[str, Any]:
    listed = [{"color": one.color, "probability": one.probability} for one in colors]
    return {"palette": {"x": x, "y": y, "colors": listed}}
