"""Between the network and Gradio: requests that ask for too much, or for what no page sends, are
refused in a sentence, before anything of them is opened."""

from __future__ import annotations

import asyncio
import json
import math
import re
import secrets
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import gradio as gr
from anyio import to_thread
from PIL import Image
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.datastructures import MutableHeaders
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from cinn_hub.errors import CinnHubError
from cinn_hub.ui import bounds
from cinn_hub.ui.files import app_folder
from cinn_hub.ui.queueing import Lines, lines

API, FILE_AT = "gradio_api/", "gradio_api/file="
CALLS = ("run/", "api/", "call/v2/", "call/")  # with the name of an endpoint behind it
OTHERS = ("cancel", "reset", "queue/join", "run/predict")
READ = re.compile(  # what the page and clients ask for by GET
    r"|config|theme\.css|robots\.txt|manifest\.json|favicon\.ico|pwa_icon(/\d+)?"
    r"|(assets|static|svelte)/.+|gradio_api/(info|openapi\.json|app_id|theme\.css|startup-events"
    r"|upload_progress|queue/(data|status)|heartbeat/[^/]+|call/(v2/)?\w+/\w+|file=.+)"
)
OF_CALLS = {"data", "event_data", "event_id", "fn_index", "session_hash", "trigger_id"}
NAME = re.compile(r"[\w-]{1,64}", re.ASCII)  # of a session or an event
MOST_EVENTS = 10_000  # of calls whose visitors are remembered
HOSTS = ("host", "x-forwarded-host", "x-gradio-server")  # of which Gradio makes addresses
ADDRESS = re.compile(r"(?:https?://)?(\[[^\]]*\]|[^:/\[\]]*)(?::\d+)?/?")  # its name, with a port
HEADERS = {"X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin"}
PAGE_POLICY = (  # Gradio's page has scripts inside, and makes some from text
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self' data:; "
    "connect-src 'self' data: blob:; worker-src 'self' blob:; object-src 'none'; "
    "base-uri 'self'; form-action 'self'; frame-ancestors "
)
FILE_POLICY = "default-src 'none'; sandbox"  # what visitors sent does nothing in a browser

FILE = {"_type": "gradio.FileData"}  # what Gradio's files say that they are
NUMBERS, TEXTS, CHOICES = ("slider", "number"), ("textbox", "colorpicker"), ("radio", "dropdown")
FILES = ("file", "uploadbutton")

Check = Callable[[Request], Callable[[bytes], Awaitable[None]]]
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
        close = {"Connection": "close"}  # what else is under way is not read
        return JSONResponse({"detail": detail, "error": sentence}, self.status, close)


class RequestBounds:
    """ASGI middleware around Gradio's app, which knows the page's components.

    Arguments:
        page: `Blocks.get_config_file()`.
        api: `Blocks.get_api_info()`, for requests that name their values.
        hosts: the names under which the app is served; without any, it answers to all.
        frames: which pages may show the app in a frame, as Content-Security-Policy names them.
    """

    def __init__(
        self,
        app: ASGIApp,
        page: Mapping[str, Any],
        api: Mapping[str, Any],
        lines: Lines = lines,
        hosts: Collection[str] = (),
        frames: str = "'none'",
    ) -> None:
        self.app, self.lines, self.hosts, self.policy = app, lines, hosts, PAGE_POLICY + frames
        components = {component["id"]: component for component in page["components"]}
        self.inputs: dict[int | str, list[Component]] = {}
        for event in page["dependencies"]:
            found = [components[number] for number in event["inputs"]]
            self.inputs[event["id"]] = found
            if isinstance(event["api_name"], str):
                self.inputs[event["api_name"]] = found
        self.defaults = {
            name.strip("/"): {
                parameter["parameter_name"]: parameter.get("parameter_default")
                for parameter in endpoint["parameters"]
            }
            for name, endpoint in api["named_endpoints"].items()
        }
        self.visitors: dict[str, str] = {}  # who made a call, by its event

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        request, begun = Request(scope, receive), False
        path = scope["path"].removeprefix(scope.get("root_path", "")).strip("/")

        async def answer(message: Message) -> None:
            nonlocal begun
            begun = True
            if message["type"] == "http.response.start":
                policy = FILE_POLICY if path.startswith(FILE_AT) else self.policy
                headers = HEADERS | {"Content-Security-Policy": policy}
                MutableHeaders(scope=message).update(headers)
            await send(message)

        try:
            self.check_host(request)
            if request.method in ("GET", "HEAD"):
                await self.read(request, path, answer)
            elif request.method == "POST" and path.startswith(API):
                await self.write(request, path.removeprefix(API), answer)
            else:
                raise RequestError("This app does not answer such requests.", 404)
        except RequestError as error:
            if not begun:
                await error.answer()(scope, receive, answer)
        except ClientDisconnect:
            pass  # nobody is there any more

    def check_host(self, request: Request) -> None:
        """Refuses names that others gave to this machine, and those that proxies only claim."""
        for text in (request.headers.get(name, "localhost") for name in HOSTS if self.hosts):
            name = ADDRESS.fullmatch(text)
            if not name or name[1].strip("[]").lower() not in self.hosts:
                raise RequestError(
                    f"This app is not served as {text[:80]!r}, but as {', '.join(self.hosts)}; "
                    "whoever runs it can add a name with --hosts.",
                    421,
                )

    async def read(self, request: Request, path: str, send: Send) -> None:
        """Answers a request for what is there."""
        if not READ.fullmatch(path) or (path.startswith(FILE_AT) and not is_kept(path)):
            raise RequestError("There is nothing of that name here, or not any more.", 404)
        visitor, last = None, path.rpartition("/")[2]
        if path == "gradio_api/queue/data":
            visitor = parse_qs(request.url.query).get("session_hash", [""])[0]
        elif path.startswith(f"{API}call/"):
            visitor = self.visitors.get(last, last)
        elif path.startswith(f"{API}heartbeat/"):
            check_name(last)
        if visitor is None:
            await self.app(request.scope, request.receive, send)
            return
        check_name(visitor)
        with self.lines.heard_by(visitor):
            await self.app(request.scope, request.receive, send)

    async def write(self, request: Request, path: str, send: Send) -> None:
        """Hands a request on that brings files, or values for an event."""
        if path == "upload":
            receive = counted(request, bounds.UPLOAD_BYTES, files_alone)
            await self.app(request.scope, receive, send)
            return
        called = next((path.removeprefix(call) for call in CALLS if path.startswith(call)), "")
        if path not in OTHERS and called not in self.inputs:
            raise RequestError("This app does not answer such requests.", 404)
        request.scope = {**request.scope}
        body = read_json(
            await Request(request.scope, counted(request, bounds.REQUEST_BYTES)).body()
        )
        if path.startswith("call/v2/"):
            request.scope["path"] = request.scope["path"].replace("call/v2/", "call/", 1)
            body = self.in_order(called, body)
        body = {key: value for key, value in body.items() if key in OF_CALLS and value is not None}
        if path.startswith("call/"):
            body.setdefault("session_hash", secrets.token_hex(8))
        visitor, _ = (check_name(body.get(key, "none")) for key in ("session_hash", "event_id"))
        if path not in ("cancel", "reset"):
            self.check_call(body, called)

        async def noted(message: Message) -> None:
            if path.startswith("call/") and message["type"] == "http.response.body":
                self.note(message["body"], visitor)
            await send(message)

        await self.app(request.scope, replayed(request, json.dumps(body).encode()), noted)

    def note(self, answer: bytes, visitor: str) -> None:
        """Remembers who made a call: who asks what became of it names the event alone."""
        if event := re.search(rb'"event_id":"(\w+)"', answer):
            self.visitors[event[1].decode()] = visitor
            if len(self.visitors) > MOST_EVENTS:
                del self.visitors[next(iter(self.visitors))]

    def in_order(self, called: str, body: dict[str, Any]) -> dict[str, Any]:
        """The call whose values came by their names; those that were left out have defaults."""
        known = self.defaults[called]
        if unknown := body.keys() - known.keys():
            raise RequestError(
                f"{called} takes no value {min(unknown)[:80]!r}; it takes {', '.join(known)}."
            )
        return {"data": [body.get(name, default) for name, default in known.items()]}

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


def check_name(name: Any) -> str:
    """The name of a session or an event, which whoever asks has chosen."""
    if not isinstance(name, str) or not NAME.fullmatch(name):
        raise RequestError(
            f"The session or the event is called {name!r:.80}; expected 1 to 64 letters and digits."
        )
    return name


def is_kept(path: str) -> bool:
    """Whether it asks for a file that was uploaded or made here: no address, and no other file."""
    text = path.removeprefix(FILE_AT)
    return "\0" not in text and Path(text).resolve().is_relative_to(app_folder().path)


def counted(request: Request, most: int, check: Check | None = None) -> Receive:
    """From where the body is received, of which no more than `most` bytes are taken, however long
    it says that it is; check: gives what looks at each part.

    Raises:
        RequestError: it does not say how long it is, is longer, or stops coming.
    """
    lengths = request.headers.getlist("content-length")
    if len(lengths) != 1 or not lengths[0].isdecimal() or "transfer-encoding" in request.headers:
        raise RequestError(
            "The request does not say how long it is; send its Content-Length alone.", 411
        )
    if int(lengths[0]) > most:
        raise RequestError(
            f"The request has {int(lengths[0]) / 1e6:.1f} MB; at most {most / 1e6:g} are read.", 413
        )
    left, look = int(lengths[0]), check(request) if check else None

    async def receive() -> Message:
        nonlocal left
        if left <= 0:
            return await request.receive()
        try:
            message = await asyncio.wait_for(request.receive(), bounds.SILENT_SECONDS)
        except TimeoutError:
            raise RequestError("Nothing came for too long; send it again.", 408) from None
        body = message.get("body", b"")
        left -= len(body)
        if left < 0:
            raise RequestError("The request is longer than it says; send its length.", 413)
        if look:
            await look(body)
        return message

    return receive


def files_alone(request: Request) -> Callable[[bytes], Awaitable[None]]:
    """What looks at each part of an upload: there has to be room for it, and Gradio would keep in
    memory what is no file."""
    kind, options = parse_options_header(request.headers.get("content-type"))
    if kind != b"multipart/form-data" or b"boundary" not in options:
        raise RequestError("Files are uploaded as multipart/form-data; see the page on the API.")
    header = bytearray()

    def in_header(data: bytes, start: int, end: int) -> None:
        header.extend(data[start:end])

    def check() -> None:
        if b"filename" not in header:
            raise RequestError("An upload has a part that is no file; send files alone.")
        header.clear()

    parser = MultipartParser(
        options[b"boundary"], {"on_header_value": in_header, "on_headers_finished": check}
    )

    async def look(data: bytes) -> None:
        try:
            parser.write(data)
            await to_thread.run_sync(app_folder().make_room, len(data))
        except FormParserError:
            raise RequestError("The upload cannot be read; send it again.") from None
        except RequestError:
            raise
        except CinnHubError as error:
            raise RequestError(str(error), 507) from None

    return look


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
        with Image.open(path, formats=("PNG", "WEBP")) as image:
            width, height = image.size
    except Exception as error:  # Pillow raises errors of many kinds on damaged files
        raise RequestError(f"{name} holds a picture that cannot be read; draw again.") from error
    if width * height > bounds.SKETCH_PIXELS:
        raise RequestError(
            f"{name} is {width} x {height} pixels; at most {bounds.SKETCH_PIXELS / 1e6:g} "
            "megapixels are read."
        )
