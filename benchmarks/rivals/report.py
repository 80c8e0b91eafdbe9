"""The report of a comparison: its table, its curves, and contact sheets."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import matplotlib
import numpy as np
from PIL import Image, ImageDraw

from benchmarks.colours import with_ab
from benchmarks.rivals import answers
from benchmarks.rivals.runs import Runs
from benchmarks.rivals.table import paper_table, table
from benchmarks.rivals.verdicts import Result
from benchmarks.sheets import write_sheet
from cinn_hub.files import write_whole
from cinn_hub.photos import paint

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  after the backend is chosen

LARGE_LOSS = 10
FIGURES = {
    "of 8": "of 8 (ab at 32x32)",
    "variance": "variance of answers (ab)",
    "bits": "bits per dimension",
}
END = "<!-- end of table -->"


def write(runs: Runs, page: Path | None = None) -> None:
    """Into OUT/report; and the table into a page, too, between the marks of OUT's table."""
    results = runs.results()
    if not results:
        raise SystemExit(f"There is no finished training in {runs.root}; run `train` or `all`.")
    folder = runs.root / "report"
    folder.mkdir(exist_ok=True)
    bounds = json.loads(runs.bounds.read_text("utf-8"))
    text = table(results, bounds)
    write_whole(folder / "table.md", f"{text}\n\nThe paper, other photos:\n\n{paper_table()}\n")
    if page:
        replace_table(page, begin_of(runs.root), text)
    draw_curves(results, folder / "curves.png")
    draw_losses(results, folder / "losses.png")
    write_sheets(runs, list(results), folder)


def begin_of(out: Path) -> str:
    """The mark before the table of a comparison, by the name of its folder."""
    return f"<!-- table of {out.name} -->"


def replace_table(page: Path, begin: str, table: str) -> None:
    """Writes this table into the page, between its marks.

    Raises:
        SystemExit: the page lacks them.
    """
    text = page.read_text("utf-8")
    before, found, rest = text.partition(begin)
    _, ended, after = rest.partition(END)
    if not (found and ended):
        raise SystemExit(f"{page} has no table to replace, between {begin} and {END}.")
    write_whole(page, f"{before}{begin}\n{table}\n{END}{after}")


def draw_curves(results: Mapping[str, Sequence[Result]], target: Path) -> None:
    """One panel per figure, one colour per row, one line per seed."""
    figure, panels = pyplot.subplots(1, len(FIGURES), figsize=(15, 5), layout="constrained")
    colors = pyplot.get_cmap("tab10")
    for panel, (key, label) in zip(panels, FIGURES.items(), strict=True):
        for i, (name, seeds) in enumerate(results.items()):
            for seed in seeds:
                known = [entry for entry in seed["history"] if key in entry]
                if known:
                    x, y = zip(*((e["minutes"], e[key]) for e in known), strict=True)
                    panel.plot(x, y, color=colors(i), label=name if seed is seeds[0] else None)
        panel.set(xlabel="minutes of one core", ylabel=label)
        panel.grid(alpha=0.3)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    figure.savefig(target, dpi=110)
    pyplot.close(figure)


def draw_losses(results: Mapping[str, Sequence[Result]], target: Path) -> None:
    """The running means of a GAN's losses, one panel per row, one line style per seed. Where
    losses are large, the scale is logarithmic beyond 1."""
    known = {"stage", "minutes", "pictures", "of 1", "diverged", *FIGURES}
    names = {name: losses_in(seeds[0]["history"], known) for name, seeds in results.items()}
    names = {name: losses for name, losses in names.items() if losses}
    if not names:
        return
    size = (4.5 * len(names), 4)
    figure, panels = pyplot.subplots(
        1, len(names), figsize=size, squeeze=False, layout="constrained"
    )
    for panel, (name, losses) in zip(panels[0], names.items(), strict=True):
        for k, seed in enumerate(results[name]):
            for i, loss in enumerate(losses):
                x, y = zip(*((e["minutes"], e[loss]) for e in seed["history"]), strict=True)
                label = loss if k == 0 else None
                panel.plot(x, y, color=f"C{i}", linestyle=("-", "--", ":")[k % 3], label=label)
        if max(map(abs, panel.get_ylim())) > LARGE_LOSS:
            panel.set_yscale("symlog", linthresh=1)
        panel.set(title=name, xlabel="minutes of one core")
        panel.grid(alpha=0.3)
        panel.legend(loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2)
    figure.savefig(target, dpi=110)
    pyplot.close(figure)


def losses_in(history: Sequence[Mapping[str, float]], known: set[str]) -> list[str]:
    """The names of the losses that a training noted and that were not 0 all the time."""
    names = sorted(history[0].keys() - known)
    return [name for name in names if any(entry[name] for entry in history)]


def write_sheets(runs: Runs, names: Sequence[str], folder: Path) -> None:
    """For each photo that is shown a sheet: its grey and its real version, and eight answers of
    each row with seed 0."""
    photos = answers.shown()
    rows = [
        [[with_ab(light, (0, 0)), rgb]]
        for light, rgb in zip(photos.lightness, photos.rgb, strict=True)
    ]
    for name in names:
        kept = answers.read(runs.answers(name, 0))
        for row, light, found in zip(rows, photos.lightness, kept, strict=True):
            row.append([label(name), *(paint(light, ab) for ab in found)])
    for photo, row in zip(answers.names(), rows, strict=True):
        write_sheet(row, folder / f"{photo}.jpg")


def label(text: str, side: int = 256) -> np.ndarray:
    paper = Image.new("RGB", (side, side), "white")
    words = text.replace("-", "\n")
    ImageDraw.Draw(paper).multiline_text((10, side // 3), words, "black", font_size=36)
    return np.asarray(paper)
