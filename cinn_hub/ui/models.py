"""What is said about a model and how another one is chosen, and the models that visitors share."""

from __future__ import annotations

import threading
from typing import Generic, TypeVar

import gradio as gr
import torch
from markdown_it import MarkdownIt
from markdown_it.common.utils import escapeHtml

import cinn_hub
from cinn_hub.checkpoints import read_config
from cinn_hub.color_model import ColorModel
from cinn_hub.colorization import PreparedPhoto
from cinn_hub.digit_model import DigitModel
from cinn_hub.errors import CinnHubError
from cinn_hub.hub import REPO_ID, download, find_entry, find_folder
from cinn_hub.model import ConditionalINN
from cinn_hub.models import find_class
from cinn_hub.publishing import CARD_FILE
from cinn_hub.ui.events import PROGRESS, connect
from cinn_hub.ui.lightbox import Lightbox
from cinn_hub.ui.options import Loading
from cinn_hub.ui.queueing import LOADING
from cinn_hub.ui.session import Session

MOST_LETTERS = 100_000  # of a card
FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via")
OTHERS = {
    Loading.BUNDLED: None,
    Loading.PUBLISHED: "Or type user/repo of the Hugging Face Hub.",
    Loading.ANYTHING: "Or type a folder on this machine, or user/repo of the Hugging Face Hub.",
}
"""What else than the names in the list may be typed."""
LOADED_AT_MOST = 3  # models of visitors, besides the app's own

# Of HTML in a card, only the text is shown; of Markdown, pictures by their texts alone. So the
# result consists of tags that markdown-it writes, and no address is in it but those of links to
# click on.
RENDERER = MarkdownIt("commonmark", {"html": False}).enable(["table", "strikethrough"])
RENDERER.add_render_rule(
    "image", lambda _, tokens, i, *rest: f"<em>Picture: {escapeHtml(tokens[i].content)}</em>"
)


def load_pair(name: str) -> tuple[ColorModel, DigitModel]:
    """The app's models: the one of that name, and the shipped one of the other kind.

    They have no weights yet: `Lazy` loads them.
    """
    model = described(name)
    if isinstance(model, DigitModel):
        return described("imagenet"), model
    return model, described("mnist")


def described(name: str) -> ConditionalINN:
    """A model as its config describes it, without weights."""
    folder = find_folder(name)
    kind = find_class(folder)
    with torch.device("meta"):
        model = kind(read_config(folder, kind.config_class))
    model.name, model.folder = name, folder
    return model


M = TypeVar("M", bound=ConditionalINN)


class Lazy(Generic[M]):
    """A model that is loaded when it is first called for, if it has no weights yet."""

    def __init__(self, model: M) -> None:
        self.model, self.lock = model, threading.Lock()

    def __call__(self) -> M:
        with self.lock:
            if next(self.model.parameters()).is_meta:
                self.model = cinn_hub.load(self.model.name)
            return self.model


class Shelf:
    """Colour models by name. A visitor's session holds a name, so weights are loaded once."""

    def __init__(self, own: ColorModel, loading: Loading = Loading.ANYTHING) -> None:
        self.own, self.loaded, self.loading = own, Lazy(own), loading
        self.others: dict[str, ColorModel] = {}
        self.lock = threading.Lock()

    def get(self, name: str) -> ColorModel:
        """The model of that name, loaded if it has to be.

        Raises:
            CinnHubError: it cannot be loaded, or does not colour photos.
        """
        if name == self.own.name:
            return self.loaded()
        found = self.others.get(name)
        return self.load(name) if found is None else found

    def of(self, session: Session) -> tuple[ColorModel, PreparedPhoto]:
        """The model that drew a session's answers, and the photo as it has prepared it.

        Raises:
            CinnHubError: the model is another one since, or as for `get`.
            PhotoError: the photo had to make room, and its file has been deleted.
        """
        model, prepared = session.loaded() or self.get(session.model), session.prepared
        if prepared.weights != model.fingerprint:
            raise CinnHubError(
                f"The model {session.model} has changed since these answers were drawn; colour "
                "the photo again."
            )
        return model, prepared

    def load(self, name: str, stranger: bool = False) -> ColorModel:
        """The model of that name as it is now on disk or on the Hub; for a stranger, no other than
        strangers may load.

        Raises:
            CinnHubError: as for `get`.
        """
        if name == self.own.name:
            return self.loaded()
        for_users = self.loading == Loading.ANYTHING
        loading = Loading.BUNDLED if stranger and for_users else self.loading
        model = load_for(loading, name)
        if not isinstance(model, ColorModel):
            raise CinnHubError(f"{name} does not colour photos; choose another model.")
        with self.lock:
            self.others.pop(name, None)
            while len(self.others) >= LOADED_AT_MOST:
                del self.others[next(iter(self.others))]
            self.others[name] = model
        return model

    def names(self) -> list[str]:
        """The models in the list: the app's own, and those that are known by name."""
        known = bundled_names() if self.loading == Loading.BUNDLED else known_names()
        return list(dict.fromkeys([self.own.name, *known]))


def build(shelf: Shelf, box: gr.State, named: gr.Markdown) -> None:
    """Adds the tab's components and handlers to the Blocks that are open.

    Arguments:
        box: of `Lightbox`.
        named: where the page says which model is in use.
    """
    status = gr.Markdown(in_use(shelf.own), label="Model", elem_id="model-in-use")
    with gr.Row(equal_height=True):
        name = gr.Dropdown(
            shelf.names(),
            value=shelf.own.name,
            label="Choose a model",
            info=OTHERS[shelf.loading],
            allow_custom_value=shelf.loading != Loading.BUNDLED,
            scale=4,
            elem_id="model-name",
        )
        load = gr.Button("Load", variant="primary", scale=1, elem_id="model-load")
    card = gr.HTML(card_of(shelf.own), label="Card", elem_id="model-card", elem_classes="prose")

    def switch(
        box: Lightbox, name: str | None, request: gr.Request, progress=PROGRESS
    ) -> tuple[Lightbox, str, str]:
        """Loads a model; this visitor uses it from now on."""
        progress(0.2, desc="Loading the model")
        model = shelf.load((name or "").strip(), stranger=is_forwarded(request))
        box.model = model.name
        return box, in_use(model), card_of(model)

    options = {"kind": LOADING, "api_name": "load_model", "show_progress_on": card}
    switching = connect(load.click, switch, [box, name], [box, status, card], **options)
    connect(switching.success, lambda box: named_model(box.model), box, named)


def is_forwarded(request: gr.Request) -> bool:
    """Whether a proxy asks, in the place of somebody who may be a stranger."""
    return any(header in request.headers for header in FORWARDED)


def known_names() -> list[str]:
    """The colour models that `load` knows by name."""
    return [entry.name for entry in cinn_hub.list_models() if entry.task == "colorization"]


def bundled_names() -> list[str]:
    """Those of them that are on this machine: nothing is fetched to load them."""
    return [name for name in known_names() if find_entry(name).folder]


def load_for(loading: Loading, name: str) -> ConditionalINN:
    """A model for somebody who may load so much: one that comes with the app, one of the registry
    or of the Hub, or any that `cinn_hub.load` knows, folders of this machine among them.

    Raises:
        CinnHubError: there is none of that name, or it cannot be loaded.
    """
    if loading == Loading.ANYTHING or name in bundled_names():
        return cinn_hub.load(name)
    if loading == Loading.BUNDLED:
        raise CinnHubError(
            f"{name!r} does not come with this app; choose {' or '.join(bundled_names())}."
        )
    if find_entry(name):
        return cinn_hub.load(name)
    repo, _, revision = name.partition("@")
    if not REPO_ID.fullmatch(repo):
        raise CinnHubError(f"No published model is called {name!r}; expected user/repo of the Hub.")
    folder = download(repo, revision or None)
    return find_class(folder).from_folder(folder, name)


def in_use(model: ColorModel) -> str:
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    size = model.config.ab_size
    return (
        f"In use: **{model.name}**, {millions:.1f} million parameters, colours at {size} × {size}."
    )


def named_model(name: str) -> str:
    return f"Colours by the model **{name}**."


def card_of(model: ColorModel) -> str:
    """A model's card as HTML; see `safe_html`."""
    path = model.folder and model.folder / CARD_FILE
    if not path or not path.is_file():
        return "This model has no card."
    with path.open(encoding="utf-8", errors="replace") as file:
        return safe_html(without_metadata(file.read(MOST_LETTERS)))


def safe_html(markdown: str) -> str:
    """A card's Markdown as HTML that loads nothing by itself: text, tables, code and links.

    Keys reach what may be wider than the page, to scroll it.
    """
    html = RENDERER.render(markdown)
    for tag in ("pre", "table"):
        html = html.replace(f"<{tag}>", f'<{tag} tabindex="0">')
    return html


def without_metadata(card: str) -> str:
    """A card without the YAML at its beginning."""
    return card.partition("\n---\n")[2] if card.startswith("---\n") else card
