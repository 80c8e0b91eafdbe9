"""The Colorize tab: one photo in, several colourings out, any of them at full size."""

from __future__ import annotations

import tempfile
from pathlib import Path

import gradio as gr

from cinn_hub.colorization import Colorization, ColorizationCINN
from cinn_hub.errors import PhotoError
from cinn_hub.model import fresh_seed
from cinn_hub.photos import render_grey_preview
from cinn_hub.ui.errors import shown
from cinn_hub.ui.photo_input import photo_input

GALLERY_SIZE = 640  # pixels on the longer side
COMPARE_SIZE = 1280
STATE_SECONDS = 3600

PROGRESS = gr.Progress()  # as a default argument, Gradio fills it in for each call
CLICK_DOWNLOAD = "() => document.querySelector('#full-size').click()"


def build(model: ColorizationCINN, examples: Path | None = None) -> None:
    """Adds the tab's components and handlers to the Blocks that are open."""
    results = gr.State([], time_to_live=STATE_SECONDS)
    picked = gr.State(0)
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            photo = photo_input(
                label="Your photo",
                height=320,
                elem_id="photo",
                alt_text="the photo to colour",
            )
            go = gr.Button("Colour it", variant="primary", size="lg", elem_id="go")
            again = gr.Button("Other colours", elem_id="again")
            with gr.Accordion("Settings", open=False):
                n = gr.Slider(1, 16, 8, step=1, label="How many answers")
                temperature = gr.Slider(
                    0,
                    1.5,
                    1,
                    step=0.05,
                    label="Temperature",
                    info="0 gives the safest colours, 1 this model's own mix, more is bolder.",
                )
                seed = gr.Number(
                    0,
                    precision=0,
                    minimum=0,
                    label="Seed",
                    info="The same seed gives the same colours again.",
                )
            if examples:
                gr.Examples(
                    example_photos(examples), photo, label="Or try one of these", elem_id="examples"
                )
        with gr.Column(scale=5, min_width=320):
            gallery = gr.Gallery(
                label="Pick one",
                columns=4,
                object_fit="cover",
                allow_preview=False,
                format="png",
                interactive=False,
                buttons=[],
                elem_id="answers",
                height="auto",
            )
            note = gr.Markdown(
                "The colourings appear here; click one to see it large.", elem_id="note"
            )
            compare = gr.ImageSlider(
                label="Before and after",
                format="png",
                interactive=False,
                buttons=["fullscreen"],
                max_height=640,
                elem_id="compare",
            )
            save = gr.Button("Download at full size (PNG)", interactive=False, elem_id="download")
            full_size = gr.DownloadButton(visible="hidden", elem_id="full-size")

    @shown
    def run(path: str | None, n: int, temperature: float, seed: int, progress=PROGRESS):
        if not path:
            raise PhotoError("There is no photo yet; upload one or pick an example.")
        progress(0.1, desc="Looking at the photo")
        prepared = model.prepare(path)
        progress(0.4, desc="Drawing colours")
        found = model.colorize(prepared, int(n), model.temperature(temperature), int(seed or 0))
        progress(0.8, desc="Painting the previews")
        previews = [
            (result.preview(GALLERY_SIZE), caption(i, result)) for i, result in enumerate(found)
        ]
        return (
            found,
            0,
            gr.Gallery(previews, selected_index=0),
            before_and_after(found[0]),
            describe(found[0]),
            gr.Button(interactive=True),
        )

    @shown
    def show(found: list[Colorization], event: gr.SelectData):
        result = found[event.index]
        return event.index, before_and_after(result), describe(result)

    @shown
    def write_full_size(found: list[Colorization], index: int):
        if not found:
            raise PhotoError("These results are gone after an hour; colour the photo again.")
        folder = Path(tempfile.mkdtemp(prefix="cinn-hub-"))
        path = folder / f"{Path(found[index].photo.name).stem}_color{index + 1}.png"
        found[index].save(path)
        return str(path)

    inputs = [photo, n, temperature, seed]
    outputs = [results, picked, gallery, compare, note, save]
    shared = {"concurrency_id": "model", "show_progress_on": [gallery]}
    gr.on([go.click, photo.upload], run, inputs, outputs, api_name="colorize", **shared)
    again.click(fresh_seed, None, seed, api_visibility="private").then(
        run, inputs, outputs, api_visibility="private", **shared
    )
    gallery.select(show, results, [picked, compare, note], api_visibility="private")
    save.click(
        write_full_size,
        [results, picked],
        full_size,
        api_visibility="private",
        concurrency_id="model",
    ).success(None, js=CLICK_DOWNLOAD, api_visibility="private")


def example_photos(folder: Path) -> list[list[str]]:
    return [[str(path)] for path in sorted(folder.glob("*.jpg"))]


def before_and_after(result: Colorization):
    return render_grey_preview(result.photo, COMPARE_SIZE), result.preview(COMPARE_SIZE)


def caption(index: int, result: Colorization) -> str:
    return f"{index + 1} · {result.bits_per_dim:.2f} bits"


def describe(result: Colorization) -> str:
    width, height = result.photo.size
    return (
        f"Number {int(result.settings['sample']) + 1}: {result.bits_per_dim:.3f} bits per "
        f"dimension (less is likelier), seed {result.settings['seed']}. "
        f"Full size: {width} × {height}."
    )
