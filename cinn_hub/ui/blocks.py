"""The whole app: its header, its tabs, and how it is launched."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware

from cinn_hub.colorizing import ColorModel
from cinn_hub.ui import colorize, digits, explore, hints, models, session, transfer
from cinn_hub.ui.folder import KEPT_SECONDS, app_folder, keep_sweeping, remove_on_sigterm
from cinn_hub.ui.hints import PALETTE
from cinn_hub.ui.serving import FILE_SIZE, AppBlocks, BoundedBodies
from cinn_hub.ui.settings import Settings
from cinn_hub.ui.waiting import Lines
from cinn_hub.writing import DigitModel

STYLE = Path(__file__).with_name("style.css")
ALT_TEXTS = Path(__file__).with_name("alt_texts.js")

MOST_SESSIONS = 400  # whose components Gradio remembers: 0.4 MB each
DEFAULTS = Settings()

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
runs this app and is deleted after an hour, or when the app ends.
"""


def build(
    model: ColorModel,
    digit_model: DigitModel,
    examples: Path | None = None,
    settings: Settings = DEFAULTS,
) -> gr.Blocks:
    """The app around two loaded models.

    Arguments:
        examples: a folder of photos to try, with a folder `moods` of colour photos in it.
    """
    app_folder()  # before any component asks where files go
    session.memory.limit = int(settings.memory * 1e6)
    shelf = models.Shelf(model)
    with AppBlocks(
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
            models.build(shelf, model_name, settings.loading)
        gr.Markdown(FOOTER, elem_classes="footer")
    demo.queue(api_open=False)
    demo._queue = Lines(demo, settings.waiting)
    return demo


def launch(demo: gr.Blocks, settings: Settings = DEFAULTS, **options) -> None:
    """Starts the server; `options` go to Gradio's `launch`."""
    for name in ("NO_PROXY", "no_proxy"):  # Gradio asks the server itself whether it has started
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), "localhost,127.0.0.1"]))
    keep_sweeping(settings.disk, partial(own_files, demo))
    remove_on_sigterm()
    demo.launch(
        theme=theme(),
        js=ALT_TEXTS.read_text("utf-8"),
        css=STYLE.read_text("utf-8") + swatch_style(),
        max_file_size=FILE_SIZE,
        run_history=False,
        footer_links=["api"],
        state_session_capacity=MOST_SESSIONS,
        app_kwargs={"middleware": [Middleware(BoundedBodies)]},
        **options,
    )


def own_files(demo: gr.Blocks) -> set[str]:
    """Paths of the examples and of what the page shows at first, which no visitor has sent."""
    return set().union(*(getattr(b, "keep_in_cache", ()) for b in demo.blocks.values()))


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
