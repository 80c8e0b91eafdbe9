"""An album: photos and folders of photos, and the files that are to be made of each."""

from __future__ import annotations

import os
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from glob import glob
from pathlib import Path

from cinn_hub.batch.archives import ARCHIVE_SUFFIXES, is_visible, is_zip, unpack
from cinn_hub.errors import PhotoError
from cinn_hub.files import brief_folder
from cinn_hub.formats import FILMS, PHOTOS, STILLS, format_of, suffixes_of

ENDING = r"color\d+|\d+_to_\d+(?:_\d+)?"  # what `colorize` and `interpolate` add to a name


@dataclass(frozen=True)
class Job:
    """A photo, and the folder and stem of what is made of it.

    found: whether it was found in a folder, not named: then what is there already is kept.
    file: the one file to write, where it was named.
    """

    photo: Path
    folder: Path
    stem: str
    found: bool
    file: Path | None = None

    @property
    def results(self) -> Path:
        """What the paths of its results begin with."""
        return self.folder / self.stem

    def target(self, ending: str) -> Path:
        return self.file or self.folder / f"{self.stem}_{ending}"

    def of_page(self, page: int) -> Job:
        """The job for a page of the photo's file, counted from 0; the first keeps the stem."""
        return replace(self, stem=f"{self.stem}_page{page + 1}") if page else self

    def is_done(self, endings: Sequence[str], exists: Callable[[Path], bool]) -> bool:
        """Whether all of its results are there."""
        try:
            return self.found and all(exists(self.target(ending)) for ending in endings)
        except OSError:  # the name is too long, and writing will say so
            return False


def find_jobs(photos: Sequence[Path], out: Path, ending: str = ENDING) -> list[Job]:
    """The photos, and those in the folders (recursively, in folders like theirs under `out`).

    What is left out although it may hold photos is named on stderr.

    Arguments:
        photos: files, folders, ZIP archives, or patterns such as *.jpg where the shell has not
            expanded them.
        out: a folder; or, for one photo, a file to write, by its suffix.
        ending: pattern of what the command adds to names; results in the folders do not count.

    Raises:
        PhotoError: none of the photos is there, or two results would have one name.
    """
    jobs: list[Job] = []
    for path in expanded(photos):
        if os.path.isdir(path):  # pathlib raises where a name is too long
            for line in left_out(path):
                print(f"cinn-hub: {line}", file=sys.stderr)
            inside = without_results(photos_in(path, out), ending)
            jobs += [Job(p, out / p.parent.relative_to(path), p.stem, True) for p in inside]
        elif is_zip(path) and path.is_file():
            jobs += [Job(p, out, p.stem, True) for p in unpack(path, brief_folder())]
        else:
            jobs.append(Job(path, out, path.stem, False))
    if not jobs:
        raise PhotoError(f"No photos were found in {', '.join(map(str, photos))}.")
    if not any(os.path.exists(job.photo) for job in jobs):  # else each is named in its turn
        photo = jobs[0].photo
        link = os.path.islink(photo)
        text = "is a link to a file that is gone" if link else "does not exist; check the path"
        raise PhotoError(f"The photo {photo} {text}.")
    if not is_file_name(out):
        return named_apart(jobs)
    if len(jobs) > 1 or jobs[0].found:
        raise PhotoError(f"{out} is one file; give one photo for it, or a folder to write to.")
    return [replace(jobs[0], folder=out.parent, stem=out.stem, file=out)]


def expanded(photos: Sequence[Path]) -> Iterator[Path]:
    """The paths, and those that match where there is a pattern instead of a path."""
    for path in photos:
        pattern = str(path)
        if any(sign in pattern for sign in "*?[") and not os.path.lexists(path):
            if not (matches := sorted(glob(pattern))):
                raise PhotoError(f"No files match {pattern}; check the path.")
            yield from map(Path, matches)
        else:
            yield path


def is_file_name(out: Path) -> bool:
    """Whether `--out` names a file instead of a folder."""
    return format_of(out, STILLS + FILMS) is not None and not out.is_dir()


def named_apart(jobs: Sequence[Job]) -> list[Job]:
    """The jobs with stems that differ, so that their results have different names."""
    stems = Counter(job.results for job in jobs)
    jobs = [job if stems[job.results] == 1 else replace(job, stem=job.photo.name) for job in jobs]
    [(name, most), *_] = Counter(job.results for job in jobs).most_common(1)
    if most > 1:
        raise PhotoError(
            f"Two photos are called {name.name}, so their results would have the same name; "
            "colour each with its own -o folder."
        )
    return jobs


def photos_in(folder: Path, out: Path) -> list[Path]:
    """All photos in the folder and its subfolders, but for `out` where that is one of these."""
    skipped = out.resolve() if folder.resolve() in out.resolve().parents else None
    return sorted(
        path
        for path in visible(folder)
        if format_of(path, PHOTOS)
        and path.is_file()
        and (skipped is None or skipped not in path.resolve().parents)
    )


def visible(folder: Path) -> Iterator[Path]:
    """All in the folder, but for hidden files and what systems keep for themselves."""
    return (path for path in folder.rglob("*") if is_visible(path.relative_to(folder)))


def left_out(folder: Path) -> Iterator[str]:
    """What may hold photos and is not read, a sentence each."""
    for path in sorted(visible(folder)):
        if path.suffix.lower() in ARCHIVE_SUFFIXES:
            yield f"{path} is an archive; unpack it to colour its photos."
        elif path.is_symlink() and not path.exists():
            yield f"{path} is a link to a file that is gone."


def without_results(photos: Sequence[Path], ending: str) -> list[Path]:
    """The photos, but for those that were made of others of them in the same folder."""
    names = {(photo.parent, photo.name.lower()) for photo in photos}
    result = re.compile(rf"(.+?)(?:_page\d+)?_(?:{ending})")
    suffixes = ("", *suffixes_of(PHOTOS))  # of two photos of one stem, results name the suffix

    def is_result(photo: Path) -> bool:
        made_of = result.fullmatch(photo.stem)
        return made_of is not None and any(
            (photo.parent, (made_of[1] + suffix).lower()) in names for suffix in suffixes
        )

    return [photo for photo in photos if not is_result(photo)]
