"""The table: the picture, its answers, and the rest of the page that all tools share.

All tools lay their answers on it. What the page shows is computed anew from the visitor's lightbox
after each event, by the functions below the class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import wraps
from typing import Any

import gradio as gr

from cinn_hub.color_model import ColorModel
from cinn_hub.colorization import Colorization
from cinn_hub.errors import CinnHubError
from cinn_hub.hints import REACH
from cinn_hub.latent import fresh_seed
from cinn_hub.ui import pictures
from cinn_hub.ui.bounds import KEPT_SECONDS
from cinn_hub.ui.events import FOR_CLIENTS, Event, connect
from cinn_hub.ui.lightbox import Hinted, Lightbox, Row, Sheet, key_of, likelihood_words
from cinn_hub.ui.models import Shelf
from cinn_hub.ui.pictures import THUMBNAIL_SIZE, figures, if_there, item, previews, rows, strip
from cinn_hub.ui.queueing import COLORS, LOOKS, Kind
from cinn_hub.ui.saving import Files
from cinn_hub.ui.session import code_to_colorize, code_to_save
from cinn_hub.ui.uploads import NO_PHOTO, Uploads, open_sheet

TOOLS = "Colour", "Explore", "Transfer", "Hints", "More"
GREY = "grey"
MAP_SIZE = 280  # pixels on the longer side of a cell


class Table:
    """The components that all tools share, and the handlers that change what is in view.

    Arguments:
        shelf: the models.
        uploads: where photos come in.

    Attributes:
        outputs: what each event of the page shows anew, from `values`; `for_clients` are those of
            them that clients of the API get.
    """

    def __init__(self, shelf: Shelf, uploads: Uploads) -> None:
        self.shelf, self.uploads = shelf, uploads
        self.box = gr.State(Lightbox(shelf.own.name), time_to_live=KEPT_SECONDS)
        self.photo = gr.File(label="Photo", visible=False)  # that clients of the API send along
        with gr.Row(elem_id="work"):
            with gr.Column(elem_id="middle", min_width=280, scale=7):
                self.files = Files()
                self.picture = pictures.picture("stage", "The picked answer", {})
                self.answers = figures("answers", "Answers")
                self.more = gr.Button("More answers", variant="primary", elem_id="go")
                self.earlier = figures("earlier", "Earlier answers")
            self.tools = gr.Column(elem_id="tools", min_width=280, scale=3)
        with self.tools, gr.Tabs():
            self.tabs = {name: gr.Tab(name, elem_id=f"tool-{name.lower()}") for name in TOOLS}
        with self.tabs["Colour"]:
            look = {"label": "Strength (%)", "elem_id": "intensity"}
            self.intensity = gr.Slider(0, 150, 100, step=1, **look)
        with self.tabs["More"]:
            self.files.add_rest()
            with gr.Accordion("Show me the code", open=False, elem_id="recipe"):
                self.code = code_block("code", label="Python", lines=1)
            self.details = gr.Markdown("", elem_id="details")
        self.for_clients = [self.box, self.answers, self.picture, self.files.facts, self.code]
        shown = [uploads.photos, uploads.status, uploads.stop, self.earlier, self.intensity]
        self.outputs = [*self.for_clients, *shown, self.more, self.details]
        self.connect()

    def connect(self) -> None:
        """What is the same for every tool."""
        for component in (self.uploads.photos, self.answers, self.earlier):
            self.on(component.select, of_key(Lightbox.pick), trigger_mode="multiple")
            self.on(component.like, of_key(Lightbox.toggle_star), trigger_mode="multiple")
        self.on(self.uploads.photos.delete, of_key(Lightbox.remove), trigger_mode="multiple")
        self.on(self.uploads.stop.click, Lightbox.stop)
        options = {"kind": LOOKS, "trigger_mode": "always_last"}
        self.on(self.intensity.input, Lightbox.strengthen, [self.intensity], **options)
        self.files.connect(self.box)

    def on(
        self,
        event: Callable[..., Event],
        handler: Callable[..., None],
        inputs: Sequence[gr.Component] = (),
        kind: Kind | None = None,
        settings: dict[str, gr.Component] | None = None,
        **options: Any,
    ) -> Event:
        """Connects a handler that changes the lightbox, its first argument; the page shows it then.

        The other arguments are those of `connect`.
        """
        options = {"show_progress": "hidden"} | options
        inputs = [self.box, *inputs]
        run = self.shows(handler, self.values, alone=kind is None)
        return connect(event, run, inputs, self.outputs, kind, settings, **options)

    def on_move(
        self,
        event: Callable[..., Event],
        handler: Callable[..., None],
        inputs: Sequence[gr.Component],
        settings: dict[str, gr.Component],
        api_name: str,
    ) -> None:
        """The same for a handler that runs a model, for the page and for clients of the API.

        The seed 0 is a new one each time on the page, and 0 for clients.
        """
        waits = {"show_progress": "full", "show_progress_on": self.picture}
        run = with_seed(handler, fresh_seed), inputs, COLORS, settings
        self.on(event, *run, **waits)
        run = self.shows(with_seed(handler, lambda: 0), self.values_for_clients)
        inputs = [self.box, *inputs]
        connect(FOR_CLIENTS, run, inputs, self.for_clients, COLORS, settings, api_name=api_name)

    def shows(
        self,
        handler: Callable[..., None],
        values: Callable[[Lightbox], list[Any]],
        alone: bool = False,
    ) -> Callable[..., list[Any]]:
        """The handler, and what is to be seen then.

        Arguments:
            alone: nothing else changes the lightbox meanwhile, so that clicks are shown in order.
        """

        @wraps(handler)
        def changed(box: Lightbox, *arguments: Any, **named: Any) -> list[Any]:
            with box.lock if alone else nullcontext():
                handler(box, *arguments, **named)
                return values(box)

        return changed

    def values_for_clients(self, box: Lightbox) -> list[Any]:
        """Values for `for_clients`."""
        with box.lock:
            box.forget_older_than(KEPT_SECONDS)
            return [box, answer_rows(box), large_picture(box), facts(box), code(box)]

    def values(self, box: Lightbox) -> list[Any]:
        """Values for `outputs`."""
        with box.lock:
            return [
                *self.values_for_clients(box),
                photo_tiles(box),
                status(box),
                gr.update(visible=len(box.queue()) > 1),
                earlier_rows(box),
                box.row.intensity(box.row.picked) if box.row else 100,
                gr.update(value="More answers" if box.row else "Colour"),
                details(box),
            ]

    def open(
        self, box: Lightbox, photo: str | None, progress: gr.Progress
    ) -> tuple[Sheet, ColorModel, int]:
        """The photo that came along, or the one in view, open for the visitor's model; and the
        number of the move that begins.

        A photo that came along and cannot be read goes at once.
        """
        progress(0.1, desc="Looking at the photo")
        sheet = box.add(str(photo)) if photo else box.photo()
        box.in_excess(sheet)  # refuses before the work
        turn = box.begin(sheet)
        try:
            model = self.shelf.get(box.model)
            open_sheet(sheet, model)
        except Exception:
            if photo:
                box.remove(key_of(sheet))
            raise
        return sheet, model, turn

    def lay(
        self,
        box: Lightbox,
        sheet: Sheet,
        turn: int,
        title: str,
        results: list[Colorization],
        call: str,
        captions: Sequence[str] | None = None,
        after: Row | None = None,
        hinted: Hinted | None = None,
        instead_of: Row | None = None,
        side: int = 0,
    ) -> Row:
        """New answers to a photo on the table, the first (of a map, the middle one) picked.

        Arguments:
            turn: the move that made them.
            call: the Python that gives them.
            captions: how likely they are, if not given.
            after: the row whose answers, `results`, the call begins with.
            hinted: the hints on them.
            instead_of: a row that goes, unless its visitor likes it.
        """
        session = after.session if after else sheet.opened
        code = f"{session.code}results = {call}\n" if after else code_to_colorize(session, call)
        if captions is None:
            captions = likelihood_words(results)
        row = Row(
            next(box.ids),
            title,
            session.holding(results, code, captions),
            previews(results, MAP_SIZE if side else THUMBNAIL_SIZE),
            picked=len(results) // 2 if side else 0,
            side=side,
            hinted=hinted,
        )
        if hinted:
            row.picked = hinted.indices.index(hinted.picked)
            kept = hinted.base.intensities
            row.intensities = {at: kept[i] for at, i in enumerate(hinted.indices) if i in kept}
        with box.lock:
            box.hold(sheet, row, turn, instead_of)
        return row


def with_seed(handler: Callable[..., Any], seed: Callable[[], int]) -> Callable[..., Any]:
    """The handler, with this seed where its visitor left it at 0."""

    @wraps(handler)
    def seeded(*arguments: Any, **named: Any) -> Any:
        return handler(*arguments, **named | {"seed": named["seed"] or seed()})

    return seeded


def code_block(elem_id: str, value: str | None = None, **options: Any) -> gr.Code:
    """Python to read and to copy."""
    look = {"interactive": False, "show_label": False, "show_line_numbers": False}
    options |= {"wrap_lines": True}
    return gr.Code(value, language="python", buttons=["copy"], elem_id=elem_id, **look, **options)


def of_key(change: Callable[[Lightbox, str], None]) -> Callable[..., None]:
    """A handler of clicks on figures, whose events have the key of what was clicked."""

    def handler(box: Lightbox, event: gr.EventData) -> None:
        change(box, event.key)

    return handler


# What the page shows of a lightbox.


def photo_tiles(box: Lightbox) -> dict[str, Any]:
    """The photos to pick from, with what became of each."""
    tiles = []
    for sheet in box.sheets:
        picture = if_there(sheet.thumbnail)
        tile = item(
            key_of(sheet),
            picture,
            sheet.name,
            caption="" if picture else sheet.name,
            picked=sheet is box.at,
            mark="!" if sheet.problem else "★" if any(row.stars for row in sheet.rows) else "",
            removable=True,
        )
        tiles.append(tile)
    return strip(tiles)


def answer_rows(box: Lightbox) -> dict[str, Any]:
    """The row in view, or a sentence that says why there is none."""
    if box.at is None:
        return rows()
    if (row := box.row) is None:
        return rows(text=box.at.problem or "No colours yet.")
    items = [cell(box, box.at, row, i) for i in range(len(row.pictures))]
    layout = "map" if row.side else "grid"
    return rows(("", items), layout=layout, side=row.side or 8, text=box.at.problem)


def cell(box: Lightbox, sheet: Sheet, row: Row, i: int, small: bool = False) -> dict[str, Any]:
    return item(
        key_of(sheet, row, i),
        if_there(row.pictures[i]),
        f"number {i + 1}",
        caption="" if row.side or small else f"{i + 1}",
        words=row.session.captions[i],
        picked=row is box.row and i == row.picked,
        star=i in row.stars,
        near=row is box.row,
    )


def earlier_rows(box: Lightbox) -> dict[str, Any]:
    """The other rows of the photo in view, the newest first."""
    found = [row for row in reversed(box.at.rows) if row is not box.row] if box.at else []
    lines = [
        (row.title, [cell(box, box.at, row, i, small=True) for i in range(len(row.pictures))])
        for row in found
    ]
    return rows(*lines, layout="small")


def large_picture(box: Lightbox) -> dict[str, Any]:
    """The picked answer, with its hints, and with the one before, to compare it with."""
    if (row := box.row) is None:
        return {}
    try:
        grey, picture = large_pictures(row, row.picked)
        value = {"grey": grey, "picture": picture, "name": f"number {row.picked + 1}"}
        if other := box.at.other:
            name = f"number {other[1] + 1}" + ("" if other[0] is row else ", earlier")
            value["other"] = {"picture": large_pictures(*other)[1], "name": name}
        return value | hints_on(row, row.hinted)
    except CinnHubError as error:  # it had to make room
        return {"text": str(error)}


def hints_on(row: Row, hinted: Hinted | None) -> dict[str, Any]:
    """Hints as page/picture.js takes them."""
    return {
        "base": (row.hinted.base if row.hinted else row).id,
        "edit": hinted.edit if hinted else 0,
        "size": row.session.size,
        "spots": [[h.x, h.y, h.color, h.reach] for h in (hinted.hints if hinted else ())],
        "reach": REACH,
    }


def large_pictures(row: Row, index: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """An answer in grey and in its colours, made once for each intensity."""
    intensity, held = row.intensity(index), row.larges
    if not if_there(held.get(GREY)) or not if_there(held.get((index, intensity))):
        result = row.session.result(index).with_intensity(intensity / 100)
        held[GREY], held[index, intensity] = pictures.large(result, if_there(held.get(GREY)))
    return held[GREY], held[index, intensity]


def status(box: Lightbox) -> str:
    """What is on the table and what becomes of it, in every state one sentence."""
    if not box.sheets:
        return NO_PHOTO
    count = len(box.sheets)
    if queue := box.queue():
        return f"Colouring photo {box.sheets.index(queue[0]) + 1} of {count}: {queue[0].name}"
    failed = sum(bool(sheet.problem) for sheet in box.sheets)
    if count == 1:
        return "1 photo, not coloured." if failed else "1 photo."
    return f"{count} photos, {failed} of them not coloured." if failed else f"{count} photos."


def facts(box: Lightbox) -> str:
    """One line on the picked answer, in plain words."""
    if (row := box.row) is None:
        return ""
    width, height = row.session.size
    words = filter(None, [row.session.captions[row.picked], row.title])
    named = ", ".join([f"**Number {row.picked + 1}**", *words])
    return f"{named} · {box.at.name}, {width} × {height}"


def details(box: Lightbox) -> str:
    """The figures of the picked answer."""
    if (row := box.row) is None:
        return ""
    try:
        result = row.session.bare_result(row.picked)
    except CinnHubError as error:  # it had to make room
        return str(error)
    seen = "The photo's own colours were not looked at. " if row.session.colored else ""
    return (
        f"{seen}Plausibility: {result.plausibility:.3f} nats a place. Density: "
        f"{result.bits_per_dim:.3f} bits per ab value, {result.log_prob:,.0f} nats in all."
    )


def code(box: Lightbox) -> str:
    """Python that makes exactly the picked answer."""
    if (row := box.row) is None:
        return ""
    return code_to_save(row.session, row.picked, row.intensity(row.picked) / 100)
