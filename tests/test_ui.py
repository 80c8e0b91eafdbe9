"""What the app keeps and deletes, and what it needs no browser to show."""

import gc
import os

import numpy as np
import pytest
from helpers import color_picture
from PIL import Image

from cinn_hub.errors import PhotoError
from cinn_hub.ui import bounds, models, returning, session
from cinn_hub.ui.lightbox import Lightbox
from cinn_hub.ui.memory import Memory
from cinn_hub.ui.session import Session


@pytest.fixture
def opened(small_model, tmp_path):
    path = tmp_path / "grandma.png"
    color_picture(96, 64).convert("L").save(path)
    held = Session.open(str(path), small_model)
    results = small_model.colorize(held.prepared, n=3, seed=1)
    return held.holding(results, "results = []\n", ["a", "b", "c"])


def test_a_deleted_upload_is_said(opened):
    os.unlink(opened.path)
    with pytest.raises(PhotoError, match="has been deleted, .* after an hour, .* upload it again"):
        opened.full_size(0, 1.0)


def test_large_photos_are_held_small(small_model, tmp_path):
    path = tmp_path / "large.png"
    color_picture(3000, 200).save(path)
    held = Session.open(str(path), small_model)
    assert held.prepared.photo.size == (1280, 85) and held.prepared.size == (3000, 200)
    assert held.prepared.photo.rgb is None
    held = held.holding(small_model.colorize(held.prepared, n=1, seed=1), "", [""])
    held.full_size(0, 1.0).save(tmp_path / "painted.png")
    assert Image.open(tmp_path / "painted.png").size == (3000, 200)


def test_hints_on_large_photos_count_in_their_own_pixels(small_model, tmp_path):
    path = tmp_path / "large.png"
    color_picture(2560, 640).convert("L").save(path)
    held = Session.open(str(path), small_model)
    hint = (1281, 321, "#aa3311")
    small = small_model.colorize(held.prepared, n=1, seed=1, hints=[hint])
    full = small_model.colorize(str(path), n=1, seed=1, hints=[hint])
    np.testing.assert_allclose(small[0].ab, full[0].ab, atol=0.5)


def test_the_shelf_keeps_few_models(small_model, monkeypatch):
    made = []

    def load(loading, name):
        made.append(name)
        return type(small_model)(small_model.config)

    monkeypatch.setattr(models, "load_for", load)
    shelf = models.Shelf(small_model)
    assert shelf.get(small_model.name) is small_model
    for name in ("a", "b", "b", "c", "d", "a"):
        shelf.get(name)
    assert made == ["a", "b", "c", "d", "a"]
    assert len(shelf.others) == models.LOADED_AT_MOST
    before = shelf.get("a")
    assert shelf.load("a") is not before  # it may have changed on disk
    assert shelf.get("a") is not before


def test_the_app_is_set_to_send_nothing_and_to_delete_uploads(small_model):
    from cinn_hub.models.digit_cinn import DigitCINN, DigitConfig
    from cinn_hub.ui import app

    digits = DigitCINN(DigitConfig()).eval().requires_grad_(False)
    demo = app.build(small_model, digits)
    assert demo.analytics_enabled is False
    assert demo.delete_cache[1] == bounds.KEPT_SECONDS == 3600


def test_a_photo_that_made_room_is_prepared_again_and_answers_say_why(
    small_model, tmp_path, monkeypatch
):
    monkeypatch.setattr(session, "memory", Memory(megabytes=1e-3))  # one value
    held, answers = [], []
    for seed in range(3):
        path = tmp_path / f"{seed}.png"
        color_picture(96, 64, seed).convert("L").save(path)
        opened = Session.open(str(path), small_model)
        answers.append(small_model.colorize(opened.prepared, n=2, seed=seed))
        held.append(opened.holding(answers[-1], "", ["a", "b"]))
    assert held[0].photo.get() is None and held[0].answers.get() is None
    with pytest.raises(PhotoError, match="had to make room for theirs; colour the photo again"):
        held[0].result(0)
    again = small_model.colorize(held[0].prepared, n=2, seed=0)
    np.testing.assert_array_equal(again[1].ab, answers[0][1].ab)
    assert len(session.memory.values) == 1
    del held, opened
    gc.collect()
    assert session.memory.used == 0 and not session.memory.values


def test_photos_are_kept_in_16_bits_and_show_the_same(small_model, tmp_path):
    path = tmp_path / "photo.png"
    color_picture(640, 480).save(path)
    opened = Session.open(str(path), small_model)
    results = small_model.colorize(str(path), n=1, seed=1)
    held = opened.holding(results, "", [""])
    assert opened.photo.get().photo.lightness.dtype == np.uint16
    expected = np.asarray(results[0].preview(640)).astype(int)
    assert np.abs(np.asarray(held.result(0).preview(640)) - expected).max() <= 1


def test_tables_come_back_by_their_secrets_alone_for_as_long_as_photos_are_kept(monkeypatch):
    tables, box = returning.Tables(), Lightbox()
    box.add("/uploads/grandma.png")
    secret = tables.hold(box)
    assert len(secret) >= 32 and tables.find(secret) is box
    for wrong in ("", secret[:-1], secret.upper(), f"{secret} ", "../" + secret):
        assert tables.find(wrong) is None
    monkeypatch.setattr(returning, "MOST_TABLES", 3)
    others = [tables.hold(Lightbox()) for _ in range(9)]  # pages without photos push out none with
    assert tables.find(secret) is box and tables.find(others[0]) is None
    box.used -= 3601
    tables.held[secret] = tables.held[secret][0] - 3601, box
    assert tables.find(secret) is None and secret not in tables.held


def test_models_are_loaded_when_they_are_first_needed(small_model, tmp_path):
    small_model.save(tmp_path)
    own = models.described(str(tmp_path))
    shelf = models.Shelf(own)
    assert own.temperature() == small_model.temperature() and next(own.parameters()).is_meta
    loaded = shelf.get(own.name)
    assert loaded.fingerprint == small_model.fingerprint and shelf.get(own.name) is loaded
