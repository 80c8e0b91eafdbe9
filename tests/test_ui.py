"""What the app keeps and deletes, and what it needs no browser to show."""

import os
import time

import pytest
from helpers import color_picture

from cinn_hub.errors import CinnHubError, PhotoError
from cinn_hub.ui import hints, models, session, viewer
from cinn_hub.ui.session import Session


@pytest.fixture
def opened(small_model, tmp_path):
    path = tmp_path / "grandma.png"
    color_picture(96, 64).convert("L").save(path)
    held = Session.open(str(path), small_model)
    results = small_model.colorize(held.prepared, n=3, seed=1)
    return held.holding(results, "results = []\n", ["a", "b", "c"])


def test_downloads_of_an_hour_ago_are_deleted(monkeypatch, tmp_path):
    monkeypatch.setattr(session, "DOWNLOADS", tmp_path / "downloads")
    old, new = session.download_folder(), session.download_folder()
    for folder in (old, new):
        (folder / "photo.png").write_bytes(b"private")
    an_hour_ago = time.time() - session.KEPT_SECONDS - 1
    os.utime(old, (an_hour_ago, an_hour_ago))
    session.download_folder()
    assert not old.exists() and new.exists()


def test_a_deleted_upload_is_said(opened):
    os.unlink(opened.path)
    with pytest.raises(PhotoError, match="deleted after an hour; upload the photo again"):
        opened.full_size(0, 1.0)
    with pytest.raises(PhotoError, match="no colourings yet"):
        session.checked(None)


def test_large_photos_are_held_small(small_model, tmp_path):
    path = tmp_path / "large.png"
    color_picture(3000, 200).save(path)
    held = Session.open(str(path), small_model)
    assert held.prepared.photo.size == (1280, 85) and held.prepared.size == (3000, 200)
    assert held.prepared.photo.rgb is None
    held = held.holding(small_model.colorize(held.prepared, n=1, seed=1), "", [""])
    assert held.full_size(0, 1.0).image.size == (3000, 200)


def test_orders(opened):
    bits = [opened.results[i].bits_per_dim for i in viewer.ordered(opened, viewer.LIKELIEST)]
    chroma = [opened.results[i].chroma for i in viewer.ordered(opened, viewer.COLORFUL)]
    assert bits == sorted(bits) and chroma == sorted(chroma, reverse=True)
    assert viewer.ordered(opened, viewer.AS_DRAWN) == [0, 1, 2]


def test_a_click_on_a_hint_takes_it_away(opened):
    spots = hints.toggled([], 10, 10, "#aa3311", opened)
    spots = hints.toggled(spots, 50, 50, "#2255cc", opened)
    assert spots == [(10, 10, "#aa3311"), (50, 50, "#2255cc")]
    assert hints.toggled(spots, 11, 10, "#ffffff", opened) == spots[1:]
    assert hints.from_text(hints.as_text(spots)) == spots
    with pytest.raises(CinnHubError, match='expected "x y #rrggbb"'):
        hints.from_text("10 ten #aa3311")
    assert hints.hexadecimal("rgba(170, 51, 17.0, 1)") == "#aa3311"


def test_the_shelf_keeps_few_models(small_model, monkeypatch):
    made = []

    def load(name):
        made.append(name)
        return type(small_model)(small_model.config)

    monkeypatch.setattr(models.cinn_hub, "load", load)
    shelf = models.Shelf(small_model)
    assert shelf.get(small_model.name) is small_model
    for name in ("a", "b", "b", "c", "d", "a"):
        shelf.get(name)
    assert made == ["a", "b", "c", "d", "a"]
    assert len(shelf.others) == models.LOADED_AT_MOST


def test_the_app_sends_nothing_and_deletes_uploads(small_model):
    from cinn_hub.digits import DigitCINN, DigitConfig
    from cinn_hub.ui import blocks

    digits = DigitCINN(DigitConfig()).eval().requires_grad_(False)
    demo = blocks.build(small_model, digits)
    assert demo.analytics_enabled is False
    assert demo.delete_cache == (3600, 3600)
