"""The table, the right half of the page: answers, the picked one large, what was drawn before."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.events import Dependency

from cinn_hub.colorization import Colorization
from cinn_hub.ui import views
from cinn_hub.ui.bounds import KEPT_SECONDS
from cinn_hub.ui.errors import error_notes
from cinn_hub.ui.figures import figures, stage
from cinn_hub.ui.intake import Intake
from cinn_hub.ui.lightbox import ORDERS, Lightbox, Row, Sheet
from cinn_hub.ui.pictures import THUMBNAIL_SIZE, previews
from cinn_hub.ui.queueing import LOOKS
from cinn_hub.ui.saving import Files
from cinn_hub.ui.session import code_to_colorize
from cinn_hub.ui.wiring import PRIVATE, hidden_download


class Table:
    """The components that all tools share, and the handlers that change what is in view.

    Arguments:
        intake: where photos come in.
        finished: answers and the large picture of an example, for a page without a photo.
    """

    def __init__(self, intake: Intake, finished: views.Finished) -> None:
        self.intake, self.finished = intake, finished
        self.need_photo: list[gr.Button] = []  # tools add theirs
        self.followed: list[Dependency] = []
        self.need_a: list[gr.Button | gr.Slider] = []
        self.box = gr.State(Lightbox(), time_to_live=KEPT_SECONDS)
        with gr.Row(elem_id="table"):
            with gr.Column(scale=4, min_width=320, elem_id="answers-side"):
                self.sort = choice("sort", "Order", ORDERS)
                self.answers = figures("answers", "Answers", finished.answers)
            with gr.Column(scale=6, min_width=420, elem_id="stage-side"):
                self.canvas_place = gr.Column(elem_id="canvas-place")
                self.stage = stage("stage", finished.stage)
                self.facts = gr.Markdown("", elem_id="facts", elem_classes="note")
                self.add_actions()
        self.add_details()
        self.which = choice("which", "Which answers", views.WHICH)
        self.earlier = figures("earlier", "Earlier answers")
        self.outputs = [self.box, self.answers, self.stage, self.facts, self.code]

    def add_actions(self) -> None:
        with gr.Row(elem_classes="actions"):
            self.near = gr.Button("More like this", elem_id="near", interactive=False)
            self.pin = gr.Button("Keep as A", elem_id="pin", interactive=False)
            self.as_mood = gr.Button("Use as mood", elem_id="as-mood", interactive=False)
        self.why = gr.Markdown(views.NO_ANSWER, elem_id="why", elem_classes="note")
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

    def values(self, box: Lightbox) -> list[Any]:
        """Values for `outputs`, plain ones for clients of the API."""
        box.forget_older_than(KEPT_SECONDS)
        return [
            box,
            views.answers(box, self.finished),
            views.stage(box, self.finished),
            views.facts(box),
            views.code(box),
        ]

    def follow(self, event: Dependency) -> None:
        """After an event with `outputs`: all the rest that shows what is there."""
        self.followed.append(event)

    def finish(self) -> None:
        """Connects what needs all tools to be there."""
        self.connect()
        for event in self.followed:
            event.then(
                self.refresh,
                [self.box, self.which],
                self.rest,
                show_progress="hidden",
                queue=False,
                **PRIVATE,
            )

    @property
    def rest(self) -> list[Any]:
        texts = [self.intake.status, self.details, self.why]
        buttons = [self.near, self.pin, self.as_mood, self.intensity, *self.files.buttons]
        pictures = [self.intake.photos, self.earlier]
        return [*pictures, self.which, self.sort, *texts, *buttons, *self.need_photo, *self.need_a]

    def refresh(self, box: Lightbox, which: str) -> list[Any]:
        row, there = box.row, box.row is not None
        pinned = there and box.pinned == (row, row.picked)
        several = sum(len(sheet.rows) for sheet in box.sheets) > 1 or bool(box.favourites())
        files = [gr.Button(interactive=there)] * (len(self.files.buttons) - 1)
        return [
            views.photos(box),
            views.earlier(box, which),
            gr.Radio(visible=several),
            gr.Radio(visible=there and not row.side and len(row.pictures) > 1, value=box.sort),
            views.status(box),
            views.details(box),
            views.why(box),
            gr.Button(interactive=there),
            gr.Button("Let go of A" if pinned else "Keep as A", interactive=there),
            gr.Button(interactive=views.has_colours(box)),
            gr.Slider(value=row.intensity(row.picked) if there else 100, interactive=there),
            *files,
            gr.Button(views.favourites_text(box), interactive=bool(box.favourites())),
            *[gr.Button(interactive=bool(box.sheets))] * len(self.need_photo),
            *[gr.update(interactive=there and views.is_beside(box, row))] * len(self.need_a),
        ]

    def connect(self) -> None:
        """The handlers that are the same for every tool."""
        for component in (self.intake.photos, self.answers, self.earlier):
            self.on(component.select, self.pick)
            self.on(component.like, self.star)
        self.on(self.intake.photos.delete, self.remove)
        self.on(self.sort.input, self.rearrange, [self.sort])
        self.on(self.pin.click, self.keep_beside)
        options = {"trigger_mode": "always_last", "queue": True}
        self.on(self.intensity.input, LOOKS(self.strengthen), [self.intensity], **options)
        self.which.input(views.earlier, [self.box, self.which], self.earlier, **PRIVATE)
        self.files.connect(self.box, hidden_download("file"))

    def on(self, event: Any, handler: Any, inputs: Sequence[Any] = (), **options: Any) -> None:
        options = {"queue": False, "show_progress": "hidden", **PRIVATE, **options}
        self.follow(event(handler, [self.box, *inputs], self.outputs, **options))

    @error_notes
    def pick(self, box: Lightbox, event: gr.EventData):
        if box.sheets:  # else it is the example
            box.pick(event._data["key"])
        return self.values(box)

    @error_notes
    def star(self, box: Lightbox, event: gr.EventData):
        box.toggle_star(event._data["key"])
        return self.values(box)

    @error_notes
    def remove(self, box: Lightbox, event: gr.EventData):
        box.remove(int(event._data["key"]))
        return self.values(box)

    @error_notes
    def rearrange(self, box: Lightbox, sort: str):
        box.sort = sort
        return self.values(box)

    @error_notes
    def keep_beside(self, box: Lightbox):
        row = box.answers()
        chosen = (row, row.picked)
        box.pinned = None if box.pinned == chosen else chosen
        return self.values(box)

    @error_notes
    def strengthen(self, box: Lightbox, intensity: float):
        row = box.answers()
        row.intensities[row.picked] = intensity
        return self.values(box)

    def lay(
        self,
        box: Lightbox,
        sheet: Sheet,
        title: str,
        results: list[Colorization],
        call: str,
        captions: list[str],
        before: str = "",
        side: int = 0,
    ) -> Row:
        """New answers to a photo on the table, the first (of a map, the middle one) picked.

        Arguments:
            call: the Python that gives them.
            before: the Python that has to run before it; not needed if the model is enough.
        """
        code = f"{before}results = {call}\n" if before else code_to_colorize(sheet.opened, call)
        session = sheet.opened.holding(results, code, captions)
        size = 280 if side else THUMBNAIL_SIZE
        picked = len(results) // 2 if side else 0
        plausible, chromas = [r.plausibility for r in results], [r.chroma for r in results]
        row = Row(
            next(box.ids),
            title,
            session,
            previews(results, size),
            plausible,
            chromas,
            picked,
            side=side,
        )
        box.hold(sheet, row)
        return row


def choice(elem_id: str, label: str, choices: Sequence[str]) -> gr.Radio:
    return gr.Radio(
        list(choices),
        value=choices[0],
        label=label,
        show_label=False,
        container=False,
        visible=False,
        elem_id=elem_id,
    )


def code_block(elem_id: str, value: str | None = None, **options: Any) -> gr.Code:
    """Python to read and to copy."""
    return gr.Code(
        value,
        language="python",
        interactive=False,
        show_label=False,
        show_line_numbers=False,
        buttons=["copy"],
        elem_id=elem_id,
        **options,
    )
