"""What a handler does with an error that the user can mend."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import gradio as gr

from cinn_hub.errors import CinnHubError


def shown(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A `CinnHubError` becomes a note on the page, and everything there stays as it is.

    Clients of the API get it as their error. (The style sheet hides Gradio's cover over the
    outputs: what was there still holds.)
    """

    @wraps(handler)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        try:
            return handler(*arguments, **options)
        except CinnHubError as error:
            raise gr.Error(str(error), print_exception=False) from None

    return wrapper
