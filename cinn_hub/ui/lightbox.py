"""What one visitor has on the table: photos, rows of answers to each of them, favourites."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from statistics import median
from typing import Any

from cinn_hub.colorization import Colorization
from cinn_hub.errors import CinnHubError, PhotoError
from cinn_hub.hints import Hint
from cinn_hub.latent import Latent
from cinn_hub.ui.session import Session

MOST_PHOTOS = 60
MOST_ROWS = 12  # of one photo; the oldest without a star goes first, those with stars stay

Shown = dict[str, Any]  # a picture as the page takes it; see `pictures`


@dataclass(frozen=True, eq=False)
class Hinted:
    """Hints on answers that were there without any.

    Attributes:
        base, indices: which answers; picked: the index of one of them in the base.
        edit: the number of the change on the page that made these hints.
        turn: that of the move, see `Lightbox.turn`.
    """

    base: Row
    indices: list[int]
    picked: int
    hints: list[Hint]
    edit: int
    turn: int = 0

    @property
    def latents(self) -> list[Latent]:
        return [self.base.session.bare_result(i).latent for i in self.indices]


@dataclass(eq=False)
class Row:
    """Answers that were drawn together.

    Attributes:
        title: what they are, such as "More like number 3".
        session: the photo with these answers, and the Python that makes them.
        pictures: a preview of each.
        picked: the index of the one that is large.
        stars: indices of favourites.
        intensities: in percent, of answers whose colours were made paler or stronger.
        side: columns of a map; 0 where neighbours mean nothing.
        made: when, in seconds.
        larges: the large pictures that were looked at, by index and intensity.
        hinted: the hints on these answers, and the answers without them.
    """

    id: int
    title: str
    session: Session
    pictures: Sequence[Shown]
    picked: int = 0
    stars: set[int] = field(default_factory=set)
    intensities: dict[int, float] = field(default_factory=dict)
    side: int = 0
    made: float = field(default_factory=time.monotonic)
    larges: dict[Any, Any] = field(default_factory=dict)
    hinted: Hinted | None = None

    def intensity(self, index: int) -> float:
        """In percent."""
        return self.intensities.get(index, 100)

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
        queued: whether it waits to be coloured, with the others that came with it.
        inside: the folder of its archive in which it lay.
        at: the row in view.
        before: the answer that was in view before: its row and index.
        turn: the newest move on this photo.
        waiting: hints that wait for their answers; edit: the number of the newest ones.
    """

    id: int
    path: str
    opened: Session | None = None
    thumbnail: Shown | None = None
    problem: str = ""
    queued: bool = False
    inside: str = ""
    rows: list[Row] = field(default_factory=list)
    at: Row | None = None
    before: tuple[Row, int] | None = None
    turn: int = 0
    waiting: Hinted | None = None
    edit: int = 0

    @property
    def name(self) -> str:
        return Path(self.path).name

    def look_at(self, row: Row, index: int) -> None:
        """An answer comes into view; the one before is remembered, to compare with."""
        if self.at and (self.at, self.at.picked) != (row, index):
            self.before = self.at, self.at.picked
        self.at, row.picked = row, index

    @property
    def other(self) -> tuple[Row, int] | None:
        """The answer that was in view before this one, if it is still there."""
        if self.before is None or self.before[0] not in self.rows or self.at is None:
            return None
        return None if self.before == (self.at, self.at.picked) else self.before


@dataclass(eq=False)
class Lightbox:
    """Photos in the order in which they came; one of them is in view. Changed in place.

    Attributes:
        model: the name of the one that this visitor uses.
        moods: small pictures of colour photos, by their paths, whose colours are to be taken.
        used: when it was shown last, in seconds.
        lock: held while something changes and is shown, so that what is shown is in order;
            coloring: while a photo of the queue is coloured.
    """

    model: str = ""
    sheets: list[Sheet] = field(default_factory=list)
    at: Sheet | None = None
    moods: dict[str, Shown] = field(default_factory=dict)
    used: float = field(default_factory=time.monotonic)
    ids: Iterator[int] = field(default_factory=lambda: count(1))

    def __post_init__(self) -> None:
        self.lock = threading.RLock()  # no fields, which Gradio would copy
        self.coloring = threading.Lock()

    def __deepcopy__(self, memo: Any) -> Lightbox:
        """For each visitor, Gradio copies the empty one that the app begins with."""
        return Lightbox(self.model)

    @property
    def room(self) -> int:
        """How many photos more may come."""
        return MOST_PHOTOS - len(self.sheets)

    def add(self, path: str) -> Sheet:
        """One photo more, in view.

        Raises:
            PhotoError: there are too many.
        """
        if self.room <= 0:
            raise PhotoError(f"There are {MOST_PHOTOS} photos already; remove some to add more.")
        self.at = Sheet(next(self.ids), path)
        self.sheets.append(self.at)
        return self.at

    def remove(self, key: str) -> None:
        """Takes a photo away, with its answers; its neighbour comes into view."""
        sheet, *_ = self.find(key)
        place = self.sheets.index(sheet)
        self.sheets.remove(sheet)
        if self.at is sheet:
            self.at = self.sheets[min(place, len(self.sheets) - 1)] if self.sheets else None

    def queue(self) -> list[Sheet]:
        """The photos that wait to be coloured."""
        return [sheet for sheet in self.sheets if sheet.queued]

    def stop(self) -> None:
        """None of them waits any more."""
        for sheet in self.sheets:
            sheet.queued = False

    def begin(self, sheet: Sheet) -> int:
        """A move on a photo begins; its number tells whether another one has begun since."""
        sheet.turn = next(self.ids)
        return sheet.turn

    def hold(self, sheet: Sheet, row: Row, turn: int, instead_of: Row | None = None) -> None:
        """New answers to a photo; the older ones make room.

        They come into view, unless another move has begun since theirs: what was asked for last is
        what is seen.
        """
        for old in self.in_excess(sheet, instead_of):
            sheet.rows.remove(old)
        sheet.rows.append(row)
        sheet.problem = ""
        if sheet.turn == turn or sheet.at is None:
            sheet.look_at(row, row.picked)

    def go_back(self, sheet: Sheet, row: Row, instead_of: Row | None, turn: int) -> None:
        """An earlier row of a photo comes into view, in the place of another."""
        if instead_of in self.unloved(sheet):
            sheet.rows.remove(instead_of)
        if row in sheet.rows and (sheet.turn == turn or sheet.at not in sheet.rows):
            sheet.at = row

    def in_excess(self, sheet: Sheet, instead_of: Row | None = None) -> list[Row]:
        """Which rows of a photo have to go before the next one: `instead_of`, if it may go, or the
        oldest ones that may.

        Raises:
            PhotoError: none of too many may go.
        """
        unloved = self.unloved(sheet)
        if instead_of in unloved:
            return [instead_of]
        excess = max(0, len(sheet.rows) + 1 - MOST_ROWS)
        if excess > len(unloved):
            raise PhotoError(
                f"All {len(sheet.rows)} rows of answers to {sheet.name} hold favourites; take a "
                "star away to make room for another row."
            )
        return unloved[:excess]

    def unloved(self, sheet: Sheet) -> list[Row]:
        """Rows that may go: those without stars."""
        return [row for row in sheet.rows if not row.stars]

    def forget_older_than(self, seconds: float) -> None:
        """Takes away answers whose pictures have been deleted, and photos without a file."""
        self.used = time.monotonic()
        for sheet in list(self.sheets):
            oldest = time.monotonic() - seconds
            sheet.rows = [row for row in sheet.rows if row.made > oldest]
            if sheet.at not in sheet.rows:
                sheet.at = sheet.rows[-1] if sheet.rows else None
            if not sheet.rows and not sheet.problem and not Path(sheet.path).exists():
                self.remove(key_of(sheet))

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
            sheet.look_at(row, index)

    def toggle_star(self, key: str) -> None:
        _, row, index = self.find(key)
        if row is None:
            raise CinnHubError("Only answers can be favourites; pick one.")
        row.stars ^= {index}

    def strengthen(self, intensity: float) -> None:
        """The intensity of the picked answer, in percent."""
        row = self.answers()
        row.intensities[row.picked] = intensity

    def find(self, key: str) -> tuple[Sheet, Row | None, int]:
        """The photo, row and index of a key.

        Raises:
            CinnHubError: it is of another form, or what it names is gone.
        """
        photo, *answer = key.split(".")
        if len(answer) not in (0, 2) or not all(part.isdecimal() for part in (photo, *answer)):
            raise CinnHubError(f"{key[:40]!r} is neither a photo nor an answer; pick one.")
        sheet = next((sheet for sheet in self.sheets if sheet.id == int(photo)), None)
        if sheet is None:
            raise PhotoError("This photo is gone; add it again.")
        if not answer:
            return sheet, None, 0
        row = next((row for row in sheet.rows if row.id == int(answer[0])), None)
        if row is None:
            raise CinnHubError("These answers are gone; colour the photo again.")
        return sheet, row, row.check(int(answer[1]))

    def chosen(self) -> list[tuple[Sheet, Row, int]]:
        """The answers with a star; of photos without any, the picked one."""
        found = []
        for sheet in self.sheets:
            stars = [(sheet, row, i) for row in sheet.rows for i in sorted(row.stars)]
            found += stars or [(sheet, row, row.picked) for row in filter(None, [sheet.at])]
        return found


def key_of(sheet: Sheet, row: Row | None = None, index: int = 0) -> str:
    """The name of a photo or an answer on the page; see `Lightbox.pick`."""
    return f"{sheet.id}" if row is None else f"{sheet.id}.{row.id}.{index}"


def likelihood_words(results: Sequence[Colorization]) -> list[str]:
    """How likely each answer is beside the others of its row, by its plausibility. Of the least
    likely ones those are pale that are less colourful than half of all."""
    plausible = [result.plausibility for result in results]
    least, most = min(plausible, default=0), max(plausible, default=0)
    if len(results) < 3 or most <= least:
        return [""] * len(results)
    usual = median(result.chroma for result in results)
    words = [
        ("daring" if result.chroma >= usual else "pale", "less likely", "likely", "very likely")
        for result in results
    ]
    shares = [(p - least) / (most - least) for p in plausible]
    return [word[min(3, int(4 * share))] for word, share in zip(words, shares, strict=True)]
