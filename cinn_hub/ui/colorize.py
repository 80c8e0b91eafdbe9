"""The tool Colour: several colourings of each photo that comes in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gradio as gr

from cinn_hub.batch.running import problem_of
from cinn_hub.color_model import ColorModel
from cinn_hub.latent import fresh_seed
from cinn_hub.photos import render, shrunk
from cinn_hub.ui.events import (
    PROGRESS,
    connect,
    level_sliders,
    seed_field,
    stop_on,
)
from cinn_hub.ui.lightbox import Lightbox, Sheet, likelihood_words
from cinn_hub.ui.pictures import inline, item, rows
from cinn_hub.ui.queueing import COLORS
from cinn_hub.ui.saving import chosen_index
from cinn_hub.ui.session import as_code
from cinn_hub.ui.table import EMPTY, Table, photo_tiles, status
from cinn_hub.ui.uploads import Uploads, open_sheet, take

NEARNESS = 0.35  # how much of the latent is new in "more like this"
ABOUT_LEVELS = (
    "*Mood* is the tint of the whole photo, *things* the colours of what is in it, *details* "
    "and *grain* the finer differences."
)

EXAMPLE = "photographer"  # on a page without a photo
EXAMPLE_SEED = 7
SIZES = 320, 960  # pixels on the longer side, of its answers and of its large picture


def build_settings(temperatures: Mapping[str, float]) -> dict[str, gr.Component]:
    """What a visitor sets. A name is that of an argument of `ColorModel.colorize`, and gets there,
    into the code on the page and into the API by itself; see `arguments` for the levels."""
    with gr.Accordion("Settings", open=False, elem_id="settings"):
        info = "0 gives the expected colours, 1 this model's default, more is bolder."
        settings = {
            "n": gr.Slider(1, 16, 8, step=1, precision=0, label="How many answers"),
            "temperature": gr.Slider(0, 1.5, 1, step=0.05, label="Boldness", info=info),
            "seed": seed_field("The same seed gives the same colours again."),
        }
        with gr.Accordion("Boldness of each level", open=False):
            return settings | level_sliders("temperature", temperatures, 2, ABOUT_LEVELS)


class Colour:
    """Adds the tool's components and handlers to the Blocks that are open."""

    def __init__(self, table: Table) -> None:
        self.table, uploads = table, table.uploads
        with gr.Row():
            look = {"min_width": 120, "interactive": False}
            go = gr.Button("Colour", variant="primary", elem_id="go", **look)
            again = gr.Button("Surprise me", elem_id="again", **look)
        stop = gr.Button("Stop", visible=False, variant="stop", elem_id="stop")
        settings = build_settings(table.shelf.own.temperature())
        table.on_seeds(go, again, self.run, settings, "colorize")
        table.on(uploads.examples.select, self.example, (), COLORS, settings)
        near = self.run_near, [table.files.index, settings["n"]], COLORS
        table.on(table.near.click, *near, api_name="colorize_similar")
        for field, arrive in ((uploads.drop, self.arrive), (uploads.folder, self.arrive_folder)):
            outputs = [field, stop, uploads.photos, uploads.status, *table.outputs]
            arriving = field.upload, arrive, [table.box, field], outputs, COLORS, settings
            event = connect(*arriving, show_progress_on=table.answers)
            stop_on(stop, table.follow(event))
            connect(event.failure, lambda: None, None, field)  # else the next files come with it

    def run(self, box: Lightbox, photo: str | None, progress=PROGRESS, **settings: Any) -> None:
        """Several colourings of one photo: previews, the first one large, and code.

        Without a photo, of the one that came last. The same seed gives the same colours; /save
        gives one of them at full size.
        """
        sheet, model = self.table.open(box, photo, progress)
        progress(0.4, desc="Drawing colours")
        self.color(box, sheet, model, settings)

    def arrive(
        self,
        box: Lightbox,
        files: Sequence[str] | None,
        folder: bool = False,
        **settings: Any,
    ) -> Iterator[list[Any]]:
        """Photos and archives that were dropped: each photo gets its row of answers."""
        sheets = take(box, files, folder)
        yield self.so_far(box, sheets, 0)
        model = self.table.shelf.get(box.model)

        for done, sheet in enumerate(sheets, 1):
            sheet.problem = ""
            try:
                if sheet in box.sheets:  # else it was removed in the meantime
                    open_sheet(sheet, model)
                    self.color(box, sheet, model, settings)
            except Exception as error:
                sheet.problem = problem_of(error)
            yield self.so_far(box, sheets, done)

    def arrive_folder(
        self, box: Lightbox, files: Sequence[str] | None, **settings: Any
    ) -> Iterator[list[Any]]:
        """The same for a folder, in which there may be other files."""
        yield from self.arrive(box, files, folder=True, **settings)

    def example(self, box: Lightbox, event: gr.EventData, **settings: Any) -> None:
        """A click on an example: as if it had been uploaded."""
        path = self.table.uploads.paths.get(event.key)
        for _ in self.arrive(box, path and str(path), **settings):
            pass

    def so_far(self, box: Lightbox, sheets: Sequence[Sheet], done: int) -> list[Any]:
        """Values for the field of the files, Stop, the photos, the status, and the table."""
        running = done < len(sheets)
        text = status(box)
        if running:
            text = f"Colouring photo {done + 1} of {len(sheets)}: {sheets[done].name}"
        stop = gr.Button(visible=running and len(sheets) > 1)
        return [None, stop, photo_tiles(box), text, *self.table.values(box)]

    def color(
        self, box: Lightbox, sheet: Sheet, model: ColorModel, settings: Mapping[str, Any]
    ) -> None:
        """Lays a row of answers on the table."""
        options = self.arguments(model, settings)
        results = model.colorize(sheet.opened.prepared, **options)
        call = f"model.colorize({sheet.name!r}, {as_code(options)})"
        title = f"Colours, seed {options['seed']}"
        self.table.lay(box, sheet, title, results, call)

    def arguments(self, model: ColorModel, settings: Mapping[str, Any]) -> dict[str, Any]:
        """What `model.colorize` gets.

        The levels' sliders are those of the app's own model, and begin at its defaults: a level
        whose slider was not moved gets the default of `model`.
        """
        own, options = self.table.shelf.own.temperature(), dict(settings)
        asked = {level: options.pop(f"temperature_{level}", own[level]) for level in own}
        moved = {level: value for level, value in asked.items() if value != own[level]}
        scale, defaults = options.pop("temperature"), model.temperature()
        options["temperature"] = {k: scale * moved.get(k, defaults[k]) for k in defaults}
        options["seed"] = options["seed"] or 0
        return options

    def run_near(self, box: Lightbox, index: int, n: int, progress=PROGRESS) -> None:
        """Colourings near one of the answers; its index counts from 0, -1 is the picked one."""
        row, sheet, seed = box.answers(), box.photo(), fresh_seed()
        box.in_excess(sheet)
        index = chosen_index(row, index)
        progress(0.3, desc="Drawing colours")
        model, prepared = self.table.shelf.of(row.session)
        options = {"n": n, "amount": NEARNESS, "seed": seed}
        results = model.similar(prepared, row.session.bare_result(index).latent, **options)
        call = f"model.similar({sheet.name!r}, results[{index}].latent, {as_code(options)})"
        self.table.lay(box, sheet, f"More like number {index + 1}", results, call, after=row)


def finished_example(model: ColorModel, uploads: Uploads) -> tuple[dict[str, Any], dict[str, Any]]:
    """Answers to an example and the first one large, made anew by this model; without examples, a
    sentence."""
    if not uploads.paths:
        return rows(text=EMPTY), {}
    path = uploads.paths.get(EXAMPLE) or next(iter(uploads.paths.values()))
    results = model.colorize(path, seed=EXAMPLE_SEED)
    words = likelihood_words(results)
    items = [
        item(f"example.{i}", inline(result.preview(SIZES[0])), f"number {i + 1}", caption=word)
        for i, (result, word) in enumerate(zip(results, words, strict=True))
    ]
    text = f"An example: {len(items)} answers to {path.name}. Yours appear here."
    large = {
        "grey": inline(render(shrunk(results[0].photo, SIZES[1]))),
        "picture": inline(results[0].preview(SIZES[1])),
        "name": f"the first answer to {path.name}",
    }
    return rows(("", items), layout="grid", text=text), large
