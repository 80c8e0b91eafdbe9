"""The whole app: its header, its tabs, and how it is launched."""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path

import gradio as gr
import torch
from starlette.middleware import Middleware

from cinn_hub.color_model import ColorModel
from cinn_hub.digit_model import DigitModel
from cinn_hub.ui import bounds, colorize, digits, explore, hints, memory, models, session, transfer
from cinn_hub.ui.connections import bound_connections
from cinn_hub.ui.files import app_folder, remove_on_sigterm
from cinn_hub.ui.options import AppOptions
from cinn_hub.ui.pictures import PAGE
from cinn_hub.ui.queueing import COLORS, lines
from cinn_hub.ui.requests import RequestBounds
from cinn_hub.ui.returning import connect_return
from cinn_hub.ui.table import Table
from cinn_hub.ui.uploads import Uploads

STYLE = PAGE / "style.css"
SCRIPT = PAGE / "page.js"

DEFAULTS = AppOptions()
NO_STATISTICS = {  # Gradio would make a table of all requests after each of them
    "GRADIO_ANALYTICS_MAX_EVENTS": "1",
    "GRADIO_ANALYTICS_CACHE_FREQUENCY": "1000000000",
}

HEADER = """
<div class="header" lang="en">
  <h1>One grey photo, <span class="many">many colours</span></h1>
  <p>Nobody knows what colour a dress was: here are several believable answers.</p>
  <button type="button" class="help" popovertarget="keys" aria-label="Keys">?</button>
  <div id="keys" popover>
    <p><kbd>←</kbd> <kbd>→</kbd> other answers</p>
    <p><kbd>↑</kbd> <kbd>↓</kbd> other photos</p>
    <p><kbd>s</kbd> star</p>
    <p><kbd>c</kbd> compare</p>
    <p><kbd>d</kbd> download</p>
    <p><kbd>?</kbd> these keys</p>
  </div>
</div>
"""

FOOTER = """
Your photos stay on the machine that runs this app and are deleted after an hour, or when it ends.
[How it works](https://arxiv.org/abs/1907.02392).
"""


def build(
    model: ColorModel,
    digit_model: DigitModel,
    examples: Path | None = None,
    options: AppOptions = DEFAULTS,
) -> gr.Blocks:
    """The app around two models, which are loaded when they are first needed.

    Arguments:
        model, digit_model: loaded, or without weights as `models.described` gives them.
        examples: a folder of photos to try, with a folder `moods` of colour photos in it.
    """
    app_folder()  # before any component asks where files go
    os.environ.update(NO_STATISTICS)
    session.memory.limit = int(options.memory * 1e6)
    lines.most_colors = options.waiting
    shelf = models.Shelf(model, options.loading)
    with gr.Blocks(
        title="cinn_hub: many colours for one photo",
        delete_cache=(300, bounds.KEPT_SECONDS),
        analytics_enabled=False,
        fill_width=True,
    ) as demo:
        gr.HTML(HEADER)
        with gr.Tabs(elem_id="places"):
            with gr.Tab("Photos", elem_id="photos-tab"):
                table = Table(shelf, Uploads(examples))
                colorize.Colour(table)
                explore.Explore(table)
                transfer.Transfer(table, examples)
                hints.Hints(table)
                with table.tools:
                    named = gr.Markdown(models.named_model(model.name), elem_classes="note")
            with gr.Tab("Digits", elem_id="digits-tab") as place:
                digits.build(digit_model, place)
            with gr.Tab("About this model", elem_id="models-tab"):
                models.build(shelf, table.box, named)
        gr.Markdown(FOOTER, elem_classes="footer")
        connect_return(demo, table)
    return demo.queue(api_open=False, default_concurrency_limit=None)


def launch(demo: gr.Blocks, options: AppOptions = DEFAULTS, **more) -> None:
    """Starts the server; `more` goes to Gradio's `launch`."""
    own = ["localhost", "127.0.0.1", os.environ.get("GRADIO_SERVER_NAME")]
    for name in ("NO_PROXY", "no_proxy"):  # Gradio asks the server itself whether it has started
        os.environ[name] = ",".join(filter(None, [os.environ.get(name), *own]))
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // COLORS.slots))  # they share the cores
    keep_house(options.disk)
    remove_on_sigterm()
    bound_connections()
    about = {"page": demo.get_config_file(), "api": demo.get_api_info()}
    checks = Middleware(RequestBounds, **about, hosts=options.hosts, frames=options.frames)
    demo.launch(
        theme=theme(),
        js=SCRIPT.read_text("utf-8"),
        css=STYLE.read_text("utf-8"),
        max_file_size=bounds.FILE_SIZE,
        max_threads=bounds.THREADS,
        run_history=False,
        footer_links=["api"],
        inbrowser=options.open,
        state_session_capacity=bounds.SESSIONS,
        app_kwargs={"middleware": [checks]},
        **more,
    )


def keep_house(megabytes: int) -> None:
    """Deletes what is old and returns freed memory, now and for as long as the process runs.

    Files that are there already stay: pictures that the page shows at first.
    """
    folder, return_memory = app_folder(), memory.returner()
    folder.megabytes, folder.own = megabytes, {path for path, _ in folder.files()}
    folder.sweep()

    def run() -> None:
        while True:
            time.sleep(bounds.HOUSE_SECONDS)
            folder.sweep()
            return_memory()

    threading.Thread(target=run, name="housekeeping", daemon=True).start()


def theme() -> gr.themes.Base:
    """Gradio's Soft, with texts and buttons dark enough to be read by all."""
    colors = gr.themes.colors
    soft = gr.themes.Soft(
        primary_hue=colors.orange,
        secondary_hue=colors.teal,
        neutral_hue=colors.stone,
        font=["Avenir Next", "Segoe UI", "Helvetica Neue", "Arial", "sans-serif"],
        font_mono=["ui-monospace", "Menlo", "Consolas", "monospace"],
        radius_size=gr.themes.sizes.radius_lg,
    )
    both = {
        "button_primary_background_fill": "*primary_700",
        "button_primary_background_fill_hover": "*primary_800",
        "checkbox_label_background_fill_selected": "*primary_700",
        "checkbox_background_color_selected": "*primary_800",
    }
    return soft.set(
        **both,
        **{f"{name}_dark": color for name, color in both.items()},
        body_background_fill="*neutral_50",
        block_border_width="1px",
        button_border_width="1px",
        button_secondary_border_color="*neutral_300",
        button_secondary_border_color_dark="*neutral_600",
        button_secondary_background_fill_hover_dark="*neutral_600",
        body_text_color_subdued="*neutral_600",
        body_text_color_subdued_dark="*neutral_300",
        block_info_text_color="*neutral_600",
        block_info_text_color_dark="*neutral_300",
        color_accent="*primary_700",
        block_title_text_color="*neutral_700",
        block_title_text_color_dark="*neutral_200",
        block_title_background_fill="none",
        block_title_padding="0",
        block_label_text_color="*neutral_700",
        block_label_text_color_dark="*neutral_200",
        slider_color="*primary_700",
        link_text_color="*secondary_700",
        link_text_color_active="*secondary_700",
        link_text_color_hover="*secondary_800",
        link_text_color_visited="*secondary_700",
    )
