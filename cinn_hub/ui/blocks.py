"""The whole app: its header, its tabs, and how it is launched."""

from __future__ import annotations

import os
from pathlib import Path

import gradio as gr

from cinn_hub.colorizing import ColorModel
from cinn_hub.ui import colorize, digits, explore, hints, models, transfer
from cinn_hub.ui.downloads import KEPT_SECONDS
from cinn_hub.ui.hints import PALETTE
from cinn_hub.writing import DigitModel

STYLE = Path(__file__).with_name("style.css")
ALT_TEXTS = Path(__file__).with_name("alt_texts.js")

HEADER = """
<div class="header">
  <h1>One grey photo, <span class="many">many colours</span></h1>
  <p>Nobody knows what colour the dress was. So this model does not give one answer: it draws as
  many believable ones as you like, and tells how likely each is.</p>
</div>
"""

FOOTER = """
A *conditional invertible neural network* maps colours to noise and back, exactly, given the photo
([Ardizzone et al. 2019](https://arxiv.org/abs/1907.02392)). Your photo stays on the machine that
runs this app and is deleted after an hour.
"""


def build(
    model: ColorModel,
    digit_model: DigitModel,
    examples: Path | None = None,
    may_load: bool = True,
) -> gr.Blocks:
    """The app around two loaded models.

    Arguments:
        examples: a folder of photos to try, with a folder `moods` of colour photos in it.
        may_load: whether visitors may load other models.
    """
    shelf = models.Shelf(model)
    with gr.Blocks(
        title="cinn_hub: many colours for one photo",
        delete_cache=(300, KEPT_SECONDS),
        analytics_enabled=False,
        fill_width=False,
    ) as demo:
        model_name = gr.State(model.name)  # the model that this visitor uses
        gr.HTML(HEADER)
        with gr.Tab("Colorize"):
            colorize.build(shelf, model_name, examples)
        with gr.Tab("Explore"):
            explore.build(shelf, model_name, examples)
        with gr.Tab("Transfer"):
            transfer.build(shelf, model_name, examples)
        with gr.Tab("Hints"):
            hints.build(shelf, model_name, examples)
        with gr.Tab("Digits"):
            digits.build(digit_model)
        with gr.Tab("Models"):
            models.build(shelf, model_name, may_load)
        gr.Markdown(FOOTER, elem_classes="footer")
    demo.queue(max_size=32, default_concurrency_limit=1)
    return demo


def launch(demo: gr.Blocks, **options) -> None:
    """Starts the server; `options` go to Gradio's `launch`."""
    for name in ("NO_PROXY", "no_proxy"):  # Gradio asks the server itself whether it has started
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "localhost,127.0.0.1"]))
    demo.launch(
        theme=theme(),
        js=ALT_TEXTS.read_text("utf-8"),
        css=STYLE.read_text("utf-8") + swatch_style(),
        max_file_size="60mb",
        run_history=False,
        footer_links=["api"],
        **options,
    )


def swatch_style() -> str:
    """The colours of the Hints tab's palette."""
    return "\n".join(f"#swatch-{name} {{ background: {c}; }}" for name, c in PALETTE.items())


def theme() -> gr.themes.Base:
    return gr.themes.Soft(
        primary_hue=gr.themes.colors.orange,
        secondary_hue=gr.themes.colors.teal,
        neutral_hue=gr.themes.colors.stone,
        font=["Avenir Next", "Segoe UI", "Helvetica Neue", "Arial", "sans-serif"],
        font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
        radius_size=gr.themes.sizes.radius_lg,
    )
