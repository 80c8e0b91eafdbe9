"""How fast a folder of photos is coloured, in one process and in as many as are fastest here.

    python -m benchmarks.archive [--photos 500] [--repeats 3] [-n 1]

The photos have 2 megapixels. Runs are interleaved, and the medians count. Times are those of the
whole command, with the start of the processes. The memory is that of the largest process. The last
table says how long archives take at the best rate; machines of a cluster share nothing but files,
so ten are counted as ten times as fast.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.speed import photo
from cinn_hub.batch.processes import best_workers, cores

SIZE = (1732, 1155)  # 2 megapixels
ARCHIVES = (1000, 1_000_000)  # photos
MACHINES = (1, 10)
MINUTE, HOUR, DAY = 60, 3600, 86400  # seconds


def run(folder: Path, out: Path, workers: int, n: int) -> tuple[float, float]:
    """Seconds of a run, and megabytes of the largest process."""
    command = [sys.executable, "-m", "cinn_hub", "colorize", folder, "-o", out, "-n", n, "-s", 0]
    command += ["--workers", workers, "--format", "jpg"]
    start = time.perf_counter()
    with subprocess.Popen([*map(str, command)], stdout=subprocess.DEVNULL) as process:
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"The run with {workers} workers failed.")
    return time.perf_counter() - start, usage.ru_maxrss / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--photos", type=int, default=500)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("-n", type=int, default=1, help="answers for each photo")
    options = parser.parse_args()
    counts = sorted({1, best_workers(options.photos)})
    found: dict[int, list[tuple[float, float]]] = {count: [] for count in counts}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "photos")
        folder.mkdir()
        for seed in range(options.photos):
            photo(SIZE, folder, seed)
        for repeat in range(options.repeats):
            for count in counts:
                out = Path(name, f"{repeat}_{count}")
                found[count].append(run(folder, out, count, options.n))
    print(f"{options.photos} photos, {options.n} answers each, {cores()} cores\n")
    print("| processes | photos a second | ratio | MB of the largest process |\n|---|---|---|---|")
    rates = {c: options.photos / statistics.median(s for s, _ in found[c]) for c in counts}
    for count in counts:
        memory = max(megabytes for _, megabytes in found[count])
        ratio = rates[count] / rates[1]
        print(f"| {count} | {rates[count]:.2f} | {ratio:.2f} | {memory:.0f} |")
    print("\n" + costs(max(rates.values())))


def costs(rate: float) -> str:
    """How long archives take, a table; rate: photos a second of a machine."""
    machines = [f"{n} machine{'s' * (n > 1)}" for n in MACHINES]
    lines = [f"| photos | {' | '.join(machines)} |", "|---" * (1 + len(MACHINES)) + "|"]
    for photos in ARCHIVES:
        times = [duration(photos / rate / n) for n in MACHINES]
        lines.append(f"| {photos:,} | {' | '.join(times)} |")
    return "\n".join(lines)


def duration(seconds: float) -> str:
    for unit, name in ((DAY, "days"), (HOUR, "hours"), (MINUTE, "minutes")):
        if seconds >= 2 * unit:
            return f"{seconds / unit:.1f} {name}"
    return f"{seconds:.0f} seconds"


if __name__ == "__main__":
    main()
