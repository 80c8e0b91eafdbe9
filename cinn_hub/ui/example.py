"""The finished example on a page without a photo: it shows what will happen."""

from __future__ import annotations

from cinn_hub.color_model import ColorModel
from cinn_hub.photos import render_grey_preview
from cinn_hub.ui.colorize import POOL, words
from cinn_hub.ui.figures import item, rows
from cinn_hub.ui.intake import Intake
from cinn_hub.ui.pictures import inline
from cinn_hub.ui.views import Finished

SHOWN = "photographer"  # one of the examples
N, SEED = 8, 7
SIZES = 320, 960  # pixels on the longer side, of answers and of the large picture


def finished_example(model: ColorModel, intake: Intake) -> Finished:
    """Answers to an example, made anew by this model; without examples, a sentence."""
    paths = [path for path in intake.paths if path.stem == SHOWN] or intake.paths
    if not paths:
        return Finished()
    pool = POOL if model.has_classes else None
    results = model.colorize(paths[0], N, model.temperature(), SEED, pool=pool)
    items = [
        item(f"example.{i}", inline(result.preview(SIZES[0])), f"number {i + 1}", caption=word)
        for i, (result, word) in enumerate(zip(results, words(results), strict=True))
    ]
    text = f"An example: {N} answers to {paths[0].name}. Yours appear here."
    large = {
        "grey": inline(render_grey_preview(results[0].photo, SIZES[1])),
        "picture": inline(results[0].preview(SIZES[1])),
        "name": f"the first answer to {paths[0].name}",
    }
    return Finished(rows(("", items), layout="grid", text=text), large)
