"""Folders of photos, and what the command line has made of them."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import NamedTuple

from helpers import color_picture

from cinn_hub.batch.manifest import NAME


class Done(NamedTuple):
    """What a command has returned and printed."""

    code: int
    out: str
    err: str

    @property
    def written(self) -> set[str]:
        """The results that it has named."""
        return {line.split("  ")[0] for line in self.out.splitlines()}


def grey(*paths: str | Path, seed: int = 0) -> None:
    """Makes grey photos, each another one."""
    for i, path in enumerate(map(Path, paths)):
        path.parent.mkdir(parents=True, exist_ok=True)
        color_picture(60, 40, seed + i).convert("L").save(path)


def contents(folder: str | Path) -> dict[str, bytes]:
    """The PNG files in the folder, by their names in it."""
    files = sorted(Path(folder).rglob("*.png"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def rows(query: str, folder: str | Path = "out") -> list[tuple]:
    """What the manifest of the folder answers."""
    database = sqlite3.connect(Path(folder, NAME))
    found = database.execute(query).fetchall()
    database.close()
    return found
