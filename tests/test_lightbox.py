"""What is on one visitor's table, without a browser: photos, rows, stars, hints, what is said."""

import os
import zipfile
from copy import deepcopy
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import gradio as gr
import pytest
from helpers import color_picture

from cinn_hub.errors import CinnHubError, PhotoError
from cinn_hub.hints import read_hints
from cinn_hub.ui import hints, lightbox, pictures, saving, table
from cinn_hub.ui.colorize import Colour
from cinn_hub.ui.lightbox import Lightbox, key_of, likelihood_words
from cinn_hub.ui.models import Shelf
from cinn_hub.ui.pictures import rows
from cinn_hub.ui.table import Table
from cinn_hub.ui.uploads import NO_PHOTO, Uploads, open_sheet, take


@pytest.fixture(scope="module")
def hinter(small_model):
    """A tool of a page."""
    with gr.Blocks():
        return hints.Hints(Table(Shelf(small_model), Uploads(None)))


@pytest.fixture(scope="module")
def desk(hinter):
    """The table of a page."""
    return hinter.table


@pytest.fixture
def box(desk, tmp_path):
    """Two photos with a row of answers each; the first one is in view."""
    box = Lightbox(desk.shelf.own.name)
    for name in ("grandma", "grandpa"):
        path = tmp_path / f"{name}.png"
        color_picture(96, 64).convert("L").save(path)
        lay(desk, box, box.add(str(path)))
    box.at = box.sheets[0]
    return box


def lay(desk, box, sheet, seed=1):
    session = open_sheet(sheet, desk.shelf.own)
    results = desk.shelf.own.colorize(session.prepared, 3, seed=seed)
    return desk.lay(
        box, sheet, box.begin(sheet), f"seed {seed}", results, f"colours({seed})", ["a"] * 3
    )


def like(box, row, index=0):
    sheet = next(sheet for sheet in box.sheets if row in sheet.rows)
    box.toggle_star(key_of(sheet, row, index))


def test_picking_brings_a_photo_and_an_answer_into_view(box):
    second = box.sheets[1]
    box.pick(key_of(second, second.rows[0], 2))
    assert box.at is second and box.row.picked == 2
    assert table.answer_rows(box)["rows"][0]["items"][2]["picked"]
    box.pick(key_of(box.sheets[0]))
    assert box.at is box.sheets[0]


@pytest.mark.parametrize("key", ["", "x", "7", "0.9.0", "0.1", "0.0.0.0", "0.1.-1", "../../etc"])
def test_names_that_no_page_sends_are_refused(box, key):
    with pytest.raises(CinnHubError):
        box.pick(key)


def test_an_index_that_is_not_there_is_said(box):
    with pytest.raises(CinnHubError, match="The index is 7; it must be from 0 to 2"):
        box.row.check(7)


def test_removing_a_photo_removes_its_answers(desk, box):
    first, second = box.sheets
    like(box, first.rows[0], 1)
    box.remove(key_of(first))
    assert box.at is second and not second.rows[0].stars
    box.remove(key_of(second))
    assert box.at is None and desk.values_for_clients(box)[1:] == [rows(), {}, "", ""]
    with pytest.raises(PhotoError, match="There is no photo yet; add one"):
        box.photo()


def test_what_the_page_says_move_by_move(desk, box, tmp_path):
    """One sentence a state, in the status, instead of the answers, and on the main button."""

    def said():
        shown = dict(zip(desk.outputs, desk.values(box), strict=True))
        button = shown[desk.more]["value"]
        return shown[desk.uploads.status], shown[desk.answers]["text"], button

    assert said() == ("2 photos.", "", "More answers")
    paths = [tmp_path / name for name in ("bad.jpg", "bad.zip", "c.png")]
    for path in paths[:2]:
        path.write_bytes(b"PK")
    color_picture(32, 32).save(paths[2])
    take(box, [str(path) for path in paths])
    assert said() == ("Colouring photo 3 of 5: bad.jpg", "No colours yet.", "Colour")
    box.pick(key_of(box.sheets[0]))  # a click while the others are coloured
    assert said() == ("Colouring photo 3 of 5: bad.jpg", "", "More answers")
    box.pick(key_of(box.sheets[3]))
    assert said()[1] == "bad.zip is a damaged ZIP archive; make it again."
    tool = Colour.__new__(Colour)  # its components are not needed
    tool.table = desk
    settings = {"n": 2, "temperature": 1, "seed": 0}
    steps = tool.work(box, **settings)
    for text in ("photo 3 of 5: bad.jpg", "photo 5 of 5: c.png"):
        assert next(steps)[desk.outputs.index(desk.uploads.status)] == f"Colouring {text}"
    next(steps)
    assert said()[0] == "5 photos, 2 of them not coloured."
    box.pick(key_of(box.sheets[4]))
    assert len(box.row.pictures) == 2 and said()[1:] == ("", "More answers")
    take(box, str(paths[2]))
    box.stop()
    assert said() == ("6 photos, 2 of them not coloured.", "No colours yet.", "Colour")
    box.sheets = []
    box.at = None
    assert said() == (NO_PHOTO, "", "Colour")


def test_what_was_asked_for_last_is_seen_whatever_ends_last(desk, box, hinter):
    sheet, base = box.sheets[0], box.row
    hinter.mend_picked(box, sent(SPOTS[0], edit=1))
    turn = box.begin(sheet)  # a map is asked for
    results = desk.shelf.own.colorize(sheet.opened.prepared, 4, seed=5)
    drawn = desk.lay(box, sheet, turn, "a map", results, "", [""] * 4, side=2)
    hinter.mend_all(box)  # the hints come late
    assert sheet.at is drawn and [row.title for row in sheet.rows][-1] == "with hints"
    box.pick(key_of(sheet, base, 0))
    value = hinter.mend_picked(box, sent(*SPOTS, edit=2))
    hinter.mend_all(box)
    assert len(value["spots"]) == 2 and sheet.at.title == "with hints"


def test_of_many_rows_those_with_stars_stay(desk, hinter, box, monkeypatch):
    monkeypatch.setattr(lightbox, "MOST_ROWS", 3)
    sheet = box.sheets[0]
    first = sheet.rows[0]
    like(box, first)
    made = [lay(desk, box, sheet, seed) for seed in (2, 3, 4)]
    assert sheet.rows == [first, *made[1:]] and sheet.at is made[2]
    like(box, made[1])
    like(box, made[2])
    for refused in (
        lambda: lay(desk, box, sheet, 5),
        lambda: desk.open(box, None, lambda *_, **__: None),
        lambda: hinter.mend_picked(box, {"spots": [[10, 10, "#aa3311"]], "edit": 1}),
    ):
        with pytest.raises(PhotoError, match="All 3 rows of answers to grandma.png hold fav.*room"):
            refused()
        assert sheet.rows == [first, *made[1:]]


def test_words_compare_the_answers_of_one_row():
    def words(plausibilities, chromas=(10, 20, 10, 10)):
        pairs = zip(plausibilities, chromas, strict=False)
        return likelihood_words([SimpleNamespace(plausibility=p, chroma=c) for p, c in pairs])

    assert words([-2.0, -2.9, -2.5, -2.3]) == ["very likely", "daring", "less likely", "likely"]
    assert words([-2.0, -2.9, -2.5, -2.3], (10, 2, 10, 10))[1] == "pale"  # nothing grey is daring
    assert words([2.0]) == [""] and words([1, 1, 1]) == ["", "", ""]


@pytest.mark.parametrize(
    "stems, names",
    [
        (["a", "b"], ["a", "b"]),
        (["a", "b", "a"], ["a_1", "b", "a_2"]),
        (["a", "a", "a_1"], ["a_2", "a_3", "a_1"]),
        (["a_1", "a", "a_1", "a"], ["a_1_1", "a_1", "a_1_2", "a_2"]),
        (["A", "a"], ["A_1", "a_2"]),
    ],
)
def test_names_in_an_archive_are_unique(stems, names):
    assert saving.unique_names(stems) == names


def test_all_are_downloaded_picked_or_starred_with_names_and_folders_of_their_photos(box):
    first, second = box.sheets
    second.path = str(Path(second.path).rename(Path(second.path).with_name("grandma.tif")))
    second.rows[0].session = replace(second.rows[0].session, path=second.path)
    first.rows[0].stars, second.rows[0].picked = {0, 2}, 1
    box.add("/nowhere/bad.jpg")
    for inside, expected in (("", "grandma_3.png"), ("1950/June", "1950/June/grandma.png")):
        second.inside = inside
        *_, (path, _) = saving.save_all(box, "PNG", 95, lambda *_, **__: None)
        with zipfile.ZipFile(path) as archive:
            names = ["grandma_1.png", "grandma_2.png", expected, saving.RECIPES]
            assert archive.namelist() == names
            assert "results[1].save(" in archive.read(saving.RECIPES).decode().split("#")[-1]


def test_a_large_picture_has_the_intensity_that_is_set(box):
    grey, full = table.large_pictures(box.row, 0)
    assert table.large_pictures(box.row, 0) == (grey, full)
    box.row.intensities[0] = 20
    pale = box.row.session.result(0).with_intensity(0.2)
    assert table.large_pictures(box.row, 0) == pictures.large(pale) != (grey, full)


def test_an_answer_is_compared_with_the_one_before_it(desk, box):
    sheet, row = box.sheets[0], box.row
    assert "other" not in table.large_picture(box)
    box.pick(key_of(sheet, row, 1))
    assert table.large_picture(box)["other"]["name"] == "number 1"
    lay(desk, box, sheet, 2)
    assert table.large_picture(box)["other"]["name"] == "number 2, earlier"
    box.pick(key_of(box.sheets[1]))
    assert "other" not in table.large_picture(box)


def test_pictures_that_were_swept_leave_their_places(box):
    os.unlink(box.row.pictures[1]["path"])
    items = table.answer_rows(box)["rows"][0]["items"]
    assert items[1]["image"] is None and items[0]["image"]


def test_answers_and_photos_go_after_their_hour(box):
    box.sheets[0].rows[0].made -= 4000
    box.forget_older_than(3600)
    assert box.sheets[0].rows == [] and box.sheets[1].rows
    assert table.answer_rows(box)["text"] == "No colours yet."


def test_what_fits_is_taken_and_nothing_else_is_lost(tmp_path, monkeypatch):
    """Too many photos, archives that cannot be read, folders without photos."""
    warnings = []
    monkeypatch.setattr(gr, "Warning", warnings.append)
    picture, notes = tmp_path / "one.png", tmp_path / "notes.txt"
    color_picture(32, 32).save(picture)
    notes.write_text("no photo")
    with zipfile.ZipFile(tmp_path / "box.zip", "w") as archive:
        archive.write(picture, "two.png")
        archive.write(picture, "1950/three.png")
        archive.writestr("cut.png", bytes(100))
    data = (tmp_path / "box.zip").read_bytes()
    (tmp_path / "box.zip").write_bytes(
        data.replace(bytes(100), b"x" * 100)
    )  # its checksum is wrong
    (tmp_path / "bad.zip").write_bytes(b"PK")
    box = Lightbox()
    take(box, [str(tmp_path / name) for name in ("bad.zip", "one.png", "box.zip")])
    assert [sheet.name for sheet in box.sheets] == [
        "bad.zip",
        "one.png",
        "two.png",
        "three.png",
        "cut.png",
    ]
    assert "damaged" in box.sheets[0].problem and box.at is box.sheets[1] and not warnings
    assert box.sheets[4].problem == "cut.png is damaged in the archive."
    assert box.queue() == box.sheets[1:4] and box.sheets[3].inside == "1950"
    box.forget_older_than(3600)
    monkeypatch.setattr(lightbox, "MOST_PHOTOS", 7)
    take(box, [str(picture), str(tmp_path / "box.zip")])
    assert len(box.sheets) == 7 and "2 of 4 photos are taken" in warnings.pop()
    take(box, str(picture))
    assert len(box.sheets) == 7 and picture.exists() and "0 of 1" in warnings.pop()
    take(box, [str(notes)], folder=True)
    assert "The folder holds no photos" in warnings.pop()
    with pytest.raises(PhotoError, match="There are 7 photos already"):
        box.add(str(picture))


def test_all_visitors_begin_with_a_table_of_their_own():
    empty = Lightbox("a model")
    one, other = deepcopy(empty), deepcopy(empty)
    one.add("a.jpg")
    assert not other.sheets and not empty.sheets and other.model == "a model"


def sent(*spots, edit=5):
    return {"spots": list(spots), "edit": edit}


SPOTS = [10, 10, "#aa3311", None], [50, 50, "#2255cc", 7]


def test_hints_are_set_on_the_answers_behind_the_row_in_view(box):
    base = box.row
    base.picked = 2
    first = hints.hinted_by(base, sent(*SPOTS))
    assert (first.base, first.indices, first.picked, first.edit) == (base, [0, 1, 2], 2, 5)
    assert [hint.reach for hint in first.hints] == [None, 7]
    again = hints.hinted_by(replace(base, picked=1, hinted=first), sent())
    assert (again.base, again.picked, again.hints) == (base, 1, [])
    assert again.latents[1] == base.session.bare_result(1).latent
    one_of_a_map = hints.hinted_by(replace(base, side=1), sent(*SPOTS))
    assert (one_of_a_map.indices, one_of_a_map.picked) == ([2], 2)


@pytest.mark.parametrize("most", [2, 12])
def test_newer_hints_take_the_place_of_older_ones_beside_rows_with_stars(
    desk, hinter, box, monkeypatch, most
):
    """With all other rows starred, there is room for one row with hints, and it is replaced."""
    monkeypatch.setattr(lightbox, "MOST_ROWS", most)
    sheet = box.sheets[0]
    base = sheet.rows[0]
    while len(sheet.rows) < most - 1:
        lay(desk, box, sheet, seed=9)
    for row in sheet.rows:
        like(box, row)
    before, sheet.at = list(sheet.rows), base
    for edit, spots in enumerate((SPOTS[:1], SPOTS, ()), 1):
        value = hinter.mend_picked(box, sent(*spots, edit=edit))
        assert value["edit"] == edit and len(value["spots"]) == len(spots)
        hinter.mend_all(box)
        kept = [row for row in sheet.rows if row.hinted is None]
        assert kept == before and len(sheet.rows) == most - (not spots)
        assert sheet.at is (sheet.rows[-1] if spots else base)


@pytest.mark.parametrize(
    "value",
    [None, {}, {"spots": 3, "edit": 1}, sent([1, 2]), sent(edit="x"), sent([500, 2, "#aa3311"])],
)
def test_hints_that_the_page_would_not_send(box, value):
    with pytest.raises(CinnHubError):
        hints.hinted_by(box.row, value)


@pytest.mark.parametrize("asked", [None, {}, {"x": "a", "y": 2}, [1, 2]])
def test_colours_for_no_spot(asked):
    with pytest.raises(CinnHubError, match="which spot to look at"):
        hints.asked_place(asked)


def test_hints_as_text():
    spots = hints.from_text("10 10 #aa3311\n\n 50 50.5 #2255cc 7 ")
    assert spots == [(10, 10, "#aa3311"), (50, 50.5, "#2255cc", 7)]
    read = read_hints(spots, (96, 64))
    assert hints.hints_code(read) == "[(10, 10, '#aa3311'), (50, 50.5, '#2255cc', 7)]"
    for line in ("10 ten #aa3311", "10 10", "10 10 #aa3311 3 4"):
        with pytest.raises(CinnHubError, match='expected "x y #rrggbb"'):
            hints.from_text(line)


def test_answers_of_a_model_that_changed_say_so_and_its_photo_is_coloured_anew(
    desk, small_model, tmp_path
):
    folder = tmp_path / "model"
    small_model.save(folder)
    desk.shelf.load(str(folder))
    path = tmp_path / "photo.png"
    color_picture(96, 64).save(path)
    box = Lightbox(str(folder))
    sheet, model, turn = desk.open(box, str(path), lambda *_, **__: None)
    desk.lay(box, sheet, turn, "first", model.colorize(sheet.opened.prepared, 2, seed=1), "")
    session = box.row.session
    assert desk.shelf.of(session)[0] is model
    changed = type(small_model)(small_model.config).eval().requires_grad_(False)
    changed.save(folder)
    del model
    desk.shelf.load(str(folder))
    with pytest.raises(CinnHubError, match="has changed since these answers .*; colour the photo"):
        desk.shelf.of(session)
    sheet, model, _ = desk.open(box, None, lambda *_, **__: None)
    assert model.fingerprint == changed.fingerprint
    assert len(model.colorize(sheet.opened.prepared, 2, seed=1)) == 2


def test_answers_near_others_are_those_of_their_model(desk, box, small_model, tmp_path):
    """Even where the photo in view was opened for another model in the meantime."""
    base = box.row
    small_model.save(tmp_path / "other")
    desk.shelf.load(str(tmp_path / "other"))
    box.model = str(tmp_path / "other")
    sheet, model, turn = desk.open(box, None, lambda *_, **__: None)
    near = model.similar(sheet.opened.prepared, base.session.bare_result(0).latent, 2, seed=1)
    row = desk.lay(box, sheet, turn, "near", near, "model.similar()", after=base)
    assert row.session.model == base.session.model == small_model.name
    assert row.session.code == base.session.code + "results = model.similar()\n"
