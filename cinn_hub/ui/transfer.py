"""The tool Transfer: the colours of some photos on another one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from PIL.Image import Image

from cinn_hub.errors import CinnHubError, PhotoError
from cinn_hub.ui.decoding import apart, color_thumbnail
from cinn_hub.ui.events import PROGRESS, connect, level_sliders, seed_field
from cinn_hub.ui.lightbox import Lightbox
from cinn_hub.ui.pictures import TINY_SIZE, figures, item, rows, shown, strip
from cinn_hub.ui.queueing import LOOKS
from cinn_hub.ui.session import as_code, prepare_packed
from cinn_hub.ui.table import Table
from cinn_hub.ui.uploads import drop_zone, example_tiles

ABOUT = "The colours of another photo on yours."
ABOUT_LEVELS = (
    "How much of the other photo's colours counts: *mood* is the tint of the whole photo, "
    "*things* the colours of what is in it, *details* and *grain* the finer differences. The "
    "rest is drawn at random."
)
MOST_MOODS = 12
NONE_YET = "Whose colours? Add colour photos here, or click an example."


def color_tile(path: Path | str) -> Image:
    """A photo in its own colours.

    Raises:
        PhotoError: it cannot be read, or has no colours.
    """
    name = Path(path).name
    picture = apart(name, color_thumbnail, str(path), TINY_SIZE)
    if picture is None:
        raise PhotoError(f"{name} is grey or toned, so it has no colours to take.")
    return picture


def own_tile(path: Path) -> Image:
    """The same of one of our own, which need no process apart."""
    return color_thumbnail(str(path), TINY_SIZE)


class Transfer:
    """Adds the tool's components and handlers to the Blocks that are open."""

    def __init__(self, table: Table, examples: Path | None) -> None:
        self.table, box = table, table.box
        with table.tabs["Transfer"]:
            gr.Markdown(ABOUT)
            # for clients of the API; the page has moods
            references = gr.File(label="References", file_count="multiple", visible=False)
            drop = drop_zone("Photos whose colours to take", "moods-drop")
            chosen = figures("moods", "Photos whose colours to take", rows(text=NONE_YET))
            folder, label = examples and examples / "moods", "Examples of colour photos"
            tiles, self.examples = example_tiles(folder, "example-moods", label, own_tile)
            mine = gr.Button("Take the colours of this photo", size="sm", elem_id="as-mood")
            go = gr.Button("Transfer the colours", elem_id="transfer-go")
            with gr.Accordion("How much of them", open=False):
                keep = level_sliders("keep", table.shelf.own.default_keep(), 1, ABOUT_LEVELS)
            settings = {"seed": seed_field()} | keep
        inputs = [table.photo, references]
        table.on_move(go.click, self.run, inputs, settings, "transfer")
        # in a line: without it Gradio shows no sentence where a handler fails
        options = {"kind": LOOKS, "show_progress_on": chosen}
        connect(table.tabs["Transfer"].select, tiles_of, box, chosen)  # after a reload
        connect(drop.upload, self.add_files, [box, drop], [drop, chosen], **options)
        connect(tiles.select, self.add_example, box, chosen, **options)
        connect(chosen.delete, self.remove, box, chosen, **options)
        connect(mine.click, self.add_photo, box, chosen, **options)

    def run(
        self,
        box: Lightbox,
        photo: str | None,
        references: Sequence[str] | None,
        progress=PROGRESS,
        *,
        seed: int,
        **by_level: float,
    ) -> None:
        """The colours of some photos on another photo: previews, one for each of them."""
        paths = [Path(path) for path in references or box.moods]
        if not paths:
            raise PhotoError(
                "There is no colour photo to take colours from; add one, or pick an example."
            )
        sheet, model, turn = self.table.open(box, photo, progress)
        keep = {k: by_level.get(f"keep_{k}", v) for k, v in model.default_keep().items()}
        options = {"seed": seed, "keep": keep}
        results = []
        for path in paths:
            progress((len(results) + 1, len(paths) + 1), desc="Transferring colours")
            mood = prepare_packed(str(path), model)
            results.append(model.transfer(mood, sheet.opened.prepared, **options))
        call = f"model.transfer(mood, onto={sheet.name!r}, {as_code(options)})"
        call = f"[\n    {call}\n    for mood in {[path.name for path in paths]!r}\n]"
        captions = [path.stem for path in paths]
        title = "the colours of " + ", ".join(captions)
        self.table.lay(box, sheet, turn, title, results, call, captions)

    def add_files(self, box: Lightbox, files: Sequence[str] | None) -> tuple[None, dict[str, Any]]:
        """Takes what can be taken and says what cannot; the field is empty in any case, or the next
        files would come with the refused ones."""
        for path in files or ():
            try:
                self.add(box, [path])
            except CinnHubError as error:
                gr.Warning(str(error))
        return None, tiles_of(box)

    def add_example(self, box: Lightbox, event: gr.EventData) -> dict[str, Any]:
        return self.add(box, [path for key, path in self.examples.items() if key == event.key])

    def add_photo(self, box: Lightbox) -> dict[str, Any]:
        return self.add(box, [box.photo().path])

    def add(self, box: Lightbox, paths: Sequence[str | Path]) -> dict[str, Any]:
        moods = box.moods | {str(path): shown(color_tile(path)) for path in paths}
        if len(moods) > MOST_MOODS:
            raise PhotoError(f"There are {len(moods)} colour photos; take at most {MOST_MOODS}.")
        box.moods = moods
        return tiles_of(box)

    def remove(self, box: Lightbox, event: gr.EventData) -> dict[str, Any]:
        box.moods = {k: v for i, (k, v) in enumerate(box.moods.items()) if str(i) != event.key}
        return tiles_of(box)


def tiles_of(box: Lightbox) -> dict[str, Any]:
    tiles = [
        item(str(i), tile, Path(path).name, removable=True)
        for i, (path, tile) in enumerate(box.moods.items())
    ]
    return strip(tiles, none=NONE_YET)
