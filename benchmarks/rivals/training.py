"""Trains one row for a number of minutes of one core, and measures it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from benchmarks.held_out import Held
from benchmarks.rivals import answers, measuring
from benchmarks.rivals.conditions import NAMES, Trunk, caches_of
from benchmarks.rivals.rival import Rival
from benchmarks.rivals.rows import ROWS
from benchmarks.rivals.runs import Runs
from cinn_hub.files import write_whole
from training.cache import CachedBatches, in_order
from training.loop import Diverged, Progress, Stage, Trainer

VIEWS = 2  # of each photo: the whole one, and a random part
LOOKS = 30
LOOKED_AT = 2  # batches of 50 held-out photos, for the curves


@dataclass(frozen=True)
class Terms:
    """What is the same for all rows of one comparison.

    Attributes:
        data, held_out: folders or zips of photos.
        runs: checkpoints and results; caches: folder of conditions.
        minutes: of one core, for each training.
        photos: how many of the held-out ones are measured; None for all.
    """

    data: tuple[str, ...]
    held_out: tuple[str, ...]
    runs: Runs
    caches: Path
    minutes: float = 30.0
    photos: int | None = None

    def settle(self) -> None:
        """Writes these terms beside the trainings.

        Raises:
            SystemExit: what is there was trained or measured on other terms.
        """
        path = self.runs.terms
        mine = {
            "data": [Path(place).name for place in self.data],
            "held out": [Path(place).name for place in self.held_out],
            "minutes": self.minutes,
            "photos": self.photos,
        }
        if not path.exists():
            self.runs.root.mkdir(parents=True, exist_ok=True)
            write_whole(path, json.dumps(mine, indent=1) + "\n")
        elif (theirs := json.loads(path.read_text("utf-8"))) != mine:
            raise SystemExit(
                f"The rows in {self.runs.root} have the terms {theirs}, not {mine}; "
                "take another --out."
            )


def run(terms: Terms, name: str, seed: int) -> dict[str, Any]:
    """Trains and measures a row, from where it stopped; its result is a file in its folder."""
    terms.settle()
    trunk = Trunk()
    rival, progress = trained(terms, trunk, name, seed)
    held = Held.read(terms.held_out, terms.photos)
    figures = measuring.measured(rival, trunk, held, name)
    result = {
        "row": name,
        "seed": seed,
        "photos": len(held.rgb),
        "pictures": progress.pictures,
        "parameters": sum(p.numel() for p in rival.parameters()),
        "figures": figures,
        "history": progress.history,
    }
    answers.keep(terms.runs.answers(name, seed), rival, trunk)
    write_whole(terms.runs.result(name, seed), json.dumps(result, indent=1) + "\n")
    if not terms.runs.bounds.exists():
        whole_photos = caches_of(trunk, terms.data, terms.caches, [0])
        found = measuring.bounds(held, measuring.mean_color(whole_photos))
        write_whole(terms.runs.bounds, json.dumps(found, indent=1) + "\n")
    return result


def trained(terms: Terms, trunk: Trunk, name: str, seed: int) -> tuple[Rival, Progress]:
    """The rival with the averaged weights of its training.

    The budget is counted in seconds that the processor works, of one thread, so that what else runs
    on the machine takes nothing from it.
    """
    caches = caches_of(trunk, terms.data, terms.caches, range(VIEWS))
    held = caches_of(trunk, terms.held_out, terms.caches, [0])
    torch.manual_seed(seed)
    rival = ROWS[name].build()
    rival.prepare(caches)
    stage = Stage(name, 1.0, lambda task: task.groups(), rival.clip)
    trainer = Trainer(
        rival,
        [stage],
        terms.minutes,
        terms.runs.folder(name, seed),
        checkpoint_minutes=min(1.0, terms.minutes / 10),
        seed=seed,
        clock=time.process_time,
        looks=LOOKS,
    )
    shares = [len(cache) for cache in caches]
    batches = partial(CachedBatches, caches, shares, rival.batch, NAMES)
    looked_at = [batch for cache in held for batch in in_order(cache, NAMES)][:LOOKED_AT]
    try:
        trainer.run(batches, looked_at)
    except Diverged as error:  # that is a result, too
        trainer.tell(str(error))
        note_divergence(trainer.progress, rival, looked_at)
        trainer.save()
    return rival.eval().requires_grad_(False), trainer.progress


@torch.no_grad()
def note_divergence(progress: Progress, rival: Rival, batches: list[list[Tensor]]) -> None:
    """Ends the history with the figures of the last finite weights."""
    figures = rival.eval().held_out("", batches)
    minutes = round(progress.total_seconds / 60, 2)
    about = {"minutes": minutes, "pictures": progress.pictures, "diverged": True}
    progress.history.append({**about, **figures})
