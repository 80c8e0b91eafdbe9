"""Folders of photos, and what the command line has made of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from helpers import color_picture
from PIL import Image

from cinn_hub import photos
from cinn_hub.batch.album import Album, Job
from cinn_hub.batch.manifest import NAME, Manifest, Result
from cinn_hub.batch.running import SomeFailed, Work, Worker, run_all
from cinn_hub.batch.storage import Storage

ENDINGS = ["color1.png", "color2.png"]


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


def paint(
    *places: str | Path, out: str = "out", seed: int = 1, work: Work | None = None, **options: bool
) -> set[str]:
    """Does what `cinn-hub colorize -n 2` does, but for the colours; gives what is written.

    Each picture is its photo, darker by the seed and the number of the picture. With
    `manifest=False` nothing is noted, as of photos that are named.
    """
    written = set()

    def painted(job: Job, photo: photos.Photo) -> Iterator[Result]:
        for number, ending in enumerate(ENDINGS):
            path = job.target(ending)
            picture = photo.lightness * (1 - seed / 10) - number
            photos.save(Image.fromarray(picture.clip(0, 255).astype(np.uint8)), path)
            written.add(path.relative_to(out).as_posix())
            yield Result(path, "painted", {"seed": str(seed)}, 1.0, 1.0, float(number))

    names = ("recolor", "pages")
    worker = Worker(work or painted, Storage(out), **{k: options[k] for k in names if k in options})
    with ExitStack() as stack:
        manifest = None
        if options.get("manifest", True):
            Path(out).mkdir(exist_ok=True)
            manifest = stack.enter_context(closing(Manifest(Storage(out), "color.png")))
            manifest.begin("0", {"seed": seed, "pages": options.get("pages", False)})
        album = Album.of([Path(place) for place in places], Path(out))
        overwrite = options.get("overwrite", False)
        with suppress(SomeFailed):  # what is said of them is for tests to look at
            run_all(album, ENDINGS, worker, manifest=manifest, overwrite=overwrite)
    return written
