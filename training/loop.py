"""The training loop: stages with a time budget, averaged weights, checkpoints, held-out figures."""

from __future__ import annotations

import copy
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.utils import DataLoaderConfiguration
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader
from tqdm import tqdm

from cinn_hub.files import reason_of, whole_file, write_whole
from cinn_hub.latent import sample_seed
from training.sharing import of_all, own_part, processes

WARM_UP_STEPS = 100
NO_FIGURES = {"stage", "minutes", "pictures"}  # what an entry of the history has besides
MOST_FAILED_STEPS = 50  # in a row, before a training gives up

Batches = Callable[[int], Iterable[Any]]
"""Given a seed, the batches in the order and with the noise of that seed."""


class Diverged(SystemExit):
    """Too many gradients were not finite."""


@dataclass(frozen=True)
class Stage:
    """One part of a training.

    share: of the whole budget in minutes.
    parameters: picks what is trained, as optimiser groups: [{"params": [...], "lr": ...}].
    clip: the largest norm of the gradient; longer ones are shortened to it.
    """

    name: str
    share: float
    parameters: Callable[[nn.Module], list[dict[str, Any]]]
    clip: float = 1.0


@dataclass
class Progress:
    """Where a training stands; saved in checkpoints and, at the end, beside the weights."""

    stage: int = 0
    seconds: float = 0.0  # in this stage
    steps: int = 0  # in this stage
    failed_steps: int = 0  # in this stage: their gradients were not finite
    pictures: int = 0
    total_seconds: float = 0.0
    history: list[dict[str, float | str]] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """As `training.json`, beside the weights."""
        write_whole(
            folder / "training.json", json.dumps(vars(self), indent=1, allow_nan=False) + "\n"
        )


class Trainer:
    """Runs the stages of a task. It can be killed at any moment, and resumes from `folder`.

    Several processes, started by torchrun, share each batch and do the same otherwise; the main one
    reads the clock, tells and writes.

    Arguments:
        task: module whose `forward(stage_name, *batch)` gives the loss and whose
            `held_out(stage_name, batches)` gives a dict of figures, the first to be printed first.
        stages: what is trained, one after the other; each starts from the averaged weights of the
            one before.
        minutes: the budget of all stages together, time before a resume counted in.
        folder: where `checkpoint.pt` lies.
        seed: of batches and of all that is random in training.
        clock: gives the seconds that the budget is counted in; by default those of the wall's.
        looks: how often the held-out figures are taken in each stage, at most.
    """

    def __init__(
        self,
        task: nn.Module,
        stages: list[Stage],
        minutes: float,
        folder: Path,
        average: float = 0.998,
        checkpoint_minutes: float = 3.0,
        seed: int = 0,
        clock: Callable[[], float] | None = None,
        looks: int = 12,
    ) -> None:
        self.is_main = processes().is_main_process
        self.accelerator = Accelerator(
            mixed_precision=mixed_precision(),
            dataloader_config=DataLoaderConfiguration(split_batches=True),
        )
        self.task = task.to(self.accelerator.device)
        self.spare = copy.deepcopy(self.task)  # before Accelerate wraps it; holds the averages
        self.stages = stages
        self.seconds = 60 * minutes
        self.path = folder / "checkpoint.pt"
        self.average = average
        self.checkpoint_seconds = 60 * checkpoint_minutes
        self.seed = seed
        self.clock = clock or time.monotonic
        self.looks = looks
        self.progress = Progress()
        self.failed_in_a_row = 0

    def run(self, batches: Batches, held_out: Iterable[Any]) -> Progress:
        """Trains; afterwards `task` holds the averaged weights of the last stage.

        A training that is resumed goes on with other batches and other noise than it began with.

        Raises:
            SystemExit: there is nothing to learn from, or what is computed is not finite.
        """
        saved = self.load()
        if len(set(of_all(self.progress.pictures))) > 1:
            raise SystemExit(
                f"The processes do not see the same {self.path}; it must be in a folder that all "
                "machines share."
            )
        seed = sample_seed(self.seed, self.progress.pictures)
        torch.manual_seed(seed)
        held_out = [self.to_device(batch) for batch in held_out if len(batch[0])]
        if not held_out:
            raise SystemExit("None of the held-out photos has colours; give others as --held-out.")
        found = batches(seed)
        if isinstance(found, DataLoader):
            own_part(found.batch_size)  # or it cannot be shared
        endless = forever(self.accelerator.prepare(found))
        while self.progress.stage < len(self.stages):
            self.run_stage(self.stages[self.progress.stage], endless, held_out, saved)
            saved = None
            self.progress.stage += 1
            self.progress.seconds, self.progress.steps, self.progress.failed_steps = 0.0, 0, 0
            self.save()
        return self.progress

    def run_stage(
        self, stage: Stage, batches: Iterator[Any], held_out: list[Any], saved: dict | None
    ) -> None:
        optimizer, averaged, peaks = self.start(stage, saved)
        if self.progress.steps == 0:
            self.look(stage, self.spare, held_out)  # as it is before
        budget = stage.share * self.seconds
        last_save = last_look = self.progress.total_seconds
        mark = self.clock()
        with progress_bar(stage.name, self.is_main) as bar:
            while self.progress.seconds < budget or self.progress.steps == 0:
                done = self.progress.seconds / max(budget, 1e-9)
                for group, peak in zip(optimizer.param_groups, peaks, strict=True):
                    group["lr"] = peak * rate(done, self.progress.steps)
                batch, pictures = next(batches)
                share = len(batch[0]) / pictures * self.accelerator.num_processes
                loss = self.step(stage, batch, share, optimizer, averaged)
                now = self.clock()
                self.count(pictures, of_all(now - mark)[0])
                mark, total = now, self.progress.total_seconds
                bar.n = round(min(100.0, 100 * self.progress.seconds / max(budget, 1e-9)), 1)
                bar.set_postfix_str(f"loss {loss:.4f}, {self.progress.pictures} pictures")
                if total - last_look > max(self.checkpoint_seconds, budget / self.looks):
                    self.look(stage, averaged.module, held_out)
                    last_look, mark = total, self.clock()  # looking is not training
                if total - last_save > self.checkpoint_seconds:
                    self.save(optimizer, averaged)
                    last_save = total
        self.accelerator.unwrap_model(self.model, keep_fp32_wrapper=False)
        self.check_learned(stage)
        self.task.load_state_dict(averaged.module.state_dict())
        self.look(stage, averaged.module, held_out)

    def start(
        self, stage: Stage, saved: dict | None
    ) -> tuple[torch.optim.Optimizer, AveragedModel, list[float]]:
        """The optimiser of a stage, the average of its weights, and the peak learning rates.

        The model is wrapped anew, because what several processes exchange depends on the stage.
        """
        self.task.requires_grad_(False)
        groups = stage.parameters(self.task)
        for group in groups:
            for parameter in group["params"]:
                parameter.requires_grad_(True)
        optimizer = torch.optim.AdamW(groups, betas=(0.9, 0.99), weight_decay=1e-2)
        averaged = AveragedModel(self.spare, avg_fn=partial(moving_average, self.average))
        peaks = [group["lr"] for group in optimizer.param_groups]
        self.model, optimizer = self.accelerator.prepare(self.task, optimizer)
        if saved is not None and saved["optimizer"]:
            optimizer.load_state_dict(saved["optimizer"])
            averaged.load_state_dict(saved["averaged"])
        return optimizer, averaged, peaks

    def step(
        self,
        stage: Stage,
        batch: Any,
        share: float,
        optimizer: torch.optim.Optimizer,
        averaged: AveragedModel,
    ) -> float:
        """Learns from one batch, if its gradients are finite, and returns the loss.

        share: of this process in the gradients, 1 if all have the same number of pictures.

        Raises:
            Diverged: they were not finite many times in a row.
        """
        loss = self.model(stage.name, *batch)
        optimizer.zero_grad(set_to_none=True)
        self.accelerator.backward(share * loss)
        trained = [p for group in optimizer.param_groups for p in group["params"]]
        norm = self.accelerator.clip_grad_norm_(trained, stage.clip)
        if torch.isfinite(norm) and all(map(math.isfinite, of_all(loss.item()))):
            optimizer.step()
            averaged.update_parameters(self.task)
            self.failed_in_a_row = 0
        else:
            self.progress.failed_steps += 1
            self.failed_in_a_row += 1
        if self.failed_in_a_row == MOST_FAILED_STEPS:
            raise Diverged(
                f"The gradients of {MOST_FAILED_STEPS} steps in a row were not finite in the stage "
                f"{stage.name}; choose a lower learning rate, or check the data."
            )
        return loss.item()

    def check_learned(self, stage: Stage) -> None:
        """Prints how many steps of a stage failed.

        Raises:
            Diverged: most of them did, so that too little was learned.
        """
        failed, steps = self.progress.failed_steps, self.progress.steps
        text = (
            f"In the stage {stage.name} the gradients of {failed} of {steps} steps were not finite"
        )
        if 2 * failed >= steps:
            raise Diverged(f"{text}, so too little was learned; choose a lower learning rate.")
        if failed:
            self.tell(f"{text}; these steps were skipped.")

    def count(self, pictures: int, seconds: float) -> None:
        self.progress.steps += 1
        self.progress.pictures += pictures
        self.progress.seconds += seconds
        self.progress.total_seconds += seconds

    @torch.no_grad()
    def look(self, stage: Stage, task: nn.Module, held_out: list[Any]) -> None:
        """Prints and records the held-out figures of a task's weights.

        Raises:
            Diverged: they are not finite, so that nothing is written.
        """
        with self.accelerator.autocast():
            figures = task.eval().held_out(stage.name, held_out)
        text = as_text(figures)
        if not all(map(math.isfinite, figures.values())):
            raise Diverged(
                f"The held-out figures in the stage {stage.name} are not finite ({text}); choose a "
                "lower learning rate, or check the data."
            )
        minutes = self.progress.total_seconds / 60
        seen = self.progress.pictures
        self.tell(f"{minutes:6.1f} min, {seen:>8} pictures, {stage.name}: {text}")
        entry = {"stage": stage.name, "minutes": round(minutes, 2), "pictures": seen, **figures}
        self.progress.history.append(entry)

    def save(self, optimizer: Any = None, averaged: AveragedModel | None = None) -> None:
        """Writes the checkpoint; between two stages there is neither optimiser nor average."""
        if not self.is_main:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        state = {
            "task": self.task.state_dict(),
            "averaged": averaged and averaged.state_dict(),
            "optimizer": optimizer and optimizer.state_dict(),
            "progress": vars(self.progress),
        }
        write_state(state, self.path)

    def load(self) -> dict | None:
        """Takes up an interrupted training; None where there is none."""
        if not self.path.exists():
            return None
        state = torch.load(self.path, map_location="cpu", weights_only=True)
        self.task.load_state_dict(state["task"])
        self.progress = Progress(**state["progress"])
        if self.progress.stage >= len(self.stages):
            self.tell(
                f"This training is finished. To go on with other data or more time, give the model "
                f"that it made as --init, and another --out; or delete {self.path}."
            )
        else:
            self.tell(
                f"Resuming at stage {self.progress.stage + 1} of {len(self.stages)} after "
                f"{self.progress.total_seconds / 60:.1f} minutes ({self.path})."
            )
        return state

    def write(self, model: Any, folder: Path, next_step: str) -> None:
        """Writes a model that was trained, and how it was; says whether it has learned anything.

        next_step: what the last line tells people to do.
        """
        if self.is_main:
            model.save_pretrained(folder)  # with a card to be filled in, if there is none
            self.progress.write(folder)
            before: dict[str, float] = {}
            after: dict[str, float] = {}
            for entry in self.progress.history:
                figures = {key: entry[key] for key in entry.keys() - NO_FIGURES}
                before, after = figures | before, after | figures
            self.tell(f"Before, on the held-out photos: {as_text(before)}")
            self.tell(f"After:                          {as_text(after)} (lower is better)")
            self.tell(f"The model is in {folder}; {next_step}")

    def tell(self, text: str) -> None:
        if self.is_main:
            tqdm.write(text)

    def to_device(self, batch: Any) -> Any:
        return [x.to(self.accelerator.device) if isinstance(x, Tensor) else x for x in batch]


def as_text(figures: Mapping[str, float]) -> str:
    return ", ".join(f"{key} {value:.4f}" for key, value in sorted(figures.items()))


def write_state(state: dict[str, Any], path: Path) -> None:
    """Writes a checkpoint; the one that was there stays until this one is whole.

    Raises:
        SystemExit: it cannot be written.
    """
    try:
        with whole_file(path) as unfinished:
            torch.save(state, unfinished)
    except (OSError, RuntimeError) as error:
        raise SystemExit(
            f"The checkpoint {path} cannot be written ({reason_of(error)}); the one before is "
            "kept. Free some space and start the same command again."
        ) from error


def progress_bar(name: str, is_main: bool) -> tqdm:
    """A bar in percent of a stage's time; none where the output is not a terminal."""
    layout = "{l_bar}{bar}| {postfix}"
    disable = None if is_main else True
    return tqdm(total=100, unit="%", desc=name, bar_format=layout, disable=disable)


def moving_average(limit: float, average: Tensor, value: Tensor, count: Tensor) -> Tensor:
    """An exponential average whose memory grows with the number of steps, up to the limit."""
    decay = min(limit, (1 + int(count)) / (10 + int(count)))
    return torch.lerp(value, average, decay)


def rate(done: float, steps: int, decay: float = 0.4) -> float:
    """The share of the peak learning rate: a short warm-up, then all of it, then down to zero.

    decay: the last part of the time, in which it falls (by a line).
    """
    return min(1.0, (steps + 1) / WARM_UP_STEPS) * min(1.0, max(0.0, 1 - done) / decay)


def forever(batches: Iterable[Any]) -> Iterator[tuple[Any, int]]:
    """The batches again and again, each with the number of its pictures in all processes; those in
    which a process has no colour photo are left out."""
    while True:
        found = False
        for batch in batches:
            if all(counts := of_all(len(batch[0]))):
                found = True
                yield batch, int(sum(counts))
        if not found:
            raise SystemExit(
                "None of the photos to train on has colours; give colour photos as --data."
            )


def mixed_precision() -> str:
    """bfloat16 where the hardware supports it, float32 elsewhere."""
    if torch.cuda.is_available():
        return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "no"
    return "bf16" if torch.cpu._is_avx512_bf16_supported() else "no"
