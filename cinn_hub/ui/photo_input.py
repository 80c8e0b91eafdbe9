"""The component that takes a photo: an image that is handed on as the file that was uploaded."""

from __future__ import annotations

import gradio as gr
from gradio.data_classes import ImageData


class PhotoInput(gr.Image):
    """`gr.Image` whose handlers get the path of the untouched upload.

    Gradio would open the file first: what is no picture would then be refused with a traceback in
    the log and no word to the user. Here `photos.read` judges every file, and says what is wrong.
    To be made with `type="filepath"`.
    """

    is_template = True  # on the page it is an ordinary image

    def preprocess(self, payload: ImageData | None) -> str | None:
        if payload is None or payload.path is None:
            return super().preprocess(payload)
        return payload.path
