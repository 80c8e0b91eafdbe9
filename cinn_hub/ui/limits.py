"""What one request may ask for: looked at before anything of it is opened."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from gradio.components import Component
from PIL import Image

from cinn_hub.errors import CinnHubError
from cinn_hub.ui.folder import app_folder

MOST_LETTERS = 4000  # of a text
MOST_PARTS = 2000  # of one value, counting all that lies in it
MOST_DEPTH = 8
LARGEST_NUMBER = 2**64
MOST_FILES = 200  # of one value
MOST_LAYERS = 4
SKETCH_PIXELS = 4_000_000


class RequestError(CinnHubError):
    """A value of a request is of the wrong type or too much."""


def check_request(handler: BlockFunction, values: Sequence[Any]) -> None:
    """Refuses values that the handler's components would not send.

    Raises:
        RequestError: which one, what came, what was expected.
    """
    if len(values) != len(handler.inputs):
        raise RequestError(
            f"The request has {len(values)} values, and {len(handler.inputs)} were expected; see "
            "the page about the API."
        )
    for component, value in zip(handler.inputs, values, strict=True):
        if not component.stateful and (value is not None or isinstance(component, gr.Slider)):
            check_value(component, value)


def check_value(component: Component, value: Any) -> None:
    name = f"“{getattr(component, 'label', None) or component.get_block_name()}”"
    check_parts(name, value)
    if isinstance(component, gr.Slider | gr.Number):
        check_number(name, value, component.minimum, component.maximum)
    elif isinstance(component, gr.Radio):
        choices = [choice for _, choice in component.choices]
        if value not in choices:
            listed = ", ".join(map(str, choices))
            raise RequestError(f"{name} is {value!r:.80}; it must be one of {listed}.")
    elif isinstance(component, gr.Textbox | gr.ColorPicker | gr.Code):
        if not isinstance(value, str):
            raise RequestError(f"{name} is {value!r:.80}; expected text.")
    elif isinstance(component, gr.Image | gr.ImageEditor):
        if not isinstance(value, dict):
            raise RequestError(f"{name} is {value!r:.80}; expected a file that was uploaded.")
        if isinstance(component, gr.ImageEditor):
            check_sketch(name, value)
    elif isinstance(component, gr.File | gr.UploadButton):
        check_files(name, value)


def check_parts(name: str, value: Any) -> None:
    """What holds for values of all components, and for all that lies in them."""
    for count, part in enumerate(parts_of(name, value)):
        if count > MOST_PARTS:
            raise RequestError(f"{name} has more than {MOST_PARTS} parts; send fewer.")
        if isinstance(part, str):
            check_text(name, part)
        elif isinstance(part, int | float) and not (isinstance(part, bool) or is_number(part)):
            raise RequestError(f"{name} is {part:g}; expected an ordinary number.")
        elif isinstance(part, dict) and part.keys() & {"path", "url", "meta"}:
            uploaded_path(name, part)


def parts_of(name: str, value: Any, depth: int = 0) -> Iterator[Any]:
    """The value and all that lies in it."""
    if depth > MOST_DEPTH:
        raise RequestError(f"{name} is nested more than {MOST_DEPTH} deep; send it flat.")
    yield value
    inner = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | list):
        for part in inner:
            yield from parts_of(name, part, depth + 1)


def check_text(name: str, text: str) -> None:
    if text[:5].lower() == "data:":
        raise RequestError(
            f"{name} came as a data URL; upload the file, as handle_file of gradio_client does, "
            "and send its path."
        )
    if len(text) > MOST_LETTERS:
        raise RequestError(f"{name} has {len(text)} letters; at most {MOST_LETTERS} are read.")


def is_number(value: Any) -> bool:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and math.isfinite(value) and abs(value) <= LARGEST_NUMBER


def check_number(name: str, value: Any, least: float | None, most: float | None) -> None:
    if not is_number(value):
        raise RequestError(f"{name} is {value!r:.80}; expected a number.")
    low, high = -math.inf if least is None else least, math.inf if most is None else most
    if not low <= value <= high:
        expected = f"from {low:g} to {high:g}" if high < math.inf else f"{low:g} or more"
        raise RequestError(f"{name} is {value:g}; it must be {expected}.")


def uploaded_path(name: str, file: dict) -> Path:
    """The path of a file that was uploaded here, or is an example."""
    path = file.get("path")
    if not isinstance(path, str) or not Path(path).resolve().is_relative_to(app_folder().path):
        raise RequestError(f"{name} is a file that was not uploaded here; upload it first.")
    return Path(path)


def check_files(name: str, value: Any) -> None:
    if not isinstance(value, dict | list):
        raise RequestError(f"{name} is {value!r:.80}; expected files that were uploaded.")
    if isinstance(value, list) and len(value) > MOST_FILES:
        raise RequestError(f"{name} has {len(value)} files; at most {MOST_FILES} are taken.")
    for file in value if isinstance(value, list) else [value]:
        if not isinstance(file, dict):
            raise RequestError(f"{name} holds {file!r:.80}; expected a file that was uploaded.")
        uploaded_path(name, file)


def check_sketch(name: str, value: dict) -> None:
    """A drawing: few layers, of few pixels each; only their headers are read."""
    if value.get("id") is not None:
        raise RequestError(f"{name} names a drawing by an id; send its files.")
    layers = value.get("layers") or []
    if not isinstance(layers, list) or len(layers) > MOST_LAYERS:
        raise RequestError(f"{name} has too many layers; at most {MOST_LAYERS} are read.")
    for file in (value.get("background"), value.get("composite"), *layers):
        if file is not None:
            check_pixels(name, file)


def check_pixels(name: str, file: Any) -> None:
    if not isinstance(file, dict):
        raise RequestError(f"{name} is {file!r:.80}; expected a file that was uploaded.")
    path = uploaded_path(name, file)
    try:
        with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as image:
            width, height = image.size
    except Exception as error:  # Pillow raises errors of many kinds on damaged files
        raise RequestError(f"{name} holds a picture that cannot be read; draw again.") from error
    if width * height > SKETCH_PIXELS:
        raise RequestError(
            f"{name} is {width} x {height} pixels; at most {SKETCH_PIXELS / 1e6:g} megapixels are "
            "read."
        )
