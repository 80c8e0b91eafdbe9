"""The table, the right of the page: answers, the picked one large, what was drawn before.

All tools lay their answers on it. What the page shows is computed anew from the visitor's lightbox
after each event, by the functions below the class.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import gradio as gr

from cinn_hub.color_model import ColorModel
from cinn_hub.colorization import Colorization
from cinn_hub.errors import CinnHubError
from cinn_hub.ui import lightbox, pictures
from cinn_hub.ui.bounds import KEPT_SECONDS
from cinn_hub.ui.events import AT_ONCE, PRIVATE, Event, connect, hidden_download, with_fresh_seed
from cinn_hub.ui.lightbox import (
    COLORFUL,
    LIKELIEST,
    ORDERS,
    WHICH,
    Lightbox,
    Row,
    Sheet,
    key_of,
    likelihood_words,
)
from cinn_hub.ui.models import Shelf
from cinn_hub.ui.pictures import THUMBNAIL_SIZE, figures, if_there, item, previews, rows, strip
from cinn_hub.ui.queueing import COLORS, LOOKS, Kind
from cinn_hub.ui.saving import Files
from cinn_hub.ui.session import code_to_colorize, code_to_save
from cinn_hub.ui.uploads import NO_PHOTO, Uploads, open_sheet

NO_ANSWER = "These buttons need an answer: add a photo first."
EMPTY = "The answers appear here. Add a photo, or click an example."
MAP_SIZE = 280  # pixels on the longer side of a cell


class Table:
    """The components that all tools share, and the handlers that change what is in view.

    Arguments:
        shelf: the models.
        uploads: where photos come in.
        example: values of the answers and of the stage, for a page without a photo.
    """

    def __init__(self, shelf: Shelf, uploads: Uploads, example: Sequence[dict[str, Any]]) -> None:
        self.shelf, self.uploads, self.example = shelf, uploads, example
        self.shown: dict[gr.Component, Callable[[Lightbox], Any]] = {}
        self.followed: list[Event] = []
        self.box = gr.State(Lightbox(shelf.own.name), time_to_live=KEPT_SECONDS)
        self.photo = gr.File(label="Photo", visible=False)  # that clients of the API send along
        with gr.Row(elem_id="table"):
            with gr.Column(scale=4, min_width=320, elem_id="answers-side"):
                self.sort = choice("sort", "Order", ORDERS)
                self.answers = figures("answers", "Answers", example[0])
            with gr.Column(scale=6, min_width=420, elem_id="stage-side"):
                self.canvas_place = gr.Column(elem_id="canvas-place")
                self.stage = pictures.stage("stage", "The picked answer", example[1])
                self.facts = gr.Markdown("", elem_id="facts", elem_classes="note")
                self.add_actions()
        self.add_details()
        self.which = choice("which", "Which answers", WHICH)
        self.earlier = figures("earlier", "Earlier answers")
        self.outputs = [self.box, self.answers, self.stage, self.facts, self.code]
        self.connect()

    def add_actions(self) -> None:
        with gr.Row(elem_classes="actions"):
            self.near = gr.Button("More like this", elem_id="near", interactive=False)
            self.pin = gr.Button("Keep as A", elem_id="pin", interactive=False)
            self.as_mood = gr.Button("Use as mood", elem_id="as-mood", interactive=False)
        self.why = gr.Markdown(NO_ANSWER, elem_id="why", elem_classes="note")
        self.intensity = gr.Slider(
            0, 150, 100, step=1, label="Intensity (%)", elem_id="intensity", interactive=False
        )
        self.files = Files()

    def add_details(self) -> None:
        """The picked answer's figures and its code."""
        with gr.Accordion("Details", open=False, elem_id="details"):
            self.details = gr.Markdown("There is no answer yet.", elem_id="figures-of-it")
        with gr.Accordion("Show me the code", open=False, elem_id="recipe"):
            self.code = code_block("code", label="Python", lines=1)

    def connect(self) -> None:
        """What is the same for every tool: how the lightbox is changed, and what shows it."""
        for component in (self.uploads.photos, self.answers, self.earlier):
            self.on(component.select, of_key(Lightbox.pick))
            self.on(component.like, of_key(Lightbox.toggle_star))
        self.on(self.uploads.photos.delete, of_key(Lightbox.remove))
        self.on(self.sort.input, Lightbox.arrange, [self.sort])
        self.on(self.which.input, Lightbox.look_at, [self.which])
        self.on(self.pin.click, Lightbox.toggle_pin)
        options = {"kind": LOOKS, "show_progress": "hidden", "trigger_mode": "always_last"}
        self.on(self.intensity.input, Lightbox.strengthen, [self.intensity], **options)
        self.files.connect(self.box, hidden_download("file"))
        self.show(self.uploads.photos, value=photo_tiles)
        self.show(self.uploads.status, value=status)
        self.show(self.earlier, value=earlier_rows)
        self.show(self.which, visible=has_several_rows)
        self.show(self.sort, visible=can_be_sorted, value=lambda box: box.sort)
        self.show(self.details, value=details)
        self.show(self.why, value=why)
        self.show(self.pin, interactive=has_answers, value=pin_text)
        self.show(self.as_mood, interactive=has_colours)
        self.show(
            self.intensity,
            interactive=has_answers,
            value=lambda box: box.row.intensity(box.row.picked) if box.row else 100,
        )
        *buttons, favourites = self.files.buttons
        for button in (self.near, *buttons):
            self.show(button, interactive=has_answers)
        self.show(favourites, interactive=lambda box: bool(box.favourites()), value=favourites_text)

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

        Clients of the API get the values of `outputs`. The other arguments are those of `connect`.
        """

        @wraps(handler)
        def changed(box: Lightbox, *arguments: Any, **named: Any) -> list[Any]:
            handler(box, *arguments, **named)
            return self.values(box)

        options = {"show_progress_on": self.answers} | options
        inputs = [self.box, *inputs]
        return self.follow(connect(event, changed, inputs, self.outputs, kind, settings, **options))

    def on_seeds(
        self,
        go: gr.Button,
        again: gr.Button,
        handler: Callable[..., None],
        settings: dict[str, gr.Component],
        api_name: str,
    ) -> None:
        """One button answers with the seed of the settings, the other one with a fresh seed."""
        run = handler, [self.photo], COLORS, settings
        self.on(go.click, *run, api_name=api_name)
        self.on(with_fresh_seed(again, settings["seed"]), *run)
        for button in (go, again):
            self.show(button, interactive=has_photos)

    def values(self, box: Lightbox) -> list[Any]:
        """Values for `outputs`, plain ones for clients of the API."""
        box.forget_older_than(KEPT_SECONDS)
        shown = (answer_rows(box), large_picture(box)) if box.at else self.example
        return [box, *shown, facts(box), code(box)]

    def show(self, component: gr.Component, **properties: Callable[[Lightbox], Any]) -> None:
        """After each event the component gets these properties, computed from the lightbox."""
        if list(properties) == ["value"]:
            self.shown[component] = properties["value"]
        else:
            self.shown[component] = lambda box: gr.update(
                **{name: compute(box) for name, compute in properties.items()}
            )

    def follow(self, event: Event) -> Event:
        """After an event with `outputs`: all the rest that shows what is there."""
        self.followed.append(event)
        return event

    def finish(self) -> None:
        """Once all tools are there: what they show follows each event."""
        refresh = list(self.shown.values())
        for event in self.followed:
            event.then(
                lambda box: [compute(box) for compute in refresh],
                self.box,
                list(self.shown),
                **AT_ONCE,
                **PRIVATE,
            )

    def open(
        self, box: Lightbox, photo: str | None, progress: gr.Progress
    ) -> tuple[Sheet, ColorModel]:
        """The photo that came along, or the one in view, open for the visitor's model.

        A photo that came along and cannot be read goes at once.
        """
        progress(0.1, desc="Looking at the photo")
        sheet = box.add(str(photo)) if photo else box.photo()
        box.in_excess(sheet)  # refuses before the work
        try:
            model = self.shelf.get(box.model)
            open_sheet(sheet, model)
        except Exception:
            if photo:
                box.remove(key_of(sheet))
            raise
        return sheet, model

    def lay(
        self,
        box: Lightbox,
        sheet: Sheet,
        title: str,
        results: list[Colorization],
        call: str,
        captions: Sequence[str] | None = None,
        after: Row | None = None,
        instead_of: Row | None = None,
        side: int = 0,
    ) -> Row:
        """New answers to a photo on the table, the first (of a map, the middle one) picked.

        Arguments:
            call: the Python that gives them.
            captions: how likely they are, if not given.
            after: the row whose answers, `results`, the call begins with.
            instead_of: a row that goes, unless its visitor likes it.
        """
        plausible = [result.plausibility for result in results]
        session = after.session if after else sheet.opened
        code = f"{session.code}results = {call}\n" if after else code_to_colorize(session, call)
        if captions is None:
            captions = likelihood_words(results)
        row = Row(
            next(box.ids),
            title,
            session.holding(results, code, captions),
            previews(results, MAP_SIZE if side else THUMBNAIL_SIZE),
            {LIKELIEST: plausible, COLORFUL: [result.chroma for result in results]},
            picked=len(results) // 2 if side else 0,
            side=side,
        )
        box.hold(sheet, row, instead_of)
        return row


def choice(elem_id: str, label: str, choices: Sequence[str]) -> gr.Radio:
    look = {"show_label": False, "container": False, "visible": False}
    return gr.Radio(list(choices), value=choices[0], label=label, elem_id=elem_id, **look)


def code_block(elem_id: str, value: str | None = None, **options: Any) -> gr.Code:
    """Python to read and to copy."""
    look = {"interactive": False, "show_label": False, "show_line_numbers": False}
    return gr.Code(value, language="python", buttons=["copy"], elem_id=elem_id, **look, **options)


def of_key(change: Callable[[Lightbox, str], None]) -> Callable[..., None]:
    """A handler of clicks on figures, whose events have the key of what was clicked."""

    def handler(box: Lightbox, event: gr.EventData) -> None:
        if box.sheets:  # else it is the example
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
    sheet, row = box.photo(), box.row
    if row is None:
        return rows(text=sheet.problem or f"{sheet.name} has no answers yet; press Colour.")
    items = [cell(box, sheet, row, i) for i in row.order(box.sort)]
    layout, side = ("map", row.side) if row.side else ("grid", 4)
    return rows(("", items), layout=layout, side=side, text=sheet.problem)


def cell(box: Lightbox, sheet: Sheet, row: Row, i: int, named: bool = False) -> dict[str, Any]:
    caption = " · ".join(filter(None, [f"{i + 1}", row.session.captions[i]]))
    return item(
        key_of(sheet, row, i),
        if_there(row.pictures[i]),
        f"{sheet.name}, number {i + 1}" if named else f"number {i + 1}",
        caption="" if row.side or named else caption,
        picked=row is box.row and i == row.picked,
        star=i in row.stars,
        mark="A" if box.pinned == (row, i) else "",
    )


def earlier_rows(box: Lightbox) -> dict[str, Any]:
    """Rows to go back to: of the photo in view, the newest of each photo, or favourites."""
    if box.which == lightbox.FAVOURITES:
        chosen = [cell(box, *favourite, named=True) for favourite in box.favourites()]
        text = "" if chosen else "There are no favourites yet; click the star on an answer."
        return rows(("", chosen), layout="small", text=text)
    if box.which == lightbox.ALL_PHOTOS:
        found = [(sheet, sheet.at, sheet.name) for sheet in box.sheets if sheet.at]
    else:
        found = [(box.at, row, row.title) for row in reversed(box.at.rows)] if box.at else []
        found = found if len(found) > 1 else []
    lines = [
        (title, [cell(box, sheet, row, i, named=True) for i in range(len(row.pictures))])
        for sheet, row, title in found
    ]
    return rows(*lines, layout="small")


def large_picture(box: Lightbox) -> dict[str, Any]:
    """The picked answer, beside A where there is one."""
    row = box.row
    if row is None:
        return {"text": ""}
    try:
        grey, picture = large_pictures(row, row.picked)
        value = {"grey": grey, "picture": picture, "name": f"number {row.picked + 1}"}
        if is_beside(box):
            value |= {"beside": large_pictures(*box.pinned)[1], "beside_name": "A"}
        return value
    except CinnHubError as error:  # it had to make room
        return {"text": str(error)}


def large_pictures(row: Row, index: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """An answer in grey and in its colours, made once for each intensity."""
    intensity = row.intensity(index)
    if not all(map(if_there, row.larges.get((index, intensity), [None]))):
        result = row.session.result(index).with_intensity(intensity / 100)
        row.larges[index, intensity] = pictures.large(result)
    return row.larges[index, intensity]


def is_beside(box: Lightbox) -> bool:
    """Whether A is another answer to the photo in view."""
    if box.row is None or box.pinned in (None, (box.row, box.row.picked)):
        return False
    return box.pinned[0] in box.at.rows


def has_photos(box: Lightbox) -> bool:
    return bool(box.sheets)


def has_answers(box: Lightbox) -> bool:
    return box.row is not None


def has_colours(box: Lightbox) -> bool:
    """Whether the photo in view can be a mood."""
    return bool(box.at and box.at.opened and box.at.opened.colored)


def has_several_rows(box: Lightbox) -> bool:
    return sum(len(sheet.rows) for sheet in box.sheets) > 1 or bool(box.favourites())


def can_be_sorted(box: Lightbox) -> bool:
    return box.row is not None and not box.row.side and len(box.row.pictures) > 1


def pin_text(box: Lightbox) -> str:
    return "Let go of A" if box.row and box.pinned == (box.row, box.row.picked) else "Keep as A"


def favourites_text(box: Lightbox) -> str:
    count = len(box.favourites())
    return f"Favourites ({count})" if count else "Favourites"


def status(box: Lightbox) -> str:
    """What is on the table, or what has to come first."""
    if not box.sheets:
        return NO_PHOTO
    failed = sum(bool(sheet.problem) for sheet in box.sheets)
    count, which = f"{len(box.sheets)} photos", failed
    if len(box.sheets) == 1:
        count, which = "1 photo", "it"
    return f"{count}, but {which} cannot be used." if failed else f"{count}."


def why(box: Lightbox) -> str:
    """Which of the buttons under the picked answer cannot be used yet, and why."""
    if box.row is None:
        return NO_ANSWER
    return "" if has_colours(box) else "“Use as mood” needs a photo that has colours of its own."


def facts(box: Lightbox) -> str:
    """One line on the picked answer, in plain words."""
    if (row := box.row) is None:
        return ""
    width, height = row.session.size
    words = row.session.captions[row.picked]
    named = f"**Number {row.picked + 1}**" + (f", {words}" if words else "")
    seen = " The photo has colours of its own; the model saw only its lightness."
    colored = seen if row.session.colored else ""
    return f"{named}. {row.title}. {width} × {height} pixels.{colored}"


def details(box: Lightbox) -> str:
    """The figures of the picked answer."""
    if (row := box.row) is None:
        return "There is no answer yet."
    try:
        result = row.session.bare_result(row.picked)
    except CinnHubError as error:  # it had to make room
        return str(error)
    settings = "\n".join(f"- {name}: {value}" for name, value in result.settings.items())
    return (
        f"Plausibility: {result.plausibility:.3f} nats a place; higher is more believable. The "
        "words from *very likely* to *daring* compare the answers of one row by it. Density: "
        f"{result.bits_per_dim:.3f} bits per ab value (fewer are likelier), {result.log_prob:,.0f} "
        f"nats in all; pale colours have the highest.\n\n{settings}"
    )


def code(box: Lightbox) -> str:
    """Python that makes exactly the picked answer."""
    if (row := box.row) is None:
        return ""
    return code_to_save(row.session, row.picked, row.intensity(row.picked) / 100)
