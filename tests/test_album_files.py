"""Files of albums: names of any bytes, missing photos, leftovers, permissions, full disks."""

import errno
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from helpers import ROOT, color_picture

from cinn_hub import photos
from cinn_hub.batch import album
from cinn_hub.batch.manifest import NAME
from cinn_hub.cli import main
from cinn_hub.files import OLD, UNFINISHED, sweep, whole_file


@pytest.fixture
def folder(tmp_path, small_model, monkeypatch):
    small_model.save(tmp_path / "model")
    (tmp_path / "album").mkdir()
    for name in ("a.png", "b.png"):
        grey().save(tmp_path / "album" / name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def grey(seed=0):
    return color_picture(60, 40, seed).convert("L")


def results(folder):
    return [name for name in os.listdir(folder) if name != NAME]


@pytest.fixture
def colorize(folder, capsys):
    def colorize(*arguments):
        code = main(["colorize", "-m", "model", *map(str, arguments)])
        return code, capsys.readouterr()

    return colorize


def test_hidden_files_and_thumbnails_are_skipped_and_archives_named(folder, colorize):
    place = folder / "album"
    for name in ("._a.png", ".thumbnails/c.png", "@eaDir/d.png", "__MACOSX/e.png"):
        (place / name).parent.mkdir(exist_ok=True)
        grey().save(place / name)
    with zipfile.ZipFile(place / "more.zip", "w") as archive:
        archive.writestr("f.png", b"")
    (place / "gone.jpg").symlink_to("nowhere.jpg")
    code, output = colorize("album", "-n", 1, "-o", "out")
    assert code == 0
    assert sorted(results("out")) == ["a_color1.png", "b_color1.png"]
    assert "more.zip is an archive; unpack it" in output.err
    assert "gone.jpg is a link to a file that is gone" in output.err


@pytest.mark.parametrize("error", [RuntimeError("a codec"), KeyError(7), MemoryError()])
def test_no_error_on_one_photo_ends_the_others(folder, colorize, monkeypatch, error):
    whole = photos.read

    def read(photo, **options):
        if getattr(photo, "name", None) == "a.png":
            raise error
        return whole(photo, **options)

    monkeypatch.setattr(photos, "read", read)
    code, output = colorize("album", "-n", 1, "-o", "out")
    assert code == 1 and results("out") == ["b_color1.png"]
    assert output.err.count("cinn-hub: ") == 1 and "album/a.png" in output.err
    code, output = colorize("album/a.png", "-o", "out")
    assert code == 2 and "Traceback" not in output.err


def test_a_full_disk_stops_after_the_first_photo(folder, colorize, monkeypatch):
    tried = []

    def write_bytes(self, data):
        tried.append(self)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", write_bytes)
    code, output = colorize("album", "-n", 2, "-o", "out")
    assert code == 2 and len(tried) == 1 and results("out") == []
    assert output.err.count("cinn-hub: ") == 1 and "The disk is full" in output.err


def test_a_missing_photo_does_not_end_the_others(folder, colorize):
    code, output = colorize("album/a.png", "nowhere.png", "-n", 1, "-o", "out")
    assert code == 1 and "nowhere.png does not exist" in output.err
    assert results("out") == ["a_color1.png"]


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_names_that_no_terminal_prints(folder):
    name = os.fsdecode(b"gro\xdfmutter.png")
    os.rename("album/a.png", "album/" + name)
    os.rename("album/b.png", "album/großmutter.png")
    command = [sys.executable, "-m", "cinn_hub", "colorize", "album", "-m", "model", "-n", "1"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([*command, "-o", "out"], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert len(results("out")) == 2 and done.stdout.count(b"bits/dim") == 2
    color_picture(60, 40).save(name)
    done = subprocess.run(
        [sys.executable, "-m", "cinn_hub", "transfer", name, "album", "-m", "model", "-o", "moods"],
        env=environment,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    assert len(results("moods")) == 2


def test_what_a_killed_process_left_is_removed(folder, colorize):
    old, new, other = (
        folder / "out" / name
        for name in (UNFINISHED.format("0", ".png"), UNFINISHED.format("1", ".png"), "a.txt")
    )
    (folder / "out").mkdir()
    for path in (old, new, other):
        path.write_bytes(b"")
    long_ago = os.stat(old).st_mtime - OLD - 60
    os.utime(old, (long_ago, long_ago))
    assert colorize("album/a.png", "-n", 1, "-o", "out")[0] == 0
    assert not old.exists() and new.exists() and other.exists()
    assert album.photos_in(folder / "out", folder / "elsewhere") == [
        folder / "out" / "a_color1.png"
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_files_have_the_permissions_of_any_new_file(tmp_path, small_model):
    before = os.umask(0o027)
    try:
        photos.save(grey().convert("RGB"), tmp_path / "a.png")
        small_model.save(tmp_path / "model")
    finally:
        os.umask(before)
    for path in (tmp_path / "a.png", *(tmp_path / "model").iterdir()):
        assert path.stat().st_mode & 0o777 == 0o640, path


def test_a_file_that_fails_leaves_nothing(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(ValueError), whole_file(path) as unfinished:
        unfinished.write_text("half")
        raise ValueError
    assert path.read_text() == "before" and os.listdir(tmp_path) == ["a.txt"]
    sweep(tmp_path / "nowhere")
