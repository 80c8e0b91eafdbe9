"""How a browser gets the files that visitors ask for, once they are made."""

from __future__ import annotations

import gradio as gr
from gradio.events import Dependency


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
