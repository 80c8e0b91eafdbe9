"""What is on one visitor's table, without a browser: photos, rows, stars, A, what is shown."""

import pytest
from helpers import color_picture

from cinn_hub.errors import CinnHubError, PhotoError
from cinn_hub.ui import lightbox, saving, views
from cinn_hub.ui.figures import rows
from cinn_hub.ui.intake import open_sheet, taken
from cinn_hub.ui.lightbox import Lightbox, Row, key_of, likelihood_words
from cinn_hub.ui.pictures import previews

FINISHED = views.Finished()


@pytest.fixture
def box(small_model, tmp_path):
    """Two photos with a row each; the first one is in view."""
    box = Lightbox()
    for name in ("grandma", "grandpa"):
        path = tmp_path / f"{name}.png"
        color_picture(96, 64).convert("L").save(path)
        lay(box, box.add(str(path)), small_model)
    box.at = box.sheets[0]
    return box


def lay(box, sheet, model, seed=1, n=3):
    open_sheet(sheet, model)
    results = model.colorize(sheet.opened.prepared, n, seed=seed)
    session = sheet.opened.holding(results, "results = []\n", ["a"] * n)
    plausible, chromas = [r.plausibility for r in results], [r.chroma for r in results]
    row = Row(next(box.ids), f"seed {seed}", session, previews(results, 64), plausible, chromas)
    box.hold(sheet, row)
    return row


def test_picking_brings_a_photo_and_an_answer_into_view(box):
    second = box.sheets[1]
    box.pick(key_of(second, second.rows[0], 2))
    assert box.at is second and box.row.picked == 2
    assert views.answers(box, FINISHED)["rows"][0]["items"][2]["picked"]
    box.pick(key_of(box.sheets[0]))
    assert box.at is box.sheets[0]


@pytest.mark.parametrize("key", ["", "x", "7", "0.9.0", "0.1", "0.0.0.0", "0.1.-1", "../../etc"])
def test_names_that_no_page_sends_are_refused(box, key):
    with pytest.raises(CinnHubError):
        box.pick(key)


def test_an_index_that_is_not_there_is_said(box):
    with pytest.raises(CinnHubError, match="The index is 7; it must be from 0 to 2"):
        box.row.check(7)


def test_removing_a_photo_removes_its_answers_and_its_a(box):
    first, second = box.sheets
    box.toggle_star(key_of(first, first.rows[0], 1))
    box.pinned = (first.rows[0], 1)
    box.remove(first.id)
    assert box.at is second and not box.favourites() and box.pinned is None
    box.remove(second.id)
    assert box.at is None and views.answers(box, FINISHED) == rows(text=views.EMPTY)
    with pytest.raises(PhotoError, match="There is no photo yet; add one"):
        box.photo()


def test_a_photo_that_fails_does_not_show_the_answers_of_another(box):
    bad = box.add("/nowhere/bad.jpg")
    bad.problem = "bad.jpg is not a picture that can be read."
    shown = views.answers(box, FINISHED)
    assert shown["rows"] == [] and shown["text"] == bad.problem
    assert views.stage(box, FINISHED) == {"text": ""} and views.code(box) == ""
    assert "1 cannot be used" in views.status(box)


def test_of_many_rows_those_with_stars_stay(box, small_model, monkeypatch):
    monkeypatch.setattr(lightbox, "MOST_ROWS", 3)
    sheet = box.sheets[0]
    first = sheet.rows[0]
    box.toggle_star(key_of(sheet, first, 0))
    made = [lay(box, sheet, small_model, seed) for seed in (2, 3, 4)]
    assert sheet.rows == [first, made[1], made[2]] and sheet.at is made[2]


def test_orders(box):
    row = box.row
    plausible = [row.plausibilities[i] for i in row.order(lightbox.LIKELIEST)]
    chromas = [row.chromas[i] for i in row.order(lightbox.COLORFUL)]
    assert plausible == sorted(plausible, reverse=True) and chromas == sorted(chromas, reverse=True)
    assert row.order(lightbox.AS_DRAWN) == [0, 1, 2]


def test_words_compare_the_answers_of_one_row():
    words = likelihood_words([-2.0, -2.9, -2.5, -2.3])
    assert words == ["very likely", "daring", "less likely", "likely"]
    assert likelihood_words([2.0]) == [""] and likelihood_words([1, 1, 1]) == ["", "", ""]


def test_favourites_have_the_names_of_their_photos(box):
    first, second = box.sheets
    box.toggle_star(key_of(first, first.rows[0], 2))
    assert saving.favourite_names(box.favourites()) == ["grandma"]
    box.toggle_star(key_of(second, second.rows[0], 0))
    box.toggle_star(key_of(first, first.rows[0], 0))
    assert saving.favourite_names(box.favourites()) == ["grandma_1", "grandma_2", "grandpa"]
    box.toggle_star(key_of(first, first.rows[0], 0))
    assert len(box.favourites()) == 2


def test_a_is_shown_beside_answers_to_its_own_photo_alone(box):
    first = box.row
    box.pinned = (first, 0)
    first.picked = 1
    assert views.stage(box, FINISHED)["beside_name"] == "A"
    box.at = box.sheets[1]
    assert "beside" not in views.stage(box, FINISHED)


def test_pictures_that_were_swept_leave_their_places(box):
    import os

    os.unlink(box.row.pictures[1]["path"])
    items = views.answers(box, FINISHED)["rows"][0]["items"]
    assert items[1]["image"] is None and items[0]["image"]


def test_answers_and_photos_go_after_their_hour(box):
    box.sheets[0].rows[0].made -= 4000
    box.forget_older_than(3600)
    assert box.sheets[0].rows == [] and box.sheets[1].rows
    assert "press Colour" in views.answers(box, FINISHED)["text"]


def test_an_archive_and_photos_are_taken_and_too_many_are_refused(tmp_path, monkeypatch):
    import zipfile

    picture = tmp_path / "one.png"
    color_picture(32, 32).save(picture)
    with zipfile.ZipFile(tmp_path / "box.zip", "w") as archive:
        archive.write(picture, "deep/two.png")
        archive.write(picture, "three.png")
    box = Lightbox()
    files = [str(picture), str(tmp_path / "box.zip")]
    sheets = taken(box, files, folder=False)
    assert [sheet.name for sheet in sheets] == ["one.png", "two.png", "three.png"]
    assert box.at is sheets[0]
    monkeypatch.setattr(lightbox, "MOST_PHOTOS", 3)
    with pytest.raises(PhotoError, match="There are 3 photos already"):
        taken(box, [str(picture)], folder=False)
    notes = tmp_path / "notes.txt"
    notes.write_text("no photo")
    with pytest.raises(PhotoError, match="The folder holds no photos"):
        taken(Lightbox(), [str(notes)], folder=True)


def test_all_visitors_begin_with_a_table_of_their_own():
    from copy import deepcopy

    empty = Lightbox()
    one, other = deepcopy(empty), deepcopy(empty)
    one.add("a.jpg")
    assert not other.sheets and not empty.sheets
