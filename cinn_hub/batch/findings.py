"""What a folder or an archive holds: photos by name or by content, and all else, by kind."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from cinn_hub.files import open_plain
from cinn_hub.formats import HEAD, PHOTOS, RAW, format_of, format_of_content, other_kind

# What systems, and this package, keep for themselves begins so
HIDDEN = (".", "@eaDir", "__MACOSX", "manifest.sqlite")
MOST_NAMES = 3  # of each kind, that are listed
TIFF = "TIFF"

Kinds = Mapping[str, list[str]]
"""The names of files, by their kind."""


@dataclass
class Findings:
    """What was found.

    Attributes:
        photos: files that are read as photos.
        misnamed: those of them whose names say something else, by their format.
        others: what is not read, by kind.
        lost: photos of archives that cannot be unpacked, by the reason.
    """

    photos: list[Path] = field(default_factory=list)
    misnamed: Kinds = field(default_factory=lambda: defaultdict(list))
    others: Kinds = field(default_factory=lambda: defaultdict(list))
    lost: Kinds = field(default_factory=lambda: defaultdict(list))

    def sort(self, path: Path, name: str) -> None:
        """Puts a file where it belongs; `name` is what people call it."""
        if format_of(path, PHOTOS) and path.is_file():
            self.photos.append(path)
            return
        kind, is_photo = kind_of(path)
        if is_photo:
            self.photos.append(path)
            self.misnamed[kind].append(name)
        else:
            self.others[kind].append(name)

    def add(self, other: Findings) -> None:
        """Adds what else was found."""
        self.photos += other.photos
        for own, more in (
            (self.misnamed, other.misnamed),
            (self.others, other.others),
            (self.lost, other.lost),
        ):
            for kind, names in more.items():
                own[kind] += names

    def lines(self) -> Iterator[str]:
        """What there is to say of the files that are not simply photos."""
        if self.misnamed:
            yield f"read by their content: {counted(self.misnamed)}"
        if left := {**self.lost, **self.others}:
            yield f"left out: {counted(left)}"


def kind_of(path: Path) -> tuple[str, bool]:
    """What a file is called that has no usual suffix of a photo, and whether it holds one."""
    try:
        with open_plain(path) as file:
            kind, is_photo = kind_of_content(file.read(HEAD), path)
    except FileNotFoundError:
        return "link to a file that is gone", False
    except OSError:
        return "file that cannot be opened", False
    if kind == TIFF:
        from cinn_hub.photos.tiff import holds_photo  # takes long, and few need it

        if not holds_photo(path):
            return RAW[0], False
    return kind, is_photo


def kind_of_content(head: bytes, path: PurePath) -> tuple[str, bool]:
    """The same by how the file begins; its suffix where that does not tell."""
    if photo := format_of_content(head):
        return photo.name, True
    if other := other_kind(head):
        return other[0], False
    return path.suffix.lower() or "file without a suffix", False


def is_hidden(name: str) -> bool:
    return name.startswith(HIDDEN) and name != ".."


def counted(kinds: Kinds) -> str:
    """Such as "2 PDF (a.pdf, b.pdf), 1 film (c.mp4)"."""
    parts = []
    for kind, names in sorted(kinds.items(), key=lambda item: -len(item[1])):
        more = ["..."] if len(names) > MOST_NAMES else []
        parts.append(f"{len(names)} {kind} ({', '.join([*names[:MOST_NAMES], *more])})")
    return ", ".join(parts)


def files_in(folder: Path, skipped: Path | None = None) -> Findings:
    """What a folder and its subfolders hold, linked ones, too; each folder is read once.

    skipped: a folder in it whose files do not count.
    """
    found = Findings()
    seen = {os.path.realpath(skipped)} if skipped else set()

    def cannot_be_opened(error: OSError) -> None:
        found.others["folder that cannot be opened"].append(str(error.filename))

    for place, folders, names in os.walk(folder, onerror=cannot_be_opened, followlinks=True):
        if (real := os.path.realpath(place)) in seen:
            folders.clear()
            continue
        seen.add(real)
        hidden = [name for name in (*folders, *names) if is_hidden(name)]
        if hidden:
            found.others["hidden"] += [os.path.join(place, name) for name in sorted(hidden)]
        folders[:] = sorted(name for name in folders if not is_hidden(name))
        for name in sorted(names):
            if not is_hidden(name):
                path = Path(place, name)
                found.sort(path, str(path))
    return found
