"""Answers to a few photos, kept beside the figures of a training: small enough for a repository, so
that sheets can be drawn without its weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from benchmarks.held_out import Held
from benchmarks.rivals import measuring
from benchmarks.rivals.conditions import Trunk
from benchmarks.rivals.rival import ANSWERS, Rival
from cinn_hub.files import whole_file
from training.photos import find_photos

ROOT = Path(__file__).parents[2]
PLACES = (ROOT / "benchmarks" / "rooms", ROOT / "examples" / "moods")  # all in the public domain


def names() -> list[str]:
    """Of the photos that are shown."""
    return [Path(source.name).stem for source in find_photos(PLACES)]


def shown() -> Held:
    return Held.read(PLACES)


@torch.inference_mode()
def keep(path: Path, rival: Rival, trunk: Trunk) -> None:
    """Writes the ab of ANSWERS colourings of the photos that are shown, in whole units."""
    found = []
    for i, parts in enumerate(measuring.conditions(trunk, shown())):
        torch.manual_seed(i)
        found.append(rival.answers(parts, ANSWERS).round().clamp(-128, 127).to(torch.int8))
    with whole_file(path) as unfinished:
        np.savez_compressed(unfinished, ab=torch.stack(found).numpy())


def read(path: Path) -> list[np.ndarray]:
    """Of each photo that is shown, ab (ANSWERS, 64, 64, 2)."""
    with np.load(path, allow_pickle=False) as kept:
        return [measuring.enlarged(torch.from_numpy(ab).float()) for ab in kept["ab"]]
