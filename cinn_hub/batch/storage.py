"""Where results are kept: in a folder, or at an address that fsspec opens, such as s3://..."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from cinn_hub.errors import CinnHubError
from cinn_hub.files import brief_folder, make_folder, reason_of

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem


class Storage:
    """Results in a folder of this machine, or of all machines that share it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def name(self, path: Path) -> str:
        """What people call a result."""
        return str(path)

    def exists(self, path: Path) -> bool:
        return path.exists()

    def move(self, old: Path, new: Path) -> None:
        new.parent.mkdir(parents=True, exist_ok=True)
        old.rename(new)

    @contextmanager
    def room(self, folder: Path) -> Iterator[Path]:
        """A folder of this machine in which the results for `folder` are written."""
        make_folder(folder)
        yield folder

    def keep(self, file: Path, folder: Path) -> Path:
        """Takes a file that was written in the room of a folder; gives its path as a result."""
        return file

    def fetch(self, path: Path) -> None:
        """Makes a file that is kept a file of this machine, if it is there."""

    def send(self, path: Path) -> None:
        """Keeps a file of this machine; it takes the place of the one that is there."""


HERE = Storage(Path("."))


class RemoteStorage(Storage):
    """Results at an address. Their paths, too, lie below a folder of this machine: it stands for
    the address, and holds nothing but the manifest."""

    def __init__(self, url: str, folder: Path) -> None:
        super().__init__(folder)
        self.url = url.rstrip("/")

    def __reduce__(self) -> tuple:
        return RemoteStorage, (
            self.url,
            self.folder,
        )  # without the list of places

    def name(self, path: Path) -> str:
        return f"{self.url}/{path.relative_to(self.folder).as_posix()}"

    def exists(self, path: Path) -> bool:
        """Whether the result was there when it was first asked for any."""
        return self.place(path) in self.places

    def move(self, old: Path, new: Path) -> None:
        with self.one_sentence():
            self.system.mv(self.place(old), self.place(new))
        self.places.discard(self.place(old))
        self.places.add(self.place(new))

    @contextmanager
    def room(self, folder: Path) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="cinn-hub-") as name:
            yield Path(name)

    def keep(self, file: Path, folder: Path) -> Path:
        path = folder / file.name
        self.put(file, path)
        file.unlink()
        return path

    def fetch(self, path: Path) -> None:
        with self.one_sentence():
            if self.system.exists(self.place(path)):
                self.system.get_file(self.place(path), str(path))

    def send(self, path: Path) -> None:
        self.put(path, path)

    def put(self, file: Path, path: Path) -> None:
        """What object storage takes appears there when it is complete."""
        with self.one_sentence():
            place = self.place(path)
            if not self.system.async_impl:  # object storage has no folders; it would make buckets
                self.system.makedirs(place.rpartition("/")[0], exist_ok=True)
            self.system.put_file(str(file), place)

    @property
    def system(self) -> AbstractFileSystem:
        return self.opened[0]

    @cached_property
    def opened(self) -> tuple[AbstractFileSystem, str]:
        """The file system of the address, and the place that it has there."""
        from fsspec.core import url_to_fs

        try:
            return url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise CinnHubError(f"{self.url} cannot be opened: {error}.") from error

    def place(self, path: Path) -> str:
        return f"{self.opened[1]}/{path.relative_to(self.folder).as_posix()}"

    @cached_property
    def places(self) -> set[str]:
        """All that is at the address: one list, because a million questions would take hours."""
        with self.one_sentence():
            return set(self.system.find(self.opened[1]))

    @contextmanager
    def one_sentence(self) -> Iterator[None]:
        try:
            yield
        except CinnHubError:
            raise
        except Exception as error:  # each file system has its own
            reason = reason_of(error) or type(error).__name__
            raise CinnHubError(f"{self.url} cannot be used: {reason}.") from error


def storage_at(place: str) -> Storage:
    """The storage of a folder, or of an address such as s3://bucket/folder."""
    return RemoteStorage(place, brief_folder()) if "://" in place else Storage(Path(place))
