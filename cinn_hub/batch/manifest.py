"""The manifest of a folder of results: what was made of which photo and how, and what failed."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock, Timeout

from cinn_hub.batch.album import Job
from cinn_hub.batch.storage import Storage
from cinn_hub.errors import CinnHubError
from cinn_hub.files import open_plain

NAME = "manifest.sqlite"
LOCK = f".{NAME}.lock"
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
    photo TEXT NOT NULL,     -- absolute path; of a photo in an archive, behind that of the archive
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

    photo: str | bytes
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

    def __init__(self, storage: Storage, task: str = "", readonly: bool = False) -> None:
        """Opens the manifest of a storage, or begins it.

        Arguments:
            task: what the names of the results end with; see the table of photos.
            readonly: it is only read; a copy in memory is.

        Raises:
            CinnHubError: the file cannot be written, or something else wrote it.
        """
        self.storage, self.folder, self.task = storage, storage.folder, stored(task)
        self.path = self.folder / NAME
        self.run: int | None = None
        self.sent = time.monotonic()
        self.lock = FileLock(self.folder / LOCK)
        storage.fetch(self.path)
        with self.one_sentence():
            if readonly:
                self.database = sqlite3.connect(":memory:")
                with closing(
                    sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)
                ) as file:
                    file.backup(self.database)
            else:
                self.database = sqlite3.connect(self.path, timeout=BUSY_SECONDS)
            (version,) = self.database.execute("PRAGMA user_version").fetchone()
            if version not in (0, VERSION):
                raise CinnHubError(
                    f"{storage.name(self.path)} has version {version}, but this cinn_hub reads "
                    f"{VERSION}; use the cinn_hub that wrote it."
                )
            self.database.executescript(f"{TABLES} PRAGMA user_version = {VERSION};")

    @classmethod
    def read(cls, storage: Storage) -> Manifest:
        """The manifest of a storage, from which nothing is written.

        Raises:
            CinnHubError: there is none.
        """
        storage.fetch(path := storage.folder / NAME)
        if not path.is_file():
            raise CinnHubError(
                f"There is no {storage.name(path)}; give the --out of a run over folders or ZIP "
                "archives."
            )
        return cls(storage, readonly=True)

    @contextmanager
    def one_sentence(self) -> Iterator[sqlite3.Connection]:
        """The database. All changes of the block are made, or none; an error is one sentence."""
        try:
            with getattr(self, "database", nullcontext()) as database:
                yield database
        except sqlite3.Error as error:
            name = self.storage.name(self.path)
            advice = "look whether its folder can be written to, and run it again"
            if not isinstance(error, sqlite3.OperationalError):
                advice = "delete it and run it again, which keeps the results that are there"
            raise CinnHubError(
                f"The manifest {name} cannot be used ({error}); {advice}."
            ) from error

    def select(self, query: str, *values: object) -> list[tuple]:
        with self.one_sentence() as database:
            return database.execute(query, values).fetchall()

    def close(self) -> None:
        self.database.close()
        if self.run is not None:
            self.storage.send(self.path)
        self.lock.release()

    def send(self) -> None:
        """Keeps what is noted up to now."""
        self.storage.send(self.path)
        self.sent = time.monotonic()

    def begin(self, version: str, options: Mapping[str, object]) -> None:
        """Notes that a run begins with options that can be written as JSON.

        Raises:
            CinnHubError: another run writes to the same folder.
        """
        try:
            self.lock.acquire(timeout=0)
        except Timeout as error:
            raise CinnHubError(
                f"Another run writes to {self.storage.url or self.folder}; wait until it has "
                "ended, or give another --out."
            ) from error
        except (OSError, NotImplementedError):
            pass  # there are no locks in this file system
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

    def is_own(self, entry: Entry | None, job: Job) -> bool:
        """Whether an entry is that of the job's photo, by its path or its content."""
        if entry is None:
            return False
        same_path = entry.photo == stored(job.source.absolute())
        return same_path or (entry.file is not None and entry.file.is_of(job.photo))

    def is_taken(self, job: Job) -> bool:
        """Whether there are results of another photo whose names begin as the job's."""
        entry = self.entry(job.results)
        has_results = entry is not None and (entry.state == DONE or bool(entry.results))
        return has_results and not self.is_own(entry, job)

    def twins(self, photo: Path) -> list[Entry]:
        """Photos that are done, had the content of this file, and are gone."""
        try:
            same_size = self.entries("state = 'done' AND bytes = ?", photo.stat().st_size)
            digest = FileState.of(photo).sha256 if same_size else ""
        except OSError:
            return []
        same = (entry for entry in same_size if entry.file and entry.file.sha256 == digest)
        return [entry for entry in same if is_gone(Path(os.fsdecode(entry.photo)))]

    def entries(self, condition: str, value: object) -> list[Entry]:
        photos = self.select(
            "SELECT photo, stem, state, options, sha256, bytes, modified"
            f" FROM photos JOIN runs USING (run) WHERE task = ? AND {condition}",
            *(self.task, value),
        )
        files = "SELECT file FROM results WHERE stem = ? AND task = ? ORDER BY file"
        return [
            Entry(
                photo,
                stem,
                state,
                FileState(*file) if file[0] else None,
                json.loads(options),
                tuple(name for (name,) in self.select(files, stem, self.task)),
            )
            for photo, stem, state, options, *file in photos
        ]

    def expect(self, jobs: Iterable[Job]) -> None:
        """Notes the photos that are to be done.

        If the run is cut off, they are still waiting when the next one begins.
        """
        columns = "(stem, task, photo, run, state) VALUES (?, ?, ?, ?, ?)"
        rows = (
            (
                self.relative(job.results),
                self.task,
                stored(job.source.absolute()),
                self.run,
                WAITING,
            )
            for job in jobs
        )
        with self.one_sentence() as database:
            database.executemany(f"INSERT OR REPLACE INTO photos {columns}", rows)
        self.send()

    def note(self, job: Job, outcome: Outcome) -> None:
        """Notes what has come of an expected photo."""
        key = (self.relative(job.results), self.task)
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

    def move(self, entry: Entry, job: Job) -> bool:
        """Gives the results of a photo that was moved or renamed the names that they have now.

        Returns:
            whether all of them were there; if not, nothing has changed.
        """
        new, old_length = self.relative(job.results), len(os.fsdecode(entry.stem))
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
        modified = job.photo.stat().st_mtime_ns
        row = (new, stored(job.source.absolute()), modified, entry.stem, self.task)
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


def is_gone(photo: Path) -> bool:
    """Whether neither the photo is there, nor the archive that it was in."""
    return not (photo.exists() or any(folder.is_file() for folder in photo.parents))


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
