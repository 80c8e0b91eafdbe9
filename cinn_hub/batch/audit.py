"""Reads manifests: what is done, what failed, and which colourings came out oddest."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from cinn_hub.batch.manifest import FAILED, Manifest
from cinn_hub.errors import CinnHubError
from cinn_hub.files import reason_of, whole_file


def summary(manifest: Manifest) -> Iterator[str]:
    """How many photos are in which state, and the options of the latest run."""
    for task, state, number, seconds in manifest.select(
        "SELECT task, state, count(*), avg(seconds) FROM photos GROUP BY task, state"
    ):
        time = f", {seconds:.2f} s each" if seconds is not None else ""
        yield f"{os.fsdecode(task)}: {number} {state}{time}"
    for started, options in manifest.select(
        "SELECT started, options FROM runs ORDER BY run DESC LIMIT 1"
    ):
        yield f"latest run: {started}  {options}"


def errors(manifest: Manifest) -> Iterator[str]:
    """The photos that failed, and why."""
    query = "SELECT photo, error FROM photos WHERE state = ? ORDER BY photo"
    for photo, error in manifest.select(query, FAILED):
        yield f"{os.fsdecode(photo)}: {os.fsdecode(error)}"


def oddest(manifest: Manifest, number: int) -> Iterator[str]:
    """The results whose colours are farthest from the most typical ones of their photo."""
    query = "SELECT file, distance, bits_per_dim FROM results WHERE distance IS NOT NULL "
    for file, distance, bits in manifest.select(f"{query} ORDER BY distance DESC LIMIT ?", number):
        name = manifest.storage.name(manifest.folder / os.fsdecode(file))
        yield f"{name}  {distance:.1f} ab units from the most typical colours  {bits:.3f} bits/dim"


def write_parquet(manifest: Manifest, path: Path) -> str:
    """Writes a Parquet file with a row for each result, and one for each photo without any.

    Raises:
        CinnHubError: pyarrow is not installed, or the file cannot be written.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise CinnHubError("Parquet needs pyarrow: pip install pyarrow.") from error
    with manifest.one_sentence() as database:
        found = database.execute(
            "SELECT * FROM photos LEFT JOIN results USING (stem, task) JOIN runs USING (run)"
        )
        names = [column[0] for column in found.description]
        rows = [[printable(value) for value in row] for row in found]
    try:
        table = pyarrow.table({n: [row[i] for row in rows] for i, n in enumerate(names)})
        with whole_file(path) as unfinished:
            parquet.write_table(table, unfinished)
    except OSError as error:
        raise CinnHubError(f"{path} cannot be written: {reason_of(error)}.") from error
    return f"{path}  {len(rows)} rows"


def printable(value: object) -> object:
    """A value for files that hold text alone: names that are not UTF-8 get escapes."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value
