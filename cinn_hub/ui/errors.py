"""What a handler does with an error that the user can mend."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import gradio as gr

from cinn_hub.errors import CinnHubError

FAULT = "This failed by a fault of the app; try it again, or reload the page."


def error_notes(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A `CinnHubError` becomes a note on the page, and everything there stays as it is.

    Any other error becomes one, too, and goes into the log. Clients of the API get it as theirs.
    (The style sheet hides Gradio's cover over the outputs: what was there still holds.)
    """

    @contextmanager
    def told() -> Iterator[None]:
        try:
            yield
        except CinnHubError as error:
            raise gr.Error(str(error), print_exception=False) from None
        except Exception as error:
            logging.getLogger(__name__).exception("A handler of the app failed.")
            raise gr.Error(FAULT, print_exception=False) from error

    @wraps(handler)
    def once(*arguments: Any, **options: Any) -> Any:
        with told():
            return handler(*arguments, **options)

    @wraps(handler)
    def in_steps(*arguments: Any, **options: Any) -> Iterator[Any]:
        with told():
            yield from handler(*arguments, **options)

    return in_steps if inspect.isgeneratorfunction(handler) else once
