"""The Colorize tab: one photo in, several colourings out, any of them at full size."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from cinn_hub.colorization import Colorization
from cinn_hub.latent import fresh_seed
from cinn_hub.ui.errors import shown
from cinn_hub.ui.models import Shelf
from cinn_hub.ui.photo_input import example_photos, photo_input
from cinn_hub.ui.session import Session, checked, code_to_colorize, temperature_code
from cinn_hub.ui.viewer import PROGRESS, Viewer

NEARNESS = 0.35  # how much of the latent is new in "more like this"


def build(shelf: Shelf, chosen: gr.State, examples: Path | None = None) -> None:
    """Adds the tab's components and handlers to the Blocks that are open."""
    defaults = shelf.own.temperature()
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            upload = photo_input(label="Your photo", height=320, elem_id="photo")
            go = gr.Button("Colour it", variant="primary", size="lg", elem_id="go")
            with gr.Row():
                surprise = gr.Button("Surprise me", min_width=120, elem_id="again")
                near = gr.Button("More like this", min_width=120, elem_id="near")
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
                with gr.Accordion("Coarse mood, fine detail", open=False):
                    gr.Markdown(
                        "The temperature of each resolution: 1x1 is the mood of the whole photo, "
                        "64x64 its finest detail."
                    )
                    levels = {
                        f"temperature_{level}": gr.Slider(0, 2, value, step=0.05, label=level)
                        for level, value in defaults.items()
                    }
            if examples:
                tried = example_photos(examples, upload, "Or try one of these", "examples")
        with gr.Column(scale=5, min_width=320):
            viewer = Viewer("colorize", hint="The colourings appear here; click one to see it.")

    @shown
    def run(
        photo: str | None,
        n: int,
        temperature: float,
        seed: int,
        name: str,
        progress=PROGRESS,
        **by_level: float,
    ):
        """Several colourings of one photo: previews, the first one large, and code.

        The same seed gives the same colours; /colorize_save gives one of them at full size.
        """
        progress(0.1, desc="Looking at the photo")
        model = shelf.get(name)
        session = Session.open(photo, model)
        progress(0.4, desc="Drawing colours")
        asked = {level: by_level[f"temperature_{level}"] for level in defaults}
        moved = {k: asked[k] for k, default in defaults.items() if asked[k] != default}
        scaled = {
            level: temperature * moved.get(level, default)
            for level, default in model.temperature().items()
        }
        results = model.colorize(session.prepared, int(n), scaled, int(seed or 0))
        progress(0.8, desc="Painting the previews")
        call = (
            f"model.colorize({session.name!r}, n={int(n)}, seed={int(seed or 0)}, "
            f"temperature={temperature_code(scaled)})"
        )
        return viewer.shown(
            session.holding(results, code_to_colorize(session, call), bits(results))
        )

    @shown
    def run_near(session: Session | None, index: int, n: int, progress=PROGRESS):
        """Colourings near one of the answers."""
        session, index, seed = checked(session), int(index), fresh_seed()
        progress(0.3, desc="Drawing colours")
        picked = session.result(index)
        model = shelf.get(session.model)
        results = model.similar(session.prepared, picked.latent, int(n), NEARNESS, seed)
        code = (
            f"{session.code}near = results[{index}].latent\n"
            f"results = model.similar({session.name!r}, near, n={int(n)}, "
            f"amount={NEARNESS}, seed={seed})\n"
        )
        return viewer.shown(session.holding(results, code, bits(results)))

    inputs = [upload, n, temperature, seed, chosen]
    how = {"concurrency_id": "model", "show_progress_on": [viewer.gallery]}
    drawing = {"inputs_kwargs": levels, **how}
    drawn = gr.on(
        [go.click, upload.upload], run, inputs, viewer.outputs, api_name="colorize", **drawing
    )
    surprised = surprise.click(fresh_seed, None, seed, api_visibility="private").then(
        run, inputs, viewer.outputs, api_visibility="private", **drawing
    )
    varied = near.click(
        run_near,
        [viewer.session, viewer.picked, n],
        viewer.outputs,
        api_name="colorize_similar",
        **how,
    )
    events = [drawn, surprised, varied]
    if examples:
        events.append(
            tried.load_input_event.then(
                run, inputs, viewer.outputs, api_visibility="private", **drawing
            )
        )
    for event in events:
        viewer.follow(event)


def bits(results: list[Colorization]) -> list[str]:
    """Captions: the number and how likely it is."""
    return [f"{i} · {result.bits_per_dim:.2f} bits" for i, result in enumerate(results, 1)]
