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
    from fsspec.implementations.dirfs import DirFileSystem


class Storage:
    """A folder of this machine, or of all machines that share it; or an address.

    Attributes:
        url: the address; "" for a folder.
        folder: that all paths of results lie in. For an address it is a folder of this machine
            that stands for it, and holds nothing but the manifest.
    """

    def __init__(self, place: str | Path) -> None:
        place = str(place).removeprefix("file://")
        self.url = place.rstrip("/") if "://" in place else ""
        self.folder = brief_folder() if self.url else Path(place).expanduser()

    def __getstate__(self) -> dict[str, object]:
        return {"url": self.url, "folder": self.folder}  # each process opens it and lists it anew

    def name(self, path: Path) -> str:
        """What people call a result."""
        return f"{self.url}/{self.key(path)}" if self.url else str(path)

    def key(self, path: Path) -> str:
        """The name of a result in the file system."""
        return path.relative_to(self.folder).as_posix()

    def exists(self, path: Path) -> bool:
        """Whether a result is there; at an address, whether it was when any was first asked for."""
        return self.key(path) in self.keys if self.url else path.exists()

    def move(self, old: Path, new: Path) -> None:
        with self.one_sentence():
            self.make_room(new)
            self.system.mv(self.key(old), self.key(new))
            if self.url:
                self.keys.discard(self.key(old))
                self.keys.add(self.key(new))

    @contextmanager
    def desk(self, folder: Path) -> Iterator[Path]:
        """A folder of this machine in which the results for `folder` are written."""
        if self.url:
            with tempfile.TemporaryDirectory(prefix="cinn-hub-") as name:
                yield Path(name)
        else:
            make_folder(folder)
            yield folder

    def keep(self, file: Path, folder: Path) -> Path:
        """Takes a file from the desk of a folder; gives its path as a result."""
        path = folder / file.name
        if self.url:
            self.put(file, path)
            file.unlink()
        return path

    def fetch(self, path: Path) -> None:
        """Makes a file that is kept a file of this machine, if it is there."""
        if self.url:
            with self.one_sentence():
                if self.system.exists(self.key(path)):
                    self.system.get_file(self.key(path), str(path))

    def send(self, path: Path) -> None:
        """Keeps a file of this machine; it takes the place of the one that is there."""
        if self.url:
            self.put(path, path)

    def put(self, file: Path, path: Path) -> None:
        """What object storage takes appears there when it is complete."""
        with self.one_sentence():
            self.make_room(path)
            self.system.put_file(str(file), self.key(path))

    def make_room(self, path: Path) -> None:
        if not self.system.fs.async_impl:  # object storage has no folders; it would make buckets
            self.system.makedirs(self.key(path).rpartition("/")[0], exist_ok=True)

    @cached_property
    def system(self) -> DirFileSystem:
        """The file system; its paths begin in the folder, or at the address."""
        from fsspec.core import url_to_fs
        from fsspec.implementations.dirfs import DirFileSystem

        system, root = url_to_fs(self.url or str(self.folder.absolute()))
        return DirFileSystem(root, system)

    @cached_property
    def keys(self) -> set[str]:
        """All that is at the address: one list, because a million questions would take hours."""
        with self.one_sentence():
            return set(self.system.find(""))

    @contextmanager
    def one_sentence(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # each file system has its own
            reason = reason_of(error) or type(error).__name__
            raise CinnHubError(f"{self.url or self.folder} cannot be used: {reason}.") from error


HERE = Storage(".")
