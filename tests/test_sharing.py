"""Training on two processes: what one process does, with half of the photos in each."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers import ROOT, SMALL, color_picture

import cinn_hub
from cinn_hub.models.colorization_cinn import ColorizationCINN
from training import sharing
from training.cache import CachedBatches
from training.colorization import ColorizationTask, loader
from training.loop import Stage, Trainer
from training.photos import find_photos
from training.sharing import noise_like, own_part

SCRIPT = ROOT / "tests" / "counted_training.py"
LIMIT = 300  # seconds; generous, for slow machines


@pytest.fixture
def places(tmp_path):
    """A folder with photos, two of which teach nothing, and a small model."""
    (tmp_path / "photos").mkdir()
    for i in range(12):
        color_picture(96, 80, seed=i).save(tmp_path / "photos" / f"{i:02}.png")
    color_picture().convert("L").save(tmp_path / "photos" / "grey.png")
    (tmp_path / "photos" / "broken.jpg").write_bytes(b"no photo")
    torch.manual_seed(0)
    ColorizationCINN(SMALL).save_pretrained(tmp_path / "model")
    return tmp_path


def started(places, processes, task, out, *more):
    """A training by one process, or by several."""
    start = [sys.executable]
    if processes > 1:
        start += ["-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    photos = str(places / "photos")
    words = ["--data", photos, "--held-out", photos, "--init", str(places / "model")]
    words += ["--out", str(places / out), "--batch", "8", *more]
    if task == "flow":
        words += ["--caches", str(places / "caches")]
        words += ["--config", str(places / "model" / "config.json")]  # its ActNorms are set anew
    else:
        words += ["--workers", "0"]
    return subprocess.Popen(
        [*start, str(SCRIPT), task, *words],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        cwd=places,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def trained(*arguments):
    """Runs a training to its end; gives what it prints."""
    with started(*arguments) as training:
        output, errors = training.communicate(timeout=LIMIT)
    assert training.returncode == 0, errors
    return output


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
    more = ("--stages", stages, "--minutes", "0.6", "--checkpoint-minutes", "0.2", "--seed", "3")
    for processes, out in ((1, "one"), (2, "two")):
        output = trained(places, processes, task, out, *more)
        assert output.count("photos to train on") == 1
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


def children(process):
    return [int(x) for x in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


def test_a_training_goes_on_after_one_of_its_processes_has_died(places):
    checkpoint = places / "out.training" / "checkpoint.pt"
    options = ("--stages", "decoder=1", "--checkpoint-minutes", "0.1")
    with started(places, 2, "colorization", "out", *options, "--minutes", "1000") as training:
        deadline = time.monotonic() + LIMIT
        while not checkpoint.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(children(training.pid)[-1], signal.SIGKILL)
        training.communicate(timeout=LIMIT)  # the other one is ended
    assert training.returncode != 0
    done = torch.load(checkpoint, weights_only=True)["progress"]
    minutes = str((done["seconds"] + 10) / 60)
    output = trained(places, 2, "colorization", "out", *options, "--minutes", minutes)
    assert output.count("Resuming at stage 1 of 1") == 1
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


def test_one_process_writes_the_checkpoint(tmp_path):
    trainer = Trainer(ColorizationTask(ColorizationCINN(SMALL)), [], 0, tmp_path)
    trainer.is_main = False
    trainer.save()
    assert not trainer.path.exists()
    trainer.is_main = True
    trainer.save()
    assert trainer.path.exists()
