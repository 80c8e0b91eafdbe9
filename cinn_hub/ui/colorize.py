"""The tool Colour: several colourings of each photo that comes in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gradio as gr

from cinn_hub.batch.running import problem_of
from cinn_hub.color_model import ColorModel
from cinn_hub.errors import CinnHubError, PhotoError
from cinn_hub.latent import fresh_seed
from cinn_hub.photos import has_few_tones
from cinn_hub.ui.events import FOR_CLIENTS, PROGRESS, connect, level_sliders, seed_field
from cinn_hub.ui.lightbox import Lightbox, Sheet
from cinn_hub.ui.queueing import COLORS, LOOKS
from cinn_hub.ui.saving import chosen_index
from cinn_hub.ui.session import as_code
from cinn_hub.ui.table import Table
from cinn_hub.ui.uploads import open_sheet, take

NEARNESS = 0.35  # how much of the latent is new in "more like this"
ABOUT_LEVELS = (
    "*Mood* is the tint of the whole photo, *things* the colours of what is in it, *details* "
    "and *grain* the finer differences."
)


def build_settings(temperatures: Mapping[str, float]) -> dict[str, gr.Component]:
    """What a visitor sets. A name is that of an argument of `ColorModel.colorize`, and gets there,
    into the code on the page and into the API by itself; see `arguments` for the levels."""
    info = "0 gives the expected colours, more is bolder."
    settings = {
        "n": gr.Slider(1, 16, 8, step=1, precision=0, label="How many answers"),
        "temperature": gr.Slider(0, 1.5, 1, step=0.05, label="Boldness", info=info),
        "seed": seed_field(),
    }
    with gr.Accordion("Boldness of each level", open=False):
        return settings | level_sliders("temperature", temperatures, 2, ABOUT_LEVELS)


class Colour:
    """Adds the tool's components and handlers to the Blocks that are open."""

    def __init__(self, table: Table) -> None:
        self.table, uploads = table, table.uploads
        with table.tabs["Colour"]:
            settings = build_settings(table.shelf.own.temperature())
        table.on_move(table.more.click, self.run, [table.photo], settings, "colorize")
        near = table.answers.near, self.near_clicked, (), COLORS, {"n": settings["n"]}
        table.on(*near, show_progress="full", show_progress_on=table.picture)
        run = table.shows(self.run_near, table.values_for_clients)
        inputs, outputs = [table.box, table.files.index, settings["n"]], table.for_clients
        connect(FOR_CLIENTS, run, inputs, outputs, COLORS, api_name="colorize_similar")
        each = {"trigger_mode": "multiple", "show_progress": "hidden"}
        arriving = [table.on(uploads.examples.select, self.example, **each)]
        for field, arrive in ((uploads.drop, self.arrive), (uploads.folder, self.arrive_folder)):
            run = arrive, [table.box, field], [*table.outputs, field], LOOKS
            arriving.append(connect(field.upload, *run, **each))
            connect(arriving[-1].failure, lambda: None, None, field)
        for event in arriving:
            self.colours_queue(event.then, settings)
        self.colours_queue(uploads.photos.resume, settings)

    def colours_queue(self, event: Any, settings: dict[str, gr.Component]) -> None:
        run = self.work, [self.table.box], self.table.outputs, COLORS, settings
        working = connect(event, *run, trigger_mode="always_last", show_progress="hidden")
        self.table.on(working.failure, Lightbox.stop)  # too many wait for colours

    def run(self, box: Lightbox, photo: str | None, progress=PROGRESS, **settings: Any) -> None:
        """Several colourings of one photo: previews, the first one large, and code.

        Without a photo, of the one that came last. The same seed gives the same colours; /save
        gives one of them at full size.
        """
        sheet, model, turn = self.table.open(box, photo, progress)
        progress(0.4, desc="Drawing colours")
        self.color(box, sheet, turn, model, settings)

    def arrive(self, box: Lightbox, files: Sequence[str] | None, folder: bool = False) -> list[Any]:
        """Photos and archives that were dropped are on the table, and the field is empty again."""
        take(box, files, folder)
        return [*self.table.values(box), None]

    def arrive_folder(self, box: Lightbox, files: Sequence[str] | None) -> list[Any]:
        """The same for a folder, in which there may be other files."""
        return self.arrive(box, files, folder=True)

    def example(self, box: Lightbox, event: gr.EventData) -> None:
        """A click on an example: as if it had been uploaded."""
        path = self.table.uploads.paths.get(event.key)
        take(box, path and str(path))

    def work(self, box: Lightbox, **settings: Any) -> Iterator[list[Any]]:
        """Each photo of the queue gets its row of answers; those that come meanwhile, too."""
        settings["seed"] = settings["seed"] or 0
        while queue := box.queue():
            yield self.table.values(box)
            with box.coloring:  # a tab that was loaded again waits for the step of the old one
                if queue[0].queued:
                    self.color_next(box, queue[0], settings)
        yield self.table.values(box)

    def color_next(self, box: Lightbox, sheet: Sheet, settings: Mapping[str, Any]) -> None:
        turn = box.begin(sheet)
        try:
            model = self.table.shelf.get(box.model)
            if has_few_tones(open_sheet(sheet, model).prepared.photo):
                raise PhotoError(
                    f"{sheet.name} may not be a photo, so it is left as it is; press Colour if it "
                    "is one."
                )
            self.color(box, sheet, turn, model, settings)
            if box.at and box.at.problem and sum(bool(other.rows) for other in box.sheets) == 1:
                box.at = sheet  # of those that came, the first that can be used
        except Exception as error:
            sheet.problem = problem_of(error)
        sheet.queued = False

    def color(
        self,
        box: Lightbox,
        sheet: Sheet,
        turn: int,
        model: ColorModel,
        settings: Mapping[str, Any],
    ) -> None:
        """Lays a row of answers on the table."""
        options = self.arguments(model, settings)
        results = model.colorize(sheet.opened.prepared, **options)
        call = f"model.colorize({sheet.name!r}, {as_code(options)})"
        self.table.lay(box, sheet, turn, "", results, call)

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
        return options

    def near_clicked(self, box: Lightbox, event: gr.EventData, n: int, progress=PROGRESS) -> None:
        """More like the answer that was clicked."""
        _, row, index = box.find(event.key)
        if row is None or row is not box.row:
            raise CinnHubError("Only answers in view can have others like them; pick one.")
        self.run_near(box, index, n, progress)

    def run_near(self, box: Lightbox, index: int, n: int, progress=PROGRESS) -> None:
        """Colourings near one of the answers; its index counts from 0, -1 is the picked one."""
        row, sheet, seed = box.answers(), box.photo(), fresh_seed()
        box.in_excess(sheet)
        turn, index = box.begin(sheet), chosen_index(row, index)
        progress(0.3, desc="Drawing colours")
        model, prepared = self.table.shelf.of(row.session)
        options = {"n": n, "amount": NEARNESS, "seed": seed}
        results = model.similar(prepared, row.session.bare_result(index).latent, **options)
        call = f"model.similar({sheet.name!r}, results[{index}].latent, {as_code(options)})"
        title = f"more like number {index + 1}"
        self.table.lay(box, sheet, turn, title, results, call, after=row)
