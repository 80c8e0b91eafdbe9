"""Who begins when, and what is said when a line is full."""

import asyncio
import contextlib
import inspect

import gradio as gr
import pytest
from helpers import run_async

from cinn_hub.ui import queueing
from cinn_hub.ui.queueing import (
    ARCHIVES,
    COLORS,
    DIGITS,
    GUESSED_SECONDS,
    SAVES,
    Lines,
    as_time,
    in_line,
)


class Visitors:
    """Jobs that begin and end when a test says so."""

    def __init__(self, **options):
        self.lines, self.tasks, self.ends = Lines(), {}, {}
        self.began, self.refused = [], {}
        vars(self.lines).update(options)

    async def come(self, kind, name):
        self.ends[name] = asyncio.Event()
        self.tasks[name] = asyncio.create_task(self.stay(kind, name))
        await self.settle()

    async def stay(self, kind, name):
        try:
            async with self.lines.turn(kind, "work", name):
                self.began.append(name)
                await self.ends[name].wait()
        except gr.Error as error:
            self.refused[name] = error.message

    async def end(self, name):
        self.ends[name].set()
        await self.settle()

    async def settle(self):
        for _ in range(20):
            await asyncio.sleep(0)


def test_saves_begin_beside_colours_and_colours_wait_for_a_core():
    async def play():
        visitors = Visitors()
        for name in ("c1", "c2", "c3"):
            await visitors.come(COLORS, name)
        await visitors.come(ARCHIVES, "a1")
        await visitors.come(DIGITS, "d1")
        for name in ("s1", "s2", "s3"):
            await visitors.come(SAVES, name)
        assert visitors.began == ["c1", "c2", "d1", "s1", "s2"]
        await visitors.end("c1")
        await visitors.end("c2")
        assert visitors.began[5:] == []  # two saves run
        await visitors.end("s1")
        assert visitors.began[5:] == ["s3"]
        await visitors.end("s2")
        assert visitors.began[6:] == ["c3"]
        await visitors.end("s3")
        assert visitors.began[7:] == ["a1"]

    run_async(play())


def test_a_full_line_refuses_with_a_time_and_the_other_lines_go_on():
    async def play():
        visitors = Visitors(most_colors=2)
        for name in ("c1", "c2", "c3", "c4", "c5"):
            await visitors.come(COLORS, name)
        said = "2 people already wait for colours; please come back in 10 seconds."
        assert visitors.refused == {"c5": said} and GUESSED_SECONDS <= 10
        await visitors.end("c1")
        visitors.lines.seconds["work"] = 40.0
        await visitors.come(COLORS, "c6")
        await visitors.come(COLORS, "c7")
        assert "come back in 30 seconds" in visitors.refused["c7"]  # 5 and 40 in 2 slots
        await visitors.come(SAVES, "s1")
        assert visitors.began == ["c1", "c2", "c3", "s1"]

    run_async(play())


def test_nobody_waits_for_many_minutes():
    async def play():
        visitors = Visitors(seconds={"work": 100.0})
        for number in range(7):
            await visitors.come(SAVES, f"s{number}")
        said = "4 people already wait for a file; please come back in 4 minutes."
        assert visitors.refused == {"s6": said}

    run_async(play())


def test_who_does_not_listen_or_stops_is_not_waited_for(monkeypatch):
    monkeypatch.setattr(queueing, "ABSENT_SECONDS", 0)

    async def play():
        visitors = Visitors()
        with contextlib.ExitStack() as stay, visitors.lines.heard_by("gone"):
            for name in ("c1", "c2", "stopped", "c5"):
                stay.enter_context(visitors.lines.heard_by(name))
            for name in ("c1", "c2", "gone", "stopped"):
                await visitors.come(COLORS, name)
            visitors.tasks["stopped"].cancel()
            await visitors.settle()
            left = stay.pop_all()
        await visitors.come(COLORS, "never heard")
        await visitors.come(COLORS, "c5")
        assert visitors.refused.keys() == {"gone", "never heard"}
        assert "left" in visitors.refused["gone"]
        await visitors.end("c1")
        assert visitors.began == ["c1", "c2", "c5"] and not visitors.lines.waiting
        await visitors.end("c2")
        await visitors.end("c5")
        left.close()
        assert not visitors.lines.running and not visitors.lines.listening

    run_async(play())


def test_a_handler_keeps_its_name_and_its_inputs_and_works_in_a_thread():
    lines = Lines()

    def draw(n: int, event: gr.EventData, **levels: float):
        """Draws."""
        return n, levels

    def steps(n: int):
        yield from range(n)

    async def play():
        asking = type("Request", (), {"session_hash": "me"})()
        handler, generator = in_line(lines, COLORS, draw), in_line(lines, COLORS, steps)
        assert list(inspect.signature(handler).parameters) == ["who", "n", "event", "levels"]
        assert handler.__doc__ == "Draws." and handler.__annotations__["who"] is gr.Request
        assert await handler(asking, 3, None, mood=1.0) == (3, {"mood": 1.0})
        assert [step async for step in generator(asking, 3)] == [0, 1, 2]
        stopped = generator(asking, 3)
        await anext(stopped)
        assert len(lines.running) == 1
        await stopped.aclose()
        known = {name.rpartition(".")[2] for name in lines.seconds}
        assert not lines.running and known == {"draw", "steps"}

    run_async(play())


@pytest.mark.parametrize(
    "seconds, text",
    [(0, "10 seconds"), (12, "20 seconds"), (50, "50 seconds"), (51, "a minute")]
    + [(61, "2 minutes"), (400, "7 minutes")],
)
def test_times_to_come_back(seconds, text):
    assert as_time(seconds) == text
