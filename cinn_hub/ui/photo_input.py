"""The component that takes a photo: an image that is handed on as the file that was uploaded."""

from __future__ import annotations

from pathlib import Path

import gradio as gr
from gradio.data_classes import ImageData


def photo_input(**options) -> gr.Image:
    """`gr.Image` whose handlers get the path of the untouched upload.

    Gradio would open the file first and refuse what is not a picture with a traceback in the log
    and no word to the user. Here `photos.read` judges every file, and says what is wrong.
    (A subclass would do as well, but Gradio writes a type stub beside every subclass's source.)
    """
    image = gr.Image(
        type="filepath",
        image_mode=None,
        format="png",
        sources=["upload", "clipboard"],
        buttons=[],
        alt_text="the photo that was chosen",
        **options,
    )
    opened = image.preprocess

    def preprocess(payload: ImageData | None) -> str | None:
        uploaded = payload is not None and payload.path is not None
        return payload.path if uploaded else opened(payload)

    image.preprocess = preprocess
    return image


def example_photos(folder: Path, photo: gr.Image, label: str, elem_id: str) -> gr.Examples:
    """The photos of a folder, to click on instead of uploading one.

    Its `load_input_event` is done when a clicked one is in `photo`.
    """
    paths = [[str(path)] for path in sorted(folder.glob("*.jpg"))]
    return gr.Examples(paths, photo, label=label, elem_id=elem_id, api_visibility="private")
