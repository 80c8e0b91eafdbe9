"""What is refused before Gradio sees it."""

import asyncio
import contextlib
import json
import math

import gradio as gr
import pytest
from helpers import run_async
from PIL import Image
from starlette.requests import Request
from starlette.responses import Response
from starlette.testclient import TestClient

from cinn_hub.ui import bounds
from cinn_hub.ui.bounds import FILES, LETTERS
from cinn_hub.ui.files import app_folder
from cinn_hub.ui.requests import RequestBounds, RequestError, check_value, counted


def described(component):
    """The component as the page's configuration has it."""
    with gr.Blocks() as demo:
        component.render()
    return demo.get_config_file()["components"][0]


def uploaded(name, picture=None):
    path = app_folder().path / name
    (picture or Image.new("L", (20, 20))).save(path)
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


NUMBER = gr.Slider(1, 16, 8, label="Answers", render=False)
SEED = gr.Number(label="Seed", minimum=0, render=False)
RADIO = gr.Radio(["PNG", "JPEG"], label="Format", render=False)
TEXT = gr.Textbox(label="Hints", render=False)
PHOTO = gr.File(label="Photo", render=False)
PHOTOS = gr.File(label="Photos", file_count="multiple", render=False)
ANY = gr.JSON(label="Any", render=False)
PAD = gr.Sketchpad(label="Pad", render=False)
FAR = 10**400  # more than a float holds
OUTSIDE = {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize(
    "component, value, sentence",
    [
        (NUMBER, 17, "“Answers” is 17; it must be from 1 to 16."),
        (NUMBER, 0, "“Answers” is 0; it must be from 1 to 16."),
        (NUMBER, math.nan, "“Answers” is nan; expected an ordinary number."),
        (NUMBER, math.inf, "“Answers” is inf; expected an ordinary number."),
        (NUMBER, "8", "“Answers” is '8'; expected a number."),
        (NUMBER, True, "“Answers” is True; expected a number."),
        (NUMBER, None, "“Answers” is None; expected a number."),
        (SEED, -1, "“Seed” is -1; it must be 0 or more."),
        (SEED, FAR, "“Seed” is 10{79}; expected an ordinary number."),
        (SEED, [1], "“Seed” is .1.; expected a number."),
        (RADIO, "BMP", "must be one of PNG, JPEG."),
        (RADIO, {}, "must be one of PNG, JPEG."),
        (TEXT, "x" * (LETTERS + 1), "has 4001 letters; at most 4000"),
        (TEXT, 5, "“Hints” is 5; expected text."),
        (PHOTO, "photo.png", "expected a file that was uploaded"),
        (PHOTO, [[]], "expected files that were uploaded"),
        (PHOTO, "data:image/png;base64,AAAA", "came as a data URL; upload"),
        (PHOTO, {"url": "https://example.org/a.png"}, "not uploaded here"),
        (PHOTO, {"path": "https://example.org/a.png"}, "not uploaded here"),
        (PHOTO, OUTSIDE, "“Photo” is a file that was not uploaded here"),
        (PHOTO, {"path": 7}, "not uploaded here"),
        (PHOTOS, [OUTSIDE], "not uploaded here"),
        (PHOTOS, [[]] * (FILES + 1), "has 201 files; at most 200"),
        (ANY, [0] * 3000, "has more than 2000 parts; send fewer"),
        (ANY, {"a": [{"b": [[[[[[1]]]]]]}]}, "nested more than 8 deep"),
        (ANY, {"a": {"path": "../../etc/passwd"}}, "not uploaded here"),
        (PAD, [], "expected a drawing as files"),
        (PAD, {"id": "x"}, "expected a drawing as files"),
        (PAD, {"layers": [None] * 5}, "too many layers; at most 4"),
        (PAD, {"background": 5}, "expected a file that was uploaded"),
        (PAD, {"composite": OUTSIDE}, "not uploaded here"),
    ],
)
def test_a_value_that_no_page_sends_is_refused_in_a_sentence(component, value, sentence):
    with pytest.raises(RequestError, match=sentence):
        check_value(described(component), value)


def test_a_large_drawing_is_refused_before_it_is_decoded():
    bomb = uploaded("bomb.png", Image.new("1", (7000, 7000)))
    with pytest.raises(RequestError, match="is 7000 x 7000 pixels; at most 4 megapixels"):
        check_value(described(PAD), {"layers": [bomb]})
    broken = uploaded("broken.png")
    (app_folder().path / "broken.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(RequestError, match="cannot be read; draw again"):
        check_value(described(PAD), {"background": broken})


FORM = "multipart/form-data; boundary=limit"


@pytest.fixture(scope="module")
def blocks():
    def draw(photo, n, hints, drawing):
        pass

    with gr.Blocks() as demo:
        inputs = [gr.State(), gr.File(label="Photo"), gr.Slider(1, 16, 8, label="Answers")]
        inputs += [gr.Textbox(label="Hints"), gr.Sketchpad(label="Pad")]
        gr.Button().click(lambda box, photo, n, hints, pad: None, inputs, None, api_name="draw")
    return demo


def around(demo, answer=b"", **options):
    """The checks around an app that answers with what it got, or with this."""

    async def echo(scope, receive, send):
        body = b""
        while scope["method"] == "POST" and (message := await receive()):
            body += message["body"]
            if not message.get("more_body"):
                break
        await Response(answer or body)(scope, receive, send)

    return RequestBounds(echo, demo.get_config_file(), demo.get_api_info(), **options)


@pytest.fixture(scope="module")
def server(blocks):
    return TestClient(around(blocks), root_path="/colours")


def post(server, path, body):
    return server.post(f"/colours/gradio_api/{path}", json=body)


def test_what_pages_send_is_handed_on(server):
    photo = uploaded("photo.png")
    sent = {**photo, "url": "http://here/photo.png", "size": "x", "orig_name": ["?"]}
    values = [sent, 8, "10 20 #aa3311", {"background": dict(sent), "layers": []}]
    taken = [photo, 8, "10 20 #aa3311", {"background": photo, "layers": []}]
    for path, data in (("queue/join", [None, *values]), ("call/draw", values)):
        answer = post(server, path, {"data": data, "fn_index": 0, "session_hash": "me"})
        assert answer.status_code == 200
        assert answer.json()["data"][-4:] == taken
    answer = post(server, "call/v2/draw", {"n": 3, "photo": dict(sent)})
    assert answer.json()["data"] == [photo, 3, None, None]
    assert post(server, "cancel", {"event_id": "x"}).status_code == 200
    files = [("files", (f"{i}.png", b"photo", "image/png")) for i in range(2)]
    assert server.post("/colours/gradio_api/upload", files=files).content.count(b"photo") == 2


@pytest.mark.parametrize(
    "path, body, status, sentence",
    [
        ("component_server", {}, 404, "This app does not answer such requests."),
        ("call/upload", {"data": []}, 404, "This app does not answer such requests."),
        ("stream/x", {}, 404, "This app does not answer such requests."),
        ("queue/join", [], 400, "cannot be read"),
        ("queue/join", {"data": []}, 400, "names no event of this app"),
        ("queue/join", {"data": [], "fn_index": 99}, 400, "names no event of this app"),
        ("queue/join", {"data": [], "fn_index": [0]}, 400, "names no event of this app"),
        ("call/draw", {"data": {}}, 400, "names no event of this app"),
        ("call/draw", {"data": [1]}, 400, "has 1 values, and 4 were expected"),
        ("call/draw", {"data": [None] * 4, "event_data": [math.nan]}, 400, "ordinary number"),
        ("call/draw", {"data": [None, 17, "", None]}, 422, "“Answers” is 17; it must be from"),
        ("call/v2/draw", {"n": 17}, 422, "“Answers” is 17; it must be from"),
        ("call/v2/draw", {"m": 1}, 400, "takes no value 'm'; it takes photo, n, hints, pad"),
    ],
)
def test_a_request_that_no_page_sends_is_refused(server, path, body, status, sentence):
    content = json.dumps(body)
    answer = server.post(f"/colours/gradio_api/{path}", content=content)
    assert answer.status_code == status and sentence in answer.json()["error"]


def test_the_page_learns_which_value_is_wrong(server):
    answer = post(server, "queue/join", {"data": [None, None, 99, "", None], "fn_index": 0})
    validity = [part["is_valid"] for part in answer.json()["detail"]]
    assert answer.status_code == 422 and validity == [True, True, False]
    assert answer.json()["detail"][2]["message"] == "“Answers” is 99; it must be from 1 to 16."


def test_a_request_is_refused_by_its_length_before_it_is_parsed(server):
    large = json.dumps({"data": ["x" * 1_100_000]}).encode()
    for content, status, sentence in (
        (large, 413, "at most 1 are read"),
        (b"[" * 900_000, 400, "cannot be read"),
        ((part for part in (b"{", b"}")), 411, "send its Content-Length alone"),
    ):
        answer = server.post("/colours/gradio_api/call/draw", content=content)
        assert answer.status_code == status and sentence in answer.json()["error"]
    headers = {"Content-Length": "20", "Transfer-Encoding": "chunked"}
    answer = server.post("/colours/gradio_api/upload", content=b"x" * 20, headers=headers)
    assert answer.status_code == 411


@pytest.mark.parametrize("said, status", [(5, 413), (60, 408)])
def test_the_bytes_that_come_count_and_not_what_is_said(monkeypatch, said, status):
    monkeypatch.setattr(bounds, "SILENT_SECONDS", 0.01)
    parts = [b"0123456789"]

    async def receive():
        if not parts:
            await asyncio.sleep(60)
        return {"type": "http.request", "body": parts.pop(), "more_body": True}

    headers = [(b"content-length", str(said).encode())]
    receive = counted(Request({"type": "http", "headers": headers}, receive), 100)

    async def take():
        while True:
            await receive()

    with pytest.raises(RequestError) as refused:
        run_async(take())
    assert refused.value.status == status


def test_an_upload_has_files_alone(server):
    path = "/colours/gradio_api/upload"
    for files in ({"files": (None, b"x" * 99)}, [("f", ("a.png", b"x")), ("g", (None, b"x"))]):
        answer = server.post(path, files=files)
        assert answer.status_code == 400 and "no file; send files alone" in answer.json()["error"]
    assert server.post(path, content=b"x").json()["error"].startswith("Files are uploaded as mult")
    answer = server.post(path, content=b"xx\r\n", headers={"Content-Type": FORM})
    assert answer.status_code == 400 and "cannot be read" in answer.json()["error"]


@pytest.mark.parametrize(
    "path",
    [
        *("gradio_api/file=http://example.org/a.png", "gradio_api/file=HTTPS://example.org/a.png"),
        *("gradio_api/file=ftp://example.org/a", "gradio_api/file=//example.org/a"),
        *("gradio_api/file=/etc/hostname", "gradio_api/file/http://example.org", "monitoring"),
        *("gradio_api/proxy=http://example.org/", "gradio_api/deep_link", "docs", "config/../x"),
    ],
)
def test_nothing_is_fetched_or_told_that_no_page_asks_for(server, path):
    answer = server.get(f"/colours/{path}")
    assert answer.status_code == 404 and answer.json()["error"].startswith("There is nothing of")
    assert server.head(f"/colours/{path}").status_code == 404


def test_every_answer_has_its_headers_and_files_can_do_nothing(server):
    page, kept = "/colours/config", f"/colours/gradio_api/file={uploaded('kept.png')['path']}"
    for path, policy in ((page, "frame-ancestors 'none'"), (kept, "default-src 'none'; sandbox")):
        for answer in (server.get(path), server.post(path)):
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "same-origin"
            assert policy in answer.headers["content-security-policy"]
        assert server.get(path).status_code == 200 and server.delete(path).status_code == 404


@pytest.mark.parametrize("name", ["", "x" * 65, "a b", 7, ["a"], {}])
def test_names_of_sessions_and_events_are_short(server, name):
    for key in ("session_hash", "event_id"):
        answer = post(server, "call/draw", {"data": [None, 3, "", None], key: name})
        assert answer.status_code == 400 and "expected 1 to 64 letters" in answer.json()["error"]
    if isinstance(name, str):
        for path in ("queue/data?session_hash=" + name, f"heartbeat/{name or '!'}"):
            assert server.get(f"/colours/gradio_api/{path}").status_code == 400


def test_the_app_is_served_under_its_own_names_alone(blocks):
    server = TestClient(around(blocks, hosts=("localhost", "::1")), "http://localhost:7860")
    for headers, status in (
        ({}, 200),
        ({"Host": "[::1]:7860"}, 200),
        ({"Host": "LOCALHOST"}, 200),
        ({"X-Forwarded-Host": "[::1"}, 421),
        ({"Host": "evil.example"}, 421),
        ({"Host": "[evil"}, 421),
        ({"Host": "localhost.evil.example"}, 421),
        ({"X-Forwarded-Host": "evil.example"}, 421),
        ({"X-Gradio-Server": "http://evil.example/"}, 421),
    ):
        answer = server.get("/config", headers=headers)
        assert answer.status_code == status
        assert status == 200 or "is not served as" in answer.json()["error"]


def test_who_listens_is_known_by_session_and_by_call(blocks):
    heard = []

    class Heard:
        def heard_by(self, visitor):
            heard.append(visitor)
            return contextlib.nullcontext()

    server = TestClient(around(blocks, b'{"event_id":"known"}', lines=Heard()))
    body = {"data": [None, 3, "", None], "session_hash": "me"}
    assert server.post("/gradio_api/call/draw", json=body).status_code == 200
    for path in ("queue/data?session_hash=you", "call/draw/known", "call/draw/other"):
        server.get(f"/gradio_api/{path}")
    assert heard == ["you", "me", "other"]
