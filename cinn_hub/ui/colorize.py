"""The Colorize tab: one photo in, several colourings out, any of them at full size."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from cinn_hub.colorization import Colorization
from cinn_hub.colorizing import ColorModel
from cinn_hub.latent import fresh_seed
from cinn_hub.ui.errors import error_notes
from cinn_hub.ui.models import Shelf
from cinn_hub.ui.photo_input import example_photos, photo_input
from cinn_hub.ui.session import Session, checked, code_to_colorize, temperature_code
from cinn_hub.ui.viewer import Viewer
from cinn_hub.ui.wiring import PROGRESS, Wiring

NEARNESS = 0.35  # how much of the latent is new in "more like this"


def build(shelf: Shelf, model_name: gr.State, examples: Path | None = None) -> None:
    """Adds the tab's components and handlers to the Blocks that are open."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            controls = Controls(shelf.own.temperature(), examples)
        with gr.Column(scale=5, min_width=320):
            viewer = Viewer("colorize", hint="The colourings appear here; click one to see it.")
    connect(controls, viewer, Colorizer(shelf, viewer), model_name)


class Controls:
    """What a visitor sets: the left column."""

    def __init__(self, temperatures: Mapping[str, float], examples: Path | None) -> None:
        self.photo = photo_input(label="Your photo", height=320, elem_id="photo")
        self.go = gr.Button("Colour it", variant="primary", size="lg", elem_id="go")
        with gr.Row():
            self.again = gr.Button("Surprise me", min_width=120, elem_id="again")
            self.near = gr.Button("More like this", min_width=120, elem_id="near")
        with gr.Accordion("Settings", open=False):
            self.add_settings()
            with gr.Accordion("Coarse mood, fine detail", open=False):
                self.levels = level_temperatures(temperatures)
        self.examples = examples and example_photos(
            examples, self.photo, "Or try one of these", "examples"
        )

    def add_settings(self) -> None:
        self.n = gr.Slider(1, 16, 8, step=1, label="How many answers")
        info = "0 gives the safest colours, 1 this model's own mix, more is bolder."
        self.temperature = gr.Slider(0, 1.5, 1, step=0.05, label="Temperature", info=info)
        info = "The same seed gives the same colours again."
        self.seed = gr.Number(0, precision=0, minimum=0, label="Seed", info=info)


def level_temperatures(defaults: Mapping[str, float]) -> dict[str, gr.Slider]:
    """A slider for each level, by the name of the handler's argument."""
    gr.Markdown(
        "The temperature of each level: *mood* is the tint of the whole photo, *things* the "
        "colours of what is in it, *details* and *grain* the finer differences."
    )
    return {
        f"temperature_{level}": gr.Slider(0, 2, value, step=0.05, label=level)
        for level, value in defaults.items()
    }


def connect(controls: Controls, viewer: Viewer, colorizer: Colorizer, model_name: gr.State) -> None:
    """The one place where this tab's events meet their handlers."""
    filling = {
        "outputs": viewer.outputs,
        "progress_on": viewer.gallery,
        "after": [viewer.follow],
    }
    inputs = [controls.photo, controls.n, controls.temperature, controls.seed, model_name]
    run = Wiring(colorizer.run, inputs, named_inputs=controls.levels, **filling)
    run.on(controls.go.click, controls.photo.upload, api_name="colorize")
    run.on_fresh_seed(controls.again, controls.seed)
    run.on_example(controls.examples)
    inputs = [viewer.session, viewer.picked, controls.n]
    near = Wiring(colorizer.run_near, inputs, **filling)
    near.on(controls.near.click, api_name="colorize_similar")


@dataclass(frozen=True)
class Colorizer:
    """The tab's handlers."""

    shelf: Shelf
    viewer: Viewer

    @error_notes
    def run(
        self,
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
        model = self.shelf.get(name)
        session = Session.open(photo, model)
        progress(0.4, desc="Drawing colours")
        scaled = self.temperatures(model, temperature, by_level)
        results = model.colorize(session.prepared, int(n), scaled, int(seed or 0))
        progress(0.8, desc="Painting the previews")
        options = f"n={int(n)}, seed={int(seed or 0)}, temperature={temperature_code(scaled)}"
        code = code_to_colorize(session, f"model.colorize({session.name!r}, {options})")
        return self.viewer.values(session.holding(results, code, bits(results)))

    def temperatures(
        self, model: ColorModel, scale: float, by_level: Mapping[str, float]
    ) -> dict[str, float]:
        """The temperature of each level of `model`: what was moved, its own default elsewhere.

        The sliders are those of the app's own model, and begin at its defaults.
        """
        asked = {name.removeprefix("temperature_"): value for name, value in by_level.items()}
        own = self.shelf.own.temperature()
        moved = {level: value for level, value in asked.items() if value != own[level]}
        return {k: scale * moved.get(k, default) for k, default in model.temperature().items()}

    @error_notes
    def run_near(self, session: Session | None, index: int, n: int, progress=PROGRESS):
        """Colourings near one of the answers."""
        session, index, seed = checked(session), int(index), fresh_seed()
        progress(0.3, desc="Drawing colours")
        picked = session.result(index)
        model = self.shelf.get(session.model)
        results = model.similar(session.prepared, picked.latent, int(n), NEARNESS, seed)
        code = (
            f"{session.code}near = results[{index}].latent\n"
            f"results = model.similar({session.name!r}, near, n={int(n)}, "
            f"amount={NEARNESS}, seed={seed})\n"
        )
        return self.viewer.values(session.holding(results, code, bits(results)))


def bits(results: Iterable[Colorization]) -> list[str]:
    """Captions: the number and how likely it is."""
    return [f"{i} · {result.bits_per_dim:.2f} bits" for i, result in enumerate(results, 1)]
