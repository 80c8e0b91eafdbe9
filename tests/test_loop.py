"""The training loop on tasks of one number: averages, noise, failed steps, resuming. No real time
passes: a clock counts how often it is read."""

import itertools
from types import SimpleNamespace

import pytest
import torch
from helpers import SMALL
from torch import nn

from cinn_hub.flow import ActNorm, LevelCondition
from cinn_hub.models.colorization_cinn import DETAILS, ColorizationCINN
from cinn_hub.models.digit_cinn import DigitCINN, DigitConfig
from training import loop
from training.color_flow import FlowTask
from training.digits import DigitTask, loader
from training.loop import Stage, Trainer

AVERAGE = 0.9


@pytest.fixture(autouse=True)
def clock(monkeypatch):
    """Every look at the clock takes a second."""
    seconds = itertools.count()
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(seconds)))


class Killed(Exception):
    pass


class Downhill(nn.Module):
    """A weight that only ever falls; it keeps what it has seen of weights, batches and noise.

    faults: steps whose gradients are not finite; dies_at: the step at which it is killed.
    """

    def __init__(self, faults=(), dies_at=None):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))
        self.faults, self.dies_at = faults, dies_at
        self.weights, self.batches, self.noise = [], [], []

    def forward(self, stage, batch):
        self.weights.append(self.weight.item())
        self.batches.append(tuple(batch.tolist()))
        self.noise.append(torch.rand(()).item())
        if len(self.batches) == self.dies_at:
            raise Killed
        wrong = len(self.batches) in self.faults
        return self.weight * (float("nan") if wrong else 1.0)

    def held_out(self, stage, batches):
        return {"weight": self.weight.item()}


def everything(task):
    return [{"params": list(task.parameters()), "lr": 1e-2}]


def trainer(task, folder, minutes=1.0, stages=("first",), **options):
    parts = [Stage(name, 1 / len(stages), everything) for name in stages]
    options = {"average": AVERAGE, "checkpoint_minutes": 0.1, **options}
    return Trainer(task, parts, minutes, folder, **options)


def batches(seed):
    """Endless batches of two numbers that tell the seed."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        yield [torch.rand(2, generator=generator)]


HELD_OUT = [[torch.zeros(1)]]


def test_the_weights_that_stay_are_averages(tmp_path):
    task = Downhill()
    progress = trainer(task, tmp_path).run(batches, HELD_OUT)
    seen = task.weights  # before each step
    assert progress.steps == 0 and len(seen) > 30
    assert all(after < before for before, after in itertools.pairwise(seen))
    average = seen[1]
    for count, weight in enumerate(seen[2:], 1):
        share = min(AVERAGE, (1 + count) / (10 + count))
        average = share * average + (1 - share) * weight
    # the weight after the last step was not seen, so the average is a little lower than this
    assert average - 0.01 < task.weight.item() < average
    assert task.weight.item() > seen[-1] + 0.005
    assert progress.history[-1]["weight"] == pytest.approx(task.weight.item())


def test_a_stage_starts_from_the_average_of_the_one_before(tmp_path):
    task = Downhill()
    trainer(task, tmp_path, stages=("first", "second")).run(batches, HELD_OUT)
    jumps = [after - before for before, after in itertools.pairwise(task.weights)]
    assert sum(jump > 0 for jump in jumps) == 1


def test_a_failed_step_changes_nothing_and_is_told(tmp_path, capsys):
    task = Downhill(faults=(3, 7, 8))
    trainer(task, tmp_path).run(batches, HELD_OUT)
    assert task.weight.isfinite() and task.weights[3] == task.weights[2]
    told = capsys.readouterr().out
    assert f"the gradients of 3 of {len(task.weights)} steps were not finite" in told


def test_many_failed_steps_in_a_row_end_the_training(tmp_path):
    task = Downhill(faults=range(5, 1000))
    with pytest.raises(SystemExit, match="gradients of 50 steps in a row were not finite"):
        trainer(task, tmp_path, minutes=10).run(batches, HELD_OUT)
    assert len(task.weights) == 4 + loop.MOST_FAILED_STEPS


@pytest.mark.parametrize(("minutes", "stride"), [(0.0, 1), (0.5, 1), (1.5, 2)])
def test_a_training_that_learns_too_little_does_not_end_well(tmp_path, minutes, stride):
    task = Downhill(faults=range(1, 1000, stride))
    with pytest.raises(SystemExit, match="too little was learned"):
        trainer(task, tmp_path, minutes).run(batches, HELD_OUT)


@pytest.mark.parametrize("where", ["loss", "held-out figures"])
def test_what_is_not_finite_is_never_written(tmp_path, monkeypatch, where):
    """Whose gradients may be: a rate of 100 gives losses that are infinite."""
    task = Downhill()
    if where == "loss":
        monkeypatch.setattr(task, "forward", lambda *_: task.weight * 0 + float("inf"))
    else:
        figures = iter([0.0, *[float("inf")] * 100])
        monkeypatch.setattr(Downhill, "held_out", lambda *_: {"weight": next(figures)})
    with pytest.raises(SystemExit, match="choose a lower learning rate"):
        trainer(task, tmp_path).run(batches, HELD_OUT)
    with pytest.raises(ValueError):
        loop.Progress(history=[{"weight": float("inf")}]).write(tmp_path)


def killed_and_resumed(folder, dies_at, **options):
    """The task that was killed, and the one that went on."""
    tasks = Downhill(dies_at=dies_at), Downhill()
    with pytest.raises(Killed):
        trainer(tasks[0], folder, **options).run(batches, HELD_OUT)
    progress = trainer(tasks[1], folder, **options).run(batches, HELD_OUT)
    assert progress.pictures > 2 * len(tasks[1].batches)  # those of before are counted, too
    return tasks


def test_a_resumed_training_sees_other_batches_and_other_noise(tmp_path):
    first, second = killed_and_resumed(tmp_path / "a", 20, seed=5)
    assert not set(first.batches) & set(second.batches)
    assert not set(first.noise) & set(second.noise)
    same, other = Downhill(), Downhill()
    trainer(same, tmp_path / "b", seed=5).run(batches, HELD_OUT)
    assert same.batches[:20] == first.batches  # a new training with that seed does the same again
    trainer(other, tmp_path / "c", seed=6).run(batches, HELD_OUT)
    assert other.batches[0] != first.batches[0]


def test_a_resumed_training_ends_as_one_that_was_not_killed(tmp_path):
    """With the same averages and learning rates: it is killed where these fall."""
    whole = Downhill()
    trainer(whole, tmp_path / "whole").run(batches, HELD_OUT)
    _, resumed = killed_and_resumed(tmp_path / "killed", 50)
    assert len(resumed.weights) < 20
    assert resumed.weights[-1] == pytest.approx(whole.weights[-1], rel=1e-6)
    assert resumed.weight.item() == pytest.approx(whole.weight.item(), rel=1e-6)


def test_digits_are_shuffled_by_their_seed():
    images, labels = torch.zeros(64, 1, 28, 28), torch.arange(64)
    orders = [[x[1].tolist() for x in loader(images, labels, 8, seed)] for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]
    assert [x[1][0].item() for x in loader(images, labels, 32)] == [0, 32]


def flow_batch(model):
    generator = torch.Generator().manual_seed(0)
    lightness = 100 * torch.rand(3, 1, 64, 64, generator=generator)
    with torch.no_grad():
        parts = model.parts(lightness)
    ab = 20 * torch.rand(3, 2, 16, 16, generator=generator)
    names = ("middle", "coarse", "expected", "spread", "lightness")
    return ab, [parts[name] for name in names]


@torch.no_grad()
def test_training_adds_its_noise_to_ab(small_model):
    task = FlowTask(small_model)
    assert task.noise == small_model.config.noise
    task.noise = 20.0  # easy to see
    ab, parts = flow_batch(small_model)
    torch.manual_seed(3)
    loss = task(DETAILS, ab, *parts)
    torch.manual_seed(3)
    noisy = ab + 20 * torch.randn_like(ab)
    expected = sum(task.nats(name, noisy, parts).mean() for name in ("details", "grain"))
    torch.testing.assert_close(loss, expected)
    clean = sum(task.nats(name, ab, parts).mean() for name in ("details", "grain"))
    assert abs(loss - clean) > 1e-3
    assert task(DETAILS, ab, *parts) != loss  # new noise each time


def test_digits_are_dequantized_anew_each_time():
    task = DigitTask(DigitCINN(DigitConfig(hidden=(8, 8, 8), dense=8, bins=4, dropout=0.0)))
    images, labels = torch.full((2, 1, 28, 28), 128, dtype=torch.uint8), torch.tensor([1, 2])
    with torch.no_grad():
        assert task("flow", images, labels) != task("flow", images, labels)


@pytest.mark.parametrize("stage", ["cells", "details"])
def test_a_batch_of_one_photo_teaches(stage):
    torch.manual_seed(0)
    model = ColorizationCINN(SMALL).train()
    ab, parts = flow_batch(model)
    task = FlowTask(model)
    loss = task(stage, ab[:1], *(part[:1] for part in parts))
    loss.backward()
    grads = [p.grad for p in model.flow.parameters() if p.grad is not None]
    assert loss.isfinite() and grads and all(grad.isfinite().all() for grad in grads)


def test_a_batch_that_is_not_finite_does_not_set_actnorm():
    layer = ActNorm(2).train()
    layer(torch.full((2, 2, 1, 1), float("nan")), LevelCondition())
    assert not layer.is_initialized and layer.shift.isfinite().all()
