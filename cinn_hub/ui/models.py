"""The Models tab, and the shelf of models that visitors share."""

from __future__ import annotations

import re
import threading

import gradio as gr

import cinn_hub
from cinn_hub.colorizing import ColorModel
from cinn_hub.errors import CinnHubError
from cinn_hub.ui.errors import error_notes
from cinn_hub.ui.wiring import PROGRESS

LOADED_AT_MOST = 3  # models of visitors, besides the app's own


class Shelf:
    """Colour models by name. A visitor's session holds a name, so weights are loaded once."""

    def __init__(self, own: ColorModel) -> None:
        self.own = own
        self.others: dict[str, ColorModel] = {}
        self.lock = threading.Lock()

    def get(self, name: str) -> ColorModel:
        """The model of that name, loaded if it has to be.

        Raises:
            CinnHubError: it cannot be loaded, or does not colour photos.
        """
        if name == self.own.name:
            return self.own
        found = self.others.get(name)
        return self.load(name) if found is None else found

    def load(self, name: str) -> ColorModel:
        """The model of that name as it is now on disk or on the Hub."""
        if name == self.own.name:
            return self.own
        model = cinn_hub.load(name)
        if not isinstance(model, ColorModel):
            raise CinnHubError(f"{name} does not colour photos; choose another model.")
        with self.lock:
            self.others.pop(name, None)
            while len(self.others) >= LOADED_AT_MOST:
                del self.others[next(iter(self.others))]
            self.others[name] = model
        return model


def build(shelf: Shelf, chosen: gr.State, may_load: bool) -> None:
    """Adds the tab's components and handlers to the Blocks that are open.

    Arguments:
        chosen: holds the name of the model that this visitor uses.
        may_load: whether visitors may load other models; not where strangers share the machine.
    """
    status = gr.Markdown(in_use(shelf.own), label="Model", elem_id="model-in-use")
    if may_load:
        with gr.Row(equal_height=True):
            name = gr.Textbox(
                shelf.own.name,
                label="Another model",
                info="A registry name, a folder on this machine, or user/repo of the Hub.",
                scale=4,
                elem_id="model-name",
            )
            load = gr.Button("Load", variant="primary", scale=1, elem_id="model-load")
    card = gr.Markdown(card_of(shelf.own), label="Card", elem_id="model-card")
    if not may_load:
        return

    @error_notes
    def switch(name: str, progress=PROGRESS) -> tuple[str, str, str]:
        """Loads a model; the tabs of this visitor use it from now on."""
        progress(0.2, desc="Loading the model")
        model = shelf.load(name.strip())
        return model.name, in_use(model), card_of(model)

    gr.on(
        [load.click, name.submit],
        switch,
        name,
        [chosen, status, card],
        api_name="load_model",
        show_progress_on=card,
        concurrency_id="loading",
    )


def in_use(model: ColorModel) -> str:
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    size = model.config.ab_size
    return (
        f"In use: **{model.name}**, {millions:.1f} million parameters, "
        f"colours at {size} × {size}, on {model.device}."
    )


def card_of(model: ColorModel) -> str:
    """The text of a model's card, without its metadata and without pictures from elsewhere."""
    path = model.folder and model.folder / "README.md"
    if not path or not path.exists():
        return "This model has no card."
    text = path.read_text("utf-8", errors="replace")
    if text.startswith("---\n"):
        text = text.partition("\n---\n")[2]
    return re.sub(r"!\[[^\]]*\]\([^)]*\)|<img[^>]*>", "", text).strip()
