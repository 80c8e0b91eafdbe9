"""Between the network and Gradio: requests that ask for too much, or for what no page sends, are
refused in a sentence, before anything of them is opened."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import gradio as gr
from PIL import Image
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cinn_hub.errors import CinnHubError
from cinn_hub.ui import bounds
from cinn_hub.ui.files import app_folder
from cinn_hub.ui.queueing import Lines, lines

API = "/gradio_api/"
CALLS = ("run/", "api/", "call/v2/", "call/")  # with the name of an endpoint behind it
OTHERS = ("cancel", "reset", "queue/join", "run/predict")
FILE = {"_type": "gradio.FileData"}  # what Gradio's files say that they are
NUMBERS, TEXTS, CHOICES = ("slider", "number"), ("textbox", "colorpicker"), ("radio", "dropdown")
FILES = ("file", "uploadbutton")

Component = Mapping[str, Any]  # as the page's configuration describes it: id, type, props


class RequestError(CinnHubError):
    """A request is refused.

    Attributes:
        status: of the HTTP answer.
        at: which of the values is wrong, so that the page says it there.
    """

    def __init__(self, sentence: str, status: int = 400, at: int | None = None) -> None:
        super().__init__(sentence)
        self.status, self.at = status, at

    def answer(self) -> JSONResponse:
        sentence = str(self)
        detail: Any = sentence
        if self.at is not None:
            detail = [gr.validate(True, "")] * self.at + [gr.validate(False, sentence)]
        return JSONResponse({"detail": detail, "error": sentence}, self.status)


class RequestBounds:
    """ASGI middleware around Gradio's app, which knows the page's components.

    Arguments:
        page: `Blocks.get_config_file()`.
        names: `Blocks.get_api_info()`, for requests that name their values.
    """

    def __init__(
        self,
        app: ASGIApp,
        page: Mapping[str, Any],
        names: Mapping[str, Any],
        lines: Lines = lines,
    ) -> None:
        self.app, self.lines = app, lines
        components = {component["id"]: component for component in page["components"]}
        self.inputs: dict[int | str, list[Component]] = {}
        for event in page["dependencies"]:
            found = [components[number] for number in event["inputs"]]
            self.inputs[event["id"]] = found
            if isinstance(event["api_name"], str):
                self.inputs[event["api_name"]] = found
        self.names = {
            name.strip("/"): [parameter["parameter_name"] for parameter in endpoint["parameters"]]
            for name, endpoint in names["named_endpoints"].items()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            try:
                receive = await self.checked(Request(scope, receive))
            except RequestError as error:
                await error.answer()(scope, receive, send)
                return
        await self.app(scope, receive, send)

    async def checked(self, request: Request) -> Receive:
        """From where Gradio receives the request."""
        path = request.url.path.removeprefix(request.scope.get("root_path", "")).rstrip("/")
        path = path.removeprefix(API)
        if request.method == "GET" and path == "queue/data":
            return self.until_gone(request)
        if request.method != "POST":
            return request.receive
        if path == "upload":
            check_length(request, bounds.UPLOAD_BYTES)
            return request.receive
        called = next((path.removeprefix(call) for call in CALLS if path.startswith(call)), "")
        if path not in OTHERS and called not in self.inputs:
            raise RequestError("This app does not answer such requests.", 404)
        check_length(request, bounds.REQUEST_BYTES)
        body = read_json(await request.body())
        if path.startswith("call/v2/"):
            self.check_named(called, body)
        elif path not in ("cancel", "reset"):
            self.check_call(body, called)
        return replayed(request, json.dumps(body).encode())

    def until_gone(self, request: Request) -> Receive:
        """While a visitor listens; what they wait for is forgotten when they go."""
        visitor = parse_qs(request.url.query).get("session_hash", [""])[0]

        async def receive() -> Message:
            message = await request.receive()
            if message["type"] == "http.disconnect":
                self.lines.leave(visitor)
            return message

        return receive

    def check_call(self, body: dict[str, Any], called: str) -> None:
        """A list of values, with those of the server's own or without."""
        number, values = body.get("fn_index"), body.get("data")
        event = called if called in self.inputs else number if isinstance(number, int) else ""
        inputs = self.inputs.get(event)
        if inputs is None or not isinstance(values, list):
            raise RequestError("The request names no event of this app; see the page on the API.")
        sent = [component for component in inputs if not component["skip_api"]]
        components = inputs if len(values) == len(inputs) else sent
        if len(values) != len(components):
            raise RequestError(
                f"The request has {len(values)} values, and {len(sent)} were expected; see the "
                "page about the API."
            )
        check_parts("The request", {key: body[key] for key in body if key != "data"})
        check_values(components, values)

    def check_named(self, called: str, body: dict[str, Any]) -> None:
        """Values by their names; those that are left out have defaults."""
        sent = [component for component in self.inputs[called] if not component["skip_api"]]
        known = dict(zip(self.names[called], sent, strict=True))
        if unknown := body.keys() - known.keys():
            raise RequestError(
                f"{called} takes no value {min(unknown)[:80]!r}; it takes {', '.join(known)}."
            )
        check_values([known[name] for name in body], list(body.values()))


def check_length(request: Request, most: int) -> None:
    length = request.headers.get("content-length", "")
    if not length.isdecimal() or "transfer-encoding" in request.headers:
        raise RequestError(
            "The request does not say how long it is; send its Content-Length alone.", 411
        )
    if int(length) > most:
        raise RequestError(
            f"The request has {int(length) / 1e6:.1f} MB; at most {most / 1e6:g} are read.", 413
        )


def read_json(text: bytes) -> dict[str, Any]:
    try:
        body = json.loads(text)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise RequestError("The request cannot be read; see the page about the API.")
    return body


def replayed(request: Request, body: bytes) -> Receive:
    """The body once more, then what comes after it."""
    messages: list[Message] = [{"type": "http.request", "body": body, "more_body": False}]

    async def receive() -> Message:
        return messages.pop() if messages else await request.receive()

    return receive


def check_values(components: Sequence[Component], values: Sequence[Any]) -> None:
    """Refuses values that the components would not send.

    Raises:
        RequestError: which one, what came, what was expected.
    """
    for at, (component, value) in enumerate(zip(components, values, strict=True)):
        if not component["skip_api"] and (value is not None or component["type"] == "slider"):
            try:
                check_value(component, value)
            except RequestError as error:
                raise RequestError(str(error), 422, at) from None


def check_value(component: Component, value: Any) -> None:
    """(Ranges and choices are checked by Gradio, too, which writes what came into the log.)"""
    kind, props = component["type"], component["props"]
    name = f"“{props.get('label') or kind}”"
    check_parts(name, value)
    if kind in NUMBERS:
        check_number(name, value, props.get("minimum"), props.get("maximum"))
    elif kind in CHOICES and not props.get("allow_custom_value"):
        choices = [choice for _, choice in props["choices"]]
        if value not in choices:
            listed = ", ".join(map(str, choices))
            raise RequestError(f"{name} is {value!r:.80}; it must be one of {listed}.")
    elif kind in TEXTS + CHOICES and not isinstance(value, str):
        raise RequestError(f"{name} is {value!r:.80}; expected text.")
    elif kind in FILES:
        check_files(name, value, several=props.get("file_count", "single") != "single")
    elif kind == "imageeditor":
        check_sketch(name, value)


def check_parts(name: str, value: Any) -> None:
    """What holds for values of all components, and for all that lies in them."""
    for count, part in enumerate(parts_of(name, value)):
        if count > bounds.PARTS:
            raise RequestError(f"{name} has more than {bounds.PARTS} parts; send fewer.")
        if isinstance(part, str):
            check_text(name, part)
        elif is_number(part) and not abs(part) <= bounds.LARGEST_NUMBER:
            raise RequestError(f"{name} is {part!r:.80}; expected an ordinary number.")
        elif isinstance(part, dict) and part.keys() & {"path", "url", "meta"}:
            uploaded(name, part)


def parts_of(name: str, value: Any, depth: int = 0) -> Iterator[Any]:
    """The value and all that lies in it."""
    if depth > bounds.DEPTH:
        raise RequestError(f"{name} is nested more than {bounds.DEPTH} deep; send it flat.")
    yield value
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from parts_of(name, part, depth + 1)


def check_text(name: str, text: str) -> None:
    if text[:5].lower() == "data:":
        raise RequestError(
            f"{name} came as a data URL; upload the file, as handle_file of gradio_client does, "
            "and send its path."
        )
    if len(text) > bounds.LETTERS:
        raise RequestError(f"{name} has {len(text)} letters; at most {bounds.LETTERS} are read.")


def is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def check_number(name: str, value: Any, least: float | None, most: float | None) -> None:
    if not is_number(value):
        raise RequestError(f"{name} is {value!r:.80}; expected a number.")
    low, high = -math.inf if least is None else least, math.inf if most is None else most
    if not low <= value <= high:
        expected = f"from {low:g} to {high:g}" if high < math.inf else f"{low:g} or more"
        raise RequestError(f"{name} is {value:g}; it must be {expected}.")


def uploaded(name: str, file: Any) -> Path:
    """The path of a file that was uploaded here, or is an example; Gradio gets no more of it."""
    if not isinstance(file, dict):
        raise RequestError(f"{name} is {file!r:.80}; expected a file that was uploaded.")
    path, kept = file.get("path"), app_folder().path
    if not isinstance(path, str) or "\0" in path or not Path(path).resolve().is_relative_to(kept):
        raise RequestError(f"{name} is a file that was not uploaded here; upload it first.")
    file.clear()
    file.update(path=path, meta=FILE)
    return Path(path)


def check_files(name: str, value: Any, several: bool) -> None:
    if isinstance(value, list) != several:
        raise RequestError(f"{name} is {value!r:.80}; expected files that were uploaded.")
    files = value if several else [value]
    if len(files) > bounds.FILES:
        raise RequestError(f"{name} has {len(files)} files; at most {bounds.FILES} are taken.")
    for file in files:
        uploaded(name, file)


def check_sketch(name: str, value: Any) -> None:
    """A drawing: few layers, of few pixels each; only their headers are read."""
    if not isinstance(value, dict) or value.get("id") is not None:
        raise RequestError(f"{name} is {value!r:.80}; expected a drawing as files.")
    layers = value.get("layers") or []
    if not isinstance(layers, list) or len(layers) > bounds.LAYERS:
        raise RequestError(f"{name} has too many layers; at most {bounds.LAYERS} are read.")
    for file in (value.get("background"), value.get("composite"), *layers):
        if file is not None:
            check_pixels(name, uploaded(name, file))


def check_pixels(name: str, path: Path) -> None:
    try:
        with Image.open(path, formats=("PNG", "JPEG", "WEBP")) as image:
            width, height = image.size
    except Exception as error:  # Pillow raises errors of many kinds on damaged files
        raise RequestError(f"{name} holds a picture that cannot be read; draw again.") from error
    if width * height > bounds.SKETCH_PIXELS:
        raise RequestError(
            f"{name} is {width} x {height} pixels; at most {bounds.SKETCH_PIXELS / 1e6:g} "
            "megapixels are read."
        )
