"""The manifest of a folder of results: what was made of which photo and how, and what failed."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from cinn_hub.batch.storage import Storage
from cinn_hub.errors import CinnHubError
from cinn_hub.files import open_plain

NAME = "manifest.sqlite"
VERSION = 2
WAITING, DONE, SKIPPED, FAILED = "waiting", "done", "skipped", "failed"
BUSY_SECONDS = 30  # another run may be writing to the same manifest
SENT_EVERY = 300  # seconds; what is done since is done again if the run is cut off
FREE = ("seed", "n", "pages", "recolor")  # options that change no colours that a seed gives

TABLES = """
CREATE TABLE IF NOT EXISTS runs (
    run INTEGER PRIMARY KEY,
    started TEXT NOT NULL,   -- UTC
    version TEXT NOT NULL,   -- of cinn_hub
    options TEXT NOT NULL    -- JSON: command, model, weights, seed, boldness ...
);
CREATE TABLE IF NOT EXISTS photos (
    stem TEXT NOT NULL,      -- what the names of its results begin with, from this folder
    task TEXT NOT NULL,      -- what they end with, such as color.png
    photo TEXT NOT NULL,     -- absolute path
    sha256 TEXT, bytes INTEGER, modified INTEGER, -- of the file; nanoseconds since 1970
    width INTEGER, height INTEGER,                -- pixels
    run INTEGER NOT NULL REFERENCES runs,
    state TEXT NOT NULL,     -- waiting, done, skipped (it has colours) or failed
    seconds REAL, error TEXT,
    PRIMARY KEY (stem, task)
);
CREATE INDEX IF NOT EXISTS photos_by_size ON photos (bytes);
CREATE TABLE IF NOT EXISTS results (
    file TEXT PRIMARY KEY,   -- from this folder
    stem TEXT NOT NULL, task TEXT NOT NULL,
    latent TEXT NOT NULL,    -- JSON: how it is drawn again: weights, seed, temperature, sample ...
    bits_per_dim REAL,       -- of the colours; lower is likelier
    plausibility REAL,       -- beside other colourings of the photo; higher is more believable
    distance REAL            -- from the photo's most typical colours, in ab units
);
CREATE INDEX IF NOT EXISTS results_by_photo ON results (stem, task);
"""


@dataclass(frozen=True)
class Result:
    """A file that was made of a photo.

    Attributes:
        about: what is printed of it behind its name; "": nothing is.
        latent: the settings that make its latent again, as text.
        bits_per_dim, plausibility, distance: how typical its colours are, where that is known;
            see the manifest.
    """

    file: Path
    about: str = ""
    latent: Mapping[str, str] = field(default_factory=dict)
    bits_per_dim: float | None = None
    plausibility: float | None = None
    distance: float | None = None


@dataclass(frozen=True)
class FileState:
    """A file as it was when it was read: a file of this size and time is taken to be the same."""

    sha256: str
    bytes: int
    modified: int

    @classmethod
    def of(cls, path: Path) -> FileState:
        """Reads the whole file.

        Raises:
            OSError: it is missing or no ordinary file.
        """
        status = path.stat()
        with open_plain(path) as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        return cls(digest, status.st_size, status.st_mtime_ns)

    def is_of(self, path: Path) -> bool:
        """Whether the file has the content that it had then."""
        try:
            status = path.stat()
            return status.st_size == self.bytes and (
                status.st_mtime_ns == self.modified or FileState.of(path).sha256 == self.sha256
            )
        except OSError:
            return False


@dataclass(frozen=True)
class Outcome:
    """What has come of a photo.

    Attributes:
        state: done, skipped or failed.
        file: the photo's.
        error: why it failed, in one sentence.
        size: (width, height) in pixels.
        lines: what is still to be printed, and whether it goes to stderr.
    """

    state: str
    results: tuple[Result, ...] = ()
    file: FileState | None = None
    size: tuple[int, int] | None = None
    seconds: float | None = None
    error: str | None = None
    lines: tuple[tuple[str, bool], ...] = ()


@dataclass(frozen=True)
class Entry:
    """A photo in the manifest, the options of its run, and the names of its results."""

    stem: str | bytes
    state: str
    file: FileState | None
    options: Mapping[str, object]
    results: tuple[str | bytes, ...]

    def is_of(self, photo: Path, state: str) -> bool:
        """Whether this is what has become of the photo as it is now."""
        return self.state == state and self.file is not None and self.file.is_of(photo)


class Manifest:
    """The SQLite file beside the results. One process writes to it, however many colour photos.

    Stems and files are relative to its folder, so that the folder can be moved. To an address it is
    copied every few minutes.
    """

    def __init__(self, storage: Storage, task: str = "") -> None:
        """Opens the manifest of a storage, or begins it.

        task: what the names of the results end with; see the table of photos.

        Raises:
            CinnHubError: the file cannot be written, or something else wrote it.
        """
        self.storage, self.folder, self.task = storage, storage.folder, stored(task)
        self.path = self.folder / NAME
        self.run: int | None = None
        self.sent = time.monotonic()
        storage.fetch(self.path)
        with self.one_sentence() as database:
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version == 1:
                database.execute("ALTER TABLE runs RENAME COLUMN settings TO options")
            elif version not in (0, VERSION):
                raise CinnHubError(
                    f"{storage.name(self.path)} has version {version}, but this cinn_hub reads "
                    f"{VERSION}; use the cinn_hub that wrote it."
                )
            database.executescript(f"{TABLES} PRAGMA user_version = {VERSION};")

    @classmethod
    def read(cls, storage: Storage) -> Manifest:
        """The manifest of a storage.

        Raises:
            CinnHubError: there is none.
        """
        storage.fetch(path := storage.folder / NAME)
        if not path.is_file():
            raise CinnHubError(
                f"There is no {storage.name(path)}; give the --out of a run over folders or ZIP "
                "archives."
            )
        return cls(storage)

    @cached_property
    def database(self) -> sqlite3.Connection:
        return sqlite3.connect(self.path, timeout=BUSY_SECONDS)

    @contextmanager
    def one_sentence(self) -> Iterator[sqlite3.Connection]:
        """The database. All changes of the block are made, or none; an error is one sentence."""
        try:
            with self.database as database:
                yield database
        except sqlite3.Error as error:
            name = self.storage.name(self.path)
            raise CinnHubError(f"The manifest {name} cannot be used: {error}.") from error

    def select(self, query: str, *values: object) -> list[tuple]:
        with self.one_sentence() as database:
            return database.execute(query, values).fetchall()

    def close(self) -> None:
        self.database.close()
        if self.run is not None:
            self.storage.send(self.path)

    def send(self) -> None:
        """Keeps what is noted up to now."""
        self.storage.send(self.path)
        self.sent = time.monotonic()

    def begin(self, version: str, options: Mapping[str, object]) -> None:
        """Notes that a run begins with options that can be written as JSON."""
        row = (datetime.now(UTC).isoformat(timespec="seconds"), version, as_json(options))
        with self.one_sentence() as database:
            query = "INSERT INTO runs (started, version, options) VALUES (?, ?, ?)"
            self.run = database.execute(query, row).lastrowid

    def seed(self, options: Mapping[str, object]) -> int | None:
        """The seed of the latest run that would make the same colours from one seed."""
        for (text,) in self.select("SELECT options FROM runs ORDER BY run DESC"):
            earlier = json.loads(text)
            if comparable(earlier) == comparable(options):
                return earlier.get("seed")
        return None

    def entry(self, stem: Path) -> Entry | None:
        """What is known of the photo whose results have this stem."""
        found = self.entries("stem = ?", self.relative(stem))
        return found[0] if found else None

    def twins(self, photo: Path) -> list[Entry]:
        """Photos that are done and have the content of this file."""
        try:
            same_size = self.entries("state = 'done' AND bytes = ?", photo.stat().st_size)
            digest = FileState.of(photo).sha256 if same_size else ""
        except OSError:
            return []
        return [entry for entry in same_size if entry.file and entry.file.sha256 == digest]

    def entries(self, condition: str, value: object) -> list[Entry]:
        photos = self.select(
            "SELECT stem, state, options, sha256, bytes, modified FROM photos JOIN runs USING (run)"
            f" WHERE task = ? AND {condition}",
            *(self.task, value),
        )
        files = "SELECT file FROM results WHERE stem = ? AND task = ? ORDER BY file"
        return [
            Entry(
                stem,
                state,
                FileState(*file) if file[0] else None,
                json.loads(options),
                tuple(name for (name,) in self.select(files, stem, self.task)),
            )
            for stem, state, options, *file in photos
        ]

    def expect(self, photos: Iterable[tuple[Path, Path]]) -> None:
        """Notes the photos that are to be done, each with the stem of its results.

        If the run is cut off, they are still waiting when the next one begins.
        """
        columns = "(stem, task, photo, run, state) VALUES (?, ?, ?, ?, ?)"
        rows = (
            (self.relative(stem), self.task, stored(photo.absolute()), self.run, WAITING)
            for photo, stem in photos
        )
        with self.one_sentence() as database:
            database.executemany(f"INSERT OR REPLACE INTO photos {columns}", rows)
        self.send()

    def note(self, stem: Path, outcome: Outcome) -> None:
        """Notes what has come of an expected photo."""
        key = (self.relative(stem), self.task)
        file, size = outcome.file, outcome.size or (None, None)
        values = (file.sha256, file.bytes, file.modified) if file else (None, None, None)
        error = None if outcome.error is None else stored(outcome.error)  # it may name the photo
        values += (*size, outcome.state, outcome.seconds, error)
        rows = [
            (self.relative(r.file), *key, as_json(r.latent))
            + (r.bits_per_dim, r.plausibility, r.distance)
            for r in outcome.results
        ]
        with self.one_sentence() as database:
            database.execute(
                "UPDATE photos SET (sha256, bytes, modified, width, height, state, seconds, error)"
                " = (?, ?, ?, ?, ?, ?, ?, ?) WHERE stem = ? AND task = ?",
                (*values, *key),
            )
            database.execute("DELETE FROM results WHERE stem = ? AND task = ?", key)
            query = "INSERT OR REPLACE INTO results VALUES (?, ?, ?, ?, ?, ?, ?)"
            database.executemany(query, rows)
        if time.monotonic() - self.sent > SENT_EVERY:
            self.send()

    def move(self, entry: Entry, photo: Path, stem: Path) -> bool:
        """Gives the results of a photo that was moved or renamed the names that they have now.

        Returns:
            whether all of them were there; if not, nothing has changed.
        """
        new, old_length = self.relative(stem), len(os.fsdecode(entry.stem))
        names = {
            name: stored(os.fsdecode(new) + os.fsdecode(name)[old_length:])
            for name in entry.results
        }
        old_paths, new_paths = self.paths(names), self.paths(names.values())
        exists = self.storage.exists
        if not all(map(exists, old_paths)) or any(map(exists, new_paths)):
            return False
        for old, path in zip(old_paths, new_paths, strict=True):
            self.storage.move(old, path)
        row = (new, stored(photo.absolute()), photo.stat().st_mtime_ns, entry.stem, self.task)
        with self.one_sentence() as database:
            database.execute("DELETE FROM photos WHERE stem = ? AND task = ?", (new, self.task))
            database.execute(
                "UPDATE photos SET (stem, photo, modified) = (?, ?, ?) WHERE stem = ? AND task = ?",
                row,
            )
            database.executemany(
                "UPDATE results SET (stem, file) = (?, ?) WHERE file = ?",
                [(new, name, old) for old, name in names.items()],
            )
        return True

    def has_all_pages(self, entry: Entry) -> bool:
        """Whether all pages of the photo's file were done, and what was made of them is there."""
        paths = self.paths(entry.results)
        return bool(entry.options.get("pages")) and all(map(self.storage.exists, paths))

    def relative(self, path: Path) -> str | bytes:
        return stored(os.path.relpath(path, self.folder))

    def paths(self, names: Iterable[str | bytes]) -> list[Path]:
        return [self.folder / os.fsdecode(name) for name in names]


def stored(path: str | os.PathLike[str]) -> str | bytes:
    """A path, or text with names, as SQLite takes it: bytes where a name is not UTF-8."""
    text = os.fspath(path)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:
        return os.fsencode(text)
    return text


def as_json(value: Mapping[str, object]) -> str:
    return json.dumps(dict(value), sort_keys=True)


def comparable(options: Mapping[str, object]) -> str:
    """What two runs must share to make the same colours from the same seed."""
    return as_json({key: value for key, value in options.items() if key not in FREE})
