"""The picture without the words that came with it, for files whose words cannot be read."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import BinaryIO

PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"acTL", b"fcTL", b"fdAT", b"IDAT", b"IEND")
GAMMA = b"\0\0\0\4gAMA"  # how a whole gAMA chunk begins
JPEG_SIGNATURE = b"\xff\xd8\xff"
SCAN, ADOBE = 0xDA, 0xEE  # the markers where pixels begin, and of how colours are stored
WORDS = (*range(0xE0, 0xF0), 0xFE)


def without_words(source: BinaryIO) -> io.BytesIO | None:
    """The PNG or JPEG with nothing but what says which its pixels are.

    None for other files, and where there was nothing to leave out.
    """
    source.seek(0)
    data = source.read()
    if data.startswith(PNG_SIGNATURE):
        bare = b"".join(png_pixels(data))
    elif data.startswith(JPEG_SIGNATURE):
        bare = b"".join(jpeg_pixels(data))
    else:
        return None
    return io.BytesIO(bare) if len(bare) < len(data) else None


def png_pixels(data: bytes) -> Iterator[bytes]:
    yield PNG_SIGNATURE
    place = len(PNG_SIGNATURE)
    while place < len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if data[place + 4 : place + 8] in PIXEL_CHUNKS or data.startswith(GAMMA, place):
            yield data[place:end]
        place = end


def jpeg_pixels(data: bytes) -> Iterator[bytes]:
    yield data[:2]
    place = 2
    while place + 4 <= len(data) and data[place] == 0xFF and data[place + 1] != SCAN:
        end = place + 2 + int.from_bytes(data[place + 2 : place + 4], "big")
        is_adobe = data[place + 1] == ADOBE and data.startswith(b"\0\x0eAdobe", place + 2)
        if data[place + 1] not in WORDS or is_adobe:
            yield data[place:end]
        place = end
    yield data[place:]
