"""The right half of every colour tab: answers to pick from, the picked one large, its files."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio.events import Dependency
from PIL.Image import Image

from cinn_hub.photos import render_grey_preview
from cinn_hub.ui.downloads import (
    KEPT_SECONDS,
    MAKING,
    download_after,
    download_folder,
    hidden_download,
    stop_on,
)
from cinn_hub.ui.errors import shown
from cinn_hub.ui.session import COMPARE_SIZE, Session, checked, code_to_save

THUMBNAIL_SIZE = 640  # pixels on the longer side
AS_DRAWN, LIKELIEST, COLORFUL = "as drawn", "most likely first", "most colourful first"
FORMATS = ["PNG", "JPEG", "TIFF", "WebP"]
SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "TIFF": ".tif", "WebP": ".webp"}
PROGRESS = gr.Progress()  # as a default argument, Gradio fills it in for each call


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
        self.sort = gr.Radio(
            [AS_DRAWN, LIKELIEST, COLORFUL],
            value=AS_DRAWN,
            label="Order",
            show_label=False,
            container=False,
            visible=False,
            elem_id=f"{key}-sort",
        )
        self.gallery = gr.Gallery(
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
        self.note = gr.Markdown(hint, label="About it", elem_id=f"{key}-note", elem_classes="note")
        self.picked = gr.Number(0, label="Index", precision=0, visible=False)
        with gr.Column(visible=False) as self.details:
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
            with gr.Group(elem_classes="files"):
                with gr.Row():
                    self.format = gr.Radio(
                        FORMATS, value="PNG", label="Format", min_width=260, scale=2
                    )
                    self.quality = gr.Slider(
                        50, 100, 95, step=1, label="Quality", min_width=160, visible=False
                    )
                with gr.Row():
                    self.save = self.button("Download full size", "save", "primary")
                    self.save_all = self.button("All as ZIP", "save-all")
                    self.save_layer = self.button("Colour layer", "save-layer")
                    self.save_latent = self.button("Latent", "save-latent")
                    self.stop = gr.Button("Stop", visible=False, elem_id=f"{key}-stop")
            with gr.Accordion("Show me the code", open=False, elem_id=f"{key}-recipe"):
                self.code = gr.Code(
                    language="python",
                    interactive=False,
                    label="Python",
                    show_label=False,
                    show_line_numbers=False,
                    buttons=["copy"],
                    lines=1,
                    elem_id=f"{key}-code",
                )
        self.file = hidden_download(f"{key}-file")
        self.outputs = [
            *(self.session, self.picked, self.gallery),
            *(self.note, self.compare, self.code),
        ]
        self.connect()

    def button(self, text: str, name: str, variant: str = "secondary") -> gr.Button:
        return gr.Button(text, variant=variant, min_width=120, elem_id=f"{self.key}-{name}")

    def shown(self, session: Session, picked: int = 0) -> list[Any]:
        """Values for `outputs`, plain ones for clients of the API: one of the answers is picked."""
        return [
            session,
            picked,
            self.thumbnails(session, range(len(session.results))),
            describe(session, picked),
            before_and_after(session, picked, 1.0),
            code_to_save(session, picked, 1.0),
        ]

    def thumbnails(self, session: Session, order: Sequence[int]) -> list[tuple[Image, str]]:
        return [(session.results[i].preview(self.thumbnail), session.captions[i]) for i in order]

    def follow(self, event: Dependency) -> None:
        """After an event with `outputs`: opens what was closed, marks the picked answer."""

        def reveal(session: Session | None, picked: int):
            several = session is not None and len(session.results) > 1
            return (
                gr.Gallery(selected_index=int(picked)),
                gr.Column(visible=session is not None),
                gr.Radio(visible=self.sortable and several, value=AS_DRAWN),
                100,
            )

        event.success(
            reveal,
            [self.session, self.picked],
            [self.gallery, self.details, self.sort, self.intensity],
            show_progress="hidden",
            queue=False,
            api_visibility="private",
        )

    def connect(self) -> None:
        """The handlers that are the same in every tab."""
        private = {"api_visibility": "private"}
        picked = [self.picked, self.note, self.compare, self.code]

        @shown
        def pick(session: Session, sort: str, intensity: float, event: gr.SelectData):
            index = ordered(checked(session), sort)[event.index]
            return self.large(session, index, intensity)

        self.gallery.select(
            pick, [self.session, self.sort, self.intensity], picked, **private, queue=False
        )

        @shown
        def rearrange(session: Session, sort: str, index: int):
            order = ordered(checked(session), sort)
            return gr.Gallery(self.thumbnails(session, order), selected_index=order.index(index))

        self.sort.input(rearrange, [self.session, self.sort, self.picked], self.gallery, **private)

        @shown
        def strengthen(session: Session, index: int, intensity: float):
            _, _, compared, code = self.large(checked(session), int(index), intensity)
            return compared, code

        self.intensity.input(
            strengthen,
            [self.session, self.picked, self.intensity],
            [self.compare, self.code],
            trigger_mode="always_last",
            show_progress="hidden",
            **private,
        )
        self.format.input(
            lambda kind: gr.Slider(visible=kind in ("JPEG", "WebP")),
            self.format,
            self.quality,
            queue=False,
            **private,
        )
        self.connect_downloads()

    def large(self, session: Session, index: int, intensity: float) -> tuple[Any, ...]:
        return (
            index,
            describe(session, index),
            before_and_after(session, index, intensity / 100),
            code_to_save(session, index, intensity / 100),
        )

    def connect_downloads(self) -> None:
        @shown
        def save(
            session: Session | None, index: int, intensity: float, kind: str, quality: float
        ) -> str:
            """One colouring at the photo's own size, as the path of a file."""
            result = checked(session).full_size(int(index), intensity / 100)
            path = download_folder() / file_name(session, index, "color", SUFFIXES[kind])
            result.save(path, quality=int(quality))
            return str(path)

        @shown
        def save_layer(session: Session | None, index: int, intensity: float) -> str:
            """The colours of one colouring alone, as a PNG to lay over the grey photo."""
            result = checked(session).full_size(int(index), intensity / 100)
            path = download_folder() / file_name(session, index, "layer", ".png")
            result.layer.save(path, compress_level=1)
            return str(path)

        @shown
        def save_latent(session: Session | None, index: int) -> str:
            """The latent of one colouring as safetensors; see cinn_hub.latent.Latent.load."""
            result = checked(session).result(int(index))
            path = download_folder() / file_name(session, index, "latent", ".safetensors")
            result.latent.save(path)
            return str(path)

        @shown
        def save_all(
            session: Session | None, intensity: float, kind: str, quality: float, progress=PROGRESS
        ) -> Iterator[tuple[str | None, Any]]:
            """All colourings at the photo's own size, as a ZIP archive."""
            checked(session).check_upload()
            folder = download_folder()
            archive = folder / f"{Path(session.path).stem}_colors.zip"
            with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as opened:
                for i in range(len(session.results)):
                    progress((i, len(session.results)), desc="Painting at full size")
                    yield None, gr.Button(visible=True)
                    name = file_name(session, i, "color", SUFFIXES[kind])
                    session.full_size(i, intensity / 100).save(folder / name, int(quality))
                    opened.write(folder / name, name)
                    (folder / name).unlink()
            yield str(archive), gr.Button(visible=False)

        chosen = [self.session, self.picked]
        how = [self.intensity, self.format, self.quality]
        for button, handler, inputs, name in (
            (self.save, save, [*chosen, *how], "save"),
            (self.save_layer, save_layer, [*chosen, self.intensity], "save_layer"),
            (self.save_latent, save_latent, chosen, "save_latent"),
        ):
            saving = button.click(
                handler,
                inputs,
                self.file,
                api_name=f"{self.key}_{name}",
                show_progress_on=button,
                **MAKING,
            )
            download_after(saving, self.file)
        saving = self.save_all.click(
            save_all,
            [self.session, *how],
            [self.file, self.stop],
            api_name=f"{self.key}_save_all",
            show_progress_on=self.save_all,
            **MAKING,
        )
        download_after(saving, self.file)
        stop_on(self.stop, saving)


def ordered(session: Session, sort: str) -> list[int]:
    """The indices of the results in the order of the gallery."""
    indices = list(range(len(session.results)))
    if sort == LIKELIEST:
        indices.sort(key=lambda i: session.results[i].bits_per_dim)
    elif sort == COLORFUL:
        indices.sort(key=lambda i: -session.results[i].chroma)
    return indices


def before_and_after(session: Session, index: int, intensity: float):
    result = session.results[index].with_intensity(intensity)
    return render_grey_preview(result.photo, COMPARE_SIZE), result.preview(COMPARE_SIZE)


def describe(session: Session, index: int) -> str:
    result = session.results[index]
    width, height = session.prepared.size
    seed = f"Seed {result.settings['seed']}. " if "seed" in result.settings else ""
    unseen = " The photo has colours of its own; the model saw its lightness alone."
    return (
        f"**Number {index + 1}.** Log-likelihood {result.log_prob:,.0f} nats, "
        f"{result.bits_per_dim:.3f} bits per dimension (less is likelier). {seed}"
        f"Full size {width} × {height}." + (unseen if session.prepared.colored else "")
    )


def file_name(session: Session, index: int, kind: str, suffix: str) -> str:
    return f"{Path(session.path).stem}_{kind}{index + 1}{suffix}"
