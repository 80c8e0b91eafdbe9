"""The kinds of work that visitors wait for: each in a line of its own, with a limit."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr
from fastapi import Request
from gradio import queueing, route_utils
from gradio.block_function import BlockFunction
from gradio.data_classes import PredictBodyInternal
from gradio.server_messages import ProcessCompletedMessage
from gradio.utils import error_payload


@dataclass(frozen=True)
class Kind:
    """A kind of work: how many at once, how many may wait, and what a visitor is told then."""

    name: str
    slots: int
    most_waiting: int
    wanted: str

    @property
    def event(self) -> dict[str, Any]:
        """Options of Gradio's events of this kind."""
        return {"concurrency_id": self.name, "concurrency_limit": self.slots}


COLORS = Kind("colors", slots=2, most_waiting=32, wanted="colours")
DIGITS = Kind("digits", slots=1, most_waiting=64, wanted="digits")
SAVES = Kind("saves", slots=2, most_waiting=64, wanted="a file")
ARCHIVES = Kind("archives", slots=1, most_waiting=8, wanted="a film or an archive")
LOOKS = Kind("looks", slots=2, most_waiting=64, wanted="a preview")
LOADING = Kind("loading", slots=1, most_waiting=4, wanted="a model")
KINDS = {kind.name: kind for kind in (COLORS, DIGITS, SAVES, ARCHIVES, LOOKS, LOADING)}

PATIENT = (COLORS.name, ARCHIVES.name)
HEAVY = (*PATIENT, SAVES.name)
JOBS = 2  # of the heavy kinds at once; saves start even then
MOST_SECONDS, FEW = 180, 4  # nobody waits longer, unless fewer than that are before them
GUESSED_SECONDS = 5  # of work that has never been done yet
NAP_SECONDS = 0.02  # between looks at the lines; Gradio's 0.001 keeps a tenth of a core busy


class Lines(queueing.Queue):
    """Gradio's queue, with one line for each kind of work.

    Whoever comes when a line is full is told at once, in one sentence, how long it is; in
    Gradio's own queue all kinds fill one line, and clients only learn that it is full.
    """

    def __init__(self, blocks: gr.Blocks, most_colors: int = COLORS.most_waiting) -> None:
        """most_colors: how many may wait for colours."""
        super().__init__(
            live_updates=True,
            concurrency_count=blocks.max_threads,
            update_intervals=1,
            max_size=None,
            blocks=blocks,
            default_concurrency_limit=1,
        )
        self.sleep_when_free = self.progress_update_sleep_when_free = NAP_SECONDS
        self.ANALYTICS_MAX_EVENTS = 1
        self.kinds = KINDS | {COLORS.name: replace(COLORS, most_waiting=most_colors)}

    def compute_analytics_summary(self, records: list) -> dict:
        """Nothing: Gradio builds a table of all requests after each of them."""
        return self.cached_event_analytics_summary

    def get_events(self) -> tuple[list[queueing.Event], bool, str] | None:
        """The event to start now, if there is one that may: quick work first, then who came first.

        Long work leaves the cores to saves: it starts when fewer jobs than `JOBS` run.
        """
        lines = self.event_queue_per_concurrency_id
        busy = sum(lines[name].current_concurrency for name in HEAVY if name in lines)
        ready = [
            line
            for line in lines.values()
            if line.queue
            and line.current_concurrency < (line.concurrency_limit or math.inf)
            and (line.concurrency_id not in PATIENT or busy < JOBS)
        ]
        if not ready:
            return None
        line = min(ready, key=lambda x: (x.concurrency_id in PATIENT, x.queue[0].enqueue_time))
        return [line.queue.pop(0)], False, line.concurrency_id

    async def push(
        self, body: PredictBodyInternal, request: Request, username: str | None
    ) -> tuple[bool, Any, Any]:
        handler = route_utils.get_fn(self.blocks, None, body)
        if handler not in self.process_time_per_fn:
            self.process_time_per_fn[handler] = guess()
        refusal = self.refusal(handler)
        if refusal is None:
            return await super().push(body, request, username)
        event = queueing.Event(body.session_hash, handler, request, username)
        session = event.session_hash
        async with self.pending_message_lock:
            if session not in self.pending_messages_per_session:
                self.pending_messages_per_session[session] = queueing.AsyncQueue()
            self.pending_event_ids_session.setdefault(session, set()).add(event._id)
        output = error_payload(gr.Error(refusal), show_error=True)
        self.send_message(event, ProcessCompletedMessage(output=output, success=False))
        return True, event._id, "success"

    def refusal(self, handler: BlockFunction) -> str | None:
        """What a visitor is told who cannot wait for this any more."""
        kind = self.kinds.get(handler.concurrency_id)
        line = self.event_queue_per_concurrency_id.get(handler.concurrency_id)
        if kind is None or line is None:
            return None
        seconds = self.seconds_of(line) / kind.slots
        is_long = seconds > MOST_SECONDS and len(line.queue) >= FEW
        if len(line.queue) < kind.most_waiting and not is_long:
            return None
        return (
            f"{len(line.queue)} people already wait for {kind.wanted}; please come back in "
            f"{as_time(seconds)}."
        )

    def seconds_of(self, line: queueing.EventQueue) -> float:
        """How long one slot works on all that waits in a line."""
        return sum(self.process_time_per_fn[event.fn].avg_time for event in line.queue)


def guess() -> queueing.ProcessTime:
    """The time of work that has never been done yet; Gradio would tell its visitors none."""
    time = queueing.ProcessTime()
    time.avg_time = GUESSED_SECONDS
    return time


def as_time(seconds: float) -> str:
    """A time to come back after, rounded up: "20 seconds", "3 minutes"."""
    if seconds <= 50:
        return f"{max(10, 10 * math.ceil(seconds / 10))} seconds"
    minutes = math.ceil(seconds / 60)
    return "a minute" if minutes == 1 else f"{minutes} minutes"
