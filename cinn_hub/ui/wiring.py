"""How a tab's events reach its handlers, and how a browser gets the files that they make."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr
from gradio.components import Component
from gradio.events import Dependency

from cinn_hub.latent import fresh_seed
from cinn_hub.ui.queueing import COLORS, Kind

PRIVATE = {"api_visibility": "private"}
PROGRESS = gr.Progress()  # as a default argument, Gradio fills it in for each call


@dataclass(frozen=True)
class Wiring:
    """A handler that runs a model, between its components.

    Arguments:
        named_inputs: what the handler takes by name, such as one temperature a level.
        progress_on: where progress is to be seen; on all outputs if not given.
        kind: of work, in whose line its events wait.
        after: each is called with every event that is made here, to add what follows it.
    """

    handler: Callable[..., Any]
    inputs: Sequence[Component]
    outputs: Sequence[Component]
    named_inputs: Mapping[str, Component] = field(default_factory=dict)
    progress_on: Component | None = None
    after: Sequence[Callable[[Dependency], None]] = ()
    kind: Kind = COLORS

    def on(self, *triggers: Callable[..., Dependency], **options: Any) -> Dependency:
        """Runs the handler on these events; `options` go to Gradio, such as `api_name`."""
        event = gr.on(list(triggers), **self.call, **options)
        self.follow(event)
        return event

    def on_fresh_seed(self, button: gr.Button, seed: gr.Number) -> None:
        """The button runs the handler with another seed, which stays in its field."""
        event = button.click(fresh_seed, None, seed, **PRIVATE)
        self.follow(event.then(**self.call, **PRIVATE))

    @property
    def call(self) -> dict[str, Any]:
        return {
            "fn": self.kind(self.handler),
            "inputs": list(self.inputs),
            "inputs_kwargs": dict(self.named_inputs) or None,
            "outputs": list(self.outputs),
            "show_progress_on": self.progress_on,
        }

    def follow(self, event: Dependency) -> None:
        for add in self.after:
            add(event)


def hidden_download(elem_id: str) -> gr.DownloadButton:
    """The output of events that make a file; `download_after` presses it."""
    return gr.DownloadButton(visible="hidden", elem_id=elem_id)


def download_after(making: Dependency, file: gr.DownloadButton) -> None:
    """The browser downloads the file as soon as the event has made it."""
    press = f"() => document.querySelector('#{file.elem_id}').click()"
    making.success(None, js=press, api_visibility="private")


def stop_on(stop: gr.Button, making: Dependency) -> None:
    """A click on the button ends the event, which shows it while it runs."""
    hide = {"fn": lambda: gr.Button(visible=False), "outputs": stop, "queue": False}
    stop.click(**hide, cancels=making, api_visibility="private")
    making.failure(**hide, api_visibility="private")
