"""The table of the comparison: mean and range over the seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.colours import spread_of_answers
from benchmarks.differences import PARTS
from benchmarks.rivals.rows import ROWS
from benchmarks.rivals.verdicts import Result, collapse, end_beside_best, minutes_to_best

MEASURED = ("of 8", "nearest", "of 1", "error", "variance", "bits", "FD", "top 5")
QUALITY = (*MEASURED[:5], "spread", *MEASURED[5:], "collapsed")
MORE = (
    *(f"{part} / real" for part in PARTS),
    *("minutes to its best", "end / best", "pictures a second", "million weights"),
)
DIGITS = {
    **dict.fromkeys(("variance", "FD", "top 5", "million weights"), 1),
    **dict.fromkeys(("minutes to its best", "pictures a second"), 0),
}
PAPER = {
    "cINN": (3.53, 9.52, 35.2),
    "VAE-MDN": (4.06, 8.40, 21.0),
    "Pix2Pix": (9.75, 9.75, 0.0),
    "L2 regression": (6.77, 6.77, 0.0),
}
"""`of 8`, `of 1` and variance that Ardizzone et al. 2019 have for ImageNet."""

Bounds = Mapping[str, Mapping[str, float]]


def ranged(values: Sequence[float], digits: int) -> str:
    """Such as "3.52", or with several seeds "3.52 (3.49 to 3.56)"."""
    numbers = (sum(values) / len(values), min(values), max(values))
    mean, least, most = (f"{round(number, digits) + 0.0:.{digits}f}" for number in numbers)  # no -0
    return mean if len(values) == 1 else f"{mean} ({least} to {most})"


def cells(results: Sequence[Result], grey: Mapping[str, float]) -> dict[str, str]:
    """Of all seeds of one row, by column; empty ones are left out."""
    row = ROWS[results[0]["row"]]
    figures = [result["figures"] for result in results]
    fallen = [collapse(result, grey) for result in results]
    found = {
        column: [f[column] for f in figures if column in f]
        for column in (*MEASURED, "pictures a second")
    }
    if row.is_diverse:
        found["spread"] = [spread_of_answers(f) for f in figures]
        found |= {
            f"{part} / real": [f[part] / f[f"real {part}"] for f in figures] for part in PARTS
        }
        found["minutes to its best"] = [
            minutes_to_best(result["history"])
            for result, reason in zip(results, fallen, strict=True)
            if not reason
        ]
    found["end / best"] = [end_beside_best(result["history"]) for result in results]
    found["million weights"] = [results[0]["parameters"] / 1e6]
    texts = {head: ranged(values, DIGITS.get(head, 2)) for head, values in found.items() if values}
    if row.is_diverse:
        reasons = ", ".join(sorted({reason for reason in fallen if reason}))
        count = f"{sum(map(bool, fallen))} of {len(fallen)}"
        texts["collapsed"] = f"{count}: {reasons}" if reasons else count
    return texts


def table(by_row: Mapping[str, Sequence[Result]], bounds: Bounds) -> str:
    """As Markdown, in two parts: the bounds and the rows that have results, in their order; and
    more of these rows."""
    rows = rows_of(by_row, bounds)
    return f"{markdown(bounds_of(bounds) | rows, QUALITY)}\n\n{markdown(rows, MORE)}"


def bounds_of(bounds: Bounds) -> dict[str, dict[str, str]]:
    return {
        name: {c: ranged([figures[c]], DIGITS.get(c, 2)) for c in QUALITY if c in figures}
        for name, figures in bounds.items()
    }


def rows_of(by_row: Mapping[str, Sequence[Result]], bounds: Bounds) -> dict[str, dict[str, str]]:
    return {
        f"**{ROWS[name].title}**": cells(results, bounds["grey"])
        for name, results in by_row.items()
    }


def markdown(rows: Mapping[str, Mapping[str, str]], heads: Sequence[str]) -> str:
    lines = ["| | " + " | ".join(heads) + " |", "|---" * (len(heads) + 1) + "|"]
    lines += [
        f"| {name} | " + " | ".join(values.get(head, "") for head in heads) + " |"
        for name, values in rows.items()
    ]
    return "\n".join(lines)


def paper_table() -> str:
    lines = ["| | of 8 | of 1 | variance |", "|---|---|---|---|"]
    lines += [f"| {name} | {a:.2f} | {b:.2f} | {c:.1f} |" for name, (a, b, c) in PAPER.items()]
    return "\n".join(lines)
