"""The table of the comparison: mean and range over the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.differences import PARTS
from benchmarks.rivals.rows import ROWS
from benchmarks.rivals.verdicts import Result, collapse, minutes_to_best

COLUMNS = ("of 8", "nearest", "of 1", "error", "variance", *PARTS, "FD", "top 5", "bits")
DIGITS = {"variance": 1, "FD": 1, "top 5": 1, **dict.fromkeys(PARTS, 0)}
PAPER = {
    "cINN": (3.53, 9.52, 35.2),
    "VAE-MDN": (4.06, 8.40, 21.0),
    "Pix2Pix": (9.75, 9.75, 0.0),
    "L2 regression": (6.77, 6.77, 0.0),
}
"""`of 8`, `of 1` and variance that Ardizzone et al. 2019 have for ImageNet."""

Bounds = Mapping[str, Mapping[str, float]]


def spread(values: Sequence[float], digits: int) -> str:
    """Such as "3.52", or with several seeds "3.52 (3.49 to 3.56)"."""
    numbers = (sum(values) / len(values), min(values), max(values))
    mean, least, most = (f"{round(number, digits) + 0.0:.{digits}f}" for number in numbers)  # no -0
    return mean if len(values) == 1 else f"{mean} ({least} to {most})"


def cells(results: Sequence[Result], grey: Mapping[str, float]) -> list[str]:
    """Of all seeds of one row."""
    row = ROWS[results[0]["row"]]
    figures = [result["figures"] for result in results]
    found = []
    for column in COLUMNS:
        known = [f[column] for f in figures if column in f]
        found.append(spread(known, DIGITS.get(column, 2)) if known else "")
    found.append(spread([minutes_to_best(result["history"]) for result in results], 0))
    found.append(spread([f["pictures a second"] for f in figures], 0))
    fallen = [collapse(result, grey) for result in results]
    reasons = ", ".join(sorted({reason for reason in fallen if reason}))
    count = f"{sum(map(bool, fallen))} of {len(fallen)}"
    found.append((f"{count}: {reasons}" if reasons else count) if row.is_diverse else "")
    return found


def table(by_row: Mapping[str, Sequence[Result]], bounds: Bounds) -> str:
    """As Markdown: the bounds, then the rows that have results, in their order."""
    heads = [*COLUMNS, "minutes to its best", "pictures a second", "collapsed"]
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    for name, figures in bounds.items():
        values = [spread([figures[c]], DIGITS.get(c, 2)) if c in figures else "" for c in COLUMNS]
        lines.append(f"| {name} | " + " | ".join([*values, "", "", ""]) + " |")
    for name, results in by_row.items():
        line = " | ".join(cells(results, bounds["grey"]))
        lines.append(f"| **{ROWS[name].title}** | {line} |")
    return "\n".join(lines)


def paper_table() -> str:
    lines = ["| | of 8 | of 1 | variance |", "|---|---|---|---|"]
    lines += [f"| {name} | {a:.2f} | {b:.2f} | {c:.1f} |" for name, (a, b, c) in PAPER.items()]
    return "\n".join(lines)
