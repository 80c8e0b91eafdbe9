"""The app's own folder: who can open it, what is deleted in time, and what a killed app leaves."""

import os
import signal
import subprocess
import sys
import time

import pytest
from helpers import ROOT

from cinn_hub.ui import files
from cinn_hub.ui.bounds import DOWNLOAD_SECONDS, KEPT_SECONDS
from cinn_hub.ui.files import DOWNLOADS, PREVIEWS, AppFolder

HOLD = (
    "import time\n"
    "from cinn_hub.ui.files import app_folder, remove_on_sigterm\n"
    "remove_on_sigterm()\n"
    "print(app_folder().path, flush=True)\n"
    "time.sleep(600)\n"
)


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    """Where temporary folders are made, here and in other processes."""
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    return tmp_path


@pytest.fixture
def other_app(temporary):
    """Starts processes that hold a folder; gives the process and the folder."""
    started = []

    def start():
        command = [sys.executable, "-c", HOLD]
        process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
        started.append(process)
        path = temporary / process.stdout.readline().strip()
        (path / "grandma.jpg").write_bytes(b"private")
        return process, path

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()


def age(path, seconds):
    os.utime(path, (time.time() - seconds,) * 2)


def put(folder, name, size=10, seconds=0.0):
    path = folder.path / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(bytes(size))
    age(path, seconds)
    return path


def test_only_its_owner_can_open_it(temporary):
    made = AppFolder()
    assert made.path.parent == temporary
    assert made.path.stat().st_mode & 0o777 == 0o700


def test_what_is_old_goes_and_what_the_page_itself_shows_stays(temporary):
    made = AppFolder()
    old = put(made, "a1/grandma.jpg", seconds=KEPT_SECONDS + 1)
    new = put(made, "b2/grandpa.jpg", seconds=KEPT_SECONDS - 60)
    own = put(made, "c3/example.jpg", seconds=10 * KEPT_SECONDS)
    saved = put(made, f"{DOWNLOADS}/d4/color.png", seconds=DOWNLOAD_SECONDS + 1)
    preview = put(made, f"{PREVIEWS}/e5.webp", seconds=KEPT_SECONDS + 1)
    made.sweep(megabytes=1, kept={own})
    assert [path.exists() for path in (old, new, own, saved, preview)] == [0, 1, 1, 0, 0]
    assert not old.parent.exists() and (made.path / PREVIEWS).is_dir()


def test_the_oldest_goes_where_there_is_too_much(temporary):
    made = AppFolder()
    paths = [put(made, f"{i}/photo.jpg", 400_000, seconds=100 - i) for i in range(5)]
    made.sweep(megabytes=1)
    assert [path.exists() for path in paths] == [False, False, False, True, True]


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_what_an_app_leaves_goes_and_what_another_one_holds_stays(other_app, temporary, end):
    first, left = other_app()
    second, held = other_app()
    first.send_signal(end)
    first.wait(60)
    assert left.exists() == (end == signal.SIGKILL)
    if left.exists():
        age(left / files.LOCK, 60)
    age(held / files.LOCK, 60)
    AppFolder().sweep(megabytes=1)
    assert not left.exists()
    assert second.poll() is None and (held / "grandma.jpg").read_bytes() == b"private"


def test_a_folder_that_is_not_locked_yet_stays(temporary):
    new = temporary / f"{files.PREFIX}new"
    new.mkdir()
    AppFolder().sweep(megabytes=1)
    assert new.exists()
    age(new, 60)
    AppFolder().sweep(megabytes=1)
    assert not new.exists()
