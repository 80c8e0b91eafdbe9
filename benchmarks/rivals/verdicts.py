"""What counts as a collapse, as the better setting, as a training's own best: set beforehand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

LEAST_VARIANCE = 0.01  # of the squared error of the answers' mean
NEARLY = 1.01  # of the best `of 8` in a training: its own best

Result = Mapping[str, Any]
"""What `training.run` writes."""


def collapse(result: Result, grey: Mapping[str, float]) -> str | None:
    """How a training of a rival that should be diverse ended in collapse; None if it did not.

    Answers that hardly differ are a collapse, and so are answers that a network which knows colour
    photos finds farther from real ones than photos without any colour.
    """
    figures = result["figures"]
    if result["history"][-1].get("diverged"):
        return "diverged"
    if not figures["FD"] < grey["FD"]:
        return "worse than grey"
    if figures["variance"] < LEAST_VARIANCE * figures["squared error"]:
        return "one answer"
    return None


def better(results: Sequence[Result], grey: Mapping[str, float]) -> str:
    """The row that stands for its family: of those with the fewest collapses, the lowest mean
    `of 8`."""
    by_row: dict[str, list[Result]] = {}
    for result in results:
        by_row.setdefault(result["row"], []).append(result)

    def key(row: str) -> tuple[float, float]:
        fallen = sum(collapse(result, grey) is not None for result in by_row[row])
        errors = sum(result["figures"]["of 8"] for result in by_row[row])
        return fallen / len(by_row[row]), errors / len(by_row[row])

    return min(by_row, key=key)


def minutes_to_best(history: Sequence[Mapping[str, Any]]) -> float:
    """The first look at which `of 8` was nearly as good as it ever became."""
    best = min(entry["of 8"] for entry in history)
    return next(entry["minutes"] for entry in history if entry["of 8"] <= NEARLY * best)


def end_beside_best(history: Sequence[Mapping[str, Any]]) -> float:
    """`of 8` at the end of a training over the lowest at any look."""
    return history[-1]["of 8"] / min(entry["of 8"] for entry in history)
