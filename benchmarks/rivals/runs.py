"""The folder of one comparison: what its trainings leave there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.rivals.rows import ROWS

MOST_SEEDS = 10


@dataclass(frozen=True)
class Runs:
    """A folder with a folder for each training, named by its row and seed."""

    root: Path

    @property
    def terms(self) -> Path:
        return self.root / "terms.json"

    @property
    def bounds(self) -> Path:
        """The rows between which all others lie."""
        return self.root / "bounds.json"

    def folder(self, name: str, seed: int) -> Path:
        return self.root / f"{name}-{seed}"

    def result(self, name: str, seed: int) -> Path:
        return self.folder(name, seed) / "result.json"

    def answers(self, name: str, seed: int) -> Path:
        return self.folder(name, seed) / "answers.npz"

    def finished(self, name: str, seed: int) -> dict[str, Any] | None:
        """The result, if there is one."""
        path = self.result(name, seed)
        return json.loads(path.read_text("utf-8")) if path.exists() else None

    def results(self) -> dict[str, list[dict[str, Any]]]:
        """Of each row that has any, all of them, by seed."""
        found = {name: [self.finished(name, seed) for seed in range(MOST_SEEDS)] for name in ROWS}
        return {name: list(filter(None, rows)) for name, rows in found.items() if any(rows)}
