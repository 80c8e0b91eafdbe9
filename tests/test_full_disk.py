"""On a full disk, each writer says so in one sentence, and leaves what was there, and nothing else.

The disk is full for this process alone: no file of it may grow beyond a few bytes.
"""

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from helpers import ROOT, color_picture

from cinn_hub import files, photos
from cinn_hub.animation import frames_in, write_animation
from cinn_hub.errors import CinnHubError
from cinn_hub.publishing import draft_card, write_card
from training import cache, classes
from training.loop import Progress, write_state

resource = pytest.importorskip("resource")

ROOM = 200  # bytes
FRAMES = [color_picture(seed=i) for i in range(4)]
LARGE = torch.ones(10_000)


@contextmanager
def full_disk(room=ROOM):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def long_progress():
    return Progress(history=[{"stage": "x" * ROOM}])


def card(folder):
    write_card(draft_card("Example", 1.0, None), folder)


WRITERS = {
    "a.png": lambda path, model: photos.save(color_picture(), path),
    "a.jpg": lambda path, model: photos.save(color_picture(), path),
    "a.tif": lambda path, model: photos.save(color_picture(), path),
    "a.webp": lambda path, model: photos.save(color_picture(), path),
    "film.webp": lambda path, model: write_animation(FRAMES, path),
    "film.gif": lambda path, model: write_animation(FRAMES, path),
    "film.mp4": lambda path, model: write_animation(FRAMES, path),
    "z.safetensors": lambda path, model: model.draw(1, seed=1).save(path),
    "model.safetensors": lambda path, model: model.save(path.parent),
    "config.json": lambda path, model: model.save_pretrained(path.parent),
    "training.json": lambda path, model: long_progress().write(path.parent),
    "checkpoint.pt": lambda path, model: write_state({"task": {"a": LARGE}}, path),
    "scores.npz": lambda path, model: classes.write(path, [], np.zeros((100, 1000))),
    "features.npy": lambda path, model: cache.opened(path, 100, (1000,), 0),
}


@pytest.mark.parametrize("name", WRITERS)
def test_what_was_there_stays_and_nothing_else_is_left(tmp_path, small_model, name):
    path = tmp_path / name
    if name != "features.npy":  # a cache is filled in place, and counts once it is complete
        path.write_bytes(b"before")
    with full_disk(), pytest.raises((CinnHubError, OSError, SystemExit)) as caught:
        WRITERS[name](path, small_model)
    if isinstance(caught.value, CinnHubError | SystemExit):
        assert "\n" not in str(caught.value) and str(caught.value).endswith(".")
    if name != "features.npy":
        assert os.listdir(tmp_path) == [name] and path.read_bytes() == b"before"
    WRITERS[name](path, small_model)
    assert path.stat().st_size > ROOM
    assert not [left for left in os.listdir(tmp_path) if left.startswith(".")]


def test_a_card_is_whole_too(tmp_path):
    with full_disk(), pytest.raises(CinnHubError, match="README.md cannot be written"):
        card(tmp_path)
    assert os.listdir(tmp_path) == []
    card(tmp_path)
    assert "Draft" in (tmp_path / "README.md").read_text("utf-8")


@pytest.mark.parametrize("room", [0, 50, 2000, 5000])
def test_a_film_that_lacks_its_end_takes_no_name(tmp_path, room):
    with full_disk(room), pytest.raises(CinnHubError, match="cannot be written"):
        write_animation(FRAMES, tmp_path / "film.mp4")
    assert os.listdir(tmp_path) == []
    write_animation(FRAMES, tmp_path / "film.mp4")
    assert frames_in(tmp_path / "film.mp4") == 6


@pytest.mark.parametrize("format", ["png", "gif", "mp4"])
def test_the_command_line_fails_in_one_sentence(cinn, format):
    color_picture().convert("L").save("grandma.png")
    command = ("colorize", "grandma.png", "-n", 2)
    if format != "png":
        command = ("interpolate", "grandma.png", "--steps", 3, "--format", format)
    with full_disk():
        done = cinn(*command, "-o", "out")
    assert done.code == 2 and done.err.startswith("cinn-hub: ") and done.err.count("\n") == 1
    assert "full" in done.err or "large" in done.err
    assert os.listdir("out") == []
    assert cinn(*command, "-o", "out").code == 0


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="there is no /dev/full")
def test_output_that_cannot_be_printed_is_an_error():
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "cinn_hub", "list"],
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr == "cinn-hub: The output cannot be written: No space left on device.\n"


def test_a_killed_process_leaves_nothing_that_has_a_name(tmp_path):
    """And what it leaves is removed by the next one that writes there, an hour later."""
    code = (
        "import os, sys; from cinn_hub.files import whole_file\n"
        "with whole_file(sys.argv[1]) as unfinished:\n"
        "    unfinished.write_text('half'); os.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.png")], env=environment)
    (left,) = tmp_path.iterdir()
    assert left.name.startswith(".")
    long_ago = time.time() - files.OLD - 60
    os.utime(left, (long_ago, long_ago))
    files.write_whole(tmp_path / "b.txt", "whole")
    assert os.listdir(tmp_path) == ["b.txt"]


@pytest.mark.skipif(not shutil.which("mount") or os.geteuid(), reason="needs to mount a disk")
def test_on_a_disk_that_is_really_full(tmp_path, small_model):
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)])
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    try:
        (tmp_path / "film.mp4").write_bytes(b"before")
        (tmp_path / "filler").write_bytes(bytes(56 * 1024))
        for write in (
            lambda: write_animation(FRAMES, tmp_path / "film.mp4"),
            lambda: photos.save(color_picture(200, 200), tmp_path / "film.png"),
            lambda: small_model.save(tmp_path),
            lambda: small_model.draw(9, seed=1).save(tmp_path / "z.safetensors"),
        ):
            with pytest.raises(CinnHubError, match="cannot be written"):
                write()
        assert sorted(os.listdir(tmp_path)) == ["filler", "film.mp4"]
        assert (tmp_path / "film.mp4").read_bytes() == b"before"
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True)
