"""The one way to write a file: whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """The path of a hidden file to write to; it takes the place of `path` once it is complete.

    If the block raises, nothing is left behind, and what was at `path` stays.
    """
    path = Path(path)
    unfinished = path.with_name(f".{secrets.token_hex(4)}.unfinished{path.suffix}")
    try:
        yield unfinished
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)
