"""Several processes on one machine: each computes on one core, and one that dies is replaced."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from itertools import islice
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
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/meminfo").read_text("ascii").splitlines()
        limit = 1024 * next(float(li.split()[1]) for li in lines if li.startswith("MemAvailable"))
        most, used = (
            float(Path(f"/sys/fs/cgroup/memory.{name}").read_text("ascii").replace("max", "inf"))
            for name in ("max", "current")
        )
        limit = min(limit, most - used)
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


def become_worker() -> None:
    """Makes a process one of many that share the cores."""
    import cv2

    use_one_core()
    cv2.setNumThreads(1)


def in_processes(
    items: Iterable[T], start: Callable[[], Callable[[T], R]], workers: int
) -> Iterator[tuple[T, R | None]]:
    """Does the work on each item in one of several processes, in any order.

    Items whose process dies are done once more, one after another in a process of their own.

    Arguments:
        items: no two are equal.
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
    running: dict[T, Future[R]] = {}
    try:
        while True:
            for item in islice(items, ahead - len(running)):
                running[item] = Future()  # the pool may be broken already
                running[item] = pool.submit(do, item)
            if not running:
                return []
            wait(running.values(), return_when=FIRST_COMPLETED)
            for item in [item for item, future in running.items() if future.done()]:
                result = running[item].result()
                del running[item]
                yield item, result
    except BrokenProcessPool:
        return list(running)
    finally:
        pool.shutdown(cancel_futures=True)


def begin(start: Callable[[], Callable[[object], object]]) -> None:
    """Makes a process a worker: it computes on one core, and ends when its parent does."""
    global _do
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends its workers
    threading.Thread(target=end_with_parent, daemon=True).start()
    become_worker()
    _do = start()


def end_with_parent() -> None:
    if parent := multiprocessing.parent_process():
        parent.join()
        os._exit(1)


def do(item: object) -> object:
    assert _do is not None
    return _do(item)
