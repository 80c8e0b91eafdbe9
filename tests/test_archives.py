"""ZIP archives of photos: what is unpacked, under which names, and what is refused."""

import io
import struct
import zipfile

import pytest

from cinn_hub.batch import archives
from cinn_hub.errors import PhotoError


def archive_of(path, entries, **options):
    with zipfile.ZipFile(path, "w", **options) as opened:
        for name, data in entries:
            opened.writestr(name, data)
    return path


def test_photos_alone_come_out_all_into_one_folder(tmp_path):
    entries = [
        ("box/a.jpg", b"1"),
        ("box/inner/a.jpg", b"2"),
        ("box/b.TIF", b"3"),
        ("box/notes.txt", b"4"),
        ("__MACOSX/box/._a.jpg", b"5"),
        ("box/.hidden.png", b"6"),
        ("box/more.zip", b"7"),
        ("box/empty.png", b""),
    ]
    folder = tmp_path / "out"
    folder.mkdir()
    paths = archives.unpack(archive_of(tmp_path / "box.zip", entries), folder)
    assert [path.name for path in paths] == ["a.jpg", "a_2.jpg", "b.TIF", "empty.png"]
    assert [path.read_bytes() for path in paths] == [b"1", b"2", b"3", b""]
    assert sorted(folder.iterdir()) == sorted(paths)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("../../etc/cron.jpg", "cron.jpg"),
        ("C:\\Users\\me\\grandma.jpg", "grandma.jpg"),
        ("/abs/olute.png", "olute.png"),
        ("line\nbreak\x1b[2J.jpg", "linebreak[2J.jpg"),
        ("what?<is>this*.jpg", "whatisthis.jpg"),
        ("x" * 300 + ".jpg", "x" * 80 + ".jpg"),
        ("Großmutter 1925.jpeg", "Großmutter 1925.jpeg"),
    ],
)
def test_names_are_cleaned(tmp_path, name, expected):
    folder = tmp_path / "out"
    folder.mkdir()
    (path,) = archives.unpack(archive_of(tmp_path / "box.zip", [(name, b"1")]), folder)
    assert path == folder / expected and path.exists()


def test_a_bomb_is_stopped_while_it_is_unpacked(tmp_path):
    path = archive_of(
        tmp_path / "bomb.zip",
        [("big.png", bytes(30_000_000))],
        compression=zipfile.ZIP_DEFLATED,
    )
    data = bytearray(path.read_bytes())
    assert len(data) < 100_000
    place = data.index(b"PK\1\2") + 24
    data[place : place + 4] = struct.pack("<I", 10)  # it says that it is small
    path.write_bytes(data)
    with pytest.raises(PhotoError, match="more than 5 MB of photos|damaged"):
        archives.unpack(path, tmp_path, most_megabytes=5)
    honest = archive_of(tmp_path / "big.zip", [("a.png", bytes(4_000_000))] * 1)
    with pytest.raises(PhotoError, match="big.zip holds more than 3 MB of photos; divide it"):
        archives.unpack(honest, tmp_path, most_megabytes=3)


def encrypted(data):
    """The archive with the flag of encryption set on all its entries."""
    data = bytearray(data)
    for magic, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = data.index(magic) + offset
        data[place] |= 1
    return bytes(data)


def test_what_cannot_be_used_is_said(tmp_path):
    whole = archive_of(tmp_path / "whole.zip", [("a.jpg", bytes(5000))]).read_bytes()
    cases = {
        "half.zip": (whole[:2000], "is a damaged ZIP archive"),
        "text.zip": (b"hello", "is a damaged ZIP archive"),
        "locked.zip": (encrypted(whole), "needs a password"),
    }
    buffer = io.BytesIO()
    archive_of(buffer, [("notes.txt", b"1")])
    cases["notes.zip"] = (buffer.getvalue(), "holds no photos")
    buffer = io.BytesIO()
    archive_of(buffer, [("inner.zip", whole)])
    cases["nested.zip"] = (buffer.getvalue(), "holds archives, but no photos; unpack it first")
    for name, (data, sentence) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(PhotoError, match=f"{name} {sentence}"):
            archives.unpack(tmp_path / name, tmp_path)
    many = archive_of(tmp_path / "many.zip", [(f"{i}.jpg", b"1") for i in range(12)])
    with pytest.raises(PhotoError, match="holds 12 photos; at most 10"):
        archives.unpack(many, tmp_path, most_photos=10)
