"""Several processes on one machine: each computes on one core, and one that dies is replaced."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

BYTES_PER_PROCESS = 900e6  # photos of a few megapixels take less
PHOTOS_PER_PROCESS = 8  # with fewer, starting another process takes longer than it saves
AHEAD = 2  # photos for each process that wait in line or are under way

_do: Callable[[object], object] | None = None  # in a worker: what it does with each item


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def free_memory() -> float:
    """Bytes that new processes can take; infinite where the system does not say it."""
    limit = float("inf")
    try:
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        limit = 1024 * next(float(li.split()[1]) for li in lines if li.startswith("MemAvailable"))
        group = Path("/sys/fs/cgroup")
        most = (group / "memory.max").read_text("ascii").strip()
        if most != "max":
            limit = min(limit, float(most) - float((group / "memory.current").read_text("ascii")))
    except (OSError, StopIteration, ValueError):
        pass
    return limit


def best_workers(photos: int) -> int:
    """How many processes are fastest here for so many photos."""
    fit = min(free_memory() / BYTES_PER_PROCESS, photos / PHOTOS_PER_PROCESS, cores())
    return max(1, int(fit))


def use_one_core() -> None:
    """Computes on one core from now on, so that sums are rounded the same way however many cores
    there are. Not taken back: once threads are added again, batched LU decompositions of PyTorch's
    MKL are wrong."""
    import torch

    torch.set_num_threads(1)


def in_processes(
    items: Iterable[T], start: Callable[[], Callable[[T], R]], workers: int
) -> Iterator[tuple[T, R | None]]:
    """Does the work on each item in one of several processes, in any order.

    Items whose process dies are done once more, one after another in a process of their own.

    Arguments:
        start: called once in each process; gives the function that does the work on an item.
            It is pickled, as are items and results.

    Yields:
        (item, result); the result is None if the process died twice with that item.
    """
    left = iter(items)
    while lost := (yield from until_one_dies(left, start, workers, AHEAD * workers)):
        suspects = iter(lost)
        while guilty := (yield from until_one_dies(suspects, start, workers=1, ahead=1)):
            yield guilty[0], None


def until_one_dies(
    items: Iterator[T], start: Callable[[], Callable[[T], R]], workers: int, ahead: int
) -> Generator[tuple[T, R], None, list[T]]:
    """Yields each item that is done; returns those that were under way when a process died."""
    context = multiprocessing.get_context("spawn")  # forks of a process with threads may hang
    pool = ProcessPoolExecutor(workers, context, begin, (start,))
    running: dict[Future[R], T] = {}
    try:
        while True:
            try:
                while len(running) < ahead and (item := next(items, None)) is not None:
                    running[submitted(pool, item)] = item
                if not running:
                    return []
                for future in wait(running, return_when=FIRST_COMPLETED).done:
                    result = future.result()
                    yield running.pop(future), result
            except BrokenProcessPool:
                return list(running.values())
    finally:
        pool.shutdown(cancel_futures=True)


def submitted(pool: ProcessPoolExecutor, item: T) -> Future:
    """The future of an item, broken from the beginning if a process has died in the meantime."""
    try:
        return pool.submit(do, item)
    except BrokenProcessPool as error:
        broken: Future = Future()
        broken.set_exception(error)
        return broken


def begin(start: Callable[[], Callable[[object], object]]) -> None:
    """Makes a process a worker: it computes on one core, and ends when its parent does."""
    global _do
    import cv2

    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    threading.Thread(target=end_with_parent, daemon=True).start()
    use_one_core()
    cv2.setNumThreads(1)
    _do = start()


def end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def do(item: object) -> object:
    assert _do is not None
    return _do(item)
