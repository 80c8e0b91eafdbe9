"""Several processes: the same results bit for bit, and processes that die cost nothing but time."""

import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from albums import contents, grey, rows
from helpers import ROOT

from cinn_hub.batch import processes
from cinn_hub.batch.processes import best_workers, in_processes

LIMIT = 60  # seconds; generous, for slow machines


def doubling(folder):
    """Work on numbers whose process dies once with 3, and always with 4."""

    def double(number):
        if number == 4 or (number == 3 and not (folder / "died").exists()):
            (folder / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return 2 * number, torch.get_num_threads()

    return double


def failing():
    """Work that fails for good, as on a full disk."""

    def fail(number):
        raise OSError("The disk is full.")

    return fail


def sleeping():
    def sleep(pipe):
        Path(pipe).write_text(str(os.getpid()))
        time.sleep(10 * LIMIT)

    return sleep


def test_a_process_that_dies_costs_nothing_but_time(tmp_path):
    results = list(in_processes(range(8), partial(doubling, tmp_path), workers=2))
    assert sorted(number for number, _ in results) == list(range(8))
    assert dict(results) == {n: None if n == 4 else (2 * n, 1) for n in range(8)}


def test_what_work_raises_ends_the_run():
    with pytest.raises(OSError, match="disk is full"):
        list(in_processes(range(8), failing, workers=1))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_processes_end_with_their_parent(tmp_path):
    os.mkfifo(tmp_path / "pid")
    code = f"""
import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
from cinn_hub.batch.processes import in_processes
from test_processes import sleeping
list(in_processes([{str(tmp_path / "pid")!r}], sleeping, 1))
"""
    script = tmp_path / "script.py"
    script.write_text("if __name__ == '__main__':\n" + code.replace("\n", "\n    "))
    with subprocess.Popen([sys.executable, script]) as parent:
        worker = int((tmp_path / "pid").read_text())  # waits until it is written
        parent.kill()
    deadline = time.monotonic() + LIMIT
    while is_running(worker):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_running(process):
    try:
        state = Path(f"/proc/{process}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except OSError:
        return False
    return state != "Z"


@pytest.mark.parametrize(
    ("photos", "memory", "cores", "workers"),
    [(1, 9e9, 4, 1), (15, 9e9, 4, 1), (16, 9e9, 4, 2), (999, 9e9, 4, 4), (999, 2e9, 4, 2)]
    + [(999, 1e8, 4, 1), (0, 9e9, 4, 1), (999, float("inf"), 3, 3)],
)
def test_as_many_as_are_fastest(monkeypatch, photos, memory, cores, workers):
    monkeypatch.setattr(processes, "free_memory", lambda: memory)
    monkeypatch.setattr(processes, "cores", lambda: cores)
    assert best_workers(photos) == workers


def test_two_processes_do_what_one_does(cinn):
    grey(*(f"album/{i}.png" for i in range(5)))
    Path("album/bad.jpg").write_text("<html>")
    one, two = (
        cinn("colorize", "album", "-n", 2, "-s", 1, "-o", workers, "--workers", workers)
        for workers in ("1", "2")
    )
    assert one.code == two.code == 1 and "bad.jpg is not a picture" in two.err
    assert len(one.written) == 10
    assert sorted(one.out.splitlines()) == sorted(two.out.replace("2/", "1/").splitlines())
    assert contents("1") == contents("2") and len(contents("1")) == 10
    for query in (
        "SELECT stem, state, sha256, error FROM photos ORDER BY stem",
        "SELECT file, latent, bits_per_dim, plausibility, distance FROM results ORDER BY file",
    ):
        assert rows(query, "1") == rows(query, "2") != []
