"""What strangers sent is decoded apart: whatever it does there ends in a result or a sentence."""

import io
import multiprocessing
import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from helpers import ROOT, color_picture, same
from PIL import Image

from cinn_hub import photos
from cinn_hub.errors import PhotoError
from cinn_hub.photos.opening import MOST_SCANS
from cinn_hub.ui import bounds, decoding
from cinn_hub.ui.decoding import apart

# Jobs as text: processes import nothing for them.
MEMORY = "bytearray({} * 10**6)"
REFUSE = "from cinn_hub.errors import PhotoError; raise PhotoError('no photo at all')"


def test_results_and_sentences_come_back():
    assert apart("a", os.path.join, "b", "c") == os.path.join("b", "c")
    with pytest.raises(PhotoError, match="no photo at all"):
        apart("a", exec, REFUSE)
    with pytest.raises(RuntimeError, match="^ValueError$"):
        apart("a", exec, "raise ValueError('grandma.jpg')")


def test_temporary_files_may_lie_deep(tmp_path):
    deep = tmp_path / ("deep" * 30)
    deep.mkdir()
    code = (
        "import os; from cinn_hub.ui.decoding import apart; print(apart('a', os.path.abspath, '/'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "TMPDIR": str(deep)},
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == os.path.abspath("/"), done.stderr


def test_a_job_ends_that_takes_too_much_memory_or_time_or_breaks_down(monkeypatch):
    monkeypatch.setattr(bounds, "JOB_CPU_SECONDS", 1)
    apart("a", exec, MEMORY.format(bounds.JOB_MEGABYTES + 50))  # alone, it has more
    too_much = MEMORY.format(bounds.LARGE_JOB_MEGABYTES + 50)
    for job in (too_much, "import os; os.abort()", "import ctypes; ctypes.string_at(0)"):
        with pytest.raises(PhotoError, match="^a.jpg needs more memory"):
            apart("a.jpg", exec, job)
    with pytest.raises(PhotoError, match="^a.jpg takes longer"):
        apart("a.jpg", exec, "while True: pass")
    monkeypatch.setattr(bounds, "JOB_SECONDS", 0.2)
    with pytest.raises(PhotoError, match="^a.jpg takes longer"):
        apart("a.jpg", time.sleep, 60)
    assert not multiprocessing.active_children()


def test_large_jobs_are_alone_and_wait_for_their_turn():
    room, began = decoding.Room(2), []

    def job(name, megabytes):
        with room.take(megabytes):
            began.append(name)

    with room.take(1), room.take(1):
        threads = [threading.Thread(target=job, args=given) for given in (("large", 2), ("b", 1))]
        for thread in threads:
            thread.start()
            while not room.turn.locked():
                time.sleep(0.001)
        assert began == []
    for thread in threads:
        thread.join()
    assert sorted(began) == ["b", "large"] and room.left == 2


def test_a_photo_is_seen_and_painted_as_by_the_package(tmp_path):
    path, target = tmp_path / "a.png", tmp_path / "b.png"
    color_picture(120, 90).save(path)
    seen, photo = apart("a", decoding.squeezed, path, 32, 8, 60), photos.read(path)
    wanted = photos.SqueezedPhoto.of(photo, 32, 8)
    assert seen.size == (120, 90) and seen.photo.size == (60, 45) and seen.colored
    assert np.array_equal(seen.lightness, wanted.lightness) and np.array_equal(seen.ab, wanted.ab)
    ab = np.full((8, 8, 2), 30, np.float32)
    apart("a", decoding.paint, path, target, ab, False, None, settings={"seed": "7"})
    assert same(target, photos.render(photo, ab)) and "cinn_hub:seed" in Image.open(target).info


def test_a_jpeg_that_is_drawn_over_and_over_again_is_refused():
    data = io.BytesIO()
    Image.new("L", (64, 64)).save(data, "JPEG", progressive=True)
    head, scan, rest = data.getvalue().partition(b"\xff\xda")
    assert photos.read(head + scan + rest).size == (64, 64)
    with pytest.raises(PhotoError, match="more than 1000 scans; save it as an ordinary one"):
        photos.read(head + (scan + rest[:-2]) * MOST_SCANS + b"\xff\xd9")


def test_many_pages_of_a_tiff_are_counted_in_little_time():
    pages, data = [Image.new("1", (16, 16))] * 1200, io.BytesIO()
    pages[0].save(data, "TIFF", save_all=True, append_images=pages[1:])
    start = time.process_time()
    assert photos.read(data.getvalue()).pages == 1000
    assert time.process_time() - start < 5
