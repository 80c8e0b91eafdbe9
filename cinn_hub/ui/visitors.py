"""Whose lightbox is whose, also where Gradio has forgotten it, which remembers the newest sessions
alone: anybody can begin new ones. Here those with photos count."""

from __future__ import annotations

import inspect
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import gradio as gr

from cinn_hub.ui.bounds import KEPT_SECONDS, SESSIONS
from cinn_hub.ui.lightbox import Lightbox
from cinn_hub.ui.queueing import asking


class Lightboxes:
    """Those with photos, by the names of their visitors' sessions, as long as photos are kept."""

    def __init__(self) -> None:
        self.held: OrderedDict[str, tuple[float, Lightbox]] = OrderedDict()
        self.lock = threading.Lock()

    @contextmanager
    def of(self, visitor: str | None, box: Lightbox) -> Iterator[Lightbox]:
        """The visitor's lightbox while an event changes it: the one that Gradio has, unless that is
        an empty one in the place of another."""
        with self.lock:
            box = box if box.sheets else self.held.get(visitor, (0.0, box))[1]
        try:
            yield box
        finally:
            self.keep(visitor, box)

    def keep(self, visitor: str | None, box: Lightbox) -> None:
        with self.lock:
            self.held.pop(visitor, None)
            if box.sheets and visitor:
                self.held[visitor] = time.monotonic(), box
            oldest = time.monotonic() - KEPT_SECONDS
            while self.held and (len(self.held) > SESSIONS or self.first_used() < oldest):
                self.held.popitem(last=False)

    def first_used(self) -> float:
        return next(iter(self.held.values()))[0]


lightboxes = Lightboxes()  # of this process


def with_own_box(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler, whose first argument is a lightbox; it gets the one that its visitor has."""

    @wraps(handler)
    def in_steps(whose: gr.Request, box: Lightbox, *rest: Any, **options: Any) -> Iterator[Any]:
        with lightboxes.of(whose.session_hash, box) as own:
            yield from handler(own, *rest, **options)

    @wraps(handler)
    def once(whose: gr.Request, box: Lightbox, *rest: Any, **options: Any) -> Any:
        with lightboxes.of(whose.session_hash, box) as own:
            return handler(own, *rest, **options)

    return asking("whose", in_steps if inspect.isgeneratorfunction(handler) else once, handler)
