"""The tool Hints: the colour of a spot is set on the picture itself, and all answers respect it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import gradio as gr

from cinn_hub.colorization import Colorization
from cinn_hub.errors import CinnHubError
from cinn_hub.hints import REACH, Hint, read_hints
from cinn_hub.latent import Latent
from cinn_hub.ui.events import PROGRESS, connect, seed_field
from cinn_hub.ui.lightbox import Hinted, Lightbox, Row, Sheet
from cinn_hub.ui.pictures import large
from cinn_hub.ui.queueing import COLORS, LOOKS
from cinn_hub.ui.session import as_code
from cinn_hub.ui.table import GREY, Table, hints_on, large_picture, large_pictures

MOST_COLORS = 6  # to choose from
REACHES = (5, 100)  # ab units; also in page/picture.html

ABOUT = "Click a spot on the picture and choose its colour. Drag a hint to move it."


class Hints:
    """Adds the tool's components and handlers to the Blocks that are open."""

    def __init__(self, table: Table) -> None:
        self.table = table
        with table.tabs["Hints"]:
            gr.Markdown(ABOUT)
            with gr.Accordion("Hints as text", open=False, elem_id="hints-settings"):
                info = "One a line: x y #rrggbb, in pixels, and a reach of its own if you like."
                text = gr.Textbox("", label="Hints", info=info, lines=3, elem_id="hints-text")
                info = "How much the rest of the photo may change colour (in ab units)."
                look = {"label": "Reach", "info": info, "elem_id": "hints-reach"}
                reach = gr.Slider(*REACHES, REACH, step=1, **look)
                n = gr.Slider(1, 8, 4, step=1, precision=0, label="How many answers")
                settings = {"n": n, "seed": seed_field(), "reach": reach}
                go = gr.Button("Apply these hints", elem_id="hints-go")
        table.on_move(go.click, self.run, [table.photo, text], settings, "hints")
        self.connect_picture(table.picture)

    def connect_picture(self, picture: gr.HTML) -> None:
        """Its events: "input", the hints have changed; "select", a spot asks for colours."""
        table, hidden = self.table, {"show_progress": "hidden"}
        newest = {"trigger_mode": "always_last", **hidden}
        spots = [table.box, picture]
        asked = connect(picture.select, self.colors, spots, picture, kind=LOOKS, **newest)
        connect(asked.success, self.warm, table.box, None, kind=LOOKS, **hidden)
        first = connect(picture.input, self.mend_picked, spots, picture, kind=COLORS, **newest)
        # each change starts its own; those that are overtaken show nothing
        rest = table.on(first.success, self.mend_all, kind=COLORS, trigger_mode="multiple")
        for event in (first, rest):
            connect(event.failure, failed, table.box, picture)

    def run(
        self,
        box: Lightbox,
        photo: str | None,
        hints: str,
        progress=PROGRESS,
        **settings: Any,
    ) -> None:
        """Colourings with chosen colours at chosen spots.

        The hints are lines of "x y #rrggbb", in pixels of the photo; a fourth number is a reach of
        its own. The reach is how far, in ab units, the rest of the photo may follow them.
        """
        spots = from_text(hints)
        sheet, model, turn = self.table.open(box, photo, progress)
        prepared = sheet.opened.prepared
        progress(0.4, desc="Following the hints")
        read = read_hints(spots, prepared.size)
        results = model.colorize(prepared, hints=read, **settings)
        call = f"model.colorize({sheet.name!r}, {as_code(settings)}, hints={hints_code(read)})"
        self.table.lay(box, sheet, turn, "hints as text", results, call)

    def colors(self, box: Lightbox, asked: dict[str, Any]) -> dict[str, Any]:
        """Colours that are possible at the spot that the page asks about."""
        x, y = asked_place(asked)
        model, prepared = self.table.shelf.of(box.answers().session)
        colors = model.colors_at(prepared, x, y, MOST_COLORS)
        listed = [{"color": one.color, "probability": one.probability} for one in colors]
        return {"palette": {"x": x, "y": y, "colors": listed}}

    def warm(self, box: Lightbox) -> None:
        """What all hints on this photo need, while its visitor chooses a colour."""
        model, prepared = self.table.shelf.of(box.answers().session)
        model.coarse_derivative(prepared)

    def mend_picked(self, box: Lightbox, sent: dict[str, Any]) -> dict[str, Any]:
        """The picked answer with the hints, at once; `mend_all` does the others."""
        sheet, row = box.photo(), box.answers()
        hinted = hinted_by(row, sent)
        if hinted.hints:
            box.in_excess(sheet, replaced(row, hinted))  # refuses before the work
        hinted = replace(hinted, turn=box.begin(sheet))
        sheet.waiting, sheet.edit = hinted, hinted.edit
        if not hinted.hints:
            grey, picture = large_pictures(hinted.base, hinted.picked)
        else:
            one = hinted.base.session.bare_result(hinted.picked).latent
            (result,) = self.mended(hinted, [one])
            result = result.with_intensity(row.intensity(row.picked) / 100)
            grey, picture = large(result, row.larges.get(GREY))
        if sheet.turn != hinted.turn or box.at is not sheet:  # something else is in view by now
            return large_picture(box)
        name = f"number {row.picked + 1}" + (" with its hints" if hinted.hints else "")
        return {"grey": grey, "picture": picture, "name": name} | hints_on(row, hinted)

    def mend_all(self, box: Lightbox) -> None:
        """All answers with the newest hints, as a row in the place of the one with older hints."""
        waiting = [sheet for sheet in box.sheets if sheet.waiting]
        for sheet in waiting:
            hinted, sheet.waiting = sheet.waiting, None
            results = self.mended(hinted, hinted.latents) if hinted.hints else []
            if sheet.edit == hinted.edit:  # else there are newer ones in the meantime
                with box.lock:
                    self.lay(box, sheet, hinted, results)

    def mended(self, hinted: Hinted, latents: list[Latent]) -> list[Colorization]:
        model, prepared = self.table.shelf.of(hinted.base.session)
        return model.colorize(prepared, latent=latents, hints=hinted.hints)

    def lay(self, box: Lightbox, sheet: Sheet, hinted: Hinted, results: list[Colorization]) -> None:
        """The row, in the place of the one with older hints on the same answers."""
        base, indices, old = hinted.base, hinted.indices, replaced(sheet.at, hinted)
        if not hinted.hints:
            box.go_back(sheet, base, old, hinted.turn)
            return
        latents = "[result.latent for result in results]"
        if len(indices) < len(base.pictures):
            latents = f"[{', '.join(f'results[{i}].latent' for i in indices)}]"
        hints = hints_code(hinted.hints)
        call = f"model.colorize({sheet.name!r}, latent={latents}, hints={hints})"
        rest = {"after": base, "instead_of": old, "hinted": hinted}
        self.table.lay(box, sheet, hinted.turn, "with hints", results, call, **rest)


def failed(box: Lightbox) -> dict[str, Any]:
    """Ends the waiting on the page."""
    return {"failed": next(box.ids)}


def asked_place(asked: Any) -> tuple[float, float]:
    try:
        return float(asked["x"]), float(asked["y"])
    except (TypeError, KeyError, ValueError) as error:
        raise CinnHubError("The page did not say which spot to look at; click a spot.") from error


def hinted_by(row: Row, sent: Any) -> Hinted:
    """What the page has sent, on the answers without hints that are behind the row in view.

    Of a map only the picked answer gets the hints.
    """
    try:
        spots, edit = [tuple(spot) for spot in sent["spots"]], int(sent["edit"])
    except (TypeError, KeyError, ValueError) as error:
        raise CinnHubError("The page sent no hints; click a spot.") from error
    hints = read_hints(spots, row.session.size)
    if row.hinted:
        base, indices = row.hinted.base, row.hinted.indices
        return Hinted(base, indices, indices[row.picked], hints, edit)
    indices = [row.picked] if row.side else list(range(len(row.pictures)))
    return Hinted(row, indices, row.picked, hints, edit)


def replaced(row: Row | None, hinted: Hinted) -> Row | None:
    """The row, if it has older hints on the same answers."""
    return row if row and row.hinted and row.hinted.base is hinted.base else None


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
