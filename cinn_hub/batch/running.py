"""Does the work on an album: here or in several processes, with a manifest of what was done."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from cinn_hub.batch.album import Album, Job
from cinn_hub.batch.manifest import (
    DONE,
    FAILED,
    SKIPPED,
    Entry,
    FileState,
    Manifest,
    Outcome,
    Result,
)
from cinn_hub.batch.processes import best_workers, in_processes, use_one_core
from cinn_hub.batch.storage import HERE, Storage
from cinn_hub.errors import CinnHubError
from cinn_hub.files import disk_is_full

if TYPE_CHECKING:
    from cinn_hub.photos import Photo

Work = Callable[[Job, "Photo"], Iterable[Result]]
"""What is made of a photo: writes the files and gives them."""

DIED = (
    "This photo could not be coloured: each process that worked on it died, perhaps because the "
    "memory was full; run it again with fewer --workers."
)


class SomeFailed(Exception):
    """Some of many photos could not be coloured; each has been listed already."""


@dataclass(frozen=True)
class Worker:
    """Works on one photo after another; one that fails does not end the others.

    Attributes:
        work: makes the files of a photo.
        storage: where these are kept.
        recolor: whether photos in folders are done that have colours of their own.
        pages: whether all pages and frames of a file are done, not the first alone.
        lines: what is to be printed, and whether to stderr, is added here; None: it is printed.
    """

    work: Work
    storage: Storage = HERE
    recolor: bool = False
    pages: bool = False
    lines: list[tuple[str, bool]] | None = None

    def do(self, job: Job) -> Outcome:
        """Does the work on one photo, or on all its pages; what comes of it is said at once.

        Raises:
            CinnHubError: the disk is full.
        """
        from cinn_hub.photos import read

        began = time.perf_counter()
        outcome = Outcome(FAILED)
        try:
            file = FileState.of(job.photo) if job.photo.is_file() else None
            photo = read(job.photo)
            outcome = replace(outcome, file=file, size=photo.size)
            pages = list(self.do_pages(job, photo))
            results = tuple(result for page in pages for result in page)
            outcome = replace(outcome, results=results, state=DONE if pages else SKIPPED)
        except Exception as error:
            outcome = replace(outcome, error=problem_of(error))
        return replace(outcome, seconds=time.perf_counter() - began)

    def do_elsewhere(self, job: Job) -> Outcome:
        """The same in another process: what there is to say is in the outcome."""
        worker = replace(self, lines=[])
        return replace(worker.do(job), lines=tuple(worker.lines or ()))

    def say(self, line: str, is_error: bool = False) -> None:
        if self.lines is None:
            print_line(line, is_error)
        else:
            self.lines.append((line, is_error))

    def do_pages(self, job: Job, photo: Photo) -> Iterator[list[Result]]:
        """The results of each page that is not skipped."""
        from cinn_hub.photos import is_colored, read

        if photo.pages > 1 and not self.pages:
            text = "pages or frames; only the first is coloured (--pages colours all)"
            self.say(f"{job.source}  has {photo.pages} {text}", is_error=True)
        for page in range(photo.pages if self.pages else 1):
            photo = read(job.photo, page=page) if page else photo
            if job.found and not self.recolor and is_colored(photo):
                text = "is skipped: it has colours (--recolor colours it all the same)"
                self.say(f"{job.source}  {text}", is_error=True)
            else:
                yield list(self.do_page(job.of_page(page), photo))

    def do_page(self, job: Job, photo: Photo) -> Iterator[Result]:
        with self.storage.desk(job.folder) as desk:
            for result in self.work(replace(job, folder=desk), photo):
                kept = self.storage.keep(result.file, job.folder)
                if result.about:
                    self.say(f"{self.storage.name(kept)}  {result.about}")
                yield replace(result, file=kept)


def print_line(line: str, is_error: bool = False) -> None:
    """Prints above the bar that shows how far the run is."""
    tqdm.write(line, file=sys.stderr if is_error else sys.stdout)


def problem_of(error: Exception) -> str:
    """Why one photo of several failed, in a sentence, so that the others can be done.

    Raises:
        CinnHubError: the disk is full, so that what follows would fail, too.
        BrokenPipeError: nobody reads what is printed.
    """
    if isinstance(error, BrokenPipeError):
        raise error
    if disk_is_full(error):
        raise CinnHubError(
            "The disk is full, so this photo and what follows were not coloured; free some space "
            "and run it again."
        ) from error
    if isinstance(error, CinnHubError):
        return str(error)
    text = " ".join(str(error).split())
    return f"This photo could not be coloured ({type(error).__name__}: {text})."


@dataclass(frozen=True)
class Engine:
    """Where the work is done: in this process, in others of this machine, or in a cluster.

    Attributes:
        start: gives the work on one photo in another process; None: this process does it.
        workers: how many processes do it; None: as many as are fastest here.
        cluster: does it instead, as `in_processes` would.
    """

    start: Callable[[], Callable[[Job], Outcome]] | None = None
    workers: int | None = 1
    cluster: Callable[..., Iterator[tuple[Job, Outcome | None]]] | None = None

    def do(self, jobs: Sequence[Job], worker: Worker) -> Iterator[tuple[Job, Outcome | None]]:
        """Does the jobs, in any order. What comes of one is None if its processes died."""
        workers = best_workers(len(jobs)) if self.workers is None else self.workers
        if self.start and self.cluster:
            return self.cluster(jobs, self.start)
        if self.start and workers > 1:
            return in_processes(jobs, self.start, workers)
        if len(jobs) > 1:
            use_one_core()
        return ((job, worker.do(job)) for job in jobs)


def run_all(
    album: Album,
    endings: Sequence[str],
    worker: Worker,
    engine: Engine = Engine(),
    manifest: Manifest | None = None,
    overwrite: bool = False,
) -> None:
    """Does the work on every photo; those found in folders are left out where that is done.

    Nothing that is there is replaced but results of the same photo, and what `overwrite` allows; a
    photo never is.

    Arguments:
        endings: of the names of the files that the work makes for each photo.
        manifest: where what is done is noted; then photos are done again that have changed, and
            the results of those that were moved or renamed get their new names.
        overwrite: whether what is there is made again.

    Raises:
        CinnHubError: the only photo failed, or the disk is full.
        SomeFailed: some of several failed; each was listed, and the others were done.
    """
    jobs = album.named_apart(manifest.is_taken if manifest else lambda job: False)
    to_do = jobs if overwrite else to_be_done(jobs, endings, worker, manifest)
    if done := len(jobs) - len(to_do):
        text = f"{done} of {len(jobs)} photos are done already; --overwrite does them again."
        print(text, file=sys.stderr)
    refused = dict(refusals(album, to_do, endings, worker, manifest, overwrite))
    to_do = [job for job in to_do if job not in refused]
    if manifest:
        manifest.expect(to_do)
    found = engine.do(to_do, worker) if to_do else ()  # a cluster is not even needed
    errors = []
    hidden = None if len(jobs) > 1 else True  # None: where there is no terminal
    total, outcomes = len(refused) + len(to_do), chain(refused.items(), found)
    for job, outcome in tqdm(outcomes, total=total, unit="photo", disable=hidden):
        outcome = outcome or Outcome(FAILED, error=DIED)
        for line in outcome.lines:
            print_line(*line)
        if manifest and job not in refused:
            manifest.note(job, outcome)
        if outcome.error:
            errors.append(outcome.error)
            if len(jobs) > 1:
                print_line(f"cinn-hub: {job.source}: {outcome.error}", is_error=True)
    for line in album.found.lines():
        print_line(f"cinn-hub: {line}.", is_error=True)
    if errors and len(jobs) == 1:
        raise CinnHubError(errors[0])
    if errors or album.found.lost:
        raise SomeFailed


def refusals(
    album: Album,
    jobs: Sequence[Job],
    endings: Sequence[str],
    worker: Worker,
    manifest: Manifest | None,
    overwrite: bool,
) -> Iterator[tuple[Job, Outcome]]:
    """The jobs that would replace what may not be replaced, and why they are not done."""
    for job in jobs:
        for path in job.targets(endings, worker.pages):
            name = worker.storage.name(path)
            if album.holds(path):
                error = f"{name} is a photo, and is not replaced; give another --out."
            elif not overwrite and exists(worker.storage, path) and not is_own(job, manifest):
                error = f"{name} exists already; --overwrite replaces it, or give another --out."
            else:
                continue
            yield job, Outcome(FAILED, error=error)
            break


def is_own(job: Job, manifest: Manifest | None) -> bool:
    """Whether what is there was made of the photo, which was found in a folder, in a run before."""
    return bool(job.found and manifest and manifest.is_own(manifest.entry(job.results), job))


def exists(storage: Storage, path: Path) -> bool:
    try:
        return storage.exists(path)
    except OSError:  # the name is too long, and writing will say so
        return False


def to_be_done(
    jobs: Sequence[Job], endings: Sequence[str], worker: Worker, manifest: Manifest | None
) -> list[Job]:
    """The jobs that are not done. Results of photos that were moved or renamed are renamed."""
    exists, pages = worker.storage.exists, worker.pages
    if manifest is None:
        return [job for job in jobs if pages or not job.is_done(endings, exists)]
    stems = {manifest.relative(job.results) for job in jobs}
    unknown = 0

    def is_done(job: Job) -> bool:
        nonlocal unknown
        entry = manifest.entry(job.results) if job.found else None
        if entry and not worker.recolor and entry.is_of(job.photo, SKIPPED):
            return True
        if entry and entry.is_of(job.photo, DONE):
            return job.is_done(endings, exists) and (not pages or manifest.has_all_pages(entry))
        if entry is None and not pages and job.is_done(endings, exists):
            unknown += 1
            return True
        return job.found and any(is_moved(twin, job) for twin in manifest.twins(job.photo))

    def is_moved(twin: Entry, job: Job) -> bool:
        moved = twin.stem not in stems and manifest.move(twin, job)
        return moved and is_done(job)

    left = [job for job in jobs if not is_done(job)]
    if unknown:
        text = f"{unknown} photos have results that no manifest knows, and that are kept"
        print(f"{text}; --overwrite makes them again.", file=sys.stderr)
    return left
