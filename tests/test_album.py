"""Albums: one photo cannot end the others, and what is not a photo is left alone."""

import errno
import os
import subprocess
import sys

import numpy as np
import pytest
from helpers import ROOT, color_picture
from PIL import Image

from cinn_hub.batch.album import find_jobs
from cinn_hub.batch.running import SomeFailed, run_all
from cinn_hub.cli import main
from cinn_hub.errors import CinnHubError


@pytest.fixture
def folder(tmp_path, small_model, monkeypatch):
    small_model.save(tmp_path / "model")
    (tmp_path / "album").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder, capsys):
    def run(*arguments):
        code = main(["colorize", *map(str, arguments), "-m", "model"])
        return code, capsys.readouterr()

    return run


def grey(path, seed=0):
    color_picture(seed=seed).convert("L").save(path)


@pytest.mark.parametrize("error", [RuntimeError("a\nb"), MemoryError(), OSError(5, "I/O")])
def test_one_photo_cannot_end_the_others(folder, capsys, error):
    for name in "abc":
        grey(folder / "album" / f"{name}.png")
    done = []

    def work(job, photo):
        if job.stem == "b":
            raise error
        done.append(job.stem)
        return []

    with pytest.raises(SomeFailed):
        run_all(find_jobs([folder / "album"], folder / "out"), ["x.png"], work)
    assert done == ["a", "c"]
    assert capsys.readouterr().err.count("could not be coloured") == 1


def test_a_full_disk_stops_with_one_sentence(folder):
    for name in "abc":
        grey(folder / "album" / f"{name}.png")
    tried = []

    def work(job, photo):
        tried.append(job.stem)
        raise CinnHubError("cannot be written") from OSError(errno.ENOSPC, "No space")

    with pytest.raises(CinnHubError, match="The disk is full"):
        run_all(find_jobs([folder / "album"], folder / "out"), ["x.png"], work)
    assert tried == ["a"]


def test_names_too_long_for_results_are_named_every_time(run, folder):
    grey(folder / "album" / f"{'a' * 246}.png")
    grey(folder / "album" / "b.png")
    for _ in range(2):
        code, output = run("album", "-n", 1, "-o", "out")
        assert code == 1 and "File name too long" in output.err
    assert (folder / "out" / "b_color1.png").exists()


def test_what_is_not_a_photo_is_left_alone_or_named(run, folder):
    grey(folder / "album" / "a.png")
    for name in ("._a.png", ".thumbnails/b.png", "@eaDir/c.png"):
        (folder / "album" / name).parent.mkdir(exist_ok=True)
        grey(folder / "album" / name)
    (folder / "album" / "old.zip").write_bytes(b"PK\3\4")
    (folder / "album" / "gone.png").symlink_to("nowhere.png")
    code, output = run("album", "-n", 1, "-o", "out")
    assert code == 0 and [p.name for p in (folder / "out").glob("*.png")] == ["a_color1.png"]
    assert "old.zip is an archive" in output.err
    assert "gone.png is a link to a file that is gone" in output.err


def test_one_seed_for_a_run(run, folder):
    for name in "ab":
        grey(folder / "album" / f"{name}.png")
    _, output = run("album", "-n", 1, "-o", "out")
    assert len({line.split("seed")[1] for line in output.out.splitlines()}) == 1
    first, second = (np.asarray(Image.open(folder / "out" / f"{n}_color1.png")) for n in "ab")
    assert np.array_equal(first, second)


def test_a_file_to_write(run, folder):
    grey(folder / "a.png")
    grey(folder / "b.png")
    code, _ = run("a.png", "-o", "new/out.jpg")
    assert code == 0 and Image.open(folder / "new" / "out.jpg").format == "JPEG"
    for arguments in (("a.png", "b.png"), ("album",), ("a.png", "-n", 2)):
        code, output = run(*arguments, "-o", "out.png")
        assert code == 2 and output.err.count("\n") == 1


def test_patterns_that_no_shell_has_expanded(run, folder):
    grey(folder / "album" / "a.png")
    grey(folder / "album" / "b.png")
    code, output = run("album/*.png", "-n", 1, "-o", "out")
    assert code == 0 and len(list((folder / "out").iterdir())) == 2
    assert run("album/*.tif")[1].err == "cinn-hub: No files match album/*.tif; check the path.\n"


def test_pages(run, folder):
    first, second = (color_picture(seed=seed).convert("L") for seed in (0, 1))
    first.save(folder / "scan.tif", save_all=True, append_images=[second])
    _, output = run("scan.tif", "-n", 1, "-o", "one")
    assert "has 2 pages or frames; only the first is coloured (--pages colours all)" in output.err
    assert [p.name for p in (folder / "one").iterdir()] == ["scan_color1.png"]
    run("scan.tif", "-n", 1, "-o", "all", "--pages")
    names = sorted(p.name for p in (folder / "all").iterdir())
    assert names == ["scan_color1.png", "scan_page2_color1.png"]


def test_names_that_cannot_be_printed_and_readers_that_stop(folder):
    name = "caf\udce9.png"  # as Latin-1 names look in a system of UTF-8
    grey(folder / "album" / "a.png")
    os.rename(folder / "album" / "a.png", os.path.join(folder, "album", name))
    command = [sys.executable, "-m", "cinn_hub", "colorize", "album", "-n", "1", "-m", "model"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "cp1252:strict"}
    done = subprocess.run(command, env=environment, capture_output=True)
    assert done.returncode == 0 and b"bits/dim" in done.stdout
    command = f"{sys.executable} -m cinn_hub list | head -c 1"
    done = subprocess.run(command, shell=True, env=environment, capture_output=True)
    assert done.stderr == b""
