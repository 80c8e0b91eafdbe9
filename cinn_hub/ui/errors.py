"""What a handler does with an error that the user can mend."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

import gradio as gr

from cinn_hub.errors import CinnHubError


def shown(handler: Callable[..., Any]) -> Callable[..., Any]:
    """A `CinnHubError` becomes a warning on the page, and everything there stays as it is."""

    @wraps(handler)
    def wrapper(*arguments: Any, **options: Any) -> Any:
        try:
            return handler(*arguments, **options)
        except CinnHubError as error:
            gr.Warning(str(error), title="That did not work")
            return gr.skip()

    return wrapper
