"""How the page's events reach their handlers, and the files that they make reach the browser."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import gradio as gr

from cinn_hub.ui.errors import error_notes
from cinn_hub.ui.queueing import Kind
from cinn_hub.ui.visitors import with_own_box

PRIVATE = {"api_visibility": "private"}
AT_ONCE = {"queue": False, "show_progress": "hidden"}
PROGRESS = gr.Progress()  # as a default argument, Gradio fills it in for each call
FOR_CLIENTS = partial(gr.on, [])  # no event of the page: for clients of the API alone

Event = Any  # what Gradio makes of a connected handler; others follow it by `then` and `success`


def connect(
    event: Callable[..., Event],
    handler: Callable[..., Any],
    inputs: Any,
    outputs: Any,
    kind: Kind | None = None,
    settings: Mapping[str, gr.Component] | None = None,
    **options: Any,
) -> Event:
    """The handler answers to an event, such as `button.click`; its errors become notes.

    Arguments:
        kind: of work, in whose line the event waits; without, it waits in none.
        settings: what the handler takes by name.
        options: of Gradio; with an `api_name`, clients of the API may call the handler, too.
    """
    first = inputs[0] if isinstance(inputs, list) and inputs else inputs
    run = error_notes(with_own_box(handler) if isinstance(first, gr.State) else handler)
    run = kind(run) if kind else run
    options = ({} if kind else AT_ONCE) | ({} if "api_name" in options else PRIVATE) | options
    return event(run, inputs, outputs, inputs_kwargs=settings or None, **options)


def seed_field(info: str = "0: another one each time.") -> gr.Number:
    return gr.Number(0, precision=0, minimum=0, label="Seed", info=info)


def level_sliders(
    prefix: str, defaults: Mapping[str, float], most: float, text: str
) -> dict[str, gr.Slider]:
    """A slider for each level of a model, by the name of the handler's argument."""
    gr.Markdown(text)
    return {
        f"{prefix}_{level}": gr.Slider(0, most, value, step=0.05, label=level.capitalize())
        for level, value in defaults.items()
    }
