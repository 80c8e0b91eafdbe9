"""The tool Hints: the colour of a spot is set on the picture itself, and all answers respect it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr

from cinn_hub.colorization import Colorization
from cinn_hub.errors import CinnHubError
from cinn_hub.hints import REACH, Hint, read_hints
from cinn_hub.latent import Latent
from cinn_hub.ui.events import PROGRESS, connect, seed_field
from cinn_hub.ui.lightbox import Hinted, Lightbox, Row, Sheet
from cinn_hub.ui.pictures import canvas, large
from cinn_hub.ui.queueing import COLORS, LOOKS
from cinn_hub.ui.session import as_code
from cinn_hub.ui.table import Table, has_photos, large_pictures

MOST_COLORS = 6  # to choose from
REACHES = (5, 100)  # ab units; also in page/canvas.html

ABOUT = (
    "Click a spot on the picture, then choose its colour; first come the colours that the model "
    "finds possible there. Drag a hint to move it. The rest of the answer stays about the same; "
    "the hint's reach says how far it may follow."
)


class Hints:
    """Adds the tool's components and handlers to the Blocks that are open."""

    def __init__(self, table: Table) -> None:
        self.table = table
        gr.Markdown(ABOUT)
        with gr.Accordion("Hints as text", open=False, elem_id="hints-settings"):
            info = "One hint per line: x y #rrggbb, in pixels, and a reach of its own if you like."
            text = gr.Textbox("", label="Hints", info=info, lines=3, elem_id="hints-text")
            info = "How much the rest of the photo may change colour (in ab units)."
            look = {"label": "Reach", "info": info, "elem_id": "hints-reach"}
            reach = gr.Slider(*REACHES, REACH, step=1, **look)
            n = gr.Slider(1, 8, 4, step=1, precision=0, label="How many answers")
            settings = {"n": n, "seed": seed_field(), "reach": reach}
            go = gr.Button("Apply these hints", elem_id="hints-go", interactive=False)
        table.show(go, interactive=has_photos)
        table.on(go.click, self.run, [table.photo, text], COLORS, settings, api_name="hints")
        with table.canvas_place:
            self.connect_canvas(canvas("canvas", "Hints", {}))

    def connect_canvas(self, canvas: gr.HTML) -> None:
        """Its events: "input", the hints have changed; "select", a spot asks for colours."""
        table, hidden = self.table, {"show_progress": "hidden"}
        newest = {"trigger_mode": "always_last", **hidden}
        connect(table.stage.change, answer_with_hints, table.box, canvas)
        spots = [table.box, canvas]
        asked = connect(canvas.select, self.colors, spots, canvas, kind=LOOKS, **newest)
        connect(asked.success, self.warm, table.box, None, kind=LOOKS, **hidden)
        first = connect(canvas.input, self.mend_picked, spots, canvas, kind=COLORS, **newest)
        # each change starts its own; those that are overtaken show nothing
        rest = table.on(first.success, self.mend_all, kind=COLORS, trigger_mode="multiple")
        for event in (first, rest):
            connect(event.failure, failed, table.box, canvas)

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
        sheet, model = self.table.open(box, photo, progress)
        prepared = sheet.opened.prepared
        progress(0.4, desc="Following the hints")
        options = settings | {"seed": settings["seed"] or 0}
        read = read_hints(spots, prepared.size)
        results = model.colorize(prepared, hints=read, **options)
        call = f"model.colorize({sheet.name!r}, {as_code(options)}, hints={hints_code(read)})"
        self.table.lay(box, sheet, f"Hints, seed {options['seed']}", results, call)

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
        sheet.waiting, sheet.edit = hinted, hinted.edit
        if hinted.hints:
            one = hinted.base.session.bare_result(hinted.picked).latent
            (result,) = self.mended(hinted, [one])
            picture = large(result.with_intensity(row.intensity(row.picked) / 100))[1]
        else:
            picture = large_pictures(hinted.base, hinted.picked)[1]
        return canvas_value(row, picture, hinted)

    def mend_all(self, box: Lightbox) -> None:
        """All answers with the newest hints, as a row in the place of the one with older hints."""
        sheet = box.photo()
        hinted, sheet.waiting = sheet.waiting, None
        if hinted is None:  # another event is at it
            return
        results = self.mended(hinted, hinted.latents) if hinted.hints else []
        if sheet.edit != hinted.edit:  # there are newer ones in the meantime
            return
        old = replaced(sheet.at, hinted)
        if hinted.hints:
            self.lay(box, sheet, hinted, results, old)
        else:
            box.go_back(sheet, hinted.base, old)

    def mended(self, hinted: Hinted, latents: list[Latent]) -> list[Colorization]:
        model, prepared = self.table.shelf.of(hinted.base.session)
        return model.colorize(prepared, latent=latents, hints=hinted.hints)

    def lay(
        self,
        box: Lightbox,
        sheet: Sheet,
        hinted: Hinted,
        results: list[Colorization],
        old: Row | None,
    ) -> None:
        base, indices = hinted.base, hinted.indices
        latents = "[result.latent for result in results]"
        if len(indices) < len(base.pictures):
            latents = f"[{', '.join(f'results[{i}].latent' for i in indices)}]"
        hints = hints_code(hinted.hints)
        call = f"model.colorize({sheet.name!r}, latent={latents}, hints={hints})"
        title, rest = f"Hints on {base.title}", {"after": base, "instead_of": old}
        row = self.table.lay(box, sheet, title, results, call, **rest)
        row.hinted, row.picked = hinted, indices.index(hinted.picked)
        kept = base.intensities
        row.intensities = {at: kept[i] for at, i in enumerate(indices) if i in kept}


def failed(box: Lightbox) -> dict[str, Any]:
    """Ends the waiting on the page."""
    return {"failed": next(box.ids)}


def answer_with_hints(box: Lightbox) -> dict[str, Any]:
    """What the canvas shows of the answer in view."""
    text = "Hints need a photo with answers."
    if row := box.row:
        try:
            return canvas_value(row, large_pictures(row, row.picked)[1], row.hinted)
        except CinnHubError as error:  # it had to make room
            text = str(error)
    return {"base": None, "edit": 0, "spots": [], "text": text}


def canvas_value(row: Row, picture: dict[str, Any], hinted: Hinted | None) -> dict[str, Any]:
    return {
        "base": (row.hinted.base if row.hinted else row).id,
        "edit": hinted.edit if hinted else 0,
        "image": picture,
        "name": f"number {row.picked + 1} with its hints",
        "size": row.session.size,
        "spots": [[h.x, h.y, h.color, h.reach] for h in (hinted.hints if hinted else ())],
        "reach": REACH,
    }


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
