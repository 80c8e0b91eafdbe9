"""The tool Colour: several colourings of each photo that comes in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr

from cinn_hub.batch.album import one_after_another
from cinn_hub.color_model import ColorModel
from cinn_hub.colorization import Colorization
from cinn_hub.latent import fresh_seed
from cinn_hub.ui import views
from cinn_hub.ui.errors import error_notes
from cinn_hub.ui.intake import Intake, open_sheet, taken
from cinn_hub.ui.lightbox import Lightbox, Sheet, likelihood_words
from cinn_hub.ui.models import Shelf
from cinn_hub.ui.saving import chosen_index
from cinn_hub.ui.session import temperature_code
from cinn_hub.ui.table import Table
from cinn_hub.ui.wiring import PRIVATE, PROGRESS, Wiring, stop_on

POOL = 32  # draws, of which those that differ most are shown
NEARNESS = 0.35  # how much of the latent is new in "more like this"


def build(shelf: Shelf, model_name: gr.State, intake: Intake, table: Table) -> None:
    """Adds the tool's components and handlers to the Blocks that are open."""
    controls = Controls(shelf.own.temperature())
    connect(controls, intake, table, Colorizer(shelf, intake, table), model_name)


class Controls:
    """What a visitor sets."""

    def __init__(self, temperatures: Mapping[str, float]) -> None:
        # for clients of the API, who send a photo along
        self.photo = gr.File(label="Photo", visible=False)
        with gr.Row():
            button = {"min_width": 120, "interactive": False}
            self.go = gr.Button("Colour", variant="primary", elem_id="go", **button)
            self.again = gr.Button("Surprise me", elem_id="again", **button)
        self.stop = gr.Button("Stop", visible=False, variant="stop", elem_id="stop")
        with gr.Accordion("Settings", open=False, elem_id="settings"):
            self.add_settings()
            with gr.Accordion("Boldness of each level", open=False):
                self.levels = level_temperatures(temperatures)

    def add_settings(self) -> None:
        self.n = gr.Slider(1, 16, 8, step=1, label="How many answers")
        info = "0 gives the safest colours, 1 this model's default, more is bolder."
        self.temperature = gr.Slider(0, 1.5, 1, step=0.05, label="Boldness", info=info)
        info = "The same seed gives the same colours again."
        self.seed = gr.Number(0, precision=0, minimum=0, label="Seed", info=info)


def level_temperatures(defaults: Mapping[str, float]) -> dict[str, gr.Slider]:
    """A slider for each level, by the name of the handler's argument."""
    gr.Markdown(
        "*Mood* is the tint of the whole photo, *things* the colours of what is in it, *details* "
        "and *grain* the finer differences."
    )
    return {
        f"temperature_{level}": gr.Slider(0, 2, value, step=0.05, label=level.capitalize())
        for level, value in defaults.items()
    }


def connect(
    controls: Controls, intake: Intake, table: Table, colorizer: Colorizer, model_name: gr.State
) -> None:
    """The one place where this tool's events meet their handlers."""
    filling = {"progress_on": table.answers, "after": [table.follow]}
    settings = [table.box, controls.n, controls.temperature, controls.seed, model_name]
    run = Wiring(
        colorizer.run, [controls.photo, *settings], table.outputs, controls.levels, **filling
    )
    run.on(controls.go.click, api_name="colorize")
    run.on_fresh_seed(controls.again, controls.seed)
    table.need_photo += [controls.go, controls.again]
    for component in (intake.drop, intake.folder):
        outputs = [component, controls.stop, intake.photos, intake.status, *table.outputs]
        handler = colorizer.arrive if component is intake.drop else colorizer.arrive_folder
        arrive = Wiring(handler, [component, *settings], outputs, controls.levels, **filling)
        stop_on(controls.stop, arrive.on(component.upload, **PRIVATE))
    example = Wiring(colorizer.example, settings, table.outputs, controls.levels, **filling)
    example.on(intake.examples.select, **PRIVATE)
    inputs = [table.box, table.files.index, controls.n]
    near = Wiring(colorizer.run_near, inputs, table.outputs, **filling)
    near.on(table.near.click, api_name="colorize_similar")


@dataclass(frozen=True)
class Colorizer:
    """The tool's handlers."""

    shelf: Shelf
    intake: Intake
    table: Table

    @error_notes
    def run(
        self,
        photo: str | None,
        box: Lightbox,
        n: int,
        temperature: float,
        seed: int,
        name: str,
        progress=PROGRESS,
        **by_level: float,
    ):
        """Several colourings of one photo: previews, the first one large, and code.

        Without a photo, of the one that came last. The same seed gives the same colours; /save
        gives one of them at full size.
        """
        sheet = added(box, photo)
        progress(0.1, desc="Looking at the photo")
        model = self.opened(box, sheet, name, photo)
        progress(0.4, desc="Drawing colours")
        self.color(box, sheet, model, n, temperature, seed, by_level)
        return self.table.values(box)

    @error_notes
    def arrive(
        self,
        files: Sequence[str] | None,
        box: Lightbox,
        n: int,
        temperature: float,
        seed: int,
        name: str,
        folder: bool = False,
        **by_level: float,
    ) -> Iterator[list[Any]]:
        """Photos and archives that were dropped: each photo gets its row of answers."""
        sheets = taken(box, files, folder)
        yield self.so_far(box, sheets, 0)
        model = self.shelf.get(name)

        def work(sheet: Sheet) -> None:
            if sheet in box.sheets:  # else it was removed in the meantime
                open_sheet(sheet, model)
                self.color(box, sheet, model, n, temperature, seed, by_level)

        for done, (sheet, problem) in enumerate(one_after_another(sheets, work), 1):
            sheet.problem = problem
            yield self.so_far(box, sheets, done)

    @error_notes
    def arrive_folder(self, *inputs: Any, **by_level: float) -> Iterator[list[Any]]:
        """The same for a folder, in which there may be other files."""
        yield from self.arrive(*inputs, folder=True, **by_level)

    def so_far(self, box: Lightbox, sheets: Sequence[Sheet], done: int) -> list[Any]:
        """Values for the field of the files, Stop, the photos, the status, and the table."""
        running = done < len(sheets)
        text = views.progress(sheets, done) if running else views.status(box)
        stop = gr.Button(visible=running and len(sheets) > 1)
        return [None, stop, views.photos(box), text, *self.table.values(box)]

    @error_notes
    def example(
        self,
        box: Lightbox,
        n: int,
        temperature: float,
        seed: int,
        name: str,
        event: gr.EventData,
        **by_level: float,
    ):
        """A click on an example: as if it had been uploaded."""
        path = self.intake.example(event._data["key"])
        *_, (_, _, _, _, *values) = self.arrive(path, box, n, temperature, seed, name, **by_level)
        return values

    def opened(self, box: Lightbox, sheet: Sheet, name: str, photo: str | None) -> ColorModel:
        """The model, for which the photo is open now; a photo that fails goes at once."""
        model = self.shelf.get(name)
        try:
            open_sheet(sheet, model)
        except Exception:
            if photo:
                box.remove(sheet.id)
            raise
        return model

    def color(
        self,
        box: Lightbox,
        sheet: Sheet,
        model: ColorModel,
        n: int,
        temperature: float,
        seed: int,
        by_level: Mapping[str, float],
    ) -> None:
        """Lays a row of answers on the table."""
        n, seed = int(n), int(seed or 0)
        scaled = self.temperatures(model, temperature, by_level)
        pool = max(POOL, n) if model.has_classes else None
        results = model.colorize(sheet.opened.prepared, n, scaled, seed, pool=pool)
        options = f"n={n}, seed={seed}, temperature={temperature_code(scaled)}"
        options += f", pool={pool}" if pool else ""
        code = f"model.colorize({sheet.name!r}, {options})"
        self.table.lay(box, sheet, f"Colours, seed {seed}", results, code, words(results))

    def temperatures(
        self, model: ColorModel, scale: float, by_level: Mapping[str, float]
    ) -> dict[str, float]:
        """The temperature of each level of `model`: what was moved, its own default elsewhere.

        The sliders are those of the app's own model, and begin at its defaults.
        """
        asked = {name.removeprefix("temperature_"): value for name, value in by_level.items()}
        own = self.shelf.own.temperature()
        moved = {level: value for level, value in asked.items() if value != own[level]}
        return {k: scale * moved.get(k, default) for k, default in model.temperature().items()}

    @error_notes
    def run_near(self, box: Lightbox, index: int, n: int, progress=PROGRESS):
        """Colourings near one of the answers; its index counts from 0, -1 is the picked one."""
        row, sheet, seed = box.answers(), box.photo(), fresh_seed()
        index = chosen_index(row, index)
        progress(0.3, desc="Drawing colours")
        picked = row.session.result(index)
        model = self.shelf.get(row.session.model)
        results = model.similar(row.session.prepared, picked.latent, int(n), NEARNESS, seed)
        before = f"{row.session.code}near = results[{index}].latent\n"
        call = f"model.similar({sheet.name!r}, near, n={int(n)}, amount={NEARNESS}, seed={seed})"
        title = f"More like number {index + 1}"
        self.table.lay(box, sheet, title, results, call, words(results), before=before)
        return self.table.values(box)


def added(box: Lightbox, photo: str | None) -> Sheet:
    """The photo that came along, or the one in view."""
    return box.add(str(photo)) if photo else box.photo()


def words(results: Sequence[Colorization]) -> list[str]:
    return likelihood_words([result.plausibility for result in results])
