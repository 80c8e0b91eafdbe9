"""Whatever comes in through the API ends in an answer or in one sentence."""

import json

import httpx
import pytest

NAN = float("nan")
HOSTILE = [
    *(None, True, -1, 0, 1e308, -1e308, 10**40, NAN, float("inf")),
    *("", "x", "\0", "\ud800", "é" * 5000, "../../etc/passwd", "data:image/png;base64,AAAA"),
    *([], [[]], [None] * 300, {}, {"path": None}, {"path": "/etc/passwd"}),
    {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
    {"path": "http://127.0.0.1:9/a.png", "meta": {"_type": "gradio.FileData"}},
    {"url": "data:image/png;base64,AAAA", "meta": {"_type": "gradio.FileData"}},
    {"background": None, "layers": [None] * 99, "composite": None},
    {"background": "x", "layers": "x", "composite": 1, "id": "x"},
]
SLOW = {"/explore", "/interpolate"}  # an accepted value would draw 25 colourings


@pytest.fixture(scope="module")
def client(address):
    with httpx.Client(base_url=address, timeout=120, trust_env=False) as client:
        yield client


def call(client, name, data):
    """What the endpoint's stream of events ends with: its kind, and what came with it."""
    body = json.dumps({"data": data, "session_hash": "hostile"})
    headers = {"Content-Type": "application/json"}
    answer = client.post(f"/gradio_api/call{name}", content=body, headers=headers)
    if answer.status_code in (400, 422):
        return "error", answer.json()
    assert answer.status_code == 200, (name, data, answer.text)
    event, found = None, None
    with client.stream("GET", f"/gradio_api/call{name}/{answer.json()['event_id']}") as stream:
        for line in stream.iter_lines():
            kind, _, text = line.partition(": ")
            if kind == "event":
                event = text
            elif kind == "data" and event in ("complete", "error"):
                found = event, json.loads(text)
    return found


def test_hostile_values_of_every_parameter_end_in_a_sentence(client):
    endpoints = client.get("/gradio_api/info").json()["named_endpoints"]
    tried = 0
    for name, endpoint in endpoints.items():
        defaults = [p.get("parameter_default") for p in endpoint["parameters"]]
        for i in range(len(defaults)):
            for value in HOSTILE if name not in SLOW else HOSTILE[:4]:
                kind, found = call(client, name, [*defaults[:i], value, *defaults[i + 1 :]])
                assert kind in ("complete", "error"), (name, i, value, found)
                if kind == "error":
                    assert is_sentence(found.get("error")), (name, i, value, found)
                tried += 1
    assert tried > 500


def is_sentence(text):
    return isinstance(text, str) and text.endswith((".", ".)")) and len(text) > 20


def test_requests_of_another_shape(client):
    for data in ([], [1], [None] * 99):
        kind, found = call(client, "/colorize", data)
        assert kind == "error" and is_sentence(found["error"])


def test_events_that_no_page_sends(client):
    """Private events are reached by number; their event data is whatever a client likes."""
    config = client.get("/config").json()
    tried = 0
    for dependency in config["dependencies"]:
        if dependency["backend_fn"] and not dependency["queue"]:
            for event in (None, {}, {"index": "x"}, {"key": NAN}, {"index": [1e308]}, [], 5):
                body = {
                    "data": [None] * len(dependency["inputs"]),
                    "fn_index": dependency["id"],
                    "session_hash": "hostile",
                    "event_data": event,
                }
                answer = client.post(
                    "/gradio_api/run/predict",
                    content=json.dumps(body),
                    headers={"Content-Type": "application/json"},
                )
                found = answer.json()
                if answer.status_code != 200:
                    assert is_sentence(found["error"]), (dependency["id"], event, found)
                tried += 1
    assert tried > 20
