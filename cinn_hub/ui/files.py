"""The app's own folder: what visitors upload and what is made for them, and when it is deleted."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from types import FrameType

from filelock import FileLock, Timeout

from cinn_hub.errors import CinnHubError
from cinn_hub.ui import bounds
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
        self.megabytes = float(bounds.DISK_MEGABYTES)
        self.used = 0.0  # bytes: those that the last sweep has found, and those that came since
        self.own: set[Path] = set()  # files that stay: the app's own pictures
        self.counting = threading.Lock()

    def files(self) -> Iterator[tuple[Path, os.stat_result]]:
        """All but the lock."""
        for parent, _, names in os.walk(self.path):
            for path in (Path(parent, name) for name in names):
                with suppress(OSError):
                    if path != self.path / LOCK:
                        yield path, path.stat()

    def make_room(self, size: float) -> None:
        """Counts bytes that are about to be written, by whoever writes them.

        Raises:
            CinnHubError: there are too many, even after the oldest files were deleted.
        """
        with self.counting:
            self.used += size
            if self.used > self.megabytes * 1e6:
                self.delete_old(size)
            if self.used > self.megabytes * 1e6:
                raise CinnHubError(
                    f"The {self.megabytes:g} MB that all visitors share are full; try it again in "
                    "a minute."
                )

    def sweep(self) -> None:
        """Deletes what is old, and the oldest of what is too much."""
        remove_abandoned(self.path.parent)
        with self.counting:
            self.delete_old(0)

    def delete_old(self, coming: float) -> None:
        """As `sweep`, so that so many more bytes have room, and counts what is left."""
        now, held = time.time(), []
        for path, status in self.files():
            if path not in self.own:
                blocks = 512 * getattr(status, "st_blocks", 0)  # Windows does not say it
                size = max(status.st_size, blocks, bounds.LEAST_FILE)
                held.append((now - status.st_mtime, size, path))
        self.used = coming + sum(size for _, size, _ in held)
        for age, size, path in sorted(held, reverse=True):
            too_much = self.used > self.megabytes * 1e6 and age > bounds.FRESH_SECONDS
            if age > self.seconds_for(path) or too_much:
                self.delete(path)
                self.used -= size

    def seconds_for(self, path: Path) -> float:
        """How long a file is kept after it was written to last."""
        if path.parent == self.path:  # of an upload under way, or one that broke off
            return bounds.FRESH_SECONDS
        made = path.is_relative_to(self.path / DOWNLOADS)
        return bounds.DOWNLOAD_SECONDS if made else bounds.KEPT_SECONDS

    def delete(self, path: Path) -> None:
        """Deletes a file, and the folders that were made for it alone."""
        standing = (self.path, self.path / DOWNLOADS, self.path / PREVIEWS)
        with suppress(OSError):
            path.unlink()
            for folder in path.parents:
                if folder in standing:
                    break
                folder.rmdir()

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)


def remove_abandoned(place: Path) -> None:
    """Deletes the folders of apps that do not run any more."""
    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError, Timeout):  # of another user, or gone in the meantime
            lock = folder / LOCK
            newest = (lock if lock.exists() else folder).stat().st_mtime
            if time.time() - newest > bounds.NEW_SECONDS:
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
