"""Files that visitors ask for: where they lie, and how a browser gets them once they are made."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import threading
import time
from functools import cache
from pathlib import Path

import gradio as gr
from gradio.events import Dependency

KEPT_SECONDS = 3600  # uploads, results and downloads
MAKING = {"concurrency_id": "files", "concurrency_limit": 2}  # of events that make files


deadlines: dict[Path, float] = {}  # of the folders that are there


@cache
def all_downloads() -> Path:
    """This process's own folder, which goes with it; a thread empties it in time."""
    folder = Path(tempfile.mkdtemp(prefix="cinn-hub-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    threading.Thread(target=delete_in_time, daemon=True).start()
    return folder


def delete_in_time() -> None:
    while True:
        time.sleep(1)
        for folder, deadline in list(deadlines.items()):
            if time.monotonic() > deadline:
                del deadlines[folder]
                shutil.rmtree(folder, ignore_errors=True)


def download_folder(seconds: float = KEPT_SECONDS) -> Path:
    """A new folder for a file to download, deleted after so many seconds."""
    folder = Path(tempfile.mkdtemp(dir=all_downloads()))
    deadlines[folder] = time.monotonic() + seconds
    return folder


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
