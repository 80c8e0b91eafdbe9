"""The app's own folder: what visitors upload and what is made for them, and when it is deleted."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Collection, Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from cinn_hub.ui.bounds import DOWNLOAD_SECONDS, KEPT_SECONDS, NEW_SECONDS
from cinn_hub.ui.decoding import end_all

PREFIX = "cinn-hub-app-"
LOCK = ".in-use"  # locked for as long as its app runs; the system unlocks it whatever happens
DOWNLOADS, PREVIEWS = "downloads", "previews"


class AppFolder:
    """A new temporary folder that only this user can open, with a lock that says that it is used.

    Several apps may run on one machine, each with its own folder. Whatever one of them could not
    delete, because it was killed, the next one deletes when it starts, and those that run do.
    """

    def __init__(self) -> None:
        self.path = Path(tempfile.mkdtemp(prefix=PREFIX))  # mode 0700
        self.lock = FileLock(self.path / LOCK)
        self.lock.acquire(blocking=False)
        for name in (DOWNLOADS, PREVIEWS):
            (self.path / name).mkdir()

    def files(self) -> Iterator[tuple[Path, os.stat_result]]:
        """All but the lock."""
        for parent, _, names in os.walk(self.path):
            for path in (Path(parent, name) for name in names if name != LOCK):
                with suppress(OSError):
                    yield path, path.stat()

    def sweep(self, megabytes: float, kept: Collection[Path] = ()) -> None:
        """Deletes what is old, and the oldest of what is more than these megabytes.

        Arguments:
            kept: files that stay: the app's own pictures.
        """
        remove_abandoned(self.path.parent)
        now, held = time.time(), []
        for path, status in self.files():
            made = path.is_relative_to(self.path / DOWNLOADS)
            if path in kept:
                continue
            if now - status.st_mtime > (DOWNLOAD_SECONDS if made else KEPT_SECONDS):
                delete(path)
            else:
                held.append((status.st_mtime, status.st_size, path))
        excess = sum(size for _, size, _ in held) - megabytes * 1e6
        for _, size, path in sorted(held):
            if excess <= 0:
                break
            delete(path)
            excess -= size

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def delete(path: Path) -> None:
    """Deletes a file, and the folder that was made for it alone."""
    with suppress(OSError):
        path.unlink()
        if path.parent.name != PREVIEWS:
            path.parent.rmdir()


def remove_abandoned(place: Path) -> None:
    """Deletes the folders of apps that do not run any more."""
    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError, Timeout):  # of another user, or gone in the meantime
            lock = folder / LOCK
            newest = (lock if lock.exists() else folder).stat().st_mtime
            if time.time() - newest > NEW_SECONDS:
                with FileLock(lock, timeout=0):
                    shutil.rmtree(folder, ignore_errors=True)


@cache
def app_folder() -> AppFolder:
    """This process's folder, which goes with it. Gradio puts uploads and previews there, too."""
    folder = AppFolder()
    atexit.register(folder.remove)
    os.environ["GRADIO_TEMP_DIR"] = str(folder.path)
    return folder


def download_folder() -> Path:
    """A new folder for a file to download."""
    return Path(tempfile.mkdtemp(dir=app_folder().path / DOWNLOADS))


def remove_on_sigterm() -> None:
    """On SIGTERM the folder is deleted, and the process ends at once.

    Without a second thought for requests that run: nothing may be written after the deletion.
    """

    def end(number: int, frame: FrameType | None) -> None:
        end_all()
        app_folder().remove()
        os._exit(0)

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, end)
