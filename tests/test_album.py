"""Albums: which photos are found, how results are called, and that no file is lost."""

import errno
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from albums import contents, grey, paint
from helpers import ROOT, color_picture
from made_files import JPEG, encoded, tiff
from PIL import Image

from cinn_hub import photos
from cinn_hub.batch.album import Album
from cinn_hub.errors import CinnHubError, PhotoError
from cinn_hub.files import UNFINISHED, whole_file


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def found(place, out):
    """The photos that are found, and what their results are called."""
    jobs = Album.of([Path(place)], Path(out)).named_apart(lambda job: False)
    return {job.photo.as_posix(): job.target("color1.png").as_posix() for job in jobs}


@pytest.mark.parametrize(
    "error", [RuntimeError("a\nb"), KeyError(7), MemoryError(), OSError(5, "I/O")]
)
def test_one_photo_cannot_end_the_others(capsys, error):
    grey("album/a.png", "album/b.png", "album/c.png")

    def work(job, photo):
        if job.stem == "b":
            raise error
        photos.save(Image.new("L", photo.size), job.target("color1.png"))
        return ()

    paint("album", work=work)
    assert contents("out").keys() == {"a_color1.png", "c_color1.png"}
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("cinn-hub: album/b.png: This photo could not be coloured")


def test_a_missing_photo_cannot_end_the_others(capsys):
    grey("a.png")
    paint("a.png", "no.png", manifest=False)
    assert "no.png does not exist" in capsys.readouterr().err and len(contents("out")) == 2


def test_a_full_disk_stops_with_one_sentence():
    grey("album/a.png", "album/b.png")
    tried = []

    def work(job, photo):
        tried.append(job.stem)
        raise CinnHubError("cannot be written") from OSError(errno.ENOSPC, "No space")

    with pytest.raises(CinnHubError, match="The disk is full"):
        paint("album", work=work)
    assert tried == ["a"]


def test_names_too_long_for_results_are_named_every_time(capsys):
    grey(f"album/{'a' * 246}.png", "album/b.png")
    for _ in range(2):
        paint("album")
        assert "File name too long" in capsys.readouterr().err
    assert contents("out").keys() == {"b_color1.png", "b_color2.png"}


# what is in a folder, and as what it is counted; None: it is coloured
KINDS = {
    "a.png": None,
    "b.jxl": (JPEG, None),
    "c": (JPEG, None),
    "d.NEF": (tiff(np.asarray(color_picture().convert("L"))), None),
    "e.JPG_large": (JPEG, None),
    "f.pnm": (encoded(color_picture(60, 40).convert("L"), "PPM"), None),
    "g.j2k": (encoded(color_picture(60, 40).convert("L"), "JPEG2000", no_jp2=True), None),
    "h.tga": (encoded(color_picture(60, 40).convert("L"), "TGA"), None),
    "i.pcx": (encoded(color_picture(60, 40).convert("L"), "PCX"), None),
    "real.dng": (
        tiff(np.zeros((40, 60), np.uint16), extratags=[(50706, "B", 4, (1, 4, 0, 0), True)]),
        "raw file of a camera",
    ),
    "real.jxl": (b"\xff\x0a\xfa\x1f", "JPEG XL picture"),
    "film.mp4": (b"\0\0\0\x18ftypmp42", "film"),
    "old.zip": (b"PK\3\4", "ZIP archive"),
    "notes.txt": (b"no photo", ".txt"),
    "more.txt": (b"no photo", ".txt"),
    "Makefile": (b"all:", "file without a suffix"),
    "._a.png": (b"", "hidden"),
    "@eaDir": (b"", "hidden"),
    UNFINISHED.format("0", ".png"): (b"", "hidden"),
}


def test_a_folder_is_accounted_for_to_the_last_file(capsys):
    grey("album/a.png")
    for name, content in KINDS.items():
        if content:
            Path("album", name).write_bytes(content[0])
    Path("album/gone.png").symlink_to("nowhere.png")
    os.mkfifo("album/pipe")
    paint("album")
    colored = {name[0] for name in KINDS if not KINDS[name] or KINDS[name][1] is None}
    assert {name[0] for name in contents("out")} == colored
    *_, misnamed, left_out = capsys.readouterr().err.splitlines()
    assert "3 JPEG" in misnamed and "1 TIFF (album/d.NEF)" in misnamed
    kinds = [content[1] for content in KINDS.values() if content and content[1]]
    for kind in {*kinds, "link to a file that is gone", "file that cannot be opened"}:
        assert f"{max(1, kinds.count(kind))} {kind} (" in left_out
    assert "album/real.dng" in left_out


def test_linked_folders_are_read_once_and_in_no_circle():
    grey("other/b.png", "album/a.png")
    Path("album/linked").symlink_to(Path("other").absolute())
    Path("album/again").symlink_to(Path("other").absolute())
    Path("other/up").symlink_to(Path("album").absolute())
    results = set(found("album", "out").values())
    assert results == {"out/a_color1.png", "out/again/b_color1.png"}


@pytest.mark.parametrize(
    ("names", "results"),
    [
        (["a.png", "x/a.png"], ["a_color1.png", "x/a_color1.png"]),
        (["IMG_1.JPG"], ["IMG_1_color1.png"]),
        (["a.jpg", "a.png"], ["a.jpg_color1.png", "a.png_color1.png"]),
        (["a-2.png"], ["a-2_color1.png"]),
    ],
)
@pytest.mark.parametrize("out", ["out", "album", "album/out"])
def test_results_are_named_after_photos_and_are_no_photos(names, results, out):
    """Wherever they are: an output folder may lie in the album, and may be the album."""
    grey(*(f"album/{name}" for name in names))
    expected = {f"album/{n}": f"{out}/{r}" for n, r in zip(names, results, strict=True)}
    assert found("album", out) == expected
    grey(*expected.values())
    for place in ("_page2_color1", "-2_color1"):
        grey(f"{out}/{results[0].replace('_color1', place)}")
    assert found("album", out) == expected
    if out == "album/out":  # for another run they are photos
        assert len(found("album", "elsewhere")) > len(names)


def test_two_photos_of_one_name_get_results_of_two_names():
    grey("one/a.png", "two/a.png", "two/A.png", "two/sub/a.png")
    album = Album.of([Path("one"), Path("two")], Path("out"))
    jobs = album.named_apart(lambda job: False)
    assert len({str(job.results).lower() for job in jobs}) == len(jobs) == 4
    assert {job.results.parent.as_posix() for job in jobs} == {"out", "out/sub"}


def test_patterns_that_no_shell_has_expanded():
    grey("album/a.png", "album/b.png", "[x].png")
    assert found("album/*.png", "out").keys() == {"album/a.png", "album/b.png"}
    assert found("[x].png", "out").keys() == {"[x].png"}
    with pytest.raises(PhotoError, match=r"No files match album/\*.tif; check the path"):
        found("album/*.tif", "out")


def test_a_file_to_write(cinn):
    grey("a.png", "album/b.png")
    command = ("colorize", "a.png", "-o", "new/out.jpg")
    assert cinn(*command).code == 0
    assert Image.open("new/out.jpg").format == "JPEG"
    assert "new/out.jpg exists already; --overwrite replaces it" in cinn(*command).err
    assert cinn(*command, "--overwrite").code == 0
    for arguments in (("a.png", "album/b.png"), ("album",), ("a.png", "-n", 2)):
        done = cinn("colorize", *arguments, "-o", "out.png")
        assert done.code == 2 and done.err.count("\n") == 1
    done = cinn("colorize", "a.png", "-o", "one.bmp")
    assert done.code == 2 and "one.bmp would be BMP, which is not written; use .png" in done.err
    assert not Path("one.bmp").exists()


@pytest.mark.parametrize("overwrite", [(), ("--overwrite",)])
@pytest.mark.parametrize(
    "out", ["scan.jpg", "./album/../scan.jpg", "link.jpg", "hard.jpg", "linked/scan.jpg"]
)
def test_a_photo_is_never_replaced(cinn, out, overwrite):
    Path("album").mkdir()
    Path("scan.jpg").write_bytes(JPEG)
    Path("link.jpg").symlink_to("scan.jpg")
    os.link("scan.jpg", "hard.jpg")
    Path("linked").symlink_to(".")
    done = cinn("colorize", "scan.jpg", "-n", 1, "-o", out, *overwrite)
    assert done.code == 2 and f"{Path(out)} is a photo, and is not replaced" in done.err
    assert all(Path(p).read_bytes() == JPEG for p in ("scan.jpg", "link.jpg", "hard.jpg"))


@pytest.mark.parametrize("manifest", [False, True])
def test_a_photo_that_is_called_as_a_result_is_not_replaced(manifest, capsys):
    grey("a.png", "a_color1.png", "b.png")
    before = Path("a_color1.png").read_bytes()
    for _ in range(2):
        written = paint(
            "a.png", "a_color1.png", "b.png", out=".", overwrite=True, manifest=manifest
        )
        assert "a_color1.png" not in written and len(written) == 4
        assert Path("a_color1.png").read_bytes() == before
        assert "a.png: a_color1.png is a photo" in capsys.readouterr().err


def test_the_photo_whose_colours_are_taken_is_not_replaced(cinn):
    color_picture(80, 80).save("colors.jpg")
    grey("a.png")
    before = Path("colors.jpg").read_bytes()
    done = cinn("transfer", "colors.jpg", "a.png", "-o", "colors.jpg", "--overwrite")
    assert done.code == 2 and Path("colors.jpg").read_bytes() == before


def test_named_photos_ask_before_they_replace_results(capsys):
    grey("a.png", "b.png")
    paint("a.png", manifest=False)
    before = contents("out")
    assert paint("a.png", "b.png", seed=2, manifest=False) == {"b_color1.png", "b_color2.png"}
    assert "out/a_color1.png exists already; --overwrite" in capsys.readouterr().err
    assert contents("out").items() >= before.items()
    assert len(paint("a.png", seed=2, manifest=False, overwrite=True)) == 2


def test_one_seed_for_a_run(cinn):
    grey("album/a.png", "album/b.png")
    done = cinn("colorize", "album", "-n", 1, "-o", "out")
    assert len({line.split("seed")[1] for line in done.out.splitlines()}) == 1


def test_photos_with_colours_are_left_alone_in_folders(capsys):
    grey("album/old.png")
    color_picture(60, 40).save("album/new.png")
    assert paint("album") == {"old_color1.png", "old_color2.png"}
    assert "new.png  is skipped: it has colours (--recolor" in capsys.readouterr().err
    assert paint("album", recolor=True) == {"new_color1.png", "new_color2.png"}


def test_photos_of_all_formats_are_coloured_or_named(capsys):
    grey("album/a.avif")
    Path("album/b.HEIC").write_bytes(b"no photo that is read here")
    paint("album")
    assert "b.HEIC is not a picture that can be read" in capsys.readouterr().err
    assert contents("out").keys() == {"a_color1.png", "a_color2.png"}


def test_pages(capsys):
    first, second = (color_picture(seed=seed).convert("L") for seed in (0, 1))
    first.save("scan.tif", save_all=True, append_images=[second])
    paint("scan.tif", manifest=False)
    text = "has 2 pages or frames; only the first is coloured (--pages colours all)"
    assert text in capsys.readouterr().err and len(contents("out")) == 2
    paint("scan.tif", manifest=False, pages=True, overwrite=True)
    pages = contents("out")
    assert len(pages) == 4 and len(set(pages.values())) == 4
    Path("out/scan_color1.png").unlink()
    Path("out/scan_color2.png").unlink()
    with pytest.raises(CinnHubError, match="out/scan_page2_color1.png exists already"):
        paint("scan.tif", manifest=False, pages=True)


@pytest.mark.skipif(sys.platform != "linux", reason="names of any bytes")
def test_names_that_no_terminal_prints(model_folder):
    grey("a.png", "album/großmutter.png")
    name = os.fsdecode(b"gro\xdfmutter.png")  # as Latin-1 names look in a system of UTF-8
    os.rename("a.png", f"album/{name}")
    color_picture(60, 40).save(name)
    command = [sys.executable, "-m", "cinn_hub", "transfer", name, "album", "-o", "out"]
    command += ["--workers", "1", "-m", model_folder]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "ascii:strict"}
    done = subprocess.run(command, env=environment, capture_output=True)
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
