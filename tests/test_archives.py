"""ZIP archives of photos: what is unpacked, under which names, and what is refused."""

import io
import struct
import zipfile
import zlib

import pytest
from made_files import JPEG

from cinn_hub.batch import archives
from cinn_hub.batch.findings import counted
from cinn_hub.errors import PhotoError


def archive_of(path, entries, **options):
    with zipfile.ZipFile(path, "w", **options) as opened:
        for name, data in entries:
            opened.writestr(name, data)
    return path


def zip_of(name, data=b"1"):
    buffer = io.BytesIO()
    archive_of(buffer, [(name, data)])
    return buffer.getvalue()


@pytest.fixture
def unpacked(tmp_path):
    """What comes out of an archive: the files by their names, and what is said of the others."""

    def unpacked(data, **bounds):
        (tmp_path / "box.zip").write_bytes(data)
        folder = tmp_path / "out"
        folder.mkdir()
        found = archives.unpack(tmp_path / "box.zip", folder, **bounds)
        files = {p.relative_to(folder).as_posix(): p.read_bytes() for p in found.photos}
        assert {p for p in folder.rglob("*") if p.is_file()} == set(found.photos)
        return files, found

    return unpacked


def test_photos_come_out_in_their_folders_and_all_else_is_named(unpacked):
    entries = {
        "1950/a.jpg": b"1",
        "1960/a.jpg": b"2",
        "1960/b.TIF": b"3",
        "scan": JPEG,
        "raw.nef": JPEG,
        "empty.png": b"",
        "notes.txt": b"4",
        "__MACOSX/box/._a.jpg": b"5",
        ".hidden.png": b"6",
        "inner/more.zip": zip_of("c.jpg"),
        "old.tar": b"7",
    }
    buffer = io.BytesIO()
    archive_of(buffer, entries.items())
    files, found = unpacked(buffer.getvalue())
    names = ("1950/a.jpg", "1960/a.jpg", "1960/b.TIF", "scan", "raw.nef", "empty.png")
    assert files == {name: entries[name] for name in names}
    assert "2 JPEG" in counted(found.misnamed)
    said = counted(found.others)
    for part in ("1 .txt", "1 ZIP archive", "inner/more.zip", "1 .tar"):
        assert part in said


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/cron.jpg", "etc/cron.jpg"),
        ("C:\\Users\\me\\grandma.jpg", "C/Users/me/grandma.jpg"),
        ("/abs/olute.png", "abs/olute.png"),
        ("line\nbreak\x1b[2J.jpg", "linebreak[2J.jpg"),
        ("what?<is>this*.jpg", "whatisthis.jpg"),
        ("x" * 300 + ".jpg", "x" * 80 + ".jpg"),
        ("Großmutter 1925.jpeg", "Großmutter 1925.jpeg"),
        ("a/../../../b.jpg", "a/b.jpg"),
    ],
)
def test_names_are_cleaned(unpacked, name, expected):
    assert unpacked(zip_of(name))[0].keys() == {expected}


def test_names_that_are_the_same_once_cleaned_get_numbers(unpacked):
    buffer = io.BytesIO()
    archive_of(buffer, [("a?.jpg", b"1"), ("a*.jpg", b"2")])
    assert unpacked(buffer.getvalue())[0] == {"a.jpg": b"1", "a-2.jpg": b"2"}


def named(raw, extra=b""):
    """An archive whose one entry has a name of these bytes, which does not say its encoding."""
    data = bytearray(zip_of("x" * len(raw)))
    for magic, offset in ((b"PK\3\4", 30), (b"PK\1\2", 46)):
        place = data.index(magic) + offset
        data[place : place + len(raw)] = raw
    if extra:  # at the end of the entry in the directory
        place = data.index(b"PK\1\2")
        data[place + 30 : place + 32] = struct.pack("<H", len(extra))
        data[place + 46 + len(raw) : place + 46 + len(raw)] = extra
        size = data.index(b"PK\5\6") + 12
        length = struct.unpack_from("<I", data, size)[0] + len(extra)
        data[size : size + 4] = struct.pack("<I", length)
    return bytes(data)


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("写真1.jpg", "cp932"),
        ("家族旅行_22.jpg", "cp932"),
        ("おばあちゃん.jpg", "cp932"),
        ("ソファー/アルバム.jpg", "cp932"),  # has the byte of a backslash
        ("Бабушка 1950.jpg", "cp866"),
        ("Фото.jpg", "cp866"),
        ("Großmutter.jpg", "cp437"),
        ("été.jpg", "cp437"),
        ("Jörg Müller.jpg", "cp437"),
        ("Großmutter.jpg", "utf-8"),
        ("写真.jpg", "utf-8"),
        ("plain.jpg", "ascii"),
    ],
)
def test_names_of_other_systems_are_read(unpacked, name, encoding):
    assert unpacked(named(name.encode(encoding)))[0].keys() == {name}


@pytest.mark.parametrize(
    "raw",
    [name.encode(page) for name, page in [("ФОТО.jpg", "cp866"), ("Мама.jpg", "cp1251")]]
    + [name.encode("gbk") for name in ("照片.jpg", "家庭相册.jpg", "上海.jpg")]
    + ["사진.jpg".encode("cp949"), "Größe.jpg".encode("cp1252")],
)
def test_names_of_which_nobody_can_tell_become_ascii(unpacked, raw):
    (name,) = unpacked(named(raw))[0]
    assert name.isascii() and name.endswith(".jpg") and "_" in name


@pytest.mark.parametrize("is_own", [True, False])
def test_the_unicode_field_counts_if_it_belongs_to_the_name(unpacked, is_own):
    raw, name = b"foto.jpg", "Фото й.jpg".encode()
    check = zlib.crc32(raw if is_own else b"other")
    body = b"\1" + struct.pack("<L", check) + name
    data = named(raw, struct.pack("<HH", 0x7075, len(body)) + body)
    assert unpacked(data)[0].keys() == {name.decode() if is_own else "foto.jpg"}


def damaged(data, kind):
    """The archive with a fault in its first entry."""
    data = bytearray(data)
    for magic, flags, method in ((b"PK\3\4", 6, 8), (b"PK\1\2", 8, 10)):
        place = data.index(magic)
        if kind == "locked by a password":
            data[place + flags] |= 1
        if kind == "compressed by Deflate64":
            data[place + method] = 9
    if kind == "damaged in the archive":
        data[data.index(b"11111")] ^= 255
    return bytes(data)


@pytest.mark.parametrize(
    "kind", ["locked by a password", "compressed by Deflate64", "damaged in the archive"]
)
def test_a_bad_entry_loses_none_of_the_others(unpacked, kind):
    buffer = io.BytesIO()
    archive_of(buffer, [("a.jpg", b"1" * 50), ("b.jpg", b"2")])
    files, found = unpacked(damaged(buffer.getvalue(), kind))
    assert files == {"b.jpg": b"2"}
    assert f"1 {kind}" in counted(found.lost) and "box.zip/a.jpg" in counted(found.lost)


def test_a_bomb_is_refused_whatever_it_says(tmp_path):
    entries = [("big.png", bytes(30_000_000))]
    path = archive_of(tmp_path / "bomb.zip", entries, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(PhotoError, match="bomb.zip holds more than 5 MB of photos; divide it"):
        archives.unpack(path, tmp_path, most_megabytes=5)
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\1\2") + 24
    data[place : place + 4] = struct.pack("<I", 10)  # it says that it is small
    path.write_bytes(data)
    with pytest.raises(PhotoError, match="bomb.zip holds no photos; left out: 1 damaged in the"):
        archives.unpack(path, tmp_path, most_megabytes=5)
    assert [file.name for file in tmp_path.iterdir()] == ["bomb.zip"]


WHOLE = zip_of("a.jpg", b"1" * 5000)
REFUSED = {
    "half": (WHOLE[:2000], "is a damaged ZIP archive"),
    "text": (b"hello", "is a damaged ZIP archive"),
    "locked": (damaged(WHOLE, "locked by a password"), "holds no photos; .* locked by a password"),
    "notes": (zip_of("notes.txt"), "holds no photos; left out: 1 .txt"),
    "nested": (zip_of("inner.zip", zip_of("a.jpg")), "holds no photos; left out: 1 ZIP archive"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_used_is_said(tmp_path, name):
    data, sentence = REFUSED[name]
    (tmp_path / f"{name}.zip").write_bytes(data)
    with pytest.raises(PhotoError, match=f"{name}.zip {sentence}"):
        archives.unpack(tmp_path / f"{name}.zip", tmp_path)


def test_too_many_photos_are_refused(tmp_path):
    many = archive_of(tmp_path / "many.zip", [(f"{i}.jpg", b"1") for i in range(12)])
    with pytest.raises(PhotoError, match="holds 12 photos; at most 10"):
        archives.unpack(many, tmp_path, most_photos=10)


def test_a_directory_of_a_million_entries_is_refused_unread(tmp_path, monkeypatch):
    archive = tmp_path / "many.zip"
    with zipfile.ZipFile(archive, "w") as made:
        for i in range(2000):
            made.writestr(f"{i}.jpg", b"")
    data = archive.read_bytes()
    monkeypatch.setattr("zipfile.ZipFile", None)
    monkeypatch.setattr("cinn_hub.batch.archives.MOST_DIRECTORY", 50_000)
    large = data[:-10] + b"\xff" * 4 + data[-6:]  # its length is in the record of ZIP64
    record = b"PK\6\6" + bytes(36) + (99_000).to_bytes(8, "little")
    for content in (data, data[:-22] + record + large[-22:]):
        archive.write_bytes(content)
        with pytest.raises(PhotoError, match="many.zip lists more than 20000 files; divide it"):
            archives.unpack(archive, tmp_path)
