"""What is refused before a handler sees it, and what is said when a line is full."""

import math

import gradio as gr
import pytest
from gradio.block_function import BlockFunction
from helpers import run_async
from PIL import Image

from cinn_hub.errors import CinnHubError
from cinn_hub.ui import models
from cinn_hub.ui.folder import app_folder
from cinn_hub.ui.limits import MOST_FILES, MOST_LETTERS, RequestError, check_request
from cinn_hub.ui.settings import Loading, Settings
from cinn_hub.ui.waiting import COLORS, SAVES, Lines, as_time, guess


def request(*components):
    """A handler with these inputs, as `check_request` looks at it."""
    handler = BlockFunction.__new__(BlockFunction)
    handler.inputs = components
    return handler


def uploaded(name, picture=None):
    path = app_folder().path / name
    (picture or Image.new("L", (20, 20))).save(path)
    return {"path": str(path), "meta": {"_type": "gradio.FileData"}}


def check(component, value):
    check_request(request(component), [value])


NUMBER = dict(minimum=1, maximum=16, label="Answers")
FAR = 10**30
OUTSIDE = {"path": "/etc/hostname", "meta": {"_type": "gradio.FileData"}}


@pytest.mark.parametrize(
    "component, value, sentence",
    [
        (gr.Slider(**NUMBER), 17, "“Answers” is 17; it must be from 1 to 16."),
        (gr.Slider(**NUMBER), 0, "“Answers” is 0; it must be from 1 to 16."),
        (gr.Slider(**NUMBER), math.nan, "“Answers” is nan; expected an ordinary number."),
        (gr.Slider(**NUMBER), math.inf, "“Answers” is inf; expected an ordinary number."),
        (gr.Slider(**NUMBER), "8", "“Answers” is '8'; expected a number."),
        (gr.Slider(**NUMBER), True, "“Answers” is True; expected a number."),
        (gr.Slider(**NUMBER), None, "“Answers” is None; expected a number."),
        (gr.Number(label="Seed", minimum=0), -1, "“Seed” is -1; it must be 0 or more."),
        (gr.Number(label="Seed"), FAR, "“Seed” is 1e[+]30; expected an ordinary number."),
        (gr.Number(label="Seed"), [1], "“Seed” is .1.; expected a number."),
        (gr.Radio(["PNG", "JPEG"], label="Format"), "BMP", "must be one of PNG, JPEG."),
        (gr.Radio(["PNG", "JPEG"], label="Format"), {}, "must be one of PNG, JPEG."),
        (gr.Textbox(label="Hints"), "x" * (MOST_LETTERS + 1), "has 4001 letters; at most 4000"),
        (gr.Textbox(label="Hints"), 5, "“Hints” is 5; expected text."),
        (gr.Image(label="Photo"), "photo.png", "expected a file that was uploaded"),
        (gr.Image(label="Photo"), "data:image/png;base64,AAAA", "came as a data URL; upload"),
        (gr.Image(label="Photo"), {"url": "DATA:image/png;base64,AAAA"}, "not uploaded here"),
        (gr.Image(label="Photo"), {"path": "https://example.org/a.png"}, "not uploaded here"),
        (gr.Image(label="Photo"), OUTSIDE, "“Photo” is a file that was not uploaded here"),
        (gr.Image(label="Photo"), {"path": 7}, "not uploaded here"),
        (gr.File(label="Photos"), [OUTSIDE], "not uploaded here"),
        (gr.File(label="Photos"), [{}] * (MOST_FILES + 1), "has 201 files; at most 200"),
        (gr.JSON(label="Any"), [0] * 3000, "has more than 2000 parts; send fewer"),
        (gr.JSON(label="Any"), {"a": [{"b": [[[[[[1]]]]]]}]}, "nested more than 8 deep"),
        (gr.JSON(label="Any"), {"a": {"path": "../../etc/passwd"}}, "not uploaded here"),
        (gr.Sketchpad(label="Pad"), [], "expected a file that was uploaded"),
        (gr.Sketchpad(label="Pad"), {"id": "x"}, "names a drawing by an id; send its files"),
        (gr.Sketchpad(label="Pad"), {"layers": [None] * 5}, "too many layers; at most 4"),
        (gr.Sketchpad(label="Pad"), {"background": 5}, "expected a file that was uploaded"),
        (gr.Sketchpad(label="Pad"), {"composite": OUTSIDE}, "not uploaded here"),
    ],
)
def test_a_value_that_no_page_sends_is_refused_in_a_sentence(component, value, sentence):
    with pytest.raises(RequestError, match=sentence):
        check(component, value)


def test_what_pages_send_is_accepted():
    photo = uploaded("photo.png")
    values = [8, None, "PNG", "10 20 #aa3311", photo, [photo], {"background": photo, "layers": []}]
    components = [
        *(gr.Slider(**NUMBER), gr.Number(label="Seed"), gr.Radio(["PNG"])),
        *(gr.Textbox(), gr.Image(), gr.File(), gr.Sketchpad()),
    ]
    check_request(request(*components), values)
    check_request(request(gr.State()), [None])  # the server's own, whatever a client sends
    with pytest.raises(RequestError, match="has 1 values, and 2 were expected"):
        check_request(request(gr.State(), gr.Slider()), [None])


def test_a_large_drawing_is_refused_before_it_is_decoded():
    bomb = uploaded("bomb.png", Image.new("1", (7000, 7000)))
    with pytest.raises(RequestError, match="is 7000 x 7000 pixels; at most 4 megapixels"):
        check(gr.Sketchpad(label="Pad"), {"layers": [bomb]})
    broken = uploaded("broken.png")
    (app_folder().path / "broken.png").write_bytes(b"\x89PNG\r\n")
    with pytest.raises(RequestError, match="cannot be read; draw again"):
        check(gr.Sketchpad(label="Pad"), {"background": broken})


@pytest.fixture
def lines():
    with gr.Blocks() as demo:
        button = gr.Button()
        for kind in (COLORS, SAVES):
            button.click(lambda: None, **kind.event)
    demo.queue()
    return Lines(demo, most_colors=2)


def test_a_full_line_refuses_with_a_time_and_the_other_lines_go_on(lines):
    colors, saves = (lines.blocks.fns[i] for i in (0, 1))
    for handler in (colors, saves):
        lines.create_event_queue_for_fn(handler)
    line = lines.event_queue_per_concurrency_id[COLORS.name]
    assert lines.refusal(colors) is None
    line.queue = [waiting_event(colors, came=i) for i in range(2)]
    expected = "2 people already wait for colours; please come back in {}."
    lines.process_time_per_fn[colors] = guess()
    assert lines.refusal(colors) == expected.format("10 seconds")
    lines.process_time_per_fn[colors].add(30.0)
    assert lines.refusal(colors) == expected.format("30 seconds")
    assert lines.refusal(saves) is None


def test_nobody_waits_for_many_minutes(lines):
    saves = lines.blocks.fns[1]
    lines.create_event_queue_for_fn(saves)
    lines.process_time_per_fn[saves].add(100.0)
    line = lines.event_queue_per_concurrency_id[SAVES.name]
    line.queue = [waiting_event(saves, came=i) for i in range(3)]
    assert lines.refusal(saves) is None
    line.queue.append(waiting_event(saves, came=4))
    expected = "4 people already wait for a file; please come back in 4 minutes."
    assert lines.refusal(saves) == expected


def test_a_refusal_reaches_the_visitor_as_an_error_with_a_sentence(lines, monkeypatch):
    body = type("Body", (), {"session_hash": "visitor", "fn_index": 0})()
    monkeypatch.setattr("gradio.route_utils.get_fn", lambda *rest: lines.blocks.fns[0])
    monkeypatch.setattr(lines, "refusal", lambda handler: "Please come back in a minute.")
    accepted, event_id, state = run_async(lines.push(body, None, None))
    message = lines.pending_messages_per_session["visitor"].get_nowait()
    assert accepted and state == "success" and message.event_id == event_id
    assert not message.success and message.output["error"] == "Please come back in a minute."


def test_times_to_come_back():
    assert [as_time(s) for s in (0, 12, 50, 51, 61, 400)] == [
        *("10 seconds", "20 seconds", "50 seconds"),
        *("a minute", "2 minutes", "7 minutes"),
    ]


@pytest.mark.parametrize(
    "environment, loading",
    [
        ({}, Loading.ANYTHING),
        ({"GRADIO_SERVER_NAME": "localhost"}, Loading.ANYTHING),
        ({"GRADIO_SERVER_NAME": "0.0.0.0"}, Loading.BUNDLED),
        ({"GRADIO_SERVER_NAME": "192.168.0.7"}, Loading.BUNDLED),
        ({"GRADIO_SHARE": "True"}, Loading.BUNDLED),
        ({"GRADIO_ROOT_PATH": "/colours"}, Loading.BUNDLED),
        ({"SPACE_ID": "user/space"}, Loading.BUNDLED),
        ({"SPACE_ID": "user/space", "CINN_HUB_LOADING": "published"}, Loading.PUBLISHED),
        ({"GRADIO_SERVER_NAME": "::", "CINN_HUB_LOADING": "anything"}, Loading.PUBLISHED),
        ({"CINN_HUB_LOADING": "bundled"}, Loading.BUNDLED),
    ],
)
def test_strangers_load_what_is_bundled_unless_more_is_chosen(environment, loading):
    assert Settings.of(environment).loading == loading


def test_settings_that_are_not_understood():
    assert Settings.of({"CINN_HUB_MEMORY": "64", "CINN_HUB_DISK": "100"}).memory == 64
    for name, value in (("MEMORY", "lots"), ("DISK", "-1"), ("WAITING", "0"), ("LOADING", "all")):
        with pytest.raises(CinnHubError, match=f"CINN_HUB_{name} is '{value}'; it must be"):
            Settings.of({f"CINN_HUB_{name}": value})


def test_strangers_ask_the_hub_alone_even_where_a_folder_has_the_name(
    small_model, tmp_path, monkeypatch
):
    small_model.save(tmp_path / "models" / "mine")
    monkeypatch.chdir(tmp_path)
    asked = []

    def download(repo, revision):
        asked.append((repo, revision))
        raise CinnHubError("The Hub has none.")

    monkeypatch.setattr(models, "download", download)
    shelf = models.Shelf(small_model, Loading.PUBLISHED)
    for name in ("models/mine", "models/nowhere@v1"):
        with pytest.raises(CinnHubError, match="The Hub has none"):
            shelf.get(name)
    assert asked == [("models/mine", None), ("models/nowhere", "v1")]
    for name in (str(tmp_path / "models" / "mine"), "/etc", "..", "~", "models", ""):
        with pytest.raises(CinnHubError, match="No published model is called .*expected user/repo"):
            shelf.get(name)
    assert models.Shelf(small_model).get("models/mine").name == "models/mine"


@pytest.mark.parametrize("loading", Loading)
def test_strangers_load_no_folder_however_they_come(small_model, tmp_path, loading):
    small_model.save(tmp_path / "mine")
    shelf = models.Shelf(small_model, loading)
    assert {"imagenet", small_model.name} <= set(shelf.names())
    assert shelf.load("imagenet", stranger=True).name == "imagenet"
    for name in (str(tmp_path / "mine"), "/etc", "mnist", ""):
        with pytest.raises(CinnHubError):
            shelf.load(name, stranger=True)
    if loading == Loading.BUNDLED:
        with pytest.raises(CinnHubError, match="'mnist' does not come with this app; choose imag"):
            shelf.load("mnist")


def waiting_event(handler, came):
    return type("Event", (), {"fn": handler, "enqueue_time": came})()


def test_saves_start_beside_colours_and_colours_wait_for_a_core(lines):
    colors, saves = (lines.blocks.fns[i] for i in (0, 1))
    for handler in (colors, saves):
        lines.create_event_queue_for_fn(handler)
    queue = lines.event_queue_per_concurrency_id
    queue[COLORS.name].queue = [waiting_event(colors, came=i) for i in range(3)]
    queue[SAVES.name].queue = [waiting_event(saves, came=9)]
    started = []
    while event := lines.get_events():
        started.append(event[2])
        queue[event[2]].current_concurrency += 1
    assert started == [SAVES.name, COLORS.name]
    queue[SAVES.name].queue = [waiting_event(saves, came=9)]
    assert lines.get_events()[2] == SAVES.name
    queue[SAVES.name].current_concurrency = 0
    assert lines.get_events()[2] == COLORS.name
