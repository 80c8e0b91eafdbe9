"""ZIP archives of photos: unpacked within bounds, whatever they claim to be."""

from __future__ import annotations

import shutil
import struct
import unicodedata
import zipfile
import zlib
from itertools import groupby
from pathlib import Path, PurePosixPath

from cinn_hub.batch.findings import Findings, is_hidden, kind_of_content
from cinn_hub.errors import PhotoError
from cinn_hub.formats import HEAD, PHOTOS, format_of

MOST_PHOTOS = 1000
MOST_MEGABYTES = 4000  # unpacked, together
MOST_ENTRIES = 20_000  # of any kind
MOST_DIRECTORY = 8_000_000  # bytes in which an archive lists them
LONGEST_STEM = 80
END_ROOM = 2**16 + 200  # bytes at an archive's end in which its last records are
DAMAGED = (zipfile.BadZipFile, zlib.error, EOFError, struct.error, OSError)

UTF8, ENCRYPTED = 0x800, 1  # flags of an entry
UNICODE_PATH = 0x7075  # the number of an extra field, APPNOTE 4.6.9
CODE_PAGES = ("cp932", "cp866", "cp437")  # of names that do not say it
RARE_KANJI = 0xE0  # the first byte of the rarer half in cp932; in cp866 they are common letters
SCRIPTS = {"LATIN": "Latin", "CYRILLIC": "Cyrillic"}  # by the first word of a letter's name
SCRIPTS |= dict.fromkeys(("CJK", "IDEOGRAPHIC", "FULLWIDTH", "HIRAGANA", "KATAKANA"), "Japanese")
SCRIPTS |= {"KATAKANA-HIRAGANA": "Japanese"}


def is_zip(path: Path) -> bool:
    return path.suffix.lower() == ".zip"


def unpack(
    archive: Path,
    folder: Path,
    most_photos: int = MOST_PHOTOS,
    most_megabytes: float = MOST_MEGABYTES,
) -> Findings:
    """Writes the photos of a ZIP archive into a folder, in folders as in the archive.

    Names lose what could lead out of the folder; of several photos with one name, all but the first
    get a number. A photo that is damaged costs no other one. Archives inside are not opened.

    Arguments:
        most_megabytes: of the photos unpacked; `zipfile` gives no more than an archive says.

    Raises:
        PhotoError: it cannot be read, holds no photos, or too much.
    """
    found = Findings()
    if directory_bytes(archive) > MOST_DIRECTORY:
        raise PhotoError(f"{archive.name} lists more than {MOST_ENTRIES} files; divide it.")
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = photos_of(opened, archive.name, found)
            check(entries, archive.name, most_photos, most_megabytes)
            for entry in entries:
                name = readable_name(entry)
                target = free_name(folder, name)
                target.parent.mkdir(parents=True, exist_ok=True)
                try:
                    with opened.open(entry) as source, target.open("wb") as file:
                        shutil.copyfileobj(source, file)
                    found.sort(target, f"{archive}/{name}")
                    if target not in found.photos[-1:]:
                        target.unlink()
                except (*DAMAGED, RuntimeError) as error:
                    target.unlink(missing_ok=True)
                    found.lost[fault_of(entry, error)].append(f"{archive}/{name}")
    except DAMAGED as error:
        raise PhotoError(f"{archive.name} is a damaged ZIP archive; make it again.") from error
    if not found.photos:
        raise PhotoError(f"{archive.name} holds no photos; {' and '.join(found.lines())}.")
    return found


def directory_bytes(archive: Path) -> int:
    """How long an archive says that its directory is; `zipfile` parses it whole, however long."""
    with archive.open("rb") as file:
        file.seek(max(0, archive.stat().st_size - END_ROOM))
        end = file.read()
    _, _, last = end.rpartition(b"PK\5\6")
    size = int.from_bytes(last[8:12], "little") if len(last) < len(end) else 0
    if size == 2**32 - 1:  # it is in the record of ZIP64
        size = int.from_bytes(end.rpartition(b"PK\6\6")[2][36:44], "little")
    return size


def photos_of(opened: zipfile.ZipFile, name: str, found: Findings) -> list[zipfile.ZipInfo]:
    """The entries that are photos by their names or their first bytes; notes what the others are.

    Raises:
        PhotoError: there are too many.
    """
    entries = opened.infolist()
    if len(entries) > MOST_ENTRIES:
        raise PhotoError(
            f"{name} has {len(entries)} entries; at most {MOST_ENTRIES} are read: divide it."
        )
    photos = []
    for entry in entries:
        path = PurePosixPath(readable_name(entry))
        if entry.is_dir() or any(map(is_hidden, path.parts)):
            continue
        if format_of(path, PHOTOS):
            photos.append(entry)
            continue
        try:
            with opened.open(entry) as file:
                kind, is_photo = kind_of_content(file.read(HEAD), path)
        except (*DAMAGED, RuntimeError) as error:
            kind, is_photo = fault_of(entry, error), False
        if is_photo:
            photos.append(entry)
        else:
            found.others[kind].append(f"{opened.filename}/{path}")
    return photos


def check(
    entries: list[zipfile.ZipInfo], name: str, most_photos: int, most_megabytes: float
) -> None:
    if len(entries) > most_photos:
        raise PhotoError(
            f"{name} holds {len(entries)} photos; at most {most_photos} are taken: divide it."
        )
    if sum(entry.file_size for entry in entries) > most_megabytes * 1e6:
        raise PhotoError(f"{name} holds more than {most_megabytes:g} MB of photos; divide it.")


def fault_of(entry: zipfile.ZipInfo, error: Exception) -> str:
    """Why an entry cannot be unpacked, as a kind of file."""
    if entry.flag_bits & ENCRYPTED:
        return "locked by a password"
    if isinstance(error, NotImplementedError):
        method = zipfile.compressor_names.get(entry.compress_type, f"{entry.compress_type}")
        return f"compressed by {method.capitalize()}, which cannot be read here"
    return "damaged in the archive"


def readable_name(entry: zipfile.ZipInfo) -> str:
    """The path of an entry, whichever system wrote it.

    By the flag of UTF-8 or the Unicode field; else by the one encoding in which all words are words
    of one script. Where there is none, or several, what is not ASCII is left out.
    """
    if entry.flag_bits & UTF8:
        name = entry.orig_filename
    else:
        raw = entry.orig_filename.encode("cp437")
        name = unicode_path(entry.extra, raw) or decoded(raw)
    return name.replace("\\", "/")


def unicode_path(extra: bytes, raw: bytes) -> str | None:
    """The name in the field that Info-ZIP adds, if it belongs to this one."""
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        data, extra = extra[4 : 4 + size], extra[4 + size :]
        if kind == UNICODE_PATH and data[1:5] == struct.pack("<L", zlib.crc32(raw)):
            return data[5:].decode("utf-8", "ignore")
    return None


def decoded(raw: bytes) -> str:
    """A name of an unknown encoding."""
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        names = [raw.decode(page, "replace") for page in CODE_PAGES]
    likely = [name for name in names if all(map(is_word, words_of(name)))]
    return likely[0] if len(likely) == 1 else raw.decode("ascii", "replace").replace("\ufffd", "_")


def words_of(name: str) -> list[str]:
    """What is not ASCII, with the letters around it."""
    parts = groupby(name, key=lambda c: c.isalpha() or not c.isascii())
    words = ("".join(letters) for is_word, letters in parts if is_word)
    return [word for word in words if not word.isascii()]


def is_word(word: str) -> bool:
    """Whether these are letters of one script, the large ones where words have them."""
    scripts = {SCRIPTS.get(unicodedata.name(letter, "?").split()[0]) for letter in word}
    if scripts == {"Japanese"}:
        return all(letter.encode("cp932", "replace")[0] < RARE_KANJI for letter in word)
    cased = word in (word.lower(), word.upper(), word.capitalize())
    return word.isalpha() and cased and len(scripts - {None}) == len(scripts) == 1


def free_name(folder: Path, name: str) -> Path:
    """A path in the folder that is not taken yet, in folders as in the name."""
    parts = [clean(part) for part in PurePosixPath(name).parts]
    *parents, last = [part for part in parts if part.strip(" .")] or ["photo"]
    path = PurePosixPath(last)
    stem, suffix = path.stem.strip(" .")[:LONGEST_STEM] or "photo", path.suffix[:LONGEST_STEM]
    place = folder.joinpath(*(part.strip(" ")[:LONGEST_STEM] for part in parents))
    target, number = place / f"{stem}{suffix}", 1
    while target.exists():
        number += 1
        target = place / f"{stem}-{number}{suffix}"
    return target


def clean(part: str) -> str:
    return "".join(c for c in part if c.isprintable() and c not in '<>:"/\\|?*')
