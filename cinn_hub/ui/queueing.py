"""The kinds of work that visitors wait for: who begins when, and what is said when a line is full.

Gradio begins every request at once; the handlers wait here, each in the line of its kind.
"""

from __future__ import annotations

import asyncio
import inspect
import math
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial, wraps
from typing import Any

import gradio as gr
from anyio import to_thread

from cinn_hub.ui.bounds import ABSENT_SECONDS, FEW, WAITING_FOR_COLORS, WAITING_SECONDS
from cinn_hub.ui.errors import note

JOBS = 2  # of the heavy kinds at once; saves begin even then
GUESSED_SECONDS = 5.0  # of work that has never been done yet
NEWEST = 0.2  # how much of the expected time the last one decides
TELL_SECONDS = 1.0  # between two times when a visitor is told their place
END = object()
PLACE = gr.Progress()


@dataclass(frozen=True)
class Kind:
    """A kind of work: how many at once, how many may wait, and what a visitor is told then.

    patient: long work, which leaves the cores to saves.
    """

    wanted: str
    slots: int
    most_waiting: int
    patient: bool = False

    def __call__(self, handler: Callable[..., Any]) -> Callable[..., Any]:
        """The handler as Gradio calls it: it waits in this line, then runs in a thread."""
        return in_line(lines, self, handler)


COLORS = Kind("colours", 2, WAITING_FOR_COLORS, patient=True)
ARCHIVES = Kind("a film or an archive", 1, 8, patient=True)
SAVES = Kind("a file", 2, 64)
DIGITS = Kind("digits", 1, 64)
LOOKS = Kind("a preview", 2, 64)
LOADING = Kind("a model", 1, 4)
HEAVY = (COLORS, ARCHIVES, SAVES)


@dataclass(eq=False)
class Job:
    """One request of a visitor; `turn` is done when it may begin."""

    kind: Kind
    visitor: str | None
    seconds: float
    turn: asyncio.Future[None]
    came: float = field(default_factory=time.monotonic)


class Lines:
    """All jobs that wait and run, in the order in which they came."""

    def __init__(self) -> None:
        self.waiting: list[Job] = []
        self.running: list[Job] = []
        self.listening: Counter[str] = Counter()
        self.most_colors = WAITING_FOR_COLORS
        self.seconds: dict[str, float] = {}  # that a handler takes, by its name

    @asynccontextmanager
    async def turn(self, kind: Kind, name: str, visitor: str | None) -> AsyncIterator[None]:
        """Waits until this work may begin, and holds its place until it is done.

        Raises:
            gr.Error: the line is full.
        """
        self.forget_absent()
        if refusal := self.refusal(kind):
            raise note(refusal)
        seconds = self.seconds.get(name, GUESSED_SECONDS)
        job = Job(kind, visitor, seconds, asyncio.get_running_loop().create_future())
        self.waiting.append(job)
        try:
            self.begin()
            await self.told_when_to_begin(job)
            start = time.monotonic()
            yield
            took = time.monotonic() - start
            known = self.seconds.get(name, took)
            self.seconds[name] = known + NEWEST * (took - known)
        finally:
            (self.running if job in self.running else self.waiting).remove(job)
            self.begin()

    async def told_when_to_begin(self, job: Job) -> None:
        """Until it is the job's turn, its visitor sees how many are before them."""
        told = None
        while not (await asyncio.wait([job.turn], timeout=TELL_SECONDS if told else 0))[0]:
            before = self.line(job.kind)[: self.line(job.kind).index(job)]
            place = f"{len(before)} before you, about {as_time(expected(job.kind, before))}"
            if place != told:
                PLACE(0, desc=place)
                told = place
        job.turn.result()

    def begin(self) -> None:
        """Lets begin who may: quick work first, then who came first."""
        self.forget_absent()
        for job in sorted(self.waiting, key=lambda job: job.kind.patient):
            if self.has_room(job.kind):
                self.waiting.remove(job)
                self.running.append(job)
                job.turn.set_result(None)

    def has_room(self, kind: Kind) -> bool:
        same = sum(job.kind == kind for job in self.running)
        heavy = sum(job.kind in HEAVY for job in self.running)
        return same < kind.slots and not (kind.patient and heavy >= JOBS)

    def line(self, kind: Kind) -> list[Job]:
        return [job for job in self.waiting if job.kind == kind]

    def refusal(self, kind: Kind) -> str | None:
        """What a visitor is told who cannot wait for this any more."""
        waiting = self.line(kind)
        seconds = expected(kind, waiting)
        most = self.most_colors if kind == COLORS else kind.most_waiting
        if len(waiting) < most and (seconds <= WAITING_SECONDS or len(waiting) < FEW):
            return None
        return (
            f"{len(waiting)} people already wait for {kind.wanted}; please come back in "
            f"{as_time(seconds)}."
        )

    @contextmanager
    def heard_by(self, visitor: str) -> Iterator[None]:
        """While a visitor listens to what becomes of their jobs."""
        self.listening[visitor] += 1
        try:
            yield
        finally:
            self.listening[visitor] -= 1
            if not self.listening[visitor]:
                del self.listening[visitor]

    def forget_absent(self) -> None:
        """Forgets the jobs that wait for visitors who do not listen: never did, or went away."""
        latest = time.monotonic() - ABSENT_SECONDS
        for job in [job for job in self.waiting if job.came < latest]:
            if job.visitor not in self.listening:
                self.waiting.remove(job)
                self.running.append(job)  # until its own task has heard of it
                job.turn.set_exception(note("You left before it was your turn."))


lines = Lines()  # of this process


def in_line(lines: Lines, kind: Kind, handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler, which waits in a line; Gradio says who asks."""
    name = getattr(handler, "__qualname__", "")  # many are called run

    @wraps(handler)
    async def once(who: gr.Request, *arguments: Any, **options: Any) -> Any:
        async with lines.turn(kind, name, who.session_hash):
            return await to_thread.run_sync(partial(handler, *arguments, **options))

    @wraps(handler)
    async def in_steps(who: gr.Request, *arguments: Any, **options: Any) -> AsyncIterator[Any]:
        async with lines.turn(kind, name, who.session_hash):
            steps = handler(*arguments, **options)
            while (step := await to_thread.run_sync(next, steps, END)) is not END:
                yield step

    return asking("who", in_steps if inspect.isgeneratorfunction(handler) else once, handler)


def asking(name: str, run: Callable[..., Any], handler: Callable[..., Any]) -> Callable[..., Any]:
    """`run`, of which Gradio sees that it takes a request of this name, and what the handler
    takes."""
    own = inspect.signature(handler)
    request = inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    run.__signature__ = own.replace(parameters=[request, *own.parameters.values()])
    run.__annotations__ = {name: gr.Request, **handler.__annotations__}
    return run


def expected(kind: Kind, jobs: list[Job]) -> float:
    """Seconds until all of these are done."""
    return sum(job.seconds for job in jobs) / kind.slots


def as_time(seconds: float) -> str:
    """A time to come back after, rounded up: "20 seconds", "3 minutes"."""
    if seconds <= 50:
        return f"{max(10, 10 * math.ceil(seconds / 10))} seconds"
    minutes = math.ceil(seconds / 60)
    return "a minute" if minutes == 1 else f"{minutes} minutes"
