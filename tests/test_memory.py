"""What all visitors hold together: what goes first, and that nothing is forgotten to be let go."""

import gc
import inspect
import threading
from types import SimpleNamespace

import gradio as gr
import pytest

from cinn_hub.ui import visitors
from cinn_hub.ui.lightbox import Lightbox
from cinn_hub.ui.memory import Kept, Memory


def test_what_can_be_made_again_goes_first_then_what_was_not_used_for_longest():
    memory = Memory(megabytes=4e-6)  # four bytes
    answers = [Kept(memory, name, 1, lasting=True) for name in "ab"]
    photos = [Kept(memory, name, 1) for name in "cd"]
    assert photos[0].get() == "c"  # used last
    answers.append(Kept(memory, "e", 1, lasting=True))
    assert [kept.get() for kept in (*answers, *photos)] == ["a", "b", "e", "c", None]
    answers += [Kept(memory, name, 1, lasting=True) for name in "fg"]
    assert [kept.get() for kept in (*answers, *photos)] == [None, "b", "e", "f", "g", None, None]
    assert memory.used == memory.limit


def test_a_value_that_is_made_again_is_there_again_and_the_largest_is_kept_alone():
    memory = Memory(megabytes=4e-6)
    first, large = Kept(memory, "first", 2), Kept(memory, "large", 9)
    assert first.get() is None and large.get() == "large"
    first.put("again", 2)
    assert first.get() == "again" and large.get() is None


def test_many_threads_leave_the_count_right():
    memory = Memory(megabytes=1e-3)

    def work():
        held = []
        for i in range(2000):
            held.append(Kept(memory, i, 3, lasting=i % 2 == 0))
            held[i // 2].get()
            if i % 7 == 0:
                held[i] = held[0]

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    gc.collect()
    assert memory.used == 0 and not memory.values


def add(box, path):
    box.add(path)
    return box


def add_in_steps(box, path):
    yield add(box, path)


@pytest.mark.parametrize("handler", [add, add_in_steps])
def test_a_lightbox_with_photos_outlives_what_gradio_remembers(monkeypatch, handler):
    monkeypatch.setattr(visitors, "SESSIONS", 3)
    monkeypatch.setattr(visitors, "lightboxes", visitors.Lightboxes())

    def call(handler, name, box, *rest):
        found = visitors.with_own_box(handler)(SimpleNamespace(session_hash=name), box, *rest)
        return next(found) if inspect.isgenerator(found) else found

    mine = call(handler, "me", Lightbox(), "grandma.jpg")
    for i in range(10):  # Gradio would have forgotten me, at 3
        assert call(lambda box: box, f"cheap{i}", Lightbox()).sheets == []
    assert call(lambda box: box, "me", Lightbox()) is mine
    assert call(lambda box: box, "you", Lightbox()) is not mine
    for i in range(3):
        call(handler, f"full{i}", Lightbox(), "photo.jpg")
    assert call(lambda box: box, "me", Lightbox()) is not mine
    monkeypatch.setattr(visitors, "KEPT_SECONDS", -1)
    call(lambda box: box, "you", Lightbox())
    assert not visitors.lightboxes.held


def test_gradio_sees_a_request_and_what_the_handler_takes():
    run = visitors.with_own_box(add)
    assert list(inspect.signature(run).parameters) == ["whose", "box", "path"]
    assert run.__annotations__["whose"] is gr.Request
