"""What becomes of errors: a sentence on the page, and nothing private in the log."""

from __future__ import annotations

import inspect
import logging
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any

import gradio as gr

from cinn_hub.errors import CinnHubError

OUR_FAULT = "Something failed here that should not have; please try again, or with another photo."

log = logging.getLogger("cinn_hub.app")


def note(sentence: str) -> gr.Error:
    """A note on the page; clients of the API get it as their error."""
    return gr.Error(sentence, print_exception=False)


@contextmanager
def told() -> Iterator[None]:
    """Errors become notes. The log gets those that nobody expected, with the lines of code, but
    without the message, in which a photo's name may be."""
    try:
        yield
    except CinnHubError as error:
        raise note(str(error)) from None
    except gr.Error as error:
        raise note(error.message) from None
    except Exception as error:
        places = "".join(traceback.format_tb(error.__traceback__))
        log.error("%s in a handler:\n%s", type(error).__name__, places)
        raise note(OUR_FAULT) from None


def error_notes(handler: Callable[..., Any]) -> Callable[..., Any]:
    """The handler, whose errors become notes, while everything on the page stays as it is.

    (The style sheet hides Gradio's cover over the outputs: what was there still holds.)
    """

    if not inspect.isgeneratorfunction(handler):
        return told()(handler)

    @wraps(handler)
    def in_steps(*arguments: Any, **options: Any) -> Iterator[Any]:
        with told():
            yield from handler(*arguments, **options)

    return in_steps
