"""Atomic writing of files: whole or not at all."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

UNFINISHED = ".{}.cinn-unfinished{}"  # hidden, and told apart from all other files
OLD = 3600  # seconds after which nobody writes to an unfinished file any more


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """The path of a hidden file to write to; it takes the place of `path` once it is complete.

    It gets the permissions of any new file, whatever writes to it. If the block raises, nothing is
    left behind, and what was at `path` stays.
    """
    path = Path(path)
    unfinished = path.with_name(UNFINISHED.format(secrets.token_hex(4), path.suffix.lower()))
    try:
        unfinished.touch(exist_ok=False)
        mode = unfinished.stat().st_mode
        yield unfinished
        unfinished.chmod(mode)
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Removes what `whole_file` left in the folder when its process was killed, an hour ago."""
    for leftover in folder.glob(UNFINISHED.format("*", "*")):
        with suppress(OSError):
            if time.time() - leftover.stat().st_mtime > OLD:
                leftover.unlink()
