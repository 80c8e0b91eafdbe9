"""The Transfer tab: the colour mood of some photos on another one."""

from __future__ import annotations

from pathlib import Path

import gradio as gr

from cinn_hub.errors import PhotoError
from cinn_hub.ui.errors import shown
from cinn_hub.ui.models import Shelf
from cinn_hub.ui.photo_input import example_photos, photo_input
from cinn_hub.ui.session import Session, code_to_colorize, temperature_code
from cinn_hub.ui.viewer import PROGRESS, Viewer


def build(shelf: Shelf, chosen: gr.State, examples: Path | None = None) -> None:
    """Adds the tab's components and handlers to the Blocks that are open."""
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            gr.Markdown(
                "The mood of a colour photo is its latent: what its colours are beyond what its "
                "content says. Here it colours another photo."
            )
            references = gr.Gallery(
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
            upload = photo_input(label="Photo to colour", height=240, elem_id="transfer-photo")
            go = gr.Button("Carry the moods over", variant="primary", elem_id="transfer-go")
            swap = gr.Button("Swap photo and mood", elem_id="swap")
            with gr.Accordion("Settings", open=False):
                gr.Markdown(
                    "How much of the mood counts at each resolution, from the whole photo (1x1) "
                    "to its finest detail (64x64); the rest is drawn."
                )
                keep = {
                    f"keep_{level}": gr.Slider(0, 1, value, step=0.05, label=level)
                    for level, value in shelf.own.default_keep().items()
                }
                seed = gr.Number(0, precision=0, minimum=0, label="Seed")
            if examples:
                moods = [str(path) for path in sorted((examples / "moods").glob("*.jpg"))]
                gr.Examples(
                    [[moods]],
                    references,
                    label="Moods to try",
                    api_visibility="private",
                    elem_id="example-moods",
                    example_labels=["coffee, a rocket, a cat, a portrait"],
                )
                example_photos(examples, upload, "On one of these", "transfer-examples")
        with gr.Column(scale=5, min_width=320):
            viewer = Viewer("transfer", hint="One colouring for each mood appears here.")

    @shown
    def run(
        photo: str | None,
        references: list[tuple[str, str | None]] | None,
        seed: int,
        name: str,
        progress=PROGRESS,
        **by_level: float,
    ):
        """The colour moods of some photos on another photo: previews, one a reference."""
        if not references:
            raise PhotoError("There is no mood yet; add one or more colour photos.")
        model = shelf.get(name)
        progress(0.1, desc="Looking at the photo")
        session = Session.open(photo, model)
        kept = {
            level: by_level.get(f"keep_{level}", default)
            for level, default in model.default_keep().items()
        }
        results, names = [], []
        for i, (reference, _) in enumerate(references):
            progress((i + 1, len(references) + 1), desc="Carrying moods over")
            results.append(
                model.transfer(reference, session.prepared, keep=kept, seed=int(seed or 0))
            )
            names.append(Path(reference).name)
        call = (
            f"[\n    model.transfer(reference, onto={session.name!r}, seed={int(seed or 0)}, "
            f"keep={temperature_code(kept)})\n    for reference in {names!r}\n]"
        )
        code = code_to_colorize(session, call)
        return viewer.shown(session.holding(results, code, [Path(n).stem for n in names]))

    @shown
    def exchange(photo: str | None, references: list[tuple[str, str | None]] | None):
        if not photo or not references:
            raise PhotoError("Swapping needs a photo and a mood.")
        (first, _), *rest = references
        return first, [photo, *[reference for reference, _ in rest]]

    inputs = [upload, references, seed, chosen]
    carried = go.click(
        run,
        inputs,
        viewer.outputs,
        inputs_kwargs=keep,
        api_name="transfer",
        concurrency_id="model",
        show_progress_on=viewer.gallery,
    )
    viewer.follow(carried)
    swap.click(
        exchange,
        [upload, references],
        [upload, references],
        api_visibility="private",
        queue=False,
    )
