"""An album: photos and folders of photos, and the files that are to be made of each."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from glob import escape, glob
from pathlib import Path

from cinn_hub.batch.archives import is_zip, unpack
from cinn_hub.batch.findings import Findings, files_in
from cinn_hub.errors import PhotoError
from cinn_hub.files import brief_folder
from cinn_hub.formats import FILMS, PHOTOS, STILLS, format_of, suffixes_of

ENDING = r"color\d+|\d+_to_\d+(?:_\d+)?"  # what `colorize` and `interpolate` add to a name
RESULT = r"(.+?)(-\d+)?(?:_page\d+)?_(?:{})"  # and what may stand before it


@dataclass(frozen=True)
class Job:
    """A photo, and the folder and stem of what is made of it.

    source: what people call the photo: its path; of an unpacked one, that in its archive.
    found: whether it was found in a folder, not named: then what is there already is kept.
    file: the one file to write, where it was named.
    """

    photo: Path
    source: Path
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

    def targets(self, endings: Sequence[str], pages: bool) -> Iterator[Path]:
        """The files that may be written; of further pages, those that are there."""
        for ending in endings:
            yield self.target(ending)
            if pages and not self.file:
                yield from map(Path, glob(f"{escape(str(self.results))}_page*_{escape(ending)}"))

    def of_page(self, page: int) -> Job:
        """The job for a page of the photo's file, counted from 0; the first keeps the stem."""
        return replace(self, stem=f"{self.stem}_page{page + 1}") if page else self

    def is_done(self, endings: Sequence[str], exists: Callable[[Path], bool]) -> bool:
        """Whether all of its results are there."""
        try:
            return self.found and all(exists(self.target(ending)) for ending in endings)
        except OSError:  # the name is too long, and writing will say so
            return False


@dataclass
class Album:
    """Photos that are to be coloured.

    Attributes:
        jobs: a job for each.
        found: what else the folders and archives hold.
        kept: further files that no result may replace, such as the photo whose colours are taken.
    """

    jobs: list[Job]
    found: Findings = field(default_factory=Findings)
    kept: Sequence[Path] = ()

    @classmethod
    def of(cls, photos: Sequence[Path], out: Path, ending: str = ENDING) -> Album:
        """The photos, and those in the folders (recursively, in folders like theirs under `out`).

        Arguments:
            photos: files, folders, ZIP archives, or patterns such as *.jpg where the shell has not
                expanded them.
            out: a folder; or, for one photo, a file to write, by its suffix.
            ending: pattern of what the command adds to names; results in the folders do not count.

        Raises:
            PhotoError: none of the photos is there, or `out` is one file for several.
        """
        jobs: list[Job] = []
        all_found = Findings()
        for path in expanded(photos):
            if os.path.isdir(path):  # pathlib raises where a name is too long
                found, base = found_in(path, out, ending), path
            elif is_zip(path) and path.is_file():
                base = brief_folder()
                found = unpack(path, base)
            else:
                jobs.append(Job(path, path, out, path.stem, False))
                continue
            for photo in found.photos:
                place = photo.relative_to(base)
                jobs.append(Job(photo, path / place, out / place.parent, photo.stem, True))
            all_found.add(found)
        album = cls(jobs, all_found)
        album.check(photos, out)
        if is_file_name(out):
            album.jobs = [replace(jobs[0], folder=out.parent, stem=out.stem, file=out)]
        return album

    def check(self, photos: Sequence[Path], out: Path) -> None:
        if not self.jobs:
            lines = "; ".join(self.found.lines()) or "none is there"
            raise PhotoError(f"No photos were found in {', '.join(map(str, photos))}: {lines}.")
        if not any(os.path.exists(job.photo) for job in self.jobs):  # else each is named in turn
            photo = self.jobs[0].photo
            link = os.path.islink(photo)
            text = "is a link to a file that is gone" if link else "does not exist; check the path"
            raise PhotoError(f"The photo {photo} {text}.")
        if is_file_name(out) and (len(self.jobs) > 1 or self.jobs[0].found):
            raise PhotoError(f"{out} is one file; give one photo for it, or a folder to write to.")

    @cached_property
    def identities(self) -> set[tuple[int, int]]:
        """The photos and all else that no result may replace, as the file system knows them."""
        files = [*(job.photo for job in self.jobs), *self.kept]
        return {identity for path in files if (identity := identity_of(path))}

    def holds(self, path: Path) -> bool:
        """Whether a path, however it is spelled or linked, leads to one of the photos."""
        return identity_of(path) in self.identities

    def named_apart(self, is_taken: Callable[[Job], bool]) -> list[Job]:
        """The jobs with stems that differ from each other and from those that are taken.

        Of photos in one folder that differ in their suffixes, results keep these; else they get a
        number.
        """
        names = defaultdict(set)
        for job in self.jobs:
            names[job.results].add(job.source.name)
        jobs, used, numbers = [], set(), defaultdict(lambda: 1)
        for job in self.jobs:
            stem = job.source.name if len(names[job.results]) > 1 else job.stem
            named = replace(job, stem=stem) if not job.file else job
            base = named.results
            while not job.file and (str(named.results).lower() in used or is_taken(named)):
                numbers[base] += 1
                named = replace(named, stem=f"{stem}-{numbers[base]}")
            used.add(str(named.results).lower())  # some systems do not tell "A" from "a"
            jobs.append(named)
        return jobs


def identity_of(path: Path) -> tuple[int, int] | None:
    """None where there is no file."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return None
    return status.st_dev, status.st_ino


def expanded(photos: Sequence[Path]) -> Iterator[Path]:
    """The paths, and those that match where there is a pattern instead of a path."""
    for path in map(Path.expanduser, photos):
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


def found_in(folder: Path, out: Path, ending: str) -> Findings:
    """What a folder holds, but for results: those of its own photos beside them, and all in `out`
    where that is a folder in it."""
    inside = folder.resolve() in out.resolve().parents
    found = files_in(folder, out if inside else None)
    names = {(photo.parent, photo.name.lower()) for photo in found.photos}
    result = re.compile(RESULT.format(ending))
    suffixes = ("", *suffixes_of(PHOTOS))  # of two photos of one stem, results name the suffix

    def is_result(photo: Path) -> bool:
        made_of = result.fullmatch(photo.stem)
        stems = (made_of[1], made_of[1] + (made_of[2] or "")) if made_of else ()
        return any(
            (photo.parent, (stem + suffix).lower()) in names
            for stem in stems
            for suffix in suffixes
        )

    results = {photo for photo in found.photos if is_result(photo)}
    if results:
        found.others["result of another photo"] = sorted(map(str, results))
        found.photos = [photo for photo in found.photos if photo not in results]
    return found
