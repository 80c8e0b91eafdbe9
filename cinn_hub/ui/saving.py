"""The files of a picked colouring: formats, download buttons, and what makes each file."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from cinn_hub.ui.downloads import download_after, stop_on
from cinn_hub.ui.errors import error_notes
from cinn_hub.ui.folder import download_folder
from cinn_hub.ui.session import Session, checked
from cinn_hub.ui.waiting import ARCHIVES, SAVES
from cinn_hub.ui.wiring import PRIVATE, PROGRESS

SUFFIXES = {"PNG": ".png", "JPEG": ".jpg", "TIFF": ".tif", "WebP": ".webp"}
LOSSY = ("JPEG", "WebP")


class Files:
    """The components, and their handlers once `connect` is called.

    Arguments:
        key: prefix of element ids and API names: "colorize" gives /colorize_save and so on.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        with gr.Group(elem_classes="files"):
            with gr.Row():
                self.format = gr.Radio(
                    list(SUFFIXES), value="PNG", label="Format", min_width=260, scale=2
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

    def button(self, text: str, name: str, variant: str = "secondary") -> gr.Button:
        return gr.Button(text, variant=variant, min_width=120, elem_id=f"{self.key}-{name}")

    def connect(
        self,
        session: gr.State,
        picked: gr.Number,
        intensity: gr.Slider,
        file: gr.DownloadButton,
    ) -> None:
        """Each button makes its file, which the browser then downloads by way of `file`."""
        self.format.input(
            lambda kind: gr.Slider(visible=kind in LOSSY),
            self.format,
            self.quality,
            queue=False,
            **PRIVATE,
        )
        look = [intensity, self.format, self.quality]
        for button, handler, inputs, outputs, kind in (
            (self.save, save, [session, picked, *look], file, SAVES),
            (self.save_layer, save_layer, [session, picked, intensity], file, SAVES),
            (self.save_latent, save_latent, [session, picked], file, SAVES),
            (self.save_all, save_all, [session, *look], [file, self.stop], ARCHIVES),
        ):
            name = f"{self.key}_{handler.__name__}"
            making = button.click(
                handler, inputs, outputs, api_name=name, show_progress_on=button, **kind.event
            )
            download_after(making, file)
        stop_on(self.stop, making)  # only the archive takes long


@error_notes
def save(session: Session | None, index: int, intensity: float, kind: str, quality: float) -> str:
    """One colouring at the photo's own size, as the path of a file."""
    result = checked(session).full_size(int(index), intensity / 100)
    path = download_folder() / file_name(session, index, "color", SUFFIXES[kind])
    result.save(path, quality=int(quality))
    return str(path)


@error_notes
def save_layer(session: Session | None, index: int, intensity: float) -> str:
    """The colours of one colouring alone, as a PNG to lay over the grey photo."""
    result = checked(session).full_size(int(index), intensity / 100)
    path = download_folder() / file_name(session, index, "layer", ".png")
    result.layer.save(path, compress_level=1)
    return str(path)


@error_notes
def save_latent(session: Session | None, index: int) -> str:
    """The latent of one colouring as safetensors; see cinn_hub.latent.Latent.load."""
    result = checked(session).bare_result(int(index))
    path = download_folder() / file_name(session, index, "latent", ".safetensors")
    result.latent.save(path)
    return str(path)


@error_notes
def save_all(
    session: Session | None, intensity: float, kind: str, quality: float, progress=PROGRESS
) -> Iterator[tuple[str | None, Any]]:
    """All colourings at the photo's own size, as a ZIP archive."""
    checked(session).check_upload()
    folder = download_folder()
    archive = folder / f"{Path(session.path).stem}_colors.zip"
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as opened:
        for i in range(len(session.captions)):
            progress((i, len(session.captions)), desc="Painting at full size")
            yield None, gr.Button(visible=True)
            name = file_name(session, i, "color", SUFFIXES[kind])
            session.full_size(i, intensity / 100).save(folder / name, int(quality))
            opened.write(folder / name, name)
            (folder / name).unlink()
    yield str(archive), gr.Button(visible=False)


def file_name(session: Session, index: int, kind: str, suffix: str) -> str:
    return f"{Path(session.path).stem}_{kind}{index + 1}{suffix}"
