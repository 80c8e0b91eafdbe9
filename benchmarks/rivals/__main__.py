"""The cINN beside its classic rivals: the same photos, the same eye, the same time.

    python -m benchmarks.rivals train pix2pix --data PHOTOS --held-out PHOTOS --out RUNS --seed 0
    python -m benchmarks.rivals all --data PHOTOS --held-out PHOTOS --out RUNS
    python -m benchmarks.rivals report --out RUNS

`train` trains one row for --minutes of one core and measures it on the held-out photos; `all` does
so for every row and seed that is missing: first seed 0 of each row, then the other seeds, where of
two settings of one GAN only the better one goes on. Each goes on where it was stopped. `report`
writes the table, curves and contact sheets into RUNS/report.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from pathlib import Path

from benchmarks.rivals import report, training, verdicts
from benchmarks.rivals.rows import ROWS
from benchmarks.rivals.runs import Runs
from benchmarks.rivals.training import Terms
from cinn_hub.batch.processes import use_one_core

SEEDS = 3


def chosen(terms: Terms) -> list[str]:
    """The rows that get more seeds than one: of each family the better one."""
    grey = json.loads(terms.runs.bounds.read_text("utf-8"))["grey"]
    found = []
    for family in dict.fromkeys(row.family for row in ROWS.values()):
        names = [name for name, row in ROWS.items() if row.family == family]
        results = [result for name in names if (result := terms.runs.finished(name, 0))]
        found.append(verdicts.better(results, grey))
    return found


def run_missing(terms: Terms, seeds: int) -> None:
    for name in ROWS:
        run_once(terms, name, 0)
    for seed in range(1, seeds):
        for name in chosen(terms):
            run_once(terms, name, seed)


def run_once(terms: Terms, name: str, seed: int) -> None:
    if terms.runs.finished(name, seed) is None:
        print(f"{name}, seed {seed}", flush=True)
        training.run(terms, name, seed)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=textwrap.dedent(__doc__), formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    one = commands.add_parser("train", help="train and measure one row")
    one.add_argument("row", choices=ROWS)
    one.add_argument("--seed", type=int, default=0)
    several = commands.add_parser("all", help="train and measure what is missing")
    several.add_argument("--seeds", type=int, default=SEEDS)
    pictured = commands.add_parser("report", help="table, curves and sheets")
    pictured.add_argument("--page", type=Path, help="a page that gets the table, too")
    for command in (one, several):
        command.add_argument("--data", nargs="+", required=True, help="folders or zips of photos")
        command.add_argument("--held-out", nargs="+", required=True, help="folders or zips")
        command.add_argument("--caches", type=Path, help="of conditions (default OUT/caches)")
        command.add_argument("--minutes", type=float, default=30, help="a training, of one core")
        command.add_argument("--photos", type=int, help="held-out ones to measure (default: all)")
    for command in (one, several, pictured):
        command.add_argument("--out", type=Path, required=True, help="checkpoints and results")
    options = parser.parse_args()
    runs = Runs(options.out)
    if options.command == "report":
        return report.write(runs, options.page)
    use_one_core()
    terms = Terms(
        tuple(options.data),
        tuple(options.held_out),
        runs,
        options.caches or options.out / "caches",
        options.minutes,
        options.photos,
    )
    if options.command == "train":
        training.run(terms, options.row, options.seed)
    else:
        run_missing(terms, options.seeds)


if __name__ == "__main__":
    main()
