"""Atomic writing of files, whole or not at all, and careful reading of what strangers made."""

from __future__ import annotations

import atexit
import errno
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import BinaryIO

from cinn_hub.errors import CinnHubError

UNFINISHED = ".{}.cinn-unfinished{}"  # hidden, and told apart from all other files
OLD = 3600  # seconds after which nobody writes to an unfinished file any more
MOST_CONFIG, MOST_CARD = 2**20, 2**17  # bytes that are read of strangers' files
MOST_TENSORS = 2**29  # 128 million weights in float32
DISK_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def local_path(path: str | os.PathLike[str]) -> Path:
    """The path, with ~ as the user's own folder.

    Raises:
        CinnHubError: it is an address, such as hf://user/repo.
    """
    text = os.path.expanduser(os.fsdecode(path))
    if "://" in text:
        raise CinnHubError(f"{text} is an address; give a path of this machine.")
    return Path(text)


@contextmanager
def whole_file(path: str | os.PathLike[str]) -> Iterator[Path]:
    """The path of a hidden file to write to; it takes the place of `path` once it is complete.

    It gets the permissions of any new file, whatever writes to it, and is on the disk before it
    gets its name, so that it is whole after a power cut, too. If the block raises, nothing is left
    behind, and what was at `path` stays. What killed processes left in the folder is removed.
    """
    path = local_path(path)
    sweep(os.path.abspath(path.parent))
    unfinished = path.with_name(UNFINISHED.format(secrets.token_hex(4), path.suffix.lower()))
    try:
        unfinished.touch(exist_ok=False)
        mode = unfinished.stat().st_mode
        yield unfinished
        unfinished.chmod(mode)
        with unfinished.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_whole(path: str | os.PathLike[str], content: bytes | str) -> None:
    """Writes a file of this content; see `whole_file`."""
    with whole_file(path) as unfinished:
        unfinished.write_bytes(content.encode("utf-8") if isinstance(content, str) else content)


@cache
def sweep(folder: str) -> None:
    """Removes what `whole_file` left in the folder when its process was killed, an hour ago. Done
    the first time that this process writes there."""
    for leftover in Path(folder).glob(UNFINISHED.format("*", "*")):
        with suppress(OSError):
            if time.time() - leftover.stat().st_mtime > OLD:
                leftover.unlink()


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CinnHubError(f"The folder {folder} cannot be created: {error.strerror}.") from error


def brief_folder() -> Path:
    """A new folder that goes with the process."""
    folder = Path(tempfile.mkdtemp(prefix="cinn-hub-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def reason_of(error: Exception) -> str:
    """Why a file could not be read or written, in a few words."""
    return getattr(error, "strerror", None) or " ".join(str(error).split())


def disk_is_full(error: BaseException | None) -> bool:
    """Whether this error, or one that caused it, says so."""
    while error is not None:
        if isinstance(error, OSError) and error.errno in DISK_FULL:
            return True
        error = error.__cause__
    return False


def open_plain(path: str | os.PathLike[str]) -> BinaryIO:
    """An ordinary file, open for reading. Nothing else is opened: a FIFO would be waited for.

    Raises:
        OSError: the file is missing, may not be read, or is a folder, a device, a FIFO or a socket.
    """
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError(errno.EINVAL, "it is not an ordinary file")
    return open(path, "rb", opener=without_waiting)


def without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_plain(path: str | os.PathLike[str], most: int) -> bytes:
    """All of an ordinary file of up to `most` bytes.

    Raises:
        OSError: see `open_plain`; or it is larger.
    """
    with open_plain(path) as file:
        content = file.read(most + 1) or b""
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it is larger than {most / 2**20:.0f} MB")
    return content
