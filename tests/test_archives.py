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


def test_a_bomb_is_refused_whatever_it_says(tmp_path):
    entries = [("big.png", bytes(30_000_000))]
    path = archive_of(tmp_path / "bomb.zip", entries, compression=zipfile.ZIP_DEFLATED)
    with pytest.raises(PhotoError, match="bomb.zip holds more than 5 MB of photos; divide it"):
        archives.unpack(path, tmp_path, most_megabytes=5)
    data = bytearray(path.read_bytes())
    place = data.index(b"PK\1\2") + 24
    data[place : place + 4] = struct.pack("<I", 10)  # it says that it is small
    path.write_bytes(data)
    with pytest.raises(PhotoError, match="bomb.zip is a damaged ZIP archive"):
        archives.unpack(path, tmp_path, most_megabytes=5)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 100_000


def encrypted(data):
    """The archive with the flag of encryption set on all its entries."""
    data = bytearray(data)
    for magic, offset in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        place = data.index(magic) + offset
        data[place] |= 1
    return bytes(data)


def zip_of(name, data=b"1"):
    buffer = io.BytesIO()
    archive_of(buffer, [(name, data)])
    return buffer.getvalue()


WHOLE = zip_of("a.jpg", bytes(5000))
REFUSED = {
    "half": (WHOLE[:2000], "is a damaged ZIP archive"),
    "text": (b"hello", "is a damaged ZIP archive"),
    "locked": (encrypted(WHOLE), "needs a password"),
    "notes": (zip_of("notes.txt"), "holds no photos"),
    "nested": (zip_of("inner.zip"), "holds archives, but no photos; unpack it first"),
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
