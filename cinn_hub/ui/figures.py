"""The two components of the lightbox that Gradio lacks: rows of pictures, and the large picture.

(Made by functions: Gradio writes a type stub beside the source of every subclass.)
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr

PAGE = Path(__file__).with_name("page")

STAGE = """
<div class="stage">
  <div class="pictures">
    <figure><img class="beside" alt=""><figcaption class="beside-name"></figcaption></figure>
    <figure class="over">
      <img class="colour" alt=""><img class="grey" alt="">
      <figcaption class="colour-name"></figcaption>
    </figure>
  </div>
  <label class="divide"><span>colour</span>
    <input type="range" min="0" max="100" value="0" aria-label="How much is shown in grey">
    <span>grey</span></label>
  <p class="text"></p>
</div>
"""


def figures(elem_id: str, label: str, value: dict[str, Any] | None = None) -> gr.HTML:
    """Rows of pictures; its value comes from `rows`. Events: select, like and delete."""
    return gr.HTML(
        value,
        html_template=f'<div class="figures" role="group" aria-label="{label}"></div>',
        js_on_load=(PAGE / "figures.js").read_text("utf-8"),
        apply_default_css=False,
        label=label,
        elem_id=elem_id,
    )


def rows(
    *lines: tuple[str, Sequence[dict[str, Any]]], layout: str = "", side: int = 4, text: str = ""
) -> dict[str, Any]:
    """The value of `figures`: titles with their items.

    Arguments:
        layout: "grid", "map", "strip" or "small": how the style sheet lays the items out.
        side: how many are beside each other.
        text: a sentence above them.
    """
    parts = [{"title": title, "items": list(items)} for title, items in lines]
    return {"layout": layout, "side": side, "text": text, "rows": parts}


def item(key: str, image: dict[str, Any] | None, name: str, **more: Any) -> dict[str, Any]:
    """One picture of `rows`; more: caption, picked, star, mark, removable."""
    return {"key": key, "image": image, "name": name, **more}


def stage(elem_id: str, value: dict[str, Any] | None = None) -> gr.HTML:
    """The large picture; its value has grey, picture, name, beside, beside_name, text."""
    return gr.HTML(
        value,
        html_template=STAGE,
        js_on_load=(PAGE / "stage.js").read_text("utf-8"),
        apply_default_css=False,
        label="The picked answer",
        elem_id=elem_id,
    )
