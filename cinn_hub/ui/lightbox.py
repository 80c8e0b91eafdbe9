"""What one visitor has on the table: photos, rows of answers to each of them, favourites."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

from cinn_hub.errors import CinnHubError, PhotoError
from cinn_hub.hints import Hint
from cinn_hub.ui.session import Session

MOST_PHOTOS = 60
MOST_ROWS = 12  # of one photo; the oldest without a star goes first

ORDERS = AS_DRAWN, LIKELIEST, COLORFUL = "As drawn", "Likely first", "Colourful"
Shown = dict[str, Any]  # a picture as the page takes it; see `pictures`


@dataclass(eq=False)
class Row:
    """Answers that were drawn together.

    Attributes:
        title: what they are, such as "More like number 3".
        session: the photo with these answers, and the Python that makes them.
        pictures: a preview of each.
        plausibilities, chromas: of each, to sort by.
        picked: the index of the one that is large.
        stars: indices of favourites.
        intensities: in percent, of answers whose colours were made paler or stronger.
        side: columns of a map; 0 where neighbours mean nothing.
        made: when, in seconds.
        larges: the large pictures that were looked at, by index and intensity.
        base: the row whose answers these are with hints; None for answers without.
        indices: which of the answers of the base; all if empty.
        hints: on all of these answers.
        edit: the number of the change on the page that made these hints.
    """

    id: int
    title: str
    session: Session
    pictures: Sequence[Shown]
    plausibilities: Sequence[float]
    chromas: Sequence[float]
    picked: int = 0
    stars: set[int] = field(default_factory=set)
    intensities: dict[int, float] = field(default_factory=dict)
    side: int = 0
    made: float = field(default_factory=time.monotonic)
    larges: dict[Any, Any] = field(default_factory=dict)
    base: Row | None = None
    indices: Sequence[int] = ()
    hints: list[Hint] = field(default_factory=list)
    edit: int = 0

    def intensity(self, index: int) -> float:
        """In percent."""
        return self.intensities.get(index, 100)

    def order(self, sort: str) -> list[int]:
        """The indices of the answers in the order in which they are shown."""
        indices = list(range(len(self.pictures)))
        if sort == LIKELIEST and not self.side:
            indices.sort(key=lambda i: -self.plausibilities[i])
        elif sort == COLORFUL and not self.side:
            indices.sort(key=lambda i: -self.chromas[i])
        return indices

    def check(self, index: int) -> int:
        """The index, if there is an answer of it.

        Raises:
            CinnHubError: there is none.
        """
        count = len(self.pictures)
        if not 0 <= index < count:
            raise CinnHubError(f"The index is {index}; it must be from 0 to {count - 1}.")
        return index


@dataclass(eq=False)
class Sheet:
    """One photo and all its answers.

    Attributes:
        opened: the photo once it has been read; it holds no answers.
        thumbnail: the photo, small.
        problem: why it could not be read or coloured, a sentence.
        at: the row in view.
        hinting: hints that wait for their answers; edit: the number of the newest ones.
    """

    id: int
    path: str
    opened: Session | None = None
    thumbnail: Shown | None = None
    problem: str = ""
    rows: list[Row] = field(default_factory=list)
    at: Row | None = None
    hinting: Any = None
    edit: int = 0

    @property
    def name(self) -> str:
        return Path(self.path).name

    def row(self, number: int) -> Row:
        for row in self.rows:
            if row.id == number:
                return row
        raise CinnHubError("These answers are gone; colour the photo again.")


@dataclass(eq=False)
class Lightbox:
    """Photos in the order in which they came; one of them is in view. Changed in place.

    Attributes:
        pinned: A, the answer beside which others are seen: its row and index.
    """

    sheets: list[Sheet] = field(default_factory=list)
    at: Sheet | None = None
    pinned: tuple[Row, int] | None = None
    sort: str = AS_DRAWN
    ids: Iterator[int] = field(default_factory=count)

    def __deepcopy__(self, memo: Any) -> Lightbox:
        """For each visitor, Gradio copies the empty one that the app begins with."""
        return Lightbox()

    def add(self, path: str) -> Sheet:
        """One photo more, in view.

        Raises:
            PhotoError: there are too many.
        """
        if len(self.sheets) >= MOST_PHOTOS:
            raise PhotoError(f"There are {MOST_PHOTOS} photos already; remove some to add more.")
        self.at = Sheet(next(self.ids), path)
        self.sheets.append(self.at)
        return self.at

    def remove(self, number: int) -> None:
        """Takes a photo away, with its answers; its neighbour comes into view."""
        sheet = self.sheet(number)
        place = self.sheets.index(sheet)
        self.sheets.remove(sheet)
        if self.pinned and self.pinned[0] in sheet.rows:
            self.pinned = None
        if self.at is sheet:
            self.at = self.sheets[min(place, len(self.sheets) - 1)] if self.sheets else None

    def hold(self, sheet: Sheet, row: Row) -> None:
        """The newest answers to a photo, in view; with too many, the oldest unloved ones go."""
        sheet.rows.append(row)
        sheet.at, sheet.problem = row, ""
        while len(sheet.rows) > MOST_ROWS:
            kept = [old for old in sheet.rows[:-1] if old.stars or self.is_pinned(old)]
            unloved = [old for old in sheet.rows[:-1] if old not in kept]
            sheet.rows.remove((unloved or kept)[0])

    def forget_older_than(self, seconds: float) -> None:
        """Takes away answers whose pictures have been deleted, and photos without a file."""
        for sheet in list(self.sheets):
            oldest = time.monotonic() - seconds
            sheet.rows = [row for row in sheet.rows if row.made > oldest]
            if sheet.at not in sheet.rows:
                sheet.at = sheet.rows[-1] if sheet.rows else None
            if not sheet.rows and not Path(sheet.path).exists():
                self.remove(sheet.id)
        if self.pinned and self.sheet_of(self.pinned[0]) is None:
            self.pinned = None

    def is_pinned(self, row: Row) -> bool:
        return self.pinned is not None and self.pinned[0] is row

    def sheet(self, number: int) -> Sheet:
        for sheet in self.sheets:
            if sheet.id == number:
                return sheet
        raise PhotoError("This photo is gone; add it again.")

    def sheet_of(self, row: Row) -> Sheet | None:
        return next((sheet for sheet in self.sheets if row in sheet.rows), None)

    @property
    def row(self) -> Row | None:
        """The answers in view."""
        return self.at and self.at.at

    def photo(self) -> Sheet:
        """The photo in view.

        Raises:
            PhotoError: there is none.
        """
        if self.at is None:
            raise PhotoError("There is no photo yet; add one, or pick an example.")
        return self.at

    def answers(self) -> Row:
        """The answers in view.

        Raises:
            PhotoError: there are none.
        """
        if self.row is None:
            raise PhotoError(
                "There are no answers, or they were deleted after an hour; colour the photo first."
            )
        return self.row

    def pick(self, key: str) -> None:
        """Brings an answer, or a photo, into view: "photo", or "photo.row.index"."""
        sheet, row, index = self.find(key)
        self.at = sheet
        if row is not None:
            sheet.at, row.picked = row, index

    def toggle_star(self, key: str) -> None:
        _, row, index = self.find(key)
        if row is None:
            raise CinnHubError("Only answers can be favourites; pick one.")
        row.stars ^= {index}

    def find(self, key: str) -> tuple[Sheet, Row | None, int]:
        numbers = [int(part) for part in key.split(".") if part.isdigit()]
        if len(numbers) not in (1, 3) or len(numbers) != key.count(".") + 1:
            raise CinnHubError(f"{key[:40]!r} is neither a photo nor an answer; pick one.")
        sheet = self.sheet(numbers[0])
        if len(numbers) == 1:
            return sheet, None, 0
        row = sheet.row(numbers[1])
        return sheet, row, row.check(numbers[2])

    def favourites(self) -> list[tuple[Sheet, Row, int]]:
        return [(s, row, i) for s in self.sheets for row in s.rows for i in sorted(row.stars)]


def key_of(sheet: Sheet, row: Row | None = None, index: int = 0) -> str:
    """The name of a photo or an answer on the page; see `Lightbox.pick`."""
    return f"{sheet.id}" if row is None else f"{sheet.id}.{row.id}.{index}"


def likelihood_words(plausibilities: Sequence[float]) -> list[str]:
    """How likely each answer is beside the others of its row, by its plausibility."""
    words = ("daring", "less likely", "likely", "very likely")
    least, most = min(plausibilities, default=0), max(plausibilities, default=0)
    if len(plausibilities) < 3 or most <= least:
        return [""] * len(plausibilities)
    return [words[min(3, int(4 * (p - least) / (most - least)))] for p in plausibilities]
