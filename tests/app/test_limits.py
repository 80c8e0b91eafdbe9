"""Whatever comes in through the API ends in an answer or in one sentence."""

import json
from itertools import cycle

import pytest

from benchmarks.attack import Attacker, addresses, bodies

HOSTILE = [
    *(None, True, -1, 1e308, 10**40, float("nan"), float("inf"), "", "\0", "\ud800", "é" * 5000),
    *("../../etc/passwd", "data:image/png;base64,AAAA", [], [[]], [None] * 300, {}, {"path": None}),
    {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}},
    {"url": "http://127.0.0.1:9/a.png", "meta": {"_type": "gradio.FileData"}},
    {"background": None, "layers": [None] * 99, "composite": None},
    {"background": "x", "layers": "x", "composite": 1, "id": "x"},
]
SLOW = {"explore", "interpolate"}  # an accepted value would draw 25 colourings


@pytest.fixture(scope="module")
def attacker(address):
    return Attacker(address)


def test_hostile_values_of_every_parameter_end_in_a_sentence(attacker):
    values = cycle(HOSTILE)
    for name, defaults in attacker.defaults.items():
        for i in range(len(defaults)):
            attacker.call(name, {i: "x" * 5000 if name in SLOW else next(values)})
    assert attacker.row.tries > 2 * len(HOSTILE) and not attacker.row.bare


def test_events_that_no_page_sends(attacker):
    """Private events are reached by number; their event data is whatever a client likes."""
    events = [e for e in attacker.config["dependencies"] if e["backend_fn"] and not e["queue"]]
    data = cycle([None, {}, {"index": "x"}, {"key": float("nan")}, {"index": [1e308]}, [], 5])
    tried = attacker.row.tries
    for event in [*events, *events]:
        body = {"data": [None] * len(event["inputs"]), "fn_index": event["id"]}
        content = json.dumps(body | {"session_hash": "hostile", "event_data": next(data)})
        headers = {"Content-Type": "application/json"}
        attacker.ask("POST", "/gradio_api/run/predict", content=content, headers=headers)
    assert attacker.row.tries == tried + 2 * len(events) > tried and not attacker.row.bare


@pytest.mark.parametrize("attack", [addresses, bodies])
def test_attacks_are_refused_in_a_sentence(attacker, attack):
    answered = attacker.row.answered
    attack(attacker)
    assert attacker.row.answered == answered and not attacker.row.bare
