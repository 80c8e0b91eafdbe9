"""Pictures on the page: small files that browsers fetch once, and the components that show them.

(Components are made by a function: Gradio writes a type stub beside the source of every subclass.)
"""

from __future__ import annotations

import base64
import hashlib
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from PIL.Image import Image

from cinn_hub.colorization import Colorization
from cinn_hub.files import whole_file
from cinn_hub.photos import render, shrunk
from cinn_hub.ui.files import PREVIEWS, app_folder

PAGE = Path(__file__).with_name("page")
THUMBNAIL_SIZE = 480  # pixels on the longer side
TINY_SIZE = 160
LARGE_SIZE = 1280
QUALITY = 90


def as_webp(image: Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "WEBP", quality=QUALITY, method=1)
    return data.getvalue()


def shown(image: Image) -> dict[str, Any]:
    """A picture as components take it, in a file that Gradio serves and that is swept in time.

    Nobody can guess its address, which is a digest of the picture.
    """
    data = as_webp(image)
    path = app_folder().path / PREVIEWS / f"{hashlib.sha256(data).hexdigest()[:40]}.webp"
    with whole_file(path) as unfinished:
        unfinished.write_bytes(data)
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def if_there(picture: dict[str, Any] | None) -> dict[str, Any] | None:
    """The picture, or None where there is none, or it has been swept."""
    return picture if picture and Path(picture["path"]).exists() else None


def inline(image: Image) -> dict[str, Any]:
    """A picture as components take it, in the page itself: it is never deleted."""
    data = base64.b64encode(as_webp(image)).decode()
    return {"url": f"data:image/webp;base64,{data}"}


def previews(results: Sequence[Colorization], size: int = THUMBNAIL_SIZE) -> list[dict[str, Any]]:
    """Pictures of answers to one photo."""
    small = shrunk(results[0].photo, size)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda result: shown(result.on(small).preview(size)), results))


def large(
    result: Colorization, grey: dict[str, Any] | None = None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The photo in grey, if it is not there yet, and in colour."""
    grey = grey or shown(render(shrunk(result.photo, LARGE_SIZE)))
    return grey, shown(result.preview(LARGE_SIZE))


def component(name: str, elem_id: str, label: str, value: dict[str, Any] | None = None) -> gr.HTML:
    """One of our own: "figures" or "picture", markup and a script in the folder `page`.

    The script fills the markup from the value, which comes from `rows` for figures (rows of
    pictures to pick, to star and to remove), and from `table.large_picture` for the picture.
    """
    return gr.HTML(
        value,
        html_template=(PAGE / f"{name}.html").read_text("utf-8").replace("LABEL", label),
        js_on_load=(PAGE / f"{name}.js").read_text("utf-8"),
        apply_default_css=False,
        label=label,
        elem_id=elem_id,
    )


figures, picture = (partial(component, name) for name in ("figures", "picture"))


def rows(
    *lines: tuple[str, Sequence[dict[str, Any]]], layout: str = "", side: int = 4, text: str = ""
) -> dict[str, Any]:
    """The value of `figures`: titles with their items.

    Arguments:
        layout: "grid", "map", "strip" or "small": how the style sheet lays the items out.
        side: how many are beside each other.
        text: a sentence above them.
    """
    parts = [{"title": title, "items": list(items)} for title, items in lines]
    return {"layout": layout, "side": side, "text": text, "rows": parts}


def strip(items: Sequence[dict[str, Any]], text: str = "", none: str = "") -> dict[str, Any]:
    """The value of `figures` with one row of tiles and a text above; or with the text for none."""
    return rows(("", items), layout="strip", text=text) if items else rows(text=none)


def item(key: str, image: dict[str, Any] | None, name: str, **more: Any) -> dict[str, Any]:
    """One picture of `rows`; more: words, caption, picked, star, near, mark, removable."""
    return {"key": key, "image": image, "name": name, **more}
