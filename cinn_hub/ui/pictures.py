"""Pictures for the page, as files that the browser asks for."""

from __future__ import annotations

import hashlib
import io

from PIL.Image import Image

from cinn_hub.files import whole_file
from cinn_hub.ui.folder import PREVIEWS, app_folder


def picture_file(image: Image) -> str:
    """The path of the picture as PNG, the same path for the same picture.

    Gradio would write it as well, but packs so tightly that this takes longer than colouring does.
    """
    packed = io.BytesIO()
    image.save(packed, "PNG", compress_level=1)
    name = hashlib.sha256(packed.getbuffer()).hexdigest()[:40]
    path = app_folder().path / PREVIEWS / f"{name}.png"
    with whole_file(path) as unfinished:
        unfinished.write_bytes(packed.getbuffer())
    return str(path)
