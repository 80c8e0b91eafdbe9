"""A training as a picture: held-out figures over the number of pictures seen.

    python -m benchmarks.curves my-model/training.json my-model/training.png

The file is what `training` writes; or several of those by name, one training after the other.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot  # noqa: E402  after the backend is chosen

FIGURES = {
    "error / constant": "error of the expected colour / one colour",
    "bits per pixel": "bits per pixel",
}


def read_parts(path: Path) -> dict[str, list[dict[str, float | str]]]:
    """{name of the part: its history}."""
    content = json.loads(path.read_text("utf-8"))
    if "history" in content:
        return {path.parent.name: content["history"]}
    return {name: part["history"] for name, part in content.items()}


def draw(parts: dict[str, list[dict[str, float | str]]], target: Path) -> None:
    """One panel per figure, one line per part, one mark per measurement."""
    figure, panels = pyplot.subplots(1, len(FIGURES), figsize=(11, 4), layout="constrained")
    for panel, (key, label) in zip(panels, FIGURES.items(), strict=True):
        before = 0
        for name, history in parts.items():
            measured = [entry for entry in history if key in entry]
            seen = [(before + entry["pictures"]) / 1000 for entry in measured]
            panel.plot(seen, [entry[key] for entry in measured], "o-", markersize=3, label=name)
            before += history[-1]["pictures"]
        panel.set(xlabel="thousands of pictures seen", ylabel=label)
        low, high = panel.get_ylim()
        panel.set_ylim(low, min(high, low + 0.35 if key == "bits per pixel" else 1.0))
        panel.grid(alpha=0.3)
    panels[0].legend()
    figure.savefig(target, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("file", type=Path)
    parser.add_argument("picture", type=Path)
    options = parser.parse_args()
    draw(read_parts(options.file), options.picture)


if __name__ == "__main__":
    main()
