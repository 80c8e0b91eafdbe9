"""The tool Transfer: the colours of some photos on another one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gradio as gr
from PIL.Image import Image

from cinn_hub.errors import PhotoError
from cinn_hub.photos import is_colored, read, render_own_preview
from cinn_hub.ui.colorize import added
from cinn_hub.ui.errors import error_notes
from cinn_hub.ui.figures import figures, item, rows
from cinn_hub.ui.intake import open_sheet
from cinn_hub.ui.lightbox import Lightbox
from cinn_hub.ui.models import Shelf
from cinn_hub.ui.pictures import TINY_SIZE, inline, shown
from cinn_hub.ui.queueing import LOOKS
from cinn_hub.ui.session import temperature_code
from cinn_hub.ui.table import Table
from cinn_hub.ui.wiring import PRIVATE, PROGRESS, Wiring

ABOUT = (
    "Puts the colours of another photo on yours. What is carried over is what makes those colours "
    "special, for what that photo shows: its *latent*."
)
MOST_MOODS = 12
NONE_YET = "No colour photo yet. Add one, pick an example, or use a colour photo of yours as mood."


def build(shelf: Shelf, model_name: gr.State, examples: Path | None, table: Table) -> None:
    """Adds the tool's components and handlers to the Blocks that are open."""
    controls = Controls(shelf.own.default_keep(), examples)
    carrier = Carrier(shelf, table, controls)
    run = Wiring(
        carrier.run,
        [controls.photo, controls.references, table.box, controls.moods]
        + [controls.seed, model_name],
        table.outputs,
        named_inputs=controls.keep,
        progress_on=table.answers,
        after=[table.follow],
    )
    run.on(controls.go.click, api_name="transfer")
    table.need_photo.append(controls.go)
    connect_moods(controls, carrier, table)


class Controls:
    """What a visitor sets."""

    def __init__(self, keep: Mapping[str, float], examples: Path | None) -> None:
        gr.Markdown(ABOUT)
        self.photo = gr.File(label="Photo", visible=False)  # for clients of the API
        self.references = gr.File(label="References", file_count="multiple", visible=False)
        self.moods = gr.State(())  # of `Mood`
        self.drop = gr.File(
            label="Photos whose colours to take",
            show_label=False,
            file_count="multiple",
            height=84,
            elem_id="moods-drop",
        )
        self.chosen = figures("moods", "Photos whose colours to take", rows(text=NONE_YET))
        self.paths = sorted((examples / "moods").glob("*.jpg")) if examples else []
        tiles = [item(path.stem, inline(small(path)), path.stem) for path in self.paths]
        value = rows(("", tiles), layout="strip", text="Or try one of these") if tiles else rows()
        self.examples = figures("example-moods", "Examples of colour photos", value)
        self.go = gr.Button(
            "Transfer the colours", variant="primary", elem_id="transfer-go", interactive=False
        )
        with gr.Accordion("Settings", open=False):
            self.keep = level_shares(keep)
            self.seed = gr.Number(0, precision=0, minimum=0, label="Seed")


def level_shares(defaults: Mapping[str, float]) -> dict[str, gr.Slider]:
    """A slider for each level, by the name of the handler's argument."""
    gr.Markdown(
        "How much of the other photo's colours counts: *mood* is the tint of the whole photo, "
        "*things* the colours of what is in it, *details* and *grain* the finer differences. The "
        "rest is drawn at random."
    )
    return {
        f"keep_{level}": gr.Slider(0, 1, value, step=0.05, label=level.capitalize())
        for level, value in defaults.items()
    }


def small(path: Path | str) -> Image:
    """A photo in its own colours.

    Raises:
        PhotoError: it cannot be read, or has no colours.
    """
    photo = read(path)
    if not is_colored(photo):
        raise PhotoError(f"{photo.name} is grey or toned, so it has no colours to take.")
    return render_own_preview(photo, TINY_SIZE)


def connect_moods(controls: Controls, carrier: Carrier, table: Table) -> None:
    """Moods come from files, from examples and from the photo in view, and go by a click."""
    outputs = [controls.moods, controls.chosen]
    # in the queue: without it Gradio shows no sentence where a handler fails
    options = {"show_progress": "hidden", **PRIVATE}
    controls.drop.upload(
        LOOKS(carrier.add_files),
        [controls.drop, controls.moods],
        [controls.drop, *outputs],
        **options,
    )
    controls.examples.select(LOOKS(carrier.add_example), controls.moods, outputs, **options)
    controls.chosen.delete(LOOKS(carrier.remove), controls.moods, outputs, **options)
    table.as_mood.click(LOOKS(carrier.add_photo), [table.box, controls.moods], outputs, **options)


@dataclass(frozen=True)
class Mood:
    """A colour photo whose colours are to be taken."""

    path: str
    thumbnail: dict[str, Any]

    @property
    def name(self) -> str:
        return Path(self.path).name


@dataclass(frozen=True)
class Carrier:
    """The tool's handlers."""

    shelf: Shelf
    table: Table
    controls: Controls

    @error_notes
    def run(
        self,
        photo: str | None,
        references: Sequence[str] | None,
        box: Lightbox,
        moods: Sequence[Mood],
        seed: int,
        name: str,
        progress=PROGRESS,
        **by_level: float,
    ):
        """The colours of some photos on another photo: previews, one for each of them."""
        paths = [Path(path) for path in references or [mood.path for mood in moods]]
        if not paths:
            raise PhotoError(
                "There is no colour photo to take colours from; add one, or pick an example."
            )
        model, seed = self.shelf.get(name), int(seed or 0)
        progress(0.1, desc="Looking at the photo")
        sheet = added(box, photo)
        prepared = open_sheet(sheet, model).prepared
        default = model.default_keep()
        keep = {level: by_level.get(f"keep_{level}", default[level]) for level in default}
        results = []
        for path in paths:
            progress((len(results) + 1, len(paths) + 1), desc="Transferring colours")
            results.append(model.transfer(path, prepared, keep=keep, seed=seed))
        options = f"onto={sheet.name!r}, seed={seed}, keep={temperature_code(keep)}"
        names = [path.name for path in paths]
        call = f"[\n    model.transfer(mood, {options})\n    for mood in {names!r}\n]"
        captions = [path.stem for path in paths]
        title = "The colours of " + ", ".join(captions)
        self.table.lay(box, sheet, title, results, call, captions)
        return self.table.values(box)

    @error_notes
    def add_files(self, files: Sequence[str] | None, moods: Sequence[Mood]):
        added = [Mood(str(path), shown(small(path))) for path in files or []]
        return None, *self.chosen((*moods, *added))

    @error_notes
    def add_example(self, moods: Sequence[Mood], event: gr.EventData):
        paths = [path for path in self.controls.paths if path.stem == event._data["key"]]
        return self.chosen((*moods, *[Mood(str(path), shown(small(path))) for path in paths]))

    @error_notes
    def add_photo(self, box: Lightbox, moods: Sequence[Mood]):
        path = box.photo().path
        return self.chosen((*moods, Mood(path, shown(small(path)))))

    @error_notes
    def remove(self, moods: Sequence[Mood], event: gr.EventData):
        return self.chosen([m for i, m in enumerate(moods) if str(i) != event._data["key"]])

    def chosen(self, moods: Sequence[Mood]) -> tuple[tuple[Mood, ...], dict[str, Any]]:
        """Values for the state and its pictures; one photo counts once."""
        once = tuple({mood.path: mood for mood in moods}.values())
        if len(once) > MOST_MOODS:
            raise PhotoError(f"There are {len(once)} colour photos; take at most {MOST_MOODS}.")
        tiles = [
            item(str(i), mood.thumbnail, mood.name, removable=True) for i, mood in enumerate(once)
        ]
        return once, rows(("", tiles), layout="strip") if tiles else rows(text=NONE_YET)
