"""What public colourisers made of photos, beside ours."""

import io
from types import SimpleNamespace

import numpy as np
import pytest
from helpers import color_picture

from benchmarks import peers
from cinn_hub.color import to_lab
from training import gather

MADE = peers.Collection("made", "a/b", "", "real", {"Bright": "bright", "Late": "late"})


def picture_file(picture, kind="PNG"):
    buffer = io.BytesIO()
    picture.save(buffer, kind)
    return buffer.getvalue()


def snapshot_of(files):
    """In place of git directories."""
    return SimpleNamespace(
        folder="here", tree=lambda repo, commit: files, read=lambda row: files[row.path]
    )


@pytest.fixture(scope="module")
def snapshot():
    """A photo that all have, under names of their own, and one that only some have."""
    photo = color_picture(200, 150)
    return snapshot_of(
        {
            "real/coco/7.jpg": picture_file(photo, "JPEG"),
            "real/coco/8.jpg": picture_file(photo, "JPEG"),
            "bright/coco/7.jpg.png": picture_file(photo),
            "late/coco/7_c065.JPEG": picture_file(photo.convert("L").convert("RGB")),
            "late/coco/8_c1.JPEG": picture_file(photo),
            "late/coco/sources.csv": b"7,7",
        }
    )


def test_nobody_trains_on_photos_of_which_we_show_others_pictures():
    lists = gather.tomllib.loads(gather.LISTS.read_text("utf-8"))
    measured = lists.pop("measured")
    trained_on = {table.get("repository") for table in lists.values()}
    for collection in peers.COLLECTIONS:
        assert collection.repository in measured
        assert collection.repository not in trained_on


def test_their_photos_and_doubles_of_them_are_left_out_of_other_lists(tmp_path):
    theirs = [color_picture(240, 200, seed=seed) for seed in range(2)]
    known = gather.Known()
    known.add(picture_file(picture) for picture in theirs)
    again = picture_file(theirs[0].resize((120, 100)), "JPEG")
    assert gather.judged(again, known) == ("double", None)


def test_photos_are_found_by_their_names(snapshot):
    (files,) = peers.read(snapshot, MADE)
    assert list(files) == ["real", "Bright", "Late"]
    assert files["Late"] == snapshot.read(SimpleNamespace(path="late/coco/7_c065.JPEG"))
    with pytest.raises(SystemExit, match="has no photos of a/b"):
        list(peers.read(snapshot_of({}), MADE))


def test_the_table_has_the_errors_and_colours_of_each_row(imagenet, snapshot):
    (files,) = peers.read(snapshot, MADE)
    real, pictures = peers.pictures_of(imagenet, files, seed=0, boldness=[0.0])
    table = peers.Table()
    table.add(pictures, real)
    rows = table.means()
    assert rows["grey"]["colour"] == 0
    assert rows["Late"] == pytest.approx(rows["grey"], rel=0.05, abs=0.01)
    assert rows["Bright"]["colour"] == pytest.approx(1, abs=0.1)
    assert rows["Bright"]["PSNR"] > rows["grey"]["PSNR"] + 5
    assert rows["Bright"]["ab"] < rows["grey"]["ab"] / 2
    assert rows["ours, boldness 0"] == pytest.approx(rows["ours, expected colours"])
    own = [rows[f"ours, {of}"]["RGB"] for of in ("nearest of eight", "one of eight")]
    assert own[0] < own[1]
    assert len(table.text().splitlines()) == 2 + len(rows)
    assert [x.shape for x in peers.on_sheet(real, pictures)] == [(128, 128, 3)] * 9


def test_the_columns_are_what_they_are_called():
    real = np.full((8, 8, 3), 100, np.uint8)
    psnr, rgb, ab, colour = peers.figures(real + np.uint8(51), real)
    assert psnr == pytest.approx(-20 * np.log10(0.2)) and rgb == pytest.approx(20)
    assert ab < 0.1 and colour == 0
    red = real.copy()
    red[..., 0] = 200
    away = (to_lab(red) - to_lab(real))[0, 0, 1:]
    assert peers.figures(red, real)[2] == pytest.approx(np.sqrt(np.square(away).mean()), rel=1e-3)
