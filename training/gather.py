"""Photos that lists name, out of snapshots of public git repositories, ready to train on.

    python -m training.gather --snapshots DIR --out DIR --held-out PHOTOS [PHOTOS ...] [--lists DIR]

Below --snapshots, a folder `owner+name` holds the git directory of each repository (bare or not);
what is not there is counted and left out. The lists are `training/lists.toml`, and below --lists
files `KIND/NAME.jsonl.gz` with an object a line: `repo`, `commit`, `path`.

Writes JPEGs: OUT/small has all photos, at most 128 px on the shorter side; OUT/large those of at
least 192 px, at most 256 px; OUT/choosing what is kept apart for choosing models. Photos without
colours are left out, and doubles of those in --held-out and OUT/choosing. OUT/log has a line for
each photo that was judged; an interrupted run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import json
import subprocess
import tomllib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import cv2
import numpy as np
from PIL import Image, ImageOps

from cinn_hub import photos
from cinn_hub.errors import PhotoError
from training.photos import SUFFIXES, find_photos

CHOOSING = "choosing"  # folder
MISSING = "missing"
LISTS = Path(__file__).with_name("lists.toml")
SMALL, LARGE = 128, 256  # pixels, of the shorter side
LEAST_LARGE = 192  # pixels, of a photo to be trained on at 256
LONGEST = 2.0  # of the longer side, in shorter ones; panoramas lose their ends
QUALITY = 88  # of JPEG, with colours at full size
NEAR = 3  # bits of 64, up to which two photos are doubles
BLACK = 16  # of 255; darker edges are a frame
AT_ONCE = 64  # photos between two notes in the log


@dataclass(frozen=True)
class Row:
    """A photo in a repository."""

    repo: str
    commit: str
    path: str

    @property
    def name(self) -> str:
        """Of all repositories' photos, on one line."""
        return f"{self.repo}\t{self.path}"

    @property
    def place(self) -> str:
        """Its place in a fixed random order."""
        return hashlib.sha256(f"{self.repo}/{self.path}".encode()).hexdigest()


@dataclass(frozen=True)
class Collection:
    """Photos of one kind, in a fixed random order: first those to choose by, then those to train
    on."""

    name: str
    choosing: Sequence[Row]
    training: Sequence[Row]


class Snapshots:
    """Git directories below a folder, one in `owner+name/` for each repository."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.trees: dict[tuple[str, str], dict[str, str]] = {}
        self.readers: dict[str, subprocess.Popen] = {}

    def git(self, repo: str) -> list[str] | None:
        """The command for this repository, None if it is not there."""
        home = self.folder / repo.replace("/", "+")
        found = [p.parent for p in home.rglob("HEAD") if (p.parent / "objects").is_dir()]
        return found and ["git", f"--git-dir={min(found, key=lambda p: len(p.parts))}"] or None

    def tree(self, repo: str, commit: str) -> dict[str, str]:
        """{path: blob} at the commit, or at HEAD where the snapshot lacks it; {} without one."""
        if (repo, commit) not in self.trees:
            self.trees[repo, commit] = self.listed(repo, commit)
        return self.trees[repo, commit]

    def listed(self, repo: str, commit: str) -> dict[str, str]:
        git = self.git(repo)
        for revision in (commit, "HEAD") if git else ():
            found = subprocess.run([*git, "ls-tree", "-r", "-z", revision], capture_output=True)
            if found.returncode == 0:
                rows = (row.split(b"\t", 1) for row in found.stdout.split(b"\0") if row)
                return {
                    path.decode("utf-8", "replace"): meta.split()[2].decode() for meta, path in rows
                }
        return {}

    def read(self, row: Row) -> bytes | None:
        """The photo's file, None if it is not there."""
        blob = self.tree(row.repo, row.commit).get(row.path)
        if blob is None:
            return None
        if row.repo not in self.readers:
            self.readers[row.repo] = subprocess.Popen(
                [*self.git(row.repo), "cat-file", "--batch"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        reader = self.readers[row.repo]
        reader.stdin.write(f"{blob}\n".encode())
        reader.stdin.flush()
        answer = reader.stdout.readline().split()
        if answer[-1] == b"missing":  # a snapshot may lack some
            return None
        data = reader.stdout.read(int(answer[2]))
        reader.stdout.read(1)
        return data


def collections(lists: Path | None, snapshots: Snapshots) -> list[Collection]:
    """Those of `training/lists.toml`, and those below another folder of lists."""
    tables = tomllib.loads(LISTS.read_text("utf-8"))
    measured = tables.pop("measured")
    found = {
        name: folders_of(table, snapshots)
        for name, table in tables.items()
        if "repository" in table
    }
    for path in sorted(lists.glob("*/*.jsonl.gz")) if lists else ():
        with gzip.open(path, "rt", encoding="utf-8") as stream:
            rows = [json.loads(line) for line in stream]
        name = path.name.removesuffix(".jsonl.gz")
        known = found.setdefault(name, [])
        known += [Row(row["repo"], row["commit"], row["path"]) for row in rows]
    return [
        divided(name, [row for row in rows if row.repo not in measured], tables.get(name, {}))
        for name, rows in found.items()
    ]


def measured_on(snapshots: Snapshots) -> list[Row]:
    """The pictures in repositories that models are measured on."""
    repos = tomllib.loads(LISTS.read_text("utf-8"))["measured"]
    return [
        Row(repo, "HEAD", path)
        for repo in repos
        for path in snapshots.tree(repo, "HEAD")
        if PurePosixPath(path).suffix.lower() in SUFFIXES
    ]


def folders_of(table: dict[str, Any], snapshots: Snapshots) -> list[Row]:
    """The photos in the folders that a table names."""
    repo, commit = table["repository"], table["commit"]
    rows = []
    for path in map(PurePosixPath, snapshots.tree(repo, commit)):
        folder = "" if path.parent == PurePosixPath(".") else str(path.parent)
        if folder in table["folders"] and path.suffix.lower() in SUFFIXES:
            number = int(path.stem) if path.stem.isdigit() else None
            out = number is not None and any(number % d == r for d, r in table.get("without", ()))
            rows += [] if out else [Row(repo, commit, str(path))]
    return rows


def divided(name: str, rows: Sequence[Row], table: dict[str, Any]) -> Collection:
    rows = sorted(set(rows), key=lambda row: row.place)
    choose, most = table.get("choose", 0), table.get("most", len(rows))
    return Collection(name, rows[:choose], rows[choose : choose + most])


def upright(data: bytes) -> np.ndarray | None:
    """sRGB (H, W, 3) uint8 of a picture file, its black frame and a panorama's ends cut off; None
    where it cannot be read."""
    try:
        image = Image.open(io.BytesIO(data))
        image.draft("RGB", (2 * LARGE, 2 * LARGE))
        picture = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    bright = picture.max(2) > BLACK
    rows, columns = (np.flatnonzero(bright.mean(axis) > 0.02) for axis in (1, 0))
    if not len(rows) or not len(columns):
        return None
    picture = picture[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    height, width = picture.shape[:2]
    long = round(LONGEST * min(height, width))
    top, left = max(0, (height - long) // 2), max(0, (width - long) // 2)
    return np.ascontiguousarray(picture[top : top + long, left : left + long])


def has_colors(picture: np.ndarray) -> bool:
    try:
        return photos.is_colored(photos.read(picture))
    except PhotoError:  # too small
        return False


def hashes(picture: np.ndarray) -> tuple[int, int]:
    """The difference hash of a picture, and that of its mirror image: which of two neighbours on a
    grid of 8 rows is lighter, 64 bits."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    return tuple(
        int.from_bytes(np.packbits(x[:, 1:] > x[:, :-1]).tobytes(), "big")
        for x in (small, small[:, ::-1])
    )


class Known:
    """Photos that must not come again."""

    def __init__(self) -> None:
        self.hashes = np.empty(0, np.uint64)

    def add(self, files: Iterable[bytes | None]) -> None:
        pictures = (upright(data) for data in files if data)
        more = [value for x in pictures if x is not None for value in hashes(x)]
        self.hashes = np.concatenate([self.hashes, np.array(more, np.uint64)])

    def has(self, picture: np.ndarray) -> bool:
        """Whether one of them is nearly the same, or its mirror image."""
        other = np.bitwise_xor(self.hashes, np.uint64(hashes(picture)[0]))
        return bool((np.bitwise_count(other) <= NEAR).any())


def written(picture: np.ndarray, short_side: int, path: Path) -> None:
    """The picture as a JPEG, shrunk if it is larger."""
    scale = short_side / min(picture.shape[:2])
    if scale < 1:
        size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
        picture = cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture).save(path, quality=QUALITY, subsampling=0)


def judged(data: bytes | None, known: Known) -> tuple[str, np.ndarray | None]:
    """Why a photo is left out, or "kept" and the photo."""
    if data is None:
        return MISSING, None
    picture = upright(data)
    if picture is None:
        return "unreadable", None
    if not has_colors(picture):
        return "grey", None
    return ("double", None) if known.has(picture) else ("kept", picture)


def gather(
    rows: Sequence[Row],
    snapshots: Snapshots,
    known: Known,
    log: Path,
    targets: dict[Path, tuple[int, int]],
) -> Counter[str]:
    """Judges the rows that are not in the log yet, and writes what is kept.

    targets: folders, and of the photos in each the shorter side at most, and at least.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    lines = log.read_text("utf-8").splitlines() if log.exists() else []
    verdicts = {place: verdict for verdict, place in (line.split("\t", 1) for line in lines)}
    todo = [row for row in rows if row.name not in verdicts]
    for start in range(0, len(todo), AT_ONCE):
        new = {}
        for row in todo[start : start + AT_ONCE]:
            new[row.name], picture = judged(snapshots.read(row), known)
            for folder, (most, least) in targets.items() if picture is not None else ():
                if min(picture.shape[:2]) >= least:
                    written(picture, most, folder / f"{row.place[:16]}.jpg")
        verdicts |= new
        with log.open("a", encoding="utf-8") as stream:  # what is missing may come yet
            stream.writelines(f"{v}\t{name}\n" for name, v in new.items() if v != MISSING)
    return Counter(verdicts.values())


def gather_all(
    folder: Path, out: Path, held_out: Sequence[str | Path], lists: Path | None = None
) -> None:
    """Everything, first what models are chosen by.

    folder: of the snapshots; held_out: folders and zips of photos; lists: a folder of more lists.
    """
    snapshots, known = Snapshots(folder), Known()
    found = collections(lists, snapshots)
    known.add(source.read() for source in (find_photos(held_out) if held_out else ()))
    known.add(snapshots.read(row) for row in measured_on(snapshots))
    for part in found:
        log = out / "log" / f"{part.name}.choosing"
        gather(part.choosing, snapshots, known, log, {out / CHOOSING / part.name: (LARGE, 0)})
    known.add(path.read_bytes() for path in sorted((out / CHOOSING).rglob("*.jpg")))
    for part in found:
        log = out / "log" / f"{part.name}.training"
        targets = {
            out / "small" / part.name: (SMALL, 0),
            out / "large" / part.name: (LARGE, LEAST_LARGE),
        }
        counts = gather(part.training, snapshots, known, log, targets)
        told = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
        print(f"{part.name}: {told or 'none'}", flush=True)


def add_arguments(parser: argparse.ArgumentParser, required: bool = True) -> None:
    parser.add_argument(
        "--snapshots", type=Path, required=required, help="folder of git directories"
    )
    parser.add_argument("--lists", type=Path, help="folder of more lists")
    parser.add_argument(
        "--held-out", nargs="+", default=[], help="folders or zips of photos that are measured on"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add_arguments(parser)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    gather_all(options.snapshots, options.out, options.held_out, options.lists)


if __name__ == "__main__":
    main()
