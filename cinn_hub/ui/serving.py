"""Between the network and the handlers: what is refused before a handler sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gradio as gr
from gradio.block_function import BlockFunction
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from cinn_hub.errors import CinnHubError
from cinn_hub.ui.errors import note
from cinn_hub.ui.limits import check_request

REQUEST_BYTES = 1_000_000  # of values; files are uploaded
UPLOAD_BYTES = 600_000_000  # of all files of one upload
FILE_SIZE = "300mb"  # of one of them, which may be an archive
UNREADABLE = "The request cannot be read; see the page about the API for what it must have."


class AppBlocks(gr.Blocks):
    """Gradio's Blocks, which look at a request before any file of it is opened."""

    async def preprocess_data(
        self, block_fn: BlockFunction, inputs: Sequence[Any], *rest: Any, **options: Any
    ) -> list[Any]:
        try:
            check_request(block_fn, inputs)
            return await super().preprocess_data(block_fn, inputs, *rest, **options)
        except CinnHubError as error:
            raise note(str(error)) from None
        except gr.Error as error:
            raise note(error.message) from None
        except Exception:  # whatever a component makes of a value that no page sends
            raise note(UNREADABLE) from None


class BoundedBodies:
    """Refuses requests that are too long, before anything of them is read."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        refusal = refusal_of(Request(scope)) if scope["type"] == "http" else None
        await (refusal or self.app)(scope, receive, send)


def refusal_of(request: Request) -> JSONResponse | None:
    """The answer to a request that is not passed on."""
    if request.method != "POST":
        return None
    path = request.url.path.rstrip("/")
    if path.endswith("/component_server"):  # keeps what it gets for good; no page here needs it
        return answer(404, "This app does not answer such requests.")
    length = request.headers.get("content-length", "")
    if not length.isdecimal():
        return answer(411, "The request does not say how long it is; send its Content-Length.")
    most = UPLOAD_BYTES if path.endswith("/upload") else REQUEST_BYTES
    if int(length) > most:
        return answer(
            413, f"The request has {int(length) / 1e6:.1f} MB; at most {most / 1e6:g} are read."
        )
    return None


def answer(status: int, sentence: str) -> JSONResponse:
    return JSONResponse({"detail": sentence, "error": sentence}, status)
