"""The tool Hints: the colour of a spot is set on the picture itself, and all answers respect it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import gradio as gr

from cinn_hub.colorization import Colorization
from cinn_hub.errors import CinnHubError
from cinn_hub.hints import REACH, Hint, read_hints
from cinn_hub.latent import Latent
from cinn_hub.ui.canvas import REACHES, answer_with_hints, canvas_value, hint_canvas, palette_value
from cinn_hub.ui.colorize import added, words
from cinn_hub.ui.errors import error_notes
from cinn_hub.ui.intake import open_sheet
from cinn_hub.ui.lightbox import Lightbox, Row, Sheet
from cinn_hub.ui.models import Shelf
from cinn_hub.ui.pictures import large
from cinn_hub.ui.queueing import LOOKS
from cinn_hub.ui.table import Table
from cinn_hub.ui.views import large_pictures
from cinn_hub.ui.wiring import PRIVATE, PROGRESS, Wiring

MOST_COLORS = 6  # to choose from

ABOUT = (
    "Click a spot on the picture, then choose its colour; first come the colours that the model "
    "finds possible there. Drag a hint to move it. The rest of the answer stays about the same; "
    "the hint's reach says how far it may follow."
)


def build(shelf: Shelf, model_name: gr.State, table: Table) -> None:
    """Adds the tool's components and handlers to the Blocks that are open."""
    controls = Controls()
    with table.canvas_place:
        canvas = hint_canvas()
    hinter = Hinter(shelf, table)
    connect_canvas(canvas, hinter)
    run = Wiring(
        hinter.run,
        [controls.photo, table.box, controls.text, *controls.settings, model_name],
        table.outputs,
        progress_on=table.answers,
        after=[table.follow],
    )
    run.on(controls.go.click, api_name="hints")
    table.need_photo += [controls.go]


class Controls:
    """What a visitor sets beside the picture."""

    def __init__(self) -> None:
        self.photo = gr.File(label="Photo", visible=False)  # for clients of the API
        gr.Markdown(ABOUT)
        with gr.Accordion("Hints as text", open=False, elem_id="hints-settings"):
            self.add_text()

    def add_text(self) -> None:
        info = "One hint per line: x y #rrggbb, in pixels, and a reach of its own if you like."
        self.text = gr.Textbox("", label="Hints", info=info, lines=3, elem_id="hints-text")
        info = "How much the rest of the photo may change colour (in ab units)."
        self.reach = gr.Slider(
            *REACHES, REACH, step=1, label="Reach", info=info, elem_id="hints-reach"
        )
        self.n = gr.Slider(1, 8, 4, step=1, label="How many answers")
        self.seed = gr.Number(0, precision=0, minimum=0, label="Seed")
        self.go = gr.Button("Apply these hints", elem_id="hints-go", interactive=False)

    @property
    def settings(self) -> list[Any]:
        return [self.n, self.seed, self.reach]


def connect_canvas(canvas: gr.HTML, hinter: Hinter) -> None:
    table = hinter.table
    table.stage.change(
        answer_with_hints, table.box, canvas, show_progress="hidden", queue=False, **PRIVATE
    )
    asked = Wiring(hinter.colors, [table.box, canvas], [canvas], kind=LOOKS)
    asked = asked.on(canvas.select, show_progress="hidden", trigger_mode="always_last", **PRIVATE)
    asked.success(LOOKS(hinter.warm), table.box, None, show_progress="hidden", **PRIVATE)
    first = Wiring(hinter.mend_picked, [table.box, canvas], [canvas]).on(
        canvas.input, show_progress="hidden", trigger_mode="always_last", **PRIVATE
    )
    rest = Wiring(hinter.mend_all, [table.box], table.outputs, progress_on=table.answers)
    # each change starts its own; those that are overtaken show nothing
    then = first.success(**rest.call, trigger_mode="multiple", **PRIVATE)
    table.follow(then)
    for event in (first, then):
        event.failure(hinter.failed, table.box, canvas, queue=False, **PRIVATE)


@dataclass(frozen=True)
class Hinting:
    """Hints that the page has sent, on answers that were there.

    Attributes:
        base, indices: which answers; picked: the index of one of them in the base.
        edit: the number of the change on the page.
    """

    base: Row
    indices: Sequence[int]
    picked: int
    hints: list[Hint]
    edit: int
    latents: list[Latent] = field(repr=False)


@dataclass(frozen=True)
class Hinter:
    """The tool's handlers."""

    shelf: Shelf
    table: Table

    @error_notes
    def colors(self, box: Lightbox, asked: dict[str, Any]):
        """Colours that are possible at the spot that the page asks about."""
        x, y = asked_place(asked)
        session = box.answers().session
        model = self.shelf.get(session.model)
        return palette_value(x, y, model.colors_at(session.prepared, x, y, MOST_COLORS))

    @error_notes
    def warm(self, box: Lightbox) -> None:
        """What all hints on this photo need, while its visitor chooses a colour."""
        session = box.answers().session
        self.shelf.get(session.model).coarse_derivative(session.prepared)

    @error_notes
    def mend_picked(self, box: Lightbox, sent: dict[str, Any]):
        """The picked answer with the hints, at once; `mend_all` does the others."""
        sheet, row = box.photo(), box.answers()
        hinting = hinting_of(row, sent)
        sheet.hinting, sheet.edit = hinting, hinting.edit
        if hinting.hints:
            one = hinting.latents[hinting.indices.index(hinting.picked)]
            (result,) = self.mended(hinting, [one])
            picture = large(result.with_intensity(row.intensity(row.picked) / 100))[1]
        else:
            picture = large_pictures(hinting.base, hinting.picked)[1]
        return canvas_value(row, picture, hinting.hints, hinting.edit)

    @error_notes
    def mend_all(self, box: Lightbox):
        """All answers with the newest hints, as a row in the place of the one with older hints."""
        sheet = box.photo()
        hinting, sheet.hinting = sheet.hinting, None
        if hinting is None:  # another event is at it
            return self.table.values(box)
        results = self.mended(hinting, hinting.latents) if hinting.hints else []
        if sheet.edit != hinting.edit:  # there are newer ones in the meantime
            return self.table.values(box)
        old = sheet.at
        if hinting.hints:
            self.lay(box, sheet, hinting, results)
        elif hinting.base in sheet.rows:
            sheet.at = hinting.base
        if old and old.base is hinting.base and not (old.stars or box.is_pinned(old)):
            sheet.rows.remove(old)
        return self.table.values(box)

    def mended(self, hinting: Hinting, latents: list[Latent]) -> list[Colorization]:
        session = hinting.base.session
        model = self.shelf.get(session.model)
        return model.colorize(session.prepared, latent=latents, hints=hinting.hints)

    def lay(
        self, box: Lightbox, sheet: Sheet, hinting: Hinting, results: list[Colorization]
    ) -> None:
        base, indices = hinting.base, hinting.indices
        latents = "[result.latent for result in results]"
        if len(indices) < len(base.pictures):
            latents = f"[{', '.join(f'results[{i}].latent' for i in indices)}]"
        hints = hints_code(hinting.hints)
        call = f"model.colorize({sheet.name!r}, latent={latents}, hints={hints})"
        title, before = f"Hints on {base.title}", base.session.code
        row = self.table.lay(box, sheet, title, results, call, words(results), before=before)
        row.base, row.indices, row.hints, row.edit = base, indices, hinting.hints, hinting.edit
        row.picked = indices.index(hinting.picked)
        kept = base.intensities
        row.intensities = {at: kept[i] for at, i in enumerate(indices) if i in kept}

    def failed(self, box: Lightbox) -> dict[str, Any]:
        """Ends the waiting on the page."""
        return {"failed": next(box.ids)}

    @error_notes
    def run(
        self,
        photo: str | None,
        box: Lightbox,
        hints: str,
        n: int,
        seed: int,
        reach: float,
        name: str,
        progress=PROGRESS,
    ):
        """Colourings with chosen colours at chosen spots.

        The hints are lines of "x y #rrggbb", in pixels of the photo; a fourth number is a reach of
        its own. The reach is how far, in ab units, the rest of the photo may follow them.
        """
        spots = from_text(hints)
        progress(0.1, desc="Looking at the photo")
        sheet = added(box, photo)
        model = self.shelf.get(name)
        prepared = open_sheet(sheet, model).prepared
        progress(0.4, desc="Following the hints")
        n, seed, read = int(n), int(seed or 0), read_hints(spots, prepared.size)
        results = model.colorize(prepared, n, seed=seed, hints=read, reach=reach)
        options = f"n={n}, seed={seed}, hints={hints_code(read)}, reach={reach:g}"
        call = f"model.colorize({sheet.name!r}, {options})"
        self.table.lay(box, sheet, f"Hints, seed {seed}", results, call, words(results))
        return self.table.values(box)


def asked_place(asked: Any) -> tuple[float, float]:
    try:
        return float(asked["x"]), float(asked["y"])
    except (TypeError, KeyError, ValueError) as error:
        raise CinnHubError("The page did not say which spot to look at; click a spot.") from error


def hinting_of(row: Row, sent: Any) -> Hinting:
    """What the page has sent, on the answers without hints that are behind the row in view.

    Of a map only the picked answer gets the hints.
    """
    try:
        spots, edit = [tuple(spot) for spot in sent["spots"]], int(sent["edit"])
    except (TypeError, KeyError, ValueError) as error:
        raise CinnHubError("The page sent no hints; click a spot.") from error
    hints = read_hints(spots, row.session.size)
    base = row.base or row
    picked = row.indices[row.picked] if row.base else row.picked
    indices = row.indices if row.base else [picked] if row.side else range(len(row.pictures))
    latents = [base.session.bare_result(i).latent for i in indices]
    return Hinting(base, list(indices), picked, hints, edit, latents)


def hints_code(hints: Sequence[Hint]) -> str:
    """As Python."""
    own = {hint: "" if hint.reach is None else f", {hint.reach:g}" for hint in hints}
    return f"[{', '.join(f'({h.x:g}, {h.y:g}, {h.color!r}{own[h]})' for h in hints)}]"


def from_text(text: str) -> list[tuple[Any, ...]]:
    """Hints from lines of "x y #rrggbb", with a reach behind it or without.

    Raises:
        CinnHubError: a line does not have this form.
    """
    hints = []
    for line in filter(None, map(str.strip, text.splitlines())):
        try:
            x, y, color, *reach = line.split(maxsplit=3)
            hints.append((float(x), float(y), color, *map(float, reach)))
        except ValueError as error:
            raise CinnHubError(
                f'The line {line!r} is not a hint; expected "x y #rrggbb", such as "10 20 #aa3311".'
            ) from error
    return hints
