"""The right half of every colour tab: answers to pick from, the picked one large, its files."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.events import Dependency

from cinn_hub.photos import render_grey_preview, shrunk
from cinn_hub.ui.downloads import hidden_download
from cinn_hub.ui.errors import error_notes
from cinn_hub.ui.folder import KEPT_SECONDS
from cinn_hub.ui.pictures import picture_file
from cinn_hub.ui.saving import Files
from cinn_hub.ui.session import COMPARE_SIZE, Session, checked, code_to_save
from cinn_hub.ui.waiting import LOOKS
from cinn_hub.ui.wiring import PRIVATE

THUMBNAIL_SIZE = 640  # pixels on the longer side
AS_DRAWN, LIKELIEST, COLORFUL = "as drawn", "most likely first", "most colourful first"


class Viewer:
    """Components and handlers that show a `Session`, named after the tab's key.

    Arguments:
        key: prefix of element ids and API names: "colorize" gives /colorize_save and so on.
        columns: of the gallery.
        thumbnail: pixels on the longer side of each picture in it.
        hint: what is said where there are no answers yet.
        sortable: whether the order means nothing, so that people may choose another.
    """

    def __init__(
        self,
        key: str,
        columns: int = 4,
        thumbnail: int = THUMBNAIL_SIZE,
        hint: str = "",
        sortable: bool = True,
    ) -> None:
        self.key, self.thumbnail, self.sortable = key, thumbnail, sortable
        self.session = gr.State(None, time_to_live=KEPT_SECONDS)
        self.sort = order_choice(key)
        self.gallery = answer_gallery(key, columns)
        self.note = gr.Markdown(hint, label="About it", elem_id=f"{key}-note", elem_classes="note")
        self.picked = gr.Number(0, label="Index", precision=0, visible=False)
        with gr.Column(visible=False) as self.details:
            self.add_details()
        self.outputs = [
            *(self.session, self.picked, self.gallery),
            *(self.note, self.compare, self.code),
        ]
        self.connect()
        self.files.connect(
            self.session, self.picked, self.intensity, hidden_download(f"{key}-file")
        )

    def add_details(self) -> None:
        """The picked answer: large, its files, its code."""
        key = self.key
        self.compare = gr.ImageSlider(
            label="Before and after",
            format="png",
            interactive=False,
            buttons=["fullscreen"],
            max_height=640,
            elem_id=f"{key}-compare",
        )
        self.intensity = gr.Slider(
            0, 150, 100, step=1, label="Intensity (%)", elem_id=f"{key}-intensity"
        )
        self.files = Files(key)
        with gr.Accordion("Show me the code", open=False, elem_id=f"{key}-recipe"):
            self.code = code_block(f"{key}-code", label="Python", lines=1)

    def values(self, session: Session, picked: int = 0) -> list[Any]:
        """Values for `outputs`, plain ones for clients of the API: one of the answers is picked."""
        return [
            session,
            picked,
            self.thumbnails(session, range(len(session.captions))),
            describe(session, picked),
            *large(session, picked, 100),
        ]

    def thumbnails(self, session: Session, order: Sequence[int]) -> list[tuple[str, str]]:
        small = shrunk(session.prepared.photo, self.thumbnail)
        results = [result.on(small) for result in session.bare_results]
        pictures = [picture_file(results[i].preview(self.thumbnail)) for i in order]
        return [(path, session.captions[i]) for path, i in zip(pictures, order, strict=True)]

    def follow(self, event: Dependency) -> None:
        """After an event with `outputs`: opens what was closed, marks the picked answer."""
        event.success(
            self.reveal,
            [self.session, self.picked],
            [self.gallery, self.details, self.sort, self.intensity],
            show_progress="hidden",
            queue=False,
            **PRIVATE,
        )

    def reveal(self, session: Session | None, picked: int) -> tuple[Any, ...]:
        several = session is not None and len(session.captions) > 1
        return (
            gr.Gallery(selected_index=int(picked)),
            gr.Column(visible=session is not None),
            gr.Radio(visible=self.sortable and several, value=AS_DRAWN),
            100,
        )

    def connect(self) -> None:
        """The handlers that are the same in every tab."""
        self.gallery.select(
            self.pick,
            [self.session, self.sort, self.intensity],
            [self.picked, self.note, self.compare, self.code],
            queue=False,
            **PRIVATE,
        )
        self.sort.input(
            self.rearrange,
            [self.session, self.sort, self.picked],
            self.gallery,
            **PRIVATE,
            **LOOKS.event,
        )
        self.intensity.input(
            self.strengthen,
            [self.session, self.picked, self.intensity],
            [self.compare, self.code],
            trigger_mode="always_last",
            show_progress="hidden",
            **PRIVATE,
            **LOOKS.event,
        )

    @error_notes
    def pick(self, session: Session, sort: str, intensity: float, event: gr.SelectData):
        index = ordered(checked(session), sort)[event.index]
        return index, describe(session, index), *large(session, index, intensity)

    @error_notes
    def rearrange(self, session: Session, sort: str, index: int):
        order = ordered(checked(session), sort)
        return gr.Gallery(self.thumbnails(session, order), selected_index=order.index(index))

    @error_notes
    def strengthen(self, session: Session, index: int, intensity: float):
        return large(checked(session), int(index), intensity)


def order_choice(key: str) -> gr.Radio:
    return gr.Radio(
        [AS_DRAWN, LIKELIEST, COLORFUL],
        value=AS_DRAWN,
        label="Order",
        show_label=False,
        container=False,
        visible=False,
        elem_id=f"{key}-sort",
    )


def answer_gallery(key: str, columns: int) -> gr.Gallery:
    return gr.Gallery(
        label="Pick one",
        show_label=False,
        columns=columns,
        object_fit="cover",
        allow_preview=False,
        format="png",
        interactive=False,
        buttons=[],
        height="auto",
        elem_id=f"{key}-answers",
        elem_classes=["answers", f"columns-{columns}"],
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


def ordered(session: Session, sort: str) -> list[int]:
    """The indices of the results in the order of the gallery."""
    results = session.bare_results
    indices = list(range(len(results)))
    if sort == LIKELIEST:
        indices.sort(key=lambda i: results[i].bits_per_dim)
    elif sort == COLORFUL:
        indices.sort(key=lambda i: -results[i].chroma)
    return indices


def large(session: Session, index: int, intensity: float) -> tuple[Any, str]:
    """Values for `compare` and `code`; the intensity in percent."""
    return (
        before_and_after(session, index, intensity / 100),
        code_to_save(session, index, intensity / 100),
    )


def before_and_after(session: Session, index: int, intensity: float):
    result = session.result(index).with_intensity(intensity)
    grey, colored = render_grey_preview(result.photo, COMPARE_SIZE), result.preview(COMPARE_SIZE)
    return picture_file(grey), picture_file(colored)


def describe(session: Session, index: int) -> str:
    result = session.bare_result(index)
    width, height = session.size
    seed = f"Seed {result.settings['seed']}. " if "seed" in result.settings else ""
    unseen = " The photo has colours of its own; the model saw its lightness alone."
    return (
        f"**Number {index + 1}.** Log-likelihood {result.log_prob:,.0f} nats, "
        f"{result.bits_per_dim:.3f} bits per dimension (less is likelier). {seed}"
        f"Full size {width} × {height}." + (unseen if session.colored else "")
    )
