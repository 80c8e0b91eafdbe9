"""Training on two processes: what one process does, with half of the photos in each."""

import itertools
import json
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate.state import AcceleratorState
from helpers import ROOT, SMALL

import cinn_hub
from cinn_hub.models.colorization_cinn import ColorizationCINN
from training import loop, sharing, train
from training.cache import CachedBatches
from training.colorization import loader
from training.loop import Stage, Trainer
from training.photos import find_photos
from training.sharing import noise_like, own_part

LIMIT = 300  # seconds; generous, for slow machines


@pytest.fixture
def places(tmp_path, color_photos):
    """A folder with the photos and a small model."""
    torch.manual_seed(0)
    ColorizationCINN(SMALL).save_pretrained(tmp_path / "model")
    return tmp_path


def words_of(places, task, out, *more):
    """The arguments of a training on the photos, which goes on from the small model."""
    photos = str(places / "photos")
    words = [task, "--data", photos, "--held-out", photos, "--init", str(places / "model")]
    words += ["--out", str(places / out), "--batch", "8", *more]
    if task == "flow":
        words += ["--caches", str(places / "caches")]
        words += ["--config", str(places / "model" / "config.json")]  # its ActNorms are set anew
    else:
        words += ["--workers", "0"]
    return words


def train_as(rank, environment, words, log):
    """A training in this process, with a clock that counts: each look at it takes a second, or
    longer in processes after the first. So it ends after as many steps wherever it runs."""
    AcceleratorState._reset_state(reset_partial_state=True)  # as in a process that begins
    os.environ.update(environment, RANK=str(rank), LOCAL_RANK=str(rank))
    seconds = itertools.count(step=1 + rank)
    loop.time = SimpleNamespace(monotonic=lambda: next(seconds))
    sys.argv = ["train", *words]
    with open(log, "w") as file, redirect_stdout(file):
        train.main()


def train_in(count, words, tmp_path):
    """A training in processes that share it, to its end; gives what the first one prints."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "WORLD_SIZE": str(count)}
    logs = [tmp_path / f"{rank}.log" for rank in range(count)]
    fork = multiprocessing.get_context("fork")  # PyTorch is there already
    started = [
        fork.Process(target=train_as, args=(rank, environment, words, log))
        for rank, log in enumerate(logs)
    ]
    for process in started:
        process.start()
    for process in started:
        process.join(LIMIT)
    assert [process.exitcode for process in started] == [0] * count
    return "".join(log.read_text() for log in logs)


def log_of(folder):
    return json.loads((folder / "training.json").read_text())


@pytest.mark.parametrize(
    ("task", "stages", "changed"),
    [
        ("colorization", "decoder=1,condition=1", "condition_network"),
        ("flow", "cells=1,details=1", "flow"),
    ],
)
def test_two_processes_learn_what_one_learns(places, task, stages, changed):
    more = ("--stages", stages, "--minutes", "0.3", "--checkpoint-minutes", "0.1", "--seed", "3")
    for count, out in ((1, "one"), (2, "two")):
        output = train_in(count, words_of(places, task, out, *more), places)
        told = "photos to train on" if task == "colorization" else "without colours are skipped"
        assert output.count(told) == (1 if task == "colorization" else 2)  # once for each place
    one, two = (log_of(places / out) for out in ("one", "two"))
    assert two["pictures"] == one["pictures"] > 100
    assert len(two["history"]) == len(one["history"]) > 3
    for ours, theirs in zip(two["history"], one["history"], strict=True):
        assert ours == pytest.approx(theirs, abs=1e-3)
    states = [cinn_hub.load(places / out, device="cpu").state_dict() for out in ("one", "two")]
    before = cinn_hub.load(places / "model", device="cpu").state_dict()
    for name, x in states[0].items():
        torch.testing.assert_close(x, states[1][name], atol=2e-3, rtol=2e-3)
    assert any(
        not torch.allclose(x, before[name]) for name, x in states[0].items() if changed in name
    )


def torchrun(places, *more):
    """A training by two processes, as people start it."""
    launcher = ["torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    words = words_of(places, "colorization", "out", "--stages", "decoder=1", *more)
    return subprocess.Popen(
        [sys.executable, "-m", *launcher, "-m", "training.train", *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        cwd=places,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def children(process):
    return [int(x) for x in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_a_training_goes_on_after_one_of_its_processes_has_died(places):
    checkpoint = places / "out.training" / "checkpoint.pt"
    with torchrun(places, "--checkpoint-minutes", "0.01", "--minutes", "1000") as training:
        deadline = time.monotonic() + LIMIT
        while not checkpoint.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(children(training.pid)[-1], signal.SIGKILL)
        training.communicate(timeout=LIMIT)  # the other one is ended
    assert training.returncode != 0
    done = torch.load(checkpoint, weights_only=True)["progress"]
    minutes = str((done["seconds"] + 2) / 60)
    words = words_of(places, "colorization", "out", "--stages", "decoder=1", "--minutes", minutes)
    assert train_in(2, words, places).count("Resuming at stage 1 of 1") == 1
    assert log_of(places / "out")["pictures"] > done["pictures"]


@pytest.fixture
def process(monkeypatch):
    def process(index, number):
        state = SimpleNamespace(num_processes=number, process_index=index)
        monkeypatch.setattr(sharing, "processes", lambda: state)

    return process


def test_parts_make_a_whole(process):
    parts = []
    for index, number in ((0, 1), (0, 2), (1, 2)):
        process(index, number)
        torch.manual_seed(0)
        own = torch.arange(8)[own_part(8)]
        parts.append((own, noise_like(torch.zeros(len(own), 3))))
    for whole, first, second in zip(*parts, strict=True):
        assert torch.equal(torch.cat([first, second]), whole)
    with pytest.raises(SystemExit, match="Batches of 7 pictures cannot be shared evenly by 2"):
        own_part(7)


def test_cached_photos_are_read_by_one_process_each(process):
    class Rows:
        def __init__(self, first):
            self.rows = np.arange(first, first + 100)

        def read(self, rows, names):
            return {name: torch.from_numpy(rows) for name in names}

    caches, found = [Rows(0), Rows(100)], []
    for index, number in ((0, 1), (0, 2), (1, 2)):
        process(index, number)
        found.append(next(iter(CachedBatches(caches, [1, 2], 8, ["ab"], seed=0)))[0])
    assert torch.equal(torch.cat(found[1:]), found[0]) and len(found[1]) == 4


def test_photos_look_the_same_however_many_processes_read_them(places):
    batches = []
    for workers in (0, 1):
        torch.manual_seed(workers)
        photos = loader(find_photos([places / "photos"]), 64, 4, workers, seed=1, augment=True)
        batches.append([batch[0] for batch in photos])
    assert all(map(torch.equal, *batches))


def test_a_process_counts_by_its_pictures(tmp_path):
    class Line(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(()))

        def forward(self, stage, batch):
            return 0.1 * self.weight * batch.mean()

    stage = Stage("only", 1.0, lambda task: [{"params": [task.weight], "lr": 1e-3}])
    gradients = []
    for share in (1.0, 0.5):
        task = Line()
        trainer = Trainer(task, [stage], 1, tmp_path)
        optimizer, averaged, _ = trainer.start(stage, None)
        trainer.step(stage, [torch.ones(4)], share, optimizer, averaged)
        gradients.append(task.weight.grad.item())
    assert gradients == pytest.approx([0.1, 0.05], rel=1e-2)
