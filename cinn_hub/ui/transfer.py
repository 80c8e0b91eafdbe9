"""The Transfer tab: the colour mood of some photos on another one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import gradio as gr

from cinn_hub.errors import PhotoError
from cinn_hub.ui.errors import error_notes
from cinn_hub.ui.models import Shelf
from cinn_hub.ui.photo_input import example_photos, photo_input
from cinn_hub.ui.session import Session, code_to_colorize, temperature_code
from cinn_hub.ui.viewer import Viewer
from cinn_hub.ui.wiring import PRIVATE, PROGRESS, Wiring

ABOUT = (
    "The mood of a colour photo is its latent: what its colours are beyond what its content says. "
    "Here it colours another photo."
)
References = list[tuple[str, str | None]]  # paths and captions


def build(shelf: Shelf, model_name: gr.State, examples: Path | None = None) -> None:
    """Adds the tab's components and handlers to the Blocks that are open."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            controls = Controls(shelf.own.default_keep(), examples)
        with gr.Column(scale=5, min_width=320):
            viewer = Viewer("transfer", hint="One colouring for each mood appears here.")
    run = Wiring(
        Carrier(shelf, viewer).run,
        [controls.photo, controls.references, controls.seed, model_name],
        viewer.outputs,
        named_inputs=controls.keep,
        progress_on=viewer.gallery,
        after=[viewer.follow],
    )
    run.on(controls.go.click, api_name="transfer")
    both = [controls.photo, controls.references]
    controls.swap.click(exchange, both, both, queue=False, **PRIVATE)


class Controls:
    """What a visitor sets: the left column."""

    def __init__(self, keep: Mapping[str, float], examples: Path | None) -> None:
        gr.Markdown(ABOUT)
        self.references = reference_gallery()
        self.photo = photo_input(label="Photo to colour", height=240, elem_id="transfer-photo")
        self.go = gr.Button("Carry the moods over", variant="primary", elem_id="transfer-go")
        self.swap = gr.Button("Swap photo and mood", elem_id="swap")
        with gr.Accordion("Settings", open=False):
            self.keep = level_shares(keep)
            self.seed = gr.Number(0, precision=0, minimum=0, label="Seed")
        if examples:
            example_moods(examples / "moods", self.references)
            example_photos(examples, self.photo, "On one of these", "transfer-examples")


def reference_gallery() -> gr.Gallery:
    return gr.Gallery(
        label="Moods: colour photos",
        columns=4,
        height=170,
        type="filepath",
        format="png",
        interactive=True,
        allow_preview=False,
        buttons=[],
        elem_id="references",
    )


def level_shares(defaults: Mapping[str, float]) -> dict[str, gr.Slider]:
    """A slider for each level, by the name of the handler's argument."""
    gr.Markdown(
        "How much of the reference counts at each level: *mood* is the tint of the whole photo, "
        "*things* the colours of what is in it, *details* and *grain* the finer differences. The "
        "rest is drawn at random."
    )
    return {
        f"keep_{level}": gr.Slider(0, 1, value, step=0.05, label=level)
        for level, value in defaults.items()
    }


def example_moods(folder: Path, references: gr.Gallery) -> None:
    gr.Examples(
        [[[str(path) for path in sorted(folder.glob("*.jpg"))]]],
        references,
        label="Moods to try",
        elem_id="example-moods",
        example_labels=["coffee, a rocket, a cat, a portrait"],
        **PRIVATE,
    )


@dataclass(frozen=True)
class Carrier:
    """The tab's handler."""

    shelf: Shelf
    viewer: Viewer

    @error_notes
    def run(
        self,
        photo: str | None,
        references: References | None,
        seed: int,
        name: str,
        progress=PROGRESS,
        **by_level: float,
    ):
        """The colour moods of some photos on another photo: previews, one a reference."""
        if not references:
            raise PhotoError("There is no mood yet; add one or more colour photos.")
        model, seed = self.shelf.get(name), int(seed or 0)
        progress(0.1, desc="Looking at the photo")
        session = Session.open(photo, model)
        default = model.default_keep()
        keep = {level: by_level.get(f"keep_{level}", default[level]) for level in default}
        paths = [Path(path) for path, _ in references]
        results = []
        for path in paths:
            progress((len(results) + 1, len(paths) + 1), desc="Carrying moods over")
            results.append(model.transfer(path, session.prepared, keep=keep, seed=seed))
        code = transfer_code(session, [path.name for path in paths], seed, keep)
        return self.viewer.values(session.holding(results, code, [path.stem for path in paths]))


def transfer_code(
    session: Session, references: list[str], seed: int, keep: Mapping[str, float]
) -> str:
    options = f"onto={session.name!r}, seed={seed}, keep={temperature_code(keep)}"
    call = f"[\n    model.transfer(reference, {options})\n    for reference in {references!r}\n]"
    return code_to_colorize(session, call)


@error_notes
def exchange(photo: str | None, references: References | None) -> tuple[str, list[str]]:
    """The first mood becomes the photo, and the photo the first mood."""
    if not photo or not references:
        raise PhotoError("Swapping needs a photo and a mood.")
    (first, _), *rest = references
    return first, [photo, *[reference for reference, _ in rest]]
