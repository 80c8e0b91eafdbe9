"""ZIP archives of photos: unpacked within bounds, whatever they claim to be."""

from __future__ import annotations

import shutil
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from cinn_hub.errors import PhotoError
from cinn_hub.formats import PHOTOS, format_of

ARCHIVE_SUFFIXES = (".zip", ".rar", ".7z", ".tar", ".gz")
HIDDEN = (".", "@eaDir", "__MACOSX")  # what systems keep for themselves begins so

MOST_PHOTOS = 1000
MOST_MEGABYTES = 4000  # unpacked, together
MOST_ENTRIES = 20_000  # of any kind
LONGEST_STEM = 80


def is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip"


def is_visible(path: Path | PurePosixPath) -> bool:
    """Whether no part of this relative path is a hidden file or folder."""
    return not any(part.startswith(HIDDEN) and part != ".." for part in path.parts)


def unpack(
    archive: Path,
    folder: Path,
    most_photos: int = MOST_PHOTOS,
    most_megabytes: float = MOST_MEGABYTES,
) -> list[Path]:
    """Writes the photos of a ZIP archive into a folder, all into one.

    Names keep their stem and suffix alone, without what could lead out of the folder; of several
    photos with one name, all but the first get a number. Archives inside are not opened.

    Arguments:
        most_megabytes: of the photos unpacked; `zipfile` gives no more than an archive says.

    Raises:
        PhotoError: it cannot be read, needs a password, holds no photos, or too much.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = photos_of(opened, archive.name, most_photos)
            if sum(entry.file_size for entry in entries) > most_megabytes * 1e6:
                raise PhotoError(
                    f"{archive.name} holds more than {most_megabytes:g} MB of photos; divide it."
                )
            paths: list[Path] = []
            for entry in entries:
                target = free_name(folder, PurePosixPath(entry.filename.replace("\\", "/")).name)
                with opened.open(entry) as source, target.open("wb") as file:
                    shutil.copyfileobj(source, file)
                paths.append(target)
            return paths
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
        raise PhotoError(f"{archive.name} is a damaged ZIP archive; make it again.") from error
    except RuntimeError as error:  # what zipfile raises for encrypted entries
        raise PhotoError(f"{archive.name} needs a password; make it without one.") from error


def photos_of(opened: zipfile.ZipFile, name: str, most: int) -> list[zipfile.ZipInfo]:
    """The entries that are photos by their names."""
    entries = opened.infolist()
    if len(entries) > MOST_ENTRIES:
        raise PhotoError(
            f"{name} has {len(entries)} entries; at most {MOST_ENTRIES} are read: divide it."
        )
    found = [
        entry
        for entry in entries
        if not entry.is_dir()
        and is_visible(PurePosixPath(entry.filename))
        and format_of(entry.filename, PHOTOS)
    ]
    if not found:
        inner = any(entry.filename.lower().endswith(ARCHIVE_SUFFIXES) for entry in entries)
        text = "archives, but no photos; unpack it first" if inner else "no photos"
        raise PhotoError(f"{name} holds {text}.")
    if len(found) > most:
        raise PhotoError(f"{name} holds {len(found)} photos; at most {most} are taken: divide it.")
    return found


def free_name(folder: Path, name: str) -> Path:
    """A path in the folder that is not taken yet."""
    printable = "".join(c for c in name if c.isprintable() and c not in '<>:"/\\|?*')
    path = PurePosixPath(printable)
    stem, suffix = path.stem.strip(" .")[:LONGEST_STEM] or "photo", path.suffix
    target, number = folder / f"{stem}{suffix}", 1
    while target.exists():
        number += 1
        target = folder / f"{stem}_{number}{suffix}"
    return target
