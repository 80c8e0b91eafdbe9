"""Several machines by Ray, which places the work, and does it again where a machine dies."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cache, partial
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from cinn_hub.batch.processes import AHEAD, BYTES_PER_PROCESS, become_worker
from cinn_hub.errors import CinnHubError

SECONDS = 10  # that the head of a cluster has to answer

T = TypeVar("T")
R = TypeVar("R")


def in_cluster(
    items: Iterable[T],
    start: Callable[[], Callable[[T], R]],
    address: str,
    shared: Sequence[Path] = (),
    gpu: bool = False,
) -> Iterator[tuple[T, R | None]]:
    """Does the work on each item in a Ray cluster, in any order; see `in_processes`. Each is a task
    for one core, which Ray does again, up to three times, if its process or its machine dies.

    Arguments:
        address: of the head, such as "10.0.0.1:6379"; "auto" on a machine of the cluster.
        shared: files that all machines must see.
        gpu: whether each task needs a GPU.

    Raises:
        CinnHubError: Ray is not installed, the cluster cannot be reached, or its machines do not
            see the files.
    """
    ray = connected(address)
    begin = partial(begin_there, start, os.getcwd(), [path.absolute() for path in shared])

    @ray.remote(num_cpus=1, num_gpus=int(gpu), memory=BYTES_PER_PROCESS)
    def color(item: T) -> R:
        return work_of(begin)(item)

    left, running = iter(items), {}
    try:
        while True:
            cores = ray.cluster_resources().get("CPU", 1)  # machines may come and go
            for item in islice(left, max(0, AHEAD * int(cores) - len(running))):
                running[color.remote(item)] = item
            if not running:
                return
            [done], _ = ray.wait(list(running))
            yield running.pop(done), result_of(done)
    finally:
        ray.shutdown()


def connected(address: str) -> ModuleType:
    """Ray, as a part of the cluster."""
    try:
        import ray
    except ImportError as error:
        raise CinnHubError('--ray needs Ray: pip install "ray>=2.50".') from error
    host, _, port = address.rpartition(":")
    try:
        if host and port.isdigit():  # Ray itself would try for minutes
            socket.create_connection((host.removeprefix("ray://"), int(port)), SECONDS).close()
        ray.init(address, log_to_driver=False, logging_level="error")
    except (OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise CinnHubError(f"The Ray cluster {address} cannot be reached: {reason}.") from error
    return ray


def result_of(task: Any) -> Any:
    """What a task gave; None if its processes died.

    Raises:
        Exception: what the task raised.
    """
    import ray
    from ray import exceptions

    try:
        return ray.get(task)
    except exceptions.RayTaskError as error:
        raise error.cause from None
    except (
        exceptions.WorkerCrashedError,
        exceptions.NodeDiedError,
        exceptions.OutOfMemoryError,
        exceptions.LocalRayletDiedError,
    ):
        return None


@cache
def work_of(begin: Callable[[], Callable[[T], R]]) -> Callable[[T], R]:
    """In a process of the cluster, which keeps it from task to task."""
    return begin()


def begin_there(
    start: Callable[[], Callable[[T], R]], folder: str, shared: Sequence[Path]
) -> Callable[[T], R]:
    """Begins the work in a process of the cluster.

    folder: that relative paths begin at; all that is named by one must be seen there.
    """
    if missing := [path for path in shared if not path.exists()]:
        raise CinnHubError(
            f"The machine {socket.gethostname()} does not see {missing[0]}; all machines of the "
            "cluster must see photos and results at the same paths."
        )
    with suppress(OSError):
        os.chdir(folder)
    become_worker()
    return start()
