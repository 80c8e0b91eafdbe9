"""Several processes: the same results bit for bit, and processes that die cost nothing but time."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import torch
from helpers import ROOT, color_picture

from cinn_hub.batch import processes
from cinn_hub.batch.manifest import NAME
from cinn_hub.batch.processes import best_workers, in_processes
from cinn_hub.cli import main

LIMIT = 60  # seconds; generous, for slow machines


def doubling(folder):
    """Work on numbers whose process dies once with 3, and always with 4."""

    def double(number):
        if number == 4 or (number == 3 and not (folder / "died").exists()):
            (folder / "died").touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return 2 * number, torch.get_num_threads()

    return double


def sleeping():
    def sleep(path):
        Path(path).write_text(str(os.getpid()))
        time.sleep(10 * LIMIT)

    return sleep


def test_a_process_that_dies_costs_nothing_but_time(tmp_path):
    results = list(in_processes(range(8), partial(doubling, tmp_path), workers=2))
    assert sorted(number for number, _ in results) == list(range(8))
    assert dict(results) == {n: None if n == 4 else (2 * n, 1) for n in range(8)}


def test_processes_end_with_their_parent(tmp_path):
    code = f"""
import sys; sys.path[:0] = [{str(ROOT)!r}, {str(ROOT / "tests")!r}]
from cinn_hub.batch.processes import in_processes
from test_processes import sleeping
list(in_processes([{str(tmp_path / "pid")!r}], sleeping, 1))
"""
    script = tmp_path / "script.py"
    script.write_text("if __name__ == '__main__':\n" + code.replace("\n", "\n    "))
    with subprocess.Popen([sys.executable, script]) as parent:
        until(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
        parent.kill()
    worker = int((tmp_path / "pid").read_text())
    until(lambda: not is_running(worker))


def until(happened):
    for _ in range(10 * LIMIT):
        if happened():
            return
        time.sleep(0.1)
    pytest.fail(f"It did not happen within {LIMIT} s.")


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


def test_two_processes_do_what_one_does(tmp_path, small_model, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    small_model.save(tmp_path / "model")
    (tmp_path / "album").mkdir()
    for i in range(5):
        color_picture(60, 40, seed=i).convert("L").save(tmp_path / "album" / f"{i}.png")
    (tmp_path / "album" / "bad.jpg").write_text("<html>")
    outputs, tables = [], []
    for workers in ("1", "2"):
        command = ["colorize", "album", "-n", "2", "-s", "1", "-m", "model", "-o", workers]
        assert main([*command, "--workers", workers]) == 1
        outputs.append(capsys.readouterr())
        database = sqlite3.connect(Path(workers, NAME))
        query = "SELECT stem, state, sha256, error FROM photos ORDER BY stem"
        results = (
            "SELECT file, latent, bits_per_dim, plausibility, distance FROM results ORDER BY file"
        )
        tables.append([database.execute(q).fetchall() for q in (query, results)])
        database.close()
    assert tables[0] == tables[1] and len(tables[0][1]) == 10
    files = [{p.name: p.read_bytes() for p in Path(w).glob("*.png")} for w in ("1", "2")]
    assert files[0] == files[1] and len(files[0]) == 10
    lines = [sorted(line.split("/")[1] for line in out.out.splitlines()) for out in outputs]
    assert lines[0] == lines[1] and "bad.jpg is not a picture" in outputs[1].err
    assert main([*command, "--workers", "0"]) == 2
