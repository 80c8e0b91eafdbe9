"""Files of photos, made on the spot."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping

import numpy as np
import tifffile
from helpers import color_picture
from PIL import Image, PngImagePlugin, TiffImagePlugin


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def tiff(values: np.ndarray, photometric: str = "minisblack", **options: object) -> bytes:
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, values, photometric=photometric, metadata=None, **options)
    return buffer.getvalue()


def packed(
    grey: np.ndarray, bits: int, white_is_zero: bool = False, tags: Mapping[int, object] = {}
) -> bytes:
    """An uncompressed TIFF of greys (H, W), samples of so many bits one behind the other."""
    height, width = grey.shape
    values = np.round(grey / 255 * (2**bits - 1)).astype(np.uint32)
    values = 2**bits - 1 - values if white_is_zero else values
    places = np.arange(bits - 1, -1, -1)
    data = np.packbits((values[..., None] >> places & 1).astype(np.uint8).reshape(height, -1), 1)
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    directory.update({256: width, 257: height, 258: (bits,), 259: 1, 262: int(not white_is_zero)})
    directory.update({277: 1, 278: height, 273: (0,), 279: (data.size,)})
    directory.update(tags)
    return b"II*\0\x08\0\0\0" + directory.tobytes(8) + data.tobytes()


def with_chunk(png: bytes, name: bytes, data: bytes, check: bytes | None = None) -> bytes:
    """The PNG with one more chunk, perhaps with a wrong checksum."""
    buffer = io.BytesIO()
    PngImagePlugin.putchunk(buffer, name, data)
    chunk = buffer.getvalue()
    return png[:33] + (chunk if check is None else chunk[:-4] + check) + png[33:]


def with_segment(jpeg: bytes, marker: int, data: bytes) -> bytes:
    return jpeg[:2] + bytes([255, marker]) + struct.pack(">H", len(data) + 2) + data + jpeg[2:]


JPEG = encoded(color_picture(60, 40).convert("L"), "JPEG")
