"""What the components of the page show of a lightbox: values, computed anew after each event."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from cinn_hub.errors import CinnHubError
from cinn_hub.ui.figures import item, rows
from cinn_hub.ui.lightbox import Lightbox, Row, Sheet, key_of
from cinn_hub.ui.pictures import is_there, large
from cinn_hub.ui.session import code_to_save

WHICH = ("This photo", "All photos", "Favourites")
NO_PHOTO = (
    "No photo yet: drop some above (several, a folder or a ZIP are fine), or click an example. "
    "Then they can be coloured."
)
NO_ANSWER = "These buttons need an answer: add a photo first."
EMPTY = "The answers appear here. Add a photo, or click an example."


@dataclass(frozen=True)
class Finished:
    """A finished example, for a page on which there is no photo yet."""

    answers: dict[str, Any] = field(default_factory=lambda: rows(text=EMPTY))
    stage: dict[str, Any] = field(default_factory=dict)


def photos(box: Lightbox) -> dict[str, Any]:
    """The photos to pick from, with what became of each."""
    tiles = [
        item(
            key_of(sheet),
            sheet.thumbnail if is_there(sheet.thumbnail) else None,
            sheet.name,
            caption="" if is_there(sheet.thumbnail) else sheet.name,
            picked=sheet is box.at,
            mark="!" if sheet.problem else "★" if any(r.stars for r in sheet.rows) else "",
            removable=True,
        )
        for sheet in box.sheets
    ]
    return rows(("", tiles), layout="strip") if tiles else rows()


def answers(box: Lightbox, finished: Finished) -> dict[str, Any]:
    """The row in view, or a sentence that says why there is none."""
    sheet, row = box.at, box.row
    if sheet is None:
        return finished.answers
    if row is None:
        text = sheet.problem or f"{sheet.name} has no answers yet; press Colour."
        return rows(text=text)
    items = [cell(box, sheet, row, i) for i in row.order(box.sort)]
    layout, side = ("map", row.side) if row.side else ("grid", 4)
    return rows(("", items), layout=layout, side=side, text=sheet.problem)


def cell(box: Lightbox, sheet: Sheet, row: Row, i: int, named: bool = False) -> dict[str, Any]:
    return item(
        key_of(sheet, row, i),
        row.pictures[i] if is_there(row.pictures[i]) else None,
        f"{sheet.name}, number {i + 1}" if named else f"number {i + 1}",
        caption="" if row.side or named else caption(row, i),
        picked=row is box.row and i == row.picked,
        star=i in row.stars,
        mark="A" if box.pinned == (row, i) else "",
    )


def caption(row: Row, i: int) -> str:
    return " · ".join(filter(None, [f"{i + 1}", row.session.captions[i]]))


def earlier(box: Lightbox, which: str) -> dict[str, Any]:
    """Rows to go back to: of the photo in view, the newest of each photo, or favourites."""
    if which == WHICH[2]:
        chosen = [cell(box, *favourite, named=True) for favourite in box.favourites()]
        text = "" if chosen else "There are no favourites yet; click the star on an answer."
        return rows(("", chosen), layout="small", text=text)
    if which == WHICH[1]:
        pairs = [(sheet, sheet.at, sheet.name) for sheet in box.sheets if sheet.at]
    else:
        pairs = [(box.at, row, row.title) for row in reversed(box.at.rows)] if box.at else []
        pairs = pairs if len(pairs) > 1 else []
    lines = [
        (title, [cell(box, sheet, row, i, named=True) for i in range(len(row.pictures))])
        for sheet, row, title in pairs
    ]
    return rows(*lines, layout="small")


def stage(box: Lightbox, finished: Finished) -> dict[str, Any]:
    """The picked answer, large, beside A where there is one."""
    row = box.row
    if row is None:
        return finished.stage if box.at is None else {"text": ""}
    try:
        grey, picture = large_pictures(row, row.picked)
        value = {"grey": grey, "picture": picture, "name": f"number {row.picked + 1}"}
        if is_beside(box, row):
            value |= {"beside": large_pictures(*box.pinned)[1], "beside_name": "A"}
        return value
    except CinnHubError as error:  # it had to make room
        return {"text": str(error)}


def is_beside(box: Lightbox, row: Row) -> bool:
    """Whether A is another answer to the same photo."""
    if box.pinned is None or box.pinned == (row, row.picked):
        return False
    return box.sheet_of(box.pinned[0]) is box.at


def large_pictures(row: Row, index: int) -> tuple[dict[str, Any], dict[str, Any]]:
    """An answer in grey and in its colours, made once for each intensity."""
    intensity = row.intensity(index)
    if not all(map(is_there, row.larges.get((index, intensity), [None]))):
        result = row.session.result(index).with_intensity(intensity / 100)
        row.larges[index, intensity] = large(result)
    return row.larges[index, intensity]


def status(box: Lightbox) -> str:
    """What is on the table, or what has to come first."""
    if not box.sheets:
        return NO_PHOTO
    failed = sum(bool(sheet.problem) for sheet in box.sheets)
    count, which = f"{len(box.sheets)} photos", failed
    if len(box.sheets) == 1:
        count, which = "1 photo", "it"
    return f"{count}, but {which} cannot be used." if failed else f"{count}."


def why(box: Lightbox) -> str:
    """Which of the buttons under the picked answer cannot be used yet, and why."""
    if box.row is None:
        return NO_ANSWER
    if not has_colours(box):
        return "“Use as mood” needs a photo that has colours of its own."
    return ""


def progress(sheets: Sequence[Sheet], done: int) -> str:
    """Which photo of how many is in work."""
    return f"Colouring photo {done + 1} of {len(sheets)}: {sheets[done].name}"


def facts(box: Lightbox) -> str:
    """One line on the picked answer, in plain words."""
    if (row := box.row) is None:
        return ""
    width, height = row.session.size
    words = row.session.captions[row.picked]
    seen = row.session.colored
    return (
        f"**Number {row.picked + 1}**"
        + (f", {words}" if words else "")
        + f". {row.title}. {width} × {height} pixels."
        + (" The photo has colours of its own; the model saw only its lightness." if seen else "")
    )


def details(box: Lightbox) -> str:
    """The figures of the picked answer."""
    if (row := box.row) is None:
        return "There is no answer yet."
    try:
        result = row.session.bare_result(row.picked)
    except CinnHubError as error:  # it had to make room
        return str(error)
    settings = "\n".join(f"- {name}: {value}" for name, value in result.settings.items())
    return (
        f"Plausibility: {result.plausibility:.3f} nats a place; higher is more believable. The "
        "words from *very likely* to *daring* compare the answers of one row by it. Density: "
        f"{result.bits_per_dim:.3f} bits per ab value (fewer are likelier), {result.log_prob:,.0f} "
        f"nats in all; pale colours have the highest.\n\n{settings}"
    )


def code(box: Lightbox) -> str:
    """Python that makes exactly the picked answer."""
    if (row := box.row) is None:
        return ""
    return code_to_save(row.session, row.picked, row.intensity(row.picked) / 100)


def has_colours(box: Lightbox) -> bool:
    """Whether the photo in view can be a mood."""
    return bool(box.at and box.at.opened and box.at.opened.colored)


def favourites_text(box: Lightbox) -> str:
    count = len(box.favourites())
    return f"Favourites ({count})" if count else "Favourites"
