"""Times that can be compared: interleaved runs, medians, each beside the first."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping

import torch
from torch.utils.flop_counter import FlopCounterMode


def interleaved(
    calls: Mapping[str, Callable[[], object]], repeats: int, device: str = "cpu"
) -> dict[str, float]:
    """The median seconds of each, run in turns, after one turn that warms up."""
    times: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(repeats + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            if device == "cuda":
                torch.cuda.synchronize()
            if repeat:
                times[name].append(time.perf_counter() - start)
    return {name: statistics.median(found) for name, found in times.items()}


def multiply_adds(call: Callable[[], object]) -> int:
    """How many of them the convolutions and matrix products in a call take."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops() // 2


def reachable_rate(dtype: torch.dtype, device: str) -> float:
    """Multiply-adds a second of one large matrix product."""
    side = 2048 if device == "cpu" else 8192
    a = torch.randn(side, side, device=device).to(dtype)
    seconds = interleaved({"product": lambda: a @ a}, 7, device)["product"]
    return side**3 / seconds


def print_table(head: list[str], rows: list[list[object]]) -> None:
    """As Markdown."""
    for row in (head, ["---"] * len(head), *rows):
        print("| " + " | ".join(map(str, row)) + " |")
    print(flush=True)
