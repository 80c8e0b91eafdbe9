"""Does the work on an album: here or in several processes, with a manifest of what was done."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cinn_hub.batch.album import Job, one_after_another
from cinn_hub.batch.manifest import DONE, FAILED, SKIPPED, Content, Manifest, Outcome, Result
from cinn_hub.batch.processes import best_workers, in_processes, use_one_core
from cinn_hub.batch.storage import HERE, Storage
from cinn_hub.errors import CinnHubError
from cinn_hub.files import sweep

if TYPE_CHECKING:
    from cinn_hub.batch.cluster import Cluster
    from cinn_hub.photos import Photo

Work = Callable[[Job, "Photo"], Iterable[Result]]
"""What is made of a photo: writes the files and gives them."""
Say = Callable[..., None]
"""Prints a line to `file`."""

DIED = (
    "This photo could not be coloured: each process that worked on it died, perhaps because the "
    "memory was full; run it again with fewer --workers."
)


@dataclass(frozen=True)
class Engine:
    """Where the work is done: in this process, in others of this machine, or in a cluster.

    Attributes:
        start: gives the work in another process; None: this process does it.
        workers: how many processes do it; None: as many as are fastest here.
    """

    start: Callable[[], Work] | None = None
    workers: int | None = 1
    cluster: Cluster | None = None


class SomeFailed(Exception):
    """Some of many photos could not be coloured; each has been listed already."""


def run_all(
    jobs: Sequence[Job],
    endings: Sequence[str],
    work: Work,
    overwrite: bool = False,
    recolor: bool = False,
    pages: bool = False,
    manifest: Manifest | None = None,
    storage: Storage = HERE,
    engine: Engine = Engine(),
) -> None:
    """Does the work on every photo; those found in folders are left out where that is done.

    Arguments:
        endings: of the names of the files that the work makes for each photo.
        work: makes them.
        overwrite: whether photos in folders are done again whose results are there.
        recolor: whether photos in folders are done that have colours of their own.
        pages: whether all pages and frames of a file are done, not the first alone.
        manifest: where what is done is noted; then photos are done again that have changed, and
            the results of those that were moved or renamed get their new names.
        storage: where the results are kept.
        engine: where the work is done.

    Raises:
        CinnHubError: the only photo failed, or the disk is full.
        SomeFailed: some of several failed; each was listed, and the others were done.
    """
    from tqdm import tqdm

    exists = storage.exists
    to_do = jobs if overwrite else to_be_done(jobs, endings, exists, manifest, recolor, pages)
    if done := len(jobs) - len(to_do):
        print(
            f"{done} of {len(jobs)} photos are done already; --overwrite does them again.",
            file=sys.stderr,
        )
    for folder in {job.folder for job in to_do}:
        sweep(folder)
    if manifest:
        manifest.expect((job.photo, job.results) for job in to_do)
    failed = 0
    hashed = manifest is not None
    how = partial(make, storage=storage, recolor=recolor, pages=pages, hashed=hashed)
    with tqdm(total=len(to_do), unit="photo", disable=None if len(jobs) > 1 else True) as bar:
        for job, outcome in outcomes(to_do, how, work, engine, bar.write):
            if manifest:
                manifest.note(job.results, outcome)
            if outcome.error and len(jobs) == 1:
                raise CinnHubError(outcome.error)
            if outcome.error:
                failed += 1
                bar.write(f"cinn-hub: {job.photo}: {outcome.error}", file=sys.stderr)
            bar.update()
    if failed:
        raise SomeFailed


def to_be_done(
    jobs: Sequence[Job],
    endings: Sequence[str],
    exists: Callable[[Path], bool],
    manifest: Manifest | None,
    recolor: bool,
    pages: bool,
) -> list[Job]:
    """The jobs that are not done. Results of photos that were moved or renamed are renamed."""
    if manifest is None:
        return [job for job in jobs if pages or not job.is_done(endings, exists)]
    stems = {manifest.relative(job.results) for job in jobs}

    def is_done(job: Job) -> bool:
        entry = manifest.entry(job.results) if job.found else None
        if entry and entry.state == SKIPPED and not recolor and entry.is_of(job.photo):
            return True
        if entry and entry.state == DONE and entry.is_of(job.photo):
            return job.is_done(endings, exists) and (not pages or manifest.has_all_pages(entry))
        if entry is None and job.is_done(endings, exists):  # made before there was a manifest
            return not pages
        return (
            job.found
            and any(
                entry.stem not in stems and manifest.move(entry, job.photo, job.results)
                for entry in manifest.twins(job.photo)
            )
            and is_done(job)
        )

    return [job for job in jobs if not is_done(job)]


def outcomes(
    jobs: Sequence[Job],
    how: Callable[..., Outcome],
    work: Work,
    engine: Engine,
    say: Say,
) -> Iterator[tuple[Job, Outcome]]:
    """Does the jobs where the engine does them; what is said of each is printed."""
    if not jobs:  # then a cluster is not even needed
        return
    workers = best_workers(len(jobs)) if engine.workers is None else engine.workers
    if engine.start is None or (engine.cluster is None and workers == 1):
        if len(jobs) > 1:
            use_one_core()
        for job in jobs:
            yield job, how(job, work=work, say=say)
        return
    start = partial(begin, how, engine.start)
    cluster = engine.cluster
    found = cluster.do(jobs, start) if cluster else in_processes(jobs, start, workers)
    for job, outcome in found:
        for line, is_error in outcome.lines if outcome else ():
            say(line, file=sys.stderr if is_error else sys.stdout)
        yield job, outcome or Outcome(FAILED, error=DIED)


def begin(how: Callable[..., Outcome], start: Callable[[], Work]) -> Callable[[Job], Outcome]:
    """What another process does with a job; what would be printed is in the outcome."""
    work = start()

    def do(job: Job) -> Outcome:
        lines: list[tuple[str, bool]] = []
        outcome = how(
            job, work=work, say=lambda line, file: lines.append((line, file is sys.stderr))
        )
        return replace(outcome, lines=tuple(lines))

    return do


def make(
    job: Job, work: Work, say: Say, storage: Storage, recolor: bool, pages: bool, hashed: bool
) -> Outcome:
    """Does the work on one photo, or on all its pages; what comes of it is said at once.

    Raises:
        CinnHubError: the disk is full.
    """
    from cinn_hub.photos import read

    began = time.perf_counter()
    outcome = Outcome(FAILED)

    def do(job: Job) -> None:
        nonlocal outcome
        content = Content.of(job.photo) if hashed and job.photo.is_file() else None
        photo = read(job.photo)
        outcome = replace(outcome, content=content, size=photo.size)
        results, state = run_one(job, photo, work, say, storage, recolor, pages)
        outcome = replace(outcome, results=tuple(results), state=state)

    for _, problem in one_after_another([job], do):
        outcome = replace(outcome, error=problem or None)
    return replace(outcome, seconds=time.perf_counter() - began)


def run_one(
    job: Job, photo: Photo, work: Work, say: Say, storage: Storage, recolor: bool, pages: bool
) -> tuple[list[Result], str]:
    """Does the work on one photo, or on all its pages: the results, and whether there are any."""
    from cinn_hub.photos import is_colored, read

    if photo.pages > 1 and not pages:
        count = f"{photo.pages} pages or frames"
        text = f"{job.photo}  has {count}; only the first is coloured (--pages colours all)"
        say(text, file=sys.stderr)
    results: list[Result] = []
    state = SKIPPED
    for page in range(photo.pages if pages else 1):
        part = job.of_page(page)
        photo = read(job.photo, page=page) if page else photo
        if job.found and not recolor and is_colored(photo):
            text = f"{job.photo}  is skipped: it has colours (--recolor colours it all the same)"
            say(text, file=sys.stderr)
            continue
        state = DONE
        with storage.room(part.folder) as room:
            for result in work(replace(part, folder=room), photo):
                result = replace(result, file=storage.keep(result.file, part.folder))
                if result.about:
                    say(f"{storage.name(result.file)}  {result.about}", file=sys.stdout)
                results.append(result)
    return results, state
