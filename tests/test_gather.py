"""Photos gathered from git repositories made here: what is kept, left out, and kept apart."""

import gzip
import io
import json
import subprocess

import numpy as np
import pytest
from helpers import color_picture
from PIL import Image, ImageOps

from training import gather
from training.gather import Known, Row, Snapshots, divided, gather_all, hashes, upright

LISTS = """
measured = ["somebody/measured"]

[things]
repository = "somebody/photos"
commit = "HEAD"
folders = ["in here"]
what = "things"
terms = "ours"
most = 6
choose = 2
without = [[10, 3]]

[everyday]
most = 0
choose = 1
"""


def picture_file(picture, **options):
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=95, **options)
    return buffer.getvalue()


@pytest.fixture
def snapshots(tmp_path, monkeypatch):
    """Ten photos in the folder, the second grey, the third to be left out by its number; number 14
    is held out, mirrored and smaller."""
    files = {f"in here/{i}.jpg": color_picture(260, 220, seed=i) for i in range(10, 20)}
    files["in here/11.jpg"] = files["in here/11.jpg"].convert("L")
    files["elsewhere/1.jpg"] = color_picture(seed=99)
    work = tmp_path / "snapshots" / "somebody+photos"
    for name, picture in files.items():
        path = work / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(picture_file(picture))
    git = ["git", "-C", str(work), "-c", "user.name=A", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["add", "."], ["commit", "-qm", "photos"]):
        subprocess.run([*git, *words], check=True)
    held = tmp_path / "held"
    held.mkdir()
    mirrored = ImageOps.mirror(files["in here/14.jpg"]).resize((130, 110))
    (held / "1.jpg").write_bytes(picture_file(mirrored))
    listed = tmp_path / "lists" / "more"
    listed.mkdir(parents=True)
    with gzip.open(listed / "everyday.jsonl.gz", "wt") as stream:
        for path in ("elsewhere/1.jpg", "elsewhere/missing.jpg"):
            stream.write(
                json.dumps({"repo": "somebody/photos", "commit": "x", "path": path}) + "\n"
            )
    (tmp_path / "lists.toml").write_text(LISTS)
    monkeypatch.setattr(gather, "LISTS", tmp_path / "lists.toml")
    return tmp_path


def run(folder):
    gather_all(folder / "snapshots", folder / "out", [folder / "held"], folder / "lists")


def files_of(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*.jpg"))


def test_photos_are_sorted_out(snapshots):
    run(snapshots)
    out = snapshots / "out"
    logs = {path.name: path.read_text().splitlines() for path in (out / "log").iterdir()}
    judged = [line.split("\t") for line in logs["things.choosing"] + logs["things.training"]]
    assert len(judged) == 8  # of nine that may be taken
    assert "in here/13.jpg" not in [path for *_, path in judged]
    verdicts = {path: verdict for verdict, _, path in judged}
    assert verdicts.get("in here/11.jpg", "grey") == "grey"
    assert verdicts.get("in here/14.jpg", "double") == "double"
    kept = sum(verdict == "kept" for verdict in verdicts.values())
    assert len(files_of(out / "small")) + len(files_of(out / "choosing" / "things")) == kept >= 6
    assert files_of(out / "large") == files_of(out / "small")
    sides = [min(Image.open(out / "small" / name).size) for name in files_of(out / "small")]
    assert set(sides) == {gather.SMALL}
    assert {line.split("\t")[2] for line in logs["everyday.choosing"]} <= {"elsewhere/1.jpg"}


def test_it_goes_on_where_it_stopped(snapshots, monkeypatch):
    class Ended(Exception):
        pass

    monkeypatch.setattr(gather, "AT_ONCE", 2)
    whole, count = gather.judged, iter(range(99))

    def ended(data, known):
        if next(count) == 5:
            raise Ended
        return whole(data, known)

    monkeypatch.setattr(gather, "judged", ended)
    with pytest.raises(Ended):
        run(snapshots)
    run(snapshots)
    after = files_of(snapshots / "out")
    log = (snapshots / "out" / "log" / "things.training").read_text().splitlines()
    assert len(set(log)) == len(log) == 6
    (snapshots / "out").rename(snapshots / "first")
    run(snapshots)
    assert files_of(snapshots / "out") == after


def test_nothing_that_is_measured_on_is_taken(snapshots):
    rows = [Row("somebody/measured", "HEAD", "1.jpg"), Row("somebody/photos", "HEAD", "1.jpg")]
    with gzip.open(snapshots / "lists" / "more" / "things.jsonl.gz", "wt") as stream:
        stream.writelines(json.dumps(vars(row)) + "\n" for row in rows)
    things = gather.collections(snapshots / "lists", Snapshots(snapshots / "snapshots"))[0]
    repos = {row.repo for row in [*things.choosing, *things.training]}
    assert repos == {"somebody/photos"}


def test_what_is_chosen_by_is_never_trained_on():
    rows = [Row("a/b", "HEAD", f"{i}.jpg") for i in range(50)]
    first = divided("x", rows, {"choose": 7, "most": 20})
    again = divided("x", rows[::-1] + rows, {"choose": 7, "most": 40})
    assert len(first.choosing) == 7 and len(first.training) == 20
    assert first.choosing == again.choosing and not {*again.choosing} & {*again.training}
    assert again.training[:20] == first.training and len(again.training) == 40


def test_doubles_are_known_by_what_they_show():
    known = Known()
    known.add([picture_file(color_picture(300, 200, seed=1)), None, b"no photo"])
    smaller = color_picture(300, 200, seed=1).resize((150, 100))
    assert known.has(np.asarray(smaller)) and known.has(np.asarray(ImageOps.mirror(smaller)))
    assert not known.has(np.asarray(color_picture(300, 200, seed=2)))
    left, right = hashes(np.asarray(smaller)), hashes(np.asarray(ImageOps.mirror(smaller)))
    assert left == right[::-1]


def test_frames_and_the_ends_of_panoramas_are_cut_off():
    framed = Image.new("RGB", (200, 200))
    framed.paste(color_picture(200, 120, seed=3), (0, 40))
    assert abs(upright(picture_file(framed)).shape[0] - 120) <= 4
    assert upright(picture_file(color_picture(500, 100))).shape == (100, 200, 3)
    assert upright(picture_file(Image.new("RGB", (50, 50)))) is None
    assert upright(b"no photo") is None


def test_the_lists_that_come_with_the_project():
    tables = gather.tomllib.loads(gather.LISTS.read_text("utf-8"))
    measured = tables.pop("measured")
    for name, table in tables.items():
        assert table["most"] >= 0 and table["choose"] >= 0, name
        if "repository" in table:
            assert table["repository"] not in measured and table["terms"], name
            assert len(table["commit"]) == 40 and table["folders"], name
    assert tables["faces_celeba"]["without"] == [[200, 0], [41, 37]]
    assert tables["things_20"]["most"] <= 2000
    for flow in ("mirflickr", "flickr_styles", "coco_captions", "clothes"):
        assert tables[flow]["most"] == 0
