"""Pictures for the page: small files that browsers fetch once, and dicts that name them."""

from __future__ import annotations

import base64
import hashlib
import io
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from PIL.Image import Image

from cinn_hub.colorization import Colorization
from cinn_hub.files import whole_file
from cinn_hub.photos import render_grey_preview, shrunk
from cinn_hub.ui.files import PREVIEWS, app_folder

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


def is_there(picture: dict[str, Any] | None) -> bool:
    """Whether it has not been swept."""
    return picture is not None and Path(picture["path"]).exists()


def inline(image: Image) -> dict[str, Any]:
    """A picture as components take it, in the page itself: it is never deleted."""
    data = base64.b64encode(as_webp(image)).decode()
    return {"url": f"data:image/webp;base64,{data}"}


def previews(results: Sequence[Colorization], size: int = THUMBNAIL_SIZE) -> list[dict[str, Any]]:
    """Pictures of answers to one photo."""
    small = shrunk(results[0].photo, size)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(lambda result: shown(result.on(small).preview(size)), results))


def large(result: Colorization) -> tuple[dict[str, Any], dict[str, Any]]:
    """The photo in grey, and in colour."""
    grey = render_grey_preview(result.photo, LARGE_SIZE)
    return shown(grey), shown(result.preview(LARGE_SIZE))
