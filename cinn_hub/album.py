"""An album: photos and folders of them, what is made of each, one after the other."""

from __future__ import annotations

import re
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from cinn_hub.errors import CinnHubError, PhotoError

if TYPE_CHECKING:
    from cinn_hub.photos import Photo

PHOTO_SUFFIXES = (".jpg", ".jpeg", ".jfif", ".png", ".tif", ".tiff", ".webp", ".bmp", ".gif")
PHOTO_SUFFIXES += (".avif", ".jp2", ".heic", ".heif")
ENDING = r"color\d+|\d+_to_\d+(?:_\d+)?"  # what `colorize` and `interpolate` add to a name


class SomeFailed(Exception):
    """Some photos of many could not be coloured; each has been named already."""


@dataclass(frozen=True)
class Job:
    """A photo, and the folder and stem of what is made of it.

    found: whether it was found in a folder, not named: then what is there already is kept.
    """

    photo: Path
    folder: Path
    stem: str
    found: bool

    def target(self, ending: str) -> Path:
        return self.folder / f"{self.stem}_{ending}"


def find_jobs(photos: Sequence[Path], out: Path, ending: str = ENDING) -> list[Job]:
    """The photos, and those in the folders (recursively, in folders like theirs under `out`).

    ending: pattern of what the command adds to names; results in the folders do not count.

    Raises:
        PhotoError: a path is missing, the folders have no photos, or two results would have one
            name.
    """
    found: list[tuple[Path, Path, bool]] = []
    for path in photos:
        if path.is_dir():
            inside = without_results(photos_in(path, out), ending)
            found += [(p, out / p.parent.relative_to(path), True) for p in inside]
        elif path.is_file():
            found.append((path, out, False))
        else:
            raise PhotoError(f"The photo {path} does not exist; check the path.")
    if not found:
        raise PhotoError(f"No photos were found in {', '.join(map(str, photos))}.")
    stems = Counter((folder, photo.stem) for photo, folder, _ in found)
    jobs = [
        Job(photo, folder, photo.stem if stems[folder, photo.stem] == 1 else photo.name, is_found)
        for photo, folder, is_found in found
    ]
    same = Counter((job.folder, job.stem) for job in jobs)
    if twice := next((job for job in jobs if same[job.folder, job.stem] > 1), None):
        raise PhotoError(
            f"Two photos are called {twice.photo.name}, so their results would have one name; "
            "colour them one at a time, or into two folders."
        )
    return jobs


def photos_in(folder: Path, out: Path) -> list[Path]:
    """All photos in the folder and its subfolders, but for `out` where that is one of these."""
    skipped = out.resolve() if folder.resolve() in out.resolve().parents else None
    return sorted(
        path
        for path in folder.rglob("*")
        if path.suffix.lower() in PHOTO_SUFFIXES
        and path.is_file()
        and (skipped is None or skipped not in path.resolve().parents)
    )


def without_results(photos: Sequence[Path], ending: str) -> list[Path]:
    """The photos, but for those that were made of others of them in the same folder."""
    names = {(photo.parent, photo.name.lower()) for photo in photos}
    result = re.compile(f"(.+)_(?:{ending})")

    def is_result(photo: Path) -> bool:
        made_of = result.fullmatch(photo.stem)
        if made_of is None:
            return False
        suffixes = ("", *PHOTO_SUFFIXES)  # of two photos of one stem, results name the suffix
        return any((photo.parent, (made_of[1] + end).lower()) in names for end in suffixes)

    return [photo for photo in photos if not is_result(photo)]


def run_all(
    jobs: Sequence[Job],
    endings: Sequence[str],
    work: Callable[[Job, Photo], Iterable[str]],
    overwrite: bool = False,
    recolor: bool = False,
) -> None:
    """Does the work on every photo; those found in folders are left out where that is done.

    Arguments:
        endings: of the files that the work makes of each photo.
        work: makes them; what it yields is printed, a line each.
        overwrite: whether photos in folders are done again whose results are there.
        recolor: whether photos in folders are done that have colours of their own.

    Raises:
        CinnHubError: the only photo failed.
        SomeFailed: some of several failed; each was named in a line, and the others were done.
    """
    from tqdm import tqdm

    from cinn_hub.photos import is_colored, read

    failed = 0
    to_do = [
        job
        for job in jobs
        if overwrite or not job.found or not all(job.target(ending).exists() for ending in endings)
    ]
    if done := len(jobs) - len(to_do):
        print(
            f"{done} of {len(jobs)} photos are done already; --overwrite makes them anew.",
            file=sys.stderr,
        )
    bar = tqdm(to_do, unit="photo", disable=None if len(jobs) > 1 else True)
    for job in bar:
        try:
            photo = read(job.photo)
            if job.found and not recolor and is_colored(photo):
                bar.write(f"{job.photo}  has colours; --recolor gives it others", file=sys.stderr)
                continue
            make_folder(job.folder)
            for line in work(job, photo):
                bar.write(line, file=sys.stdout)
        except CinnHubError as error:
            if len(jobs) == 1:
                raise
            failed += 1
            bar.write(f"cinn-hub: {job.photo}: {error}", file=sys.stderr)
    if failed:
        raise SomeFailed


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CinnHubError(f"The folder {folder} cannot be made: {error.strerror}.") from error
