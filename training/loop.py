"""The training loop: stages with a time budget, averaged weights, checkpoints, held-out figures."""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from tqdm import tqdm

WARM_UP_STEPS = 100


@dataclass(frozen=True)
class Stage:
    """One part of a training.

    share: of the whole budget in minutes.
    parameters: picks what is trained, as optimiser groups: [{"params": [...], "lr": ...}].
    """

    name: str
    share: float
    parameters: Callable[[nn.Module], list[dict[str, Any]]]


@dataclass
class Progress:
    """Where a training stands; saved in checkpoints and, at the end, beside the weights."""

    stage: int = 0
    seconds: float = 0.0  # in this stage
    steps: int = 0  # in this stage
    pictures: int = 0
    total_seconds: float = 0.0
    history: list[dict[str, float | str]] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """As `training.json`, beside the weights."""
        text = json.dumps(vars(self), indent=1) + "\n"
        (folder / "training.json").write_text(text, "utf-8")


class Trainer:
    """Runs the stages of a task and can be killed at any moment: it resumes from `folder`.

    Arguments:
        task: module whose `forward(stage_name, *batch)` gives the loss and whose
            `held_out(stage_name, batches)` gives a dict of figures, the first to be printed first.
        stages: what is trained, one after the other; each starts from the averaged weights of the
            one before.
        minutes: the budget of all stages together, time before a resume counted in.
        folder: where `checkpoint.pt` lies.
    """

    def __init__(
        self,
        task: nn.Module,
        stages: list[Stage],
        minutes: float,
        folder: Path,
        average: float = 0.998,
        checkpoint_minutes: float = 3.0,
    ) -> None:
        self.accelerator = Accelerator(mixed_precision=mixed_precision())
        self.task = task.to(self.accelerator.device)
        self.spare = copy.deepcopy(self.task)  # before Accelerate wraps it; holds the averages
        self.model = self.accelerator.prepare(self.task)
        self.stages = stages
        self.seconds = 60 * minutes
        self.path = folder / "checkpoint.pt"
        self.average = average
        self.checkpoint_seconds = 60 * checkpoint_minutes
        self.progress = Progress()

    def run(self, batches: Iterable[Any], held_out: Iterable[Any]) -> Progress:
        """Trains; afterwards `task` holds the averaged weights of the last stage."""
        saved = self.load()
        held_out = [self.to_device(batch) for batch in held_out if len(batch[0])]
        if not held_out:
            raise SystemExit("None of the held-out photos has colours: name others by --held-out.")
        endless = forever(self.accelerator.prepare(batches))
        while self.progress.stage < len(self.stages):
            self.run_stage(self.stages[self.progress.stage], endless, held_out, saved)
            saved = None
            self.progress.stage += 1
            self.progress.seconds, self.progress.steps = 0.0, 0
            self.save()
        return self.progress

    def run_stage(
        self, stage: Stage, batches: Iterator[Any], held_out: list[Any], saved: dict | None
    ) -> None:
        for parameter in self.task.parameters():
            parameter.requires_grad_(False)
        groups = stage.parameters(self.task)
        for group in groups:
            for parameter in group["params"]:
                parameter.requires_grad_(True)
        optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=1e-2)
        averaged = AveragedModel(self.spare, avg_fn=partial(moving_average, self.average))
        peaks = [group["lr"] for group in optimizer.param_groups]
        optimizer = self.accelerator.prepare(optimizer)
        if saved is not None and saved["optimizer"]:
            optimizer.load_state_dict(saved["optimizer"])
            averaged.load_state_dict(saved["averaged"])
        budget = stage.share * self.seconds
        bar = tqdm(
            total=100,
            unit="%",
            desc=stage.name,
            bar_format="{l_bar}{bar}| {postfix}",
            disable=None,
        )
        last_save = last_look = time.monotonic()
        mark = last_save
        while self.progress.seconds < budget or self.progress.steps == 0:
            done = self.progress.seconds / max(budget, 1e-9)
            for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                group["lr"] = peak * rate(done, self.progress.steps)
            batch = next(batches)
            loss = self.model(stage.name, *batch)
            optimizer.zero_grad(set_to_none=True)
            self.accelerator.backward(loss)
            norm = self.accelerator.clip_grad_norm_(
                [p for group in groups for p in group["params"]], 1.0
            )
            if torch.isfinite(norm):
                optimizer.step()
                averaged.update_parameters(self.task)
            now = time.monotonic()
            self.count(len(batch[0]), now - mark)
            mark = now
            bar.n = round(min(100.0, 100 * self.progress.seconds / max(budget, 1e-9)), 1)
            bar.set_postfix_str(f"loss {loss.item():.4f}, {self.progress.pictures} pictures")
            if now - last_look > max(self.checkpoint_seconds, budget / 12):
                self.look(stage, averaged, held_out)
                last_look = time.monotonic()
                mark = last_look  # looking is not training
            if now - last_save > self.checkpoint_seconds:
                self.save(optimizer, averaged)
                last_save = time.monotonic()
        self.task.load_state_dict(averaged.module.state_dict())
        self.look(stage, averaged, held_out)
        bar.close()

    def count(self, pictures: int, seconds: float) -> None:
        self.progress.steps += 1
        self.progress.pictures += pictures
        self.progress.seconds += seconds
        self.progress.total_seconds += seconds

    @torch.no_grad()
    def look(self, stage: Stage, averaged: AveragedModel, held_out: list[Any]) -> None:
        """Prints and records the held-out figures of the averaged weights."""
        task = averaged.module.eval()
        with self.accelerator.autocast():
            figures = task.held_out(stage.name, held_out)
        text = ", ".join(f"{key} {value:.4f}" for key, value in figures.items())
        minutes = self.progress.total_seconds / 60
        seen = self.progress.pictures
        tqdm.write(f"{minutes:6.1f} min, {seen:>8} pictures, {stage.name}: {text}")
        entry = {"stage": stage.name, "minutes": round(minutes, 2), "pictures": seen, **figures}
        self.progress.history.append(entry)

    def save(self, optimizer: Any = None, averaged: AveragedModel | None = None) -> None:
        """Writes the checkpoint; between two stages there is neither optimiser nor average."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "task": self.task.state_dict(),
            "averaged": averaged and averaged.state_dict(),
            "optimizer": optimizer and optimizer.state_dict(),
            "progress": vars(self.progress),
        }
        unfinished = self.path.with_suffix(".new")
        torch.save(state, unfinished)
        os.replace(unfinished, self.path)

    def load(self) -> dict | None:
        """Takes up an interrupted training; None where there is none."""
        if not self.path.exists():
            return None
        state = torch.load(self.path, map_location=self.accelerator.device, weights_only=True)
        self.task.load_state_dict(state["task"])
        self.progress = Progress(**state["progress"])
        if self.progress.stage >= len(self.stages):
            tqdm.write(
                f"This training is finished. To go on with other data or more time, name the model "
                f"that it made by --init, and another --out; or delete {self.path}."
            )
        else:
            tqdm.write(
                f"Resuming at stage {self.progress.stage + 1} of {len(self.stages)} after "
                f"{self.progress.total_seconds / 60:.1f} minutes ({self.path})."
            )
        return state

    def to_device(self, batch: Any) -> Any:
        return [x.to(self.accelerator.device) if isinstance(x, Tensor) else x for x in batch]


def moving_average(limit: float, average: Tensor, value: Tensor, count: Tensor) -> Tensor:
    """An exponential average whose memory grows with the number of steps, up to the limit."""
    decay = min(limit, (1 + int(count)) / (10 + int(count)))
    return torch.lerp(value, average, decay)


def rate(done: float, steps: int, decay: float = 0.4) -> float:
    """The share of the peak learning rate: a short warm-up, then all of it, then down to zero.

    decay: the last part of the time, in which it falls (by a line).
    """
    return min(1.0, (steps + 1) / WARM_UP_STEPS) * min(1.0, max(0.0, 1 - done) / decay)


def forever(batches: Iterable[Any]) -> Iterator[Any]:
    """The batches again and again, but for those without a photo that has colours."""
    while True:
        found = False
        for batch in batches:
            if len(batch[0]):
                found = True
                yield batch
        if not found:
            raise SystemExit("None of the photos to train on has colours.")


def mixed_precision() -> str:
    """bfloat16 where the hardware computes in it, float32 elsewhere."""
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() else "no"
