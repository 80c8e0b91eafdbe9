"""The app's own folder: who can open it, what is deleted in time, and what a killed app leaves."""

import os
import signal
import subprocess
import sys
import time

import pytest
from helpers import ROOT

from cinn_hub.errors import CinnHubError
from cinn_hub.ui import files
from cinn_hub.ui.bounds import DOWNLOAD_SECONDS, FRESH_SECONDS, KEPT_SECONDS
from cinn_hub.ui.files import DOWNLOADS, LOCK, PREVIEWS, AppFolder

HOLD = (
    "import time\n"
    "from cinn_hub.ui.files import app_folder, remove_on_sigterm\n"
    "from cinn_hub.ui.decoding import apart\n"
    "remove_on_sigterm()\n"
    "apart('a', abs, 1)\n"
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
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(bytes(size))
    age(path, seconds)
    return path


def test_only_its_owner_can_open_it(temporary):
    made = AppFolder()
    assert made.path.parent == temporary
    assert made.path.stat().st_mode & 0o777 == 0o700


def test_what_is_old_goes_and_what_the_page_itself_shows_stays(temporary):
    made = AppFolder()
    old = put(made, f"a1/folder/{LOCK}", seconds=KEPT_SECONDS + 1)  # named like the app's lock
    new = put(made, "b2/grandpa.jpg", seconds=KEPT_SECONDS - 60)
    own = put(made, "c3/example.jpg", seconds=10 * KEPT_SECONDS)
    saved = put(made, f"{DOWNLOADS}/d4/color.png", seconds=DOWNLOAD_SECONDS + 1)
    preview = put(made, f"{PREVIEWS}/e5.webp", seconds=KEPT_SECONDS + 1)
    broken_off = put(made, "tmp6", seconds=FRESH_SECONDS + 1)
    coming = put(made, "tmp7", seconds=FRESH_SECONDS - 10)
    made.own = {own}
    made.sweep()
    found = (old, new, own, saved, preview, broken_off, coming)
    assert [path.exists() for path in found] == [0, 1, 1, 0, 0, 0, 1]
    assert not old.parent.parent.exists() and (made.path / PREVIEWS).is_dir()


def test_the_oldest_goes_where_there_is_too_much_and_what_is_new_has_no_room_then(temporary):
    made = AppFolder()
    made.megabytes = 1
    paths = [put(made, f"{i}/photo.jpg", 400_000, seconds=100 - i) for i in range(5)]
    made.sweep()
    assert [path.exists() for path in paths] == [False, False, False, True, True]
    made.make_room(500_000)  # one more goes
    assert [path.exists() for path in paths] == [False, False, False, False, True]
    for path in paths[3:]:
        put(made, path.relative_to(made.path), 400_000)  # just written
    with pytest.raises(CinnHubError, match="The 1 MB that all visitors share are full; try it"):
        made.make_room(500_000)
    assert all(path.exists() for path in paths[3:])


def test_small_files_count_as_more_than_their_bytes(temporary):
    made = AppFolder()
    made.megabytes = 1
    for i in range(40):
        put(made, f"{i}/photo.jpg", 1, seconds=100)
    made.sweep()
    assert 20 < sum(1 for _ in made.files()) < 40 and made.used <= 1e6


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_what_an_app_leaves_goes_and_what_another_one_holds_stays(other_app, temporary, end):
    first, left = other_app()
    second, held = other_app()
    first.send_signal(end)
    first.wait(60)
    assert left.exists() == (end == signal.SIGKILL)
    assert end == signal.SIGKILL or len(list(temporary.glob("*"))) == 2  # those of the second
    if left.exists():
        age(left / files.LOCK, 60)
    age(held / files.LOCK, 60)
    AppFolder().sweep()
    assert not left.exists()
    assert second.poll() is None and (held / "grandma.jpg").read_bytes() == b"private"


def test_a_folder_that_is_not_locked_yet_stays(temporary):
    new = temporary / f"{files.PREFIX}new"
    new.mkdir()
    AppFolder().sweep()
    assert new.exists()
    age(new, 60)
    AppFolder().sweep()
    assert not new.exists()
