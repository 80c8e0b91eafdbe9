"""Files that visitors ask for: where they lie, and how a browser gets them once they are made."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import threading
from functools import cache
from pathlib import Path

import gradio as gr
from gradio.events import Dependency

KEPT_SECONDS = 3600  # uploads, results and downloads
MAKING = {"concurrency_id": "files", "concurrency_limit": 2}  # of events that make files


@cache
def all_downloads() -> Path:
    """This process's own folder, which goes with it."""
    folder = Path(tempfile.mkdtemp(prefix="cinn-hub-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def download_folder(seconds: float = KEPT_SECONDS) -> Path:
    """A new folder for a file to download, deleted after so many seconds."""
    folder = Path(tempfile.mkdtemp(dir=all_downloads()))
    deletion = threading.Timer(seconds, shutil.rmtree, (folder,), {"ignore_errors": True})
    deletion.daemon = True
    deletion.start()
    return folder


def hidden_download(elem_id: str) -> gr.DownloadButton:
    """The output of events that make a file; `download_after` presses it."""
    return gr.DownloadButton(visible="hidden", elem_id=elem_id)


def download_after(making: Dependency, file: gr.DownloadButton) -> None:
    """The browser downloads the file as soon as the event has made it."""
    press = f"() => document.querySelector('#{file.elem_id}').click()"
    making.success(None, js=press, api_visibility="private")


def stop_on(stop: gr.Button, making: Dependency) -> None:
    """A click on the button, which is seen while the event runs, ends it."""
    stop.click(
        lambda: gr.Button(visible=False),
        None,
        stop,
        cancels=making,
        queue=False,
        api_visibility="private",
    )
