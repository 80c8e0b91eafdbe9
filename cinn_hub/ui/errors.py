"""What a handler does with an error that the user can mend."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import gradio as gr

from cinn_hub.errors import CinnHubError


def error_notes(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A `CinnHubError` becomes a note on the page, and everything there stays as it is.

    Clients of the API get it as their error. (The style sheet hides Gradio's cover over the
    outputs: what was there still holds.)
    """

    @contextmanager
    def told() -> Iterator[None]:
        try:
            yield
        except CinnHubError as error:
            raise gr.Error(str(error), print_exception=False) from None

    @wraps(handler)
    def once(*arguments: Any, **options: Any) -> Any:
        with told():
            return handler(*arguments, **options)

    @wraps(handler)
    def in_steps(*arguments: Any, **options: Any) -> Iterator[Any]:
        with told():
            yield from handler(*arguments, **options)

    return in_steps if inspect.isgeneratorfunction(handler) else once
