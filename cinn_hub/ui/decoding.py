"""What strangers sent is decoded in processes of its own, with bounds of memory and time: whatever
a file does there ends with its process, in a picture or in a sentence.
"""

from __future__ import annotations

import math
import multiprocessing
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache, partial
from multiprocessing import util
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from PIL import Image

from cinn_hub import photos
from cinn_hub.errors import CinnHubError, PhotoError
from cinn_hub.ui import bounds

T = TypeVar("T")

FORKS = "forkserver" in multiprocessing.get_all_start_methods()  # else each process imports all
PROCESSES = multiprocessing.get_context("forkserver" if FORKS else "spawn")
if FORKS:
    PROCESSES.set_forkserver_preload([__name__])
LONGEST_PLACE = 72  # characters; a socket there has 33 more, and may have 107
TOO_LARGE = "{} needs more memory than is there for one photo; shrink it."
TOO_SLOW = "{} takes longer than any photo should; save it anew, as an ordinary JPEG or PNG."


class Room:
    """Memory for jobs: one after the other takes what it needs, and waits until there is enough."""

    def __init__(self, megabytes: float) -> None:
        self.left = megabytes
        self.turn, self.changed = threading.Lock(), threading.Condition()

    @contextmanager
    def take(self, megabytes: float) -> Iterator[None]:
        with self.turn, self.changed:
            self.changed.wait_for(lambda: self.left >= megabytes)
            self.left -= megabytes
        try:
            yield
        finally:
            with self.changed:
                self.left += megabytes
                self.changed.notify_all()


room = Room(bounds.LARGE_JOB_MEGABYTES)


def apart(name: str, work: Callable[..., T], *arguments: Any, **options: Any) -> T:
    """What the work returns, done in a process of its own; a large photo is alone there.

    Arguments:
        name: of the file, for sentences.
        work: a function that can be imported, as all arguments and its result can be pickled.

    Raises:
        CinnHubError: as the work does.
        PhotoError: it took too much memory, or too long.
    """
    place_of_sockets()
    for megabytes in (bounds.JOB_MEGABYTES, bounds.LARGE_JOB_MEGABYTES):
        with room.take(megabytes):
            result = outcome(megabytes, partial(work, *arguments, **options))
        if not isinstance(result, MemoryError):
            break
    if isinstance(result, MemoryError):
        raise PhotoError(TOO_LARGE.format(name))
    if isinstance(result, TimeoutError):
        raise PhotoError(TOO_SLOW.format(name))
    if isinstance(result, Exception):
        raise result
    return result


@cache
def place_of_sockets() -> str:
    """The folder where jobs are asked for: a short one, since the paths of sockets are bounded to
    about 100 characters."""
    usual = tempfile.tempdir
    if FORKS and len(tempfile.gettempdir()) > LONGEST_PLACE:
        tempfile.tempdir = "/tmp"
    try:
        return util.get_temp_dir()
    finally:
        tempfile.tempdir = usual


def outcome(megabytes: float, work: Callable[[], T]) -> T | Exception:
    """What a process gives back, or what ended it."""
    ours, theirs = PROCESSES.Pipe(duplex=False)
    given = (theirs, work, megabytes, bounds.JOB_CPU_SECONDS)
    job = PROCESSES.Process(target=work_in_bounds, args=given, daemon=True)
    job.start()
    theirs.close()
    try:
        return ours.recv() if ours.poll(bounds.JOB_SECONDS) else TimeoutError()
    except EOFError:  # it was ended, by its clock or by a library that found no memory
        job.join()
        return TimeoutError() if job.exitcode == -signal.SIGXCPU else MemoryError()
    finally:
        job.kill()
        job.join()
        job.close()
        ours.close()


def end_all() -> None:
    """Ends all jobs of this process, which ends at once and leaves nothing."""
    for job in multiprocessing.active_children():
        job.kill()
    shutil.rmtree(util.get_temp_dir(), ignore_errors=True)  # where jobs are asked for


def work_in_bounds(
    answer: Connection, work: Callable[[], object], megabytes: float, seconds: int
) -> None:
    """In the process: the work, and what became of it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
    bound_this_process(megabytes, seconds)
    try:
        result = work()
    except CinnHubError as error:
        result = MemoryError() if isinstance(error.__cause__, MemoryError) else error
    except MemoryError:
        result = MemoryError()
    except Exception as error:
        result = RuntimeError(type(error).__name__)  # its text may name the photo
    answer.send(result)


def bound_this_process(megabytes: float, seconds: int) -> None:
    """More memory than it has now, and time of a processor. (On Linux; elsewhere time alone.)"""
    try:
        import resource
    except ImportError:  # Windows
        return
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    latest = math.ceil(time.process_time()) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (latest, latest + 1))
    status = Path("/proc/self/statm")
    if status.exists():
        has = int(status.read_text("ascii").split()[5]) * resource.getpagesize()
        most = has + int(megabytes * 1e6)
        resource.setrlimit(resource.RLIMIT_DATA, (most, most))


def squeezed(path: str, image_size: int, ab_size: int, long_side: int) -> photos.SqueezedPhoto:
    """What models see of a photo, and the photo itself at a size to look at."""
    found = photos.SqueezedPhoto.of(photos.read(path, bounds.PHOTO_PIXELS), image_size, ab_size)
    return replace(found, photo=photos.shrunk(found.photo, long_side))


def color_thumbnail(path: str, long_side: int) -> Image.Image | None:
    """The photo in its own colours; None where it has none."""
    photo = photos.read(path, bounds.PHOTO_PIXELS)
    if not photos.is_colored(photo):
        return None
    picture = Image.fromarray(photo.rgb)
    picture.thumbnail((long_side, long_side))
    return picture


def paint(
    path: str, target: Path, ab: np.ndarray, hinted: bool, flat: float | None, **options: Any
) -> None:
    """Writes the photo at its own size with these colours; see `photos.render`, `photos.save`."""
    photo = replace(photos.read(path, bounds.PHOTO_PIXELS), rgb=None)
    image = photos.render(photo, ab, hinted=hinted, flat=flat)
    del photo
    photos.save(image, target, **options)
