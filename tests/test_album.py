"""Albums: which photos are found, how results are called, and that one photo ends no others."""

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from albums import contents, grey
from helpers import ROOT, color_picture
from PIL import Image

from cinn_hub import photos
from cinn_hub.batch.album import find_jobs
from cinn_hub.batch.manifest import Result
from cinn_hub.batch.running import SomeFailed, Worker, run_all
from cinn_hub.errors import CinnHubError, PhotoError
from cinn_hub.files import UNFINISHED, whole_file

ENDINGS = ["color1.png"]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(place, out):
    """The photos that are found, and what their results are called."""
    jobs = find_jobs([Path(place)], Path(out))
    return {job.photo.as_posix(): job.target("color1.png").as_posix() for job in jobs}


def paint(job, photo):
    """Work that needs no model: the photo as it is."""
    photos.save(Image.fromarray(photo.lightness.astype(np.uint8)), job.target("color1.png"))
    yield Result(job.target("color1.png"), "painted")


@pytest.mark.parametrize(
    "error", [RuntimeError("a\nb"), KeyError(7), MemoryError(), OSError(5, "I/O")]
)
def test_one_photo_cannot_end_the_others(capsys, error):
    grey("album/a.png", "album/b.png", "album/c.png")

    def work(job, photo):
        if job.stem == "b":
            raise error
        return paint(job, photo)

    with pytest.raises(SomeFailed):
        run_all(find_jobs([Path("album")], Path("out")), ENDINGS, Worker(work))
    assert contents("out").keys() == {"a_color1.png", "c_color1.png"}
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("cinn-hub: album/b.png: This photo could not be coloured")


def test_a_missing_photo_cannot_end_the_others(capsys):
    grey("a.png")
    with pytest.raises(SomeFailed):
        run_all(find_jobs([Path("a.png"), Path("no.png")], Path("out")), ENDINGS, Worker(paint))
    assert "no.png does not exist" in capsys.readouterr().err and len(contents("out")) == 1


def test_a_full_disk_stops_with_one_sentence():
    grey("album/a.png", "album/b.png")
    tried = []

    def work(job, photo):
        tried.append(job.stem)
        raise CinnHubError("cannot be written") from OSError(errno.ENOSPC, "No space")

    with pytest.raises(CinnHubError, match="The disk is full"):
        run_all(find_jobs([Path("album")], Path("out")), ENDINGS, Worker(work))
    assert tried == ["a"]


def test_names_too_long_for_results_are_named_every_time(capsys):
    grey(f"album/{'a' * 246}.png", "album/b.png")
    for _ in range(2):
        with pytest.raises(SomeFailed):
            run_all(find_jobs([Path("album")], Path("out")), ENDINGS, Worker(paint))
        assert "File name too long" in capsys.readouterr().err
    assert contents("out").keys() == {"b_color1.png"}


def test_what_is_not_a_photo_is_left_alone_or_named(capsys):
    grey("album/a.png", "album/._a.png", "album/.thumbnails/b.png", "album/@eaDir/c.png")
    grey("album/__MACOSX/d.png", f"album/{UNFINISHED.format('0', '.png')}")
    Path("album/notes.txt").write_text("no photo")
    Path("album/old.zip").write_bytes(b"PK\3\4")
    Path("album/gone.png").symlink_to("nowhere.png")
    assert found("album", "out") == {"album/a.png": "out/a_color1.png"}
    lines = capsys.readouterr().err.splitlines()
    assert "gone.png is a link to a file that is gone" in lines[0]
    assert "old.zip is an archive; unpack it" in lines[1]


@pytest.mark.parametrize(
    ("names", "results"),
    [
        (["a.png", "x/a.png"], ["a_color1.png", "x/a_color1.png"]),
        (["IMG_1.JPG"], ["IMG_1_color1.png"]),
        (["a.jpg", "a.png"], ["a.jpg_color1.png", "a.png_color1.png"]),
    ],
)
@pytest.mark.parametrize("out", ["out", "album", "album/out"])
def test_results_are_named_after_photos_and_are_no_photos(names, results, out):
    """Wherever they are: an output folder may lie in the album, and may be the album."""
    grey(*(f"album/{name}" for name in names))
    expected = {f"album/{n}": f"{out}/{r}" for n, r in zip(names, results, strict=True)}
    assert found("album", out) == expected
    grey(*expected.values(), f"{out}/{results[0].replace('_color1', '_page2_color1')}")
    assert found("album", out) == expected
    if out == "album/out":  # for another run they are photos
        assert len(found("album", "elsewhere")) > len(names)


def test_two_photos_of_one_name_are_refused():
    grey("one/a.png", "two/a.png")
    with pytest.raises(PhotoError, match=r"Two photos are called a.png"):
        find_jobs([Path("one"), Path("two")], Path("out"))


def test_patterns_that_no_shell_has_expanded():
    grey("album/a.png", "album/b.png", "[x].png")
    assert found("album/*.png", "out").keys() == {"album/a.png", "album/b.png"}
    assert found("[x].png", "out").keys() == {"[x].png"}
    with pytest.raises(PhotoError, match=r"No files match album/\*.tif; check the path"):
        found("album/*.tif", "out")


def test_a_file_to_write(cinn):
    grey("a.png", "album/b.png")
    assert cinn("colorize", "a.png", "-o", "new/out.jpg").code == 0
    assert Image.open("new/out.jpg").format == "JPEG"
    for arguments in (("a.png", "album/b.png"), ("album",), ("a.png", "-n", 2)):
        done = cinn("colorize", *arguments, "-o", "out.png")
        assert done.code == 2 and done.err.count("\n") == 1


def test_one_seed_for_a_run(cinn):
    grey("album/a.png")
    shutil.copy("album/a.png", "album/b.png")
    done = cinn("colorize", "album", "-n", 1, "-o", "out")
    assert len({line.split("seed")[1] for line in done.out.splitlines()}) == 1
    first, second = (np.asarray(Image.open(f"out/{n}_color1.png")) for n in "ab")
    assert np.array_equal(first, second)


def test_photos_with_colours_are_left_alone_in_folders(cinn):
    grey("album/old.png")
    color_picture(60, 40).save("album/new.png")
    command = ("colorize", "album", "-n", 1, "-o", "out")
    done = cinn(*command)
    assert done.code == 0 and "new.png  is skipped: it has colours (--recolor" in done.err
    assert contents("out").keys() == {"old_color1.png"}
    assert cinn(*command, "--recolor").written == {"out/new_color1.png"}


def test_photos_of_all_formats_are_coloured_or_named(cinn):
    grey("album/a.avif")
    Path("album/b.HEIC").write_bytes(b"no photo that is read here")
    done = cinn("colorize", "album", "-n", 1, "-o", "out")
    assert done.code == 1 and "b.HEIC is not a picture that can be read" in done.err
    assert contents("out").keys() == {"a_color1.png"}


def test_pages(capsys):
    first, second = (color_picture(seed=seed).convert("L") for seed in (0, 1))
    first.save("scan.tif", save_all=True, append_images=[second])
    jobs = find_jobs([Path("scan.tif")], Path("out"))
    run_all(jobs, ENDINGS, Worker(paint))
    text = "has 2 pages or frames; only the first is coloured (--pages colours all)"
    assert text in capsys.readouterr().err and contents("out").keys() == {"scan_color1.png"}
    run_all(jobs, ENDINGS, Worker(paint, pages=True))
    pages = contents("out")
    assert pages.keys() == {"scan_color1.png", "scan_page2_color1.png"}
    assert len(set(pages.values())) == 2


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_names_that_no_terminal_prints(model_folder):
    grey("a.png", "album/großmutter.png")
    name = os.fsdecode(b"gro\xdfmutter.png")  # as Latin-1 names look in a system of UTF-8
    os.rename("a.png", f"album/{name}")
    color_picture(60, 40).save(name)
    command = [sys.executable, "-m", "cinn_hub", "transfer", name, "album", "-o", "out"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii:strict"}
    done = subprocess.run([*command, "-m", model_folder], env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert len(contents("out")) == 2 and done.stdout.count(b"bits/dim") == 2


def test_a_reader_that_stops():
    command = f"{sys.executable} -m cinn_hub list | head -c 1"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, shell=True, env=environment, capture_output=True)
    assert done.stderr == b""


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_files_have_the_permissions_of_any_new_file(small_model):
    before = os.umask(0o027)
    try:
        photos.save(color_picture(), "a.png")
        small_model.save(Path("model"))
    finally:
        os.umask(before)
    for path in (Path("a.png"), *Path("model").iterdir()):
        assert path.stat().st_mode & 0o777 == 0o640, path


def test_a_file_that_fails_leaves_nothing():
    Path("a.txt").write_text("before")
    with pytest.raises(ValueError), whole_file("a.txt") as unfinished:
        unfinished.write_text("half")
        raise ValueError
    assert Path("a.txt").read_text() == "before" and os.listdir() == ["a.txt"]
