"""Pictures for the page: small files that browsers fetch once, and dicts that name them."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from gradio.utils import get_upload_folder
from PIL.Image import Image

from cinn_hub.colorization import Colorization
from cinn_hub.photos import render_grey_preview

THUMBNAIL_SIZE = 480  # pixels on the longer side
TINY_SIZE = 160
LARGE_SIZE = 1280
QUALITY = 90


def as_webp(image: Image) -> bytes:
    data = io.BytesIO()
    image.save(data, "WEBP", quality=QUALITY, method=1)
    return data.getvalue()


def shown(image: Image) -> dict[str, Any]:
    """A picture as components take it, in a file that Gradio serves and deletes in time.

    Nobody can guess its address, which is a digest of the picture.
    """
    data = as_webp(image)
    folder = Path(get_upload_folder()) / hashlib.sha256(data).hexdigest()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "picture.webp"
    path.write_bytes(data)
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def inline(image: Image) -> dict[str, Any]:
    """A picture as components take it, in the page itself: it is never deleted."""
    data = base64.b64encode(as_webp(image)).decode()
    return {"url": f"data:image/webp;base64,{data}"}


def previews(results: Sequence[Colorization], size: int = THUMBNAIL_SIZE) -> list[dict[str, Any]]:
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda result: shown(result.preview(size)), results))


def large(result: Colorization) -> tuple[dict[str, Any], dict[str, Any]]:
    """The photo in grey, and in colour."""
    grey = render_grey_preview(result.photo, LARGE_SIZE)
    return shown(grey), shown(result.preview(LARGE_SIZE))
