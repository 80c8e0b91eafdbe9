"""The manifest: what is done again and what is not, photos that move, and what it tells."""

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from pathlib import Path

import pytest
from albums import contents, grey, paint, rows
from helpers import ROOT, color_picture

import cinn_hub
from cinn_hub.batch import audit
from cinn_hub.batch.album import Job
from cinn_hub.batch.manifest import NAME, Manifest, Outcome, Result
from cinn_hub.batch.storage import Storage
from cinn_hub.batch.tasks import PLACES
from cinn_hub.cli import build_parser
from cinn_hub.errors import CinnHubError

COMMAND = ("colorize", "album", "-o", "out", "-n", 2, "--workers", 1)


@pytest.fixture(autouse=True)
def album(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    grey("album/a.png", "album/sub/b.png", "album/c.png")


def results_of(*stems):
    return {f"{stem}_color{i}.png" for stem in stems for i in (1, 2)}


def test_what_a_run_notes_and_that_it_can_be_made_again(cinn, model_folder):
    Path("album/bad.jpg").write_text("<html>")
    color_picture(60, 40).save("album/colored.png")
    assert cinn(*COMMAND, "-s", 5, "-b", 0.7).code == 1
    done = dict.fromkeys(("a", "sub/b", "c"), "done")
    states = dict(rows("SELECT stem, state FROM photos"))
    assert states == {**done, "bad": "failed", "colored": "skipped"}
    [found] = rows("SELECT photo, bytes, width, height, error FROM photos WHERE stem = 'sub/b'")
    path = Path("album/sub/b.png").absolute()
    assert found == (str(path), path.stat().st_size, 60, 40, None)
    assert "not a picture" in rows("SELECT error FROM photos WHERE stem = 'bad'")[0][0]
    results = rows("SELECT file, bits_per_dim, plausibility, distance FROM results")
    assert {result[0] for result in results} == contents("out").keys()
    model = cinn_hub.load(model_folder, device="cpu")
    prepared = model.prepare(path)
    typical, temperature = model.typical(prepared), model.temperature(0.7)
    for i, result in enumerate(model.colorize(prepared, 2, temperature, seed=5), 1):
        numbers = next(row[1:] for row in results if row[0] == f"sub/b_color{i}.png")
        expected = (result.bits_per_dim, result.plausibility, result.distance(typical))
        assert numbers == pytest.approx(expected, abs=1e-3)
    [(text,)] = rows("SELECT options FROM runs")
    options = json.loads(text)
    arguments = ["-s", options["seed"], "-b", options["boldness"], "-n", options["n"]]
    cinn("colorize", "album", "-o", "again", "-m", options["model"], "--workers", 1, *arguments)
    assert contents("again") == contents("out")


def test_a_second_run_does_nothing_and_reads_no_photo(monkeypatch, capsys):
    color_picture(60, 40).save("album/colored.png")
    paint("album")
    monkeypatch.setattr("cinn_hub.photos.read", None)
    capsys.readouterr()
    assert not paint("album", seed=2)
    assert "4 of 4 photos are done already" in capsys.readouterr().err


def test_what_is_missing_or_changed_is_done_again(capsys):
    Path("album/bad.jpg").write_text("<html>")
    paint("album")
    before = contents("out")
    Path("out/sub/b_color2.png").unlink()
    grey("album/c.png", seed=9)
    os.utime("album/a.png")  # another time, the same content
    assert paint("album") == results_of("c", "sub/b")
    assert capsys.readouterr().err.count("bad.jpg is not a picture") == 2  # tried again
    after = contents("out")
    assert {name for name in after if after[name] != before[name]} == results_of("c")


def test_other_options_replace_what_is_there_if_they_are_asked_to():
    paint("album")
    before = contents("out")
    assert not paint("album", seed=2) and contents("out") == before
    paint("album", seed=2, overwrite=True)
    assert len(rows("SELECT file FROM results")) == len(before)
    assert all(contents("out")[name] != before[name] for name in before)


def test_a_run_goes_on_with_the_seed_of_the_one_before(cinn):
    cinn(*COMMAND)
    before = contents("out")
    Path("out/a_color1.png").unlink()
    cinn(*COMMAND)
    assert contents("out") == before


def test_results_move_with_their_photos():
    paint("album")
    before = contents("out")
    Path("album/new").mkdir()
    Path("album/a.png").rename("album/new/z.png")
    Path("album/c.png").rename("album/d.png")
    shutil.copy("album/sub/b.png", "album/e.png")
    assert paint("album") == results_of("e")  # a copy, no move
    new = {"a": "new/z", "c": "d", "sub/b": "sub/b"}
    moved = {new[n.split("_")[0]] + "_" + n.split("_")[1]: b for n, b in before.items()}
    after = contents("out")
    assert moved.items() <= after.items() and len(after) == 8
    assert {stem for (stem,) in rows("SELECT stem FROM photos")} == {"new/z", "d", "sub/b", "e"}
    assert {file for (file,) in rows("SELECT file FROM results")} == after.keys()
    assert not paint("album")


def test_photos_that_change_places_keep_their_own_colours():
    paint("album")
    before = contents("out")
    Path("album/a.png").rename("album/x.png")
    Path("album/c.png").rename("album/a.png")
    Path("album/x.png").rename("album/c.png")
    paint("album")
    after = contents("out")
    assert after["a_color1.png"] == before["c_color1.png"]
    assert after["c_color1.png"] == before["a_color1.png"]


def zipped(name, photo):
    with zipfile.ZipFile(name, "w") as archive:
        archive.write(photo, "a.png")
    return name


@pytest.mark.parametrize("kind", ["folders", "archives", "photos"])
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_result_is_never_replaced_by_that_of_another_photo(kind, overwrite, capsys):
    """Two photos of one name, by two commands; what was made of each is found again, too."""
    grey("y2019/a.png", "y2020/a.png")
    places = ["y2019", "y2020"]
    if kind == "archives":
        places = [zipped(f"{place}.zip", f"{place}/a.png") for place in places]
    if kind == "photos":
        places = [f"{place}/a.png" for place in places]
    first = paint(places[0])
    before = contents("out")
    assert first == results_of("a")
    for _ in range(2 if kind != "photos" else 1):
        second = paint(places[1], overwrite=overwrite)
        assert second <= results_of("a-2")
        assert contents("out").items() >= before.items()
        assert len(contents("out")) == 4
    if kind != "photos" and not overwrite:
        assert not paint(places[0]) and not second
    sources = {os.path.basename(photo) for (photo,) in rows("SELECT photo FROM photos")}
    assert sources == {"a.png"} and len(rows("SELECT photo FROM photos")) == 2


def test_a_copy_elsewhere_is_no_move():
    """Both photos keep their results."""
    paint("album/sub")
    Path("other").mkdir()
    shutil.copy("album/sub/b.png", "other/z.png")
    assert paint("other") == results_of("z")
    assert contents("out").keys() == results_of("b", "z")


@pytest.mark.parametrize("moved", [False, True])
def test_an_album_that_was_moved_is_the_same(moved):
    paint("album")
    Path("album").rename("elsewhere")
    if moved:
        grey("elsewhere/c.png", seed=9)  # and changed: whose results are there is unknown
    assert paint("elsewhere") == (results_of("c-2") if moved else set())


def test_what_was_cut_off_is_done_again():
    paint("album")
    before = contents("out")

    def work(job, photo):
        job.target("color1.png").write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        paint("album", work=work, overwrite=True)
    paint("album")
    assert contents("out") == before
    assert {state for (state,) in rows("SELECT state FROM photos")} == {"done"}


def test_a_killed_run_is_resumed_to_the_same_results(cinn, model_folder):
    command = [sys.executable, "-m", "cinn_hub", *COMMAND, "-s", 1, "-m", model_folder]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        list(map(str, command)), env=environment, stdout=subprocess.PIPE
    ) as process:
        process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    cinn(*COMMAND)  # it takes the seed of the run that was killed
    cinn(*COMMAND[:3], "again", *COMMAND[4:], "-s", 1)
    assert contents("out") == contents("again")
    assert {state for (state,) in rows("SELECT state FROM photos")} == {"done"}
    assert len(rows("SELECT * FROM results")) == 6


def test_results_that_no_manifest_knows_are_kept(capsys):
    """The manifest vanished: what is complete counts as done, all else asks."""
    paint("album")
    before = contents("out")
    Path("out", NAME).unlink()
    Path("out/c_color1.png").unlink()
    del before["c_color1.png"]
    capsys.readouterr()
    assert not paint("album", seed=2) and contents("out") == before
    told = capsys.readouterr().err
    assert "2 photos have results that no manifest knows, and that are kept" in told
    assert "out/c_color2.png exists already; --overwrite replaces it" in told
    assert paint("album", seed=2, overwrite=True) == results_of("a", "sub/b", "c")


def test_pages():
    first, second = (color_picture(seed=seed).convert("L") for seed in (0, 1))
    first.save("album/scan.tif", save_all=True, append_images=[second])
    paint("album")
    for _ in range(2):
        assert "scan_page2_color1.png" in paint("album", pages=True)
        assert not paint("album", pages=True)
        Path("out/scan_page2_color1.png").unlink()


def test_several_commands_share_a_folder(cinn):
    cinn(*COMMAND)
    color_picture(80, 80, seed=3).save("sunset.jpg", quality=95)
    for expected in ({f"out/{stem}_sunset.png" for stem in ("a", "sub/b", "c")}, set()):
        assert cinn("transfer", "sunset.jpg", "album", "-o", "out").written == expected
    tasks = rows("SELECT task, count(*) FROM photos GROUP BY task")
    assert tasks == [("color.png", 3), ("sunset.png", 3)]
    assert not cinn(*COMMAND).written


def test_two_runs_over_one_folder(cinn):
    """The second one says so; afterwards, or after a kill, the folder is free."""
    Path("out").mkdir()
    with closing(Manifest(Storage("out"), "color.png")) as manifest:
        manifest.begin("0", {})
        done = cinn(*COMMAND)
        assert done.code == 2 and "Another run writes to out; wait until it has" in done.err
        assert "color.png" not in cinn("manifest", "out").out  # but reading is free
    assert paint("album")


def test_what_it_tells(cinn):
    Path("album/bad.jpg").write_text("<html>")
    paint("album", seed=4)
    told = cinn("manifest", "out").out
    assert "color.png: 3 done" in told and '"seed": 4' in told
    [line] = cinn("manifest", "out", "--errors").out.splitlines()
    bad = Path("album/bad.jpg").absolute()
    assert line.startswith(f"{bad}: bad.jpg is not a picture")
    lines = cinn("manifest", "out", "--oddest", 2).out.splitlines()
    odd = rows("SELECT file FROM results ORDER BY distance DESC LIMIT 2")
    assert [line.split("  ")[0] for line in lines] == [f"out/{file}" for (file,) in odd]
    for number in ("0", "-1", "two"):
        assert "is not a whole number" in cinn("manifest", "out", "--oddest", number).err
    parquet = pytest.importorskip("pyarrow.parquet")
    assert cinn("manifest", "out", "--parquet", "m.parquet").out == "m.parquet  7 rows\n"
    table = parquet.read_table("m.parquet").to_pylist()
    assert {row["file"] for row in table} == {None, *contents("out")}


def test_reading_a_manifest_writes_nothing(cinn):
    """It may be on a disk that cannot be written to."""
    paint("album")
    os.utime(f"out/{NAME}", ns=(1, 1))
    before = sorted(os.listdir("out")), Path("out", NAME).read_bytes()
    assert cinn("manifest", "out").code == 0
    assert (sorted(os.listdir("out")), Path("out", NAME).read_bytes()) == before
    assert os.stat(f"out/{NAME}").st_mtime_ns == 1


@pytest.mark.parametrize("command", [("manifest", "out"), COMMAND])
@pytest.mark.parametrize("damage", ["text", "half", "version", "missing", "place"])
def test_manifests_that_cannot_be_used_are_one_sentence(cinn, command, damage):
    path = Path("out", NAME)
    path.parent.mkdir()
    if damage == "text":
        path.write_text("no database " * 100)
    if damage == "half":
        paint("album")
        path.write_bytes(path.read_bytes()[:6000])
    if damage == "version":
        with closing(sqlite3.connect(path)) as database:
            database.execute("PRAGMA user_version = 99")
    if damage == "place":
        path.mkdir()
    done = cinn(*command)
    if damage == "missing" and command == COMMAND:
        return
    assert done.code == 2 and done.err.count("\n") == 1 and NAME in done.err
    if damage in ("text", "half"):
        assert "delete it and run it again, which keeps the results" in done.err
        path.unlink()
        assert cinn(*COMMAND).code == 0


def test_names_that_are_not_utf8(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    photo = tmp_path / f"{name}.png"
    job = Job(photo, photo, tmp_path, name, True)
    with closing(Manifest(Storage(tmp_path), f"{name}.png")) as manifest:
        manifest.begin("0", {"reference": name})
        manifest.expect([job])
        result = Result(tmp_path / f"{name}_{name}.png", latent={"reference": name})
        manifest.note(job, Outcome("failed", (result,), error=f"{name}.png is damaged."))
        entry = manifest.entry(job.results)
        assert entry.state == "failed" and manifest.paths(entry.results) == [result.file]
        assert list(audit.errors(manifest)) == [f"{photo}: {name}.png is damaged."]
        assert f"{name}.png: 1 failed" in list(audit.summary(manifest))


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CinnHubError, match="cannot be used"):
        Manifest(Storage(tmp_path / "file"))


def test_every_option_that_decides_the_results_is_noted():
    """A new option is, unless it is named as one that decides nothing."""
    options = build_parser().parse_args(["colorize", "a.png"])
    assert PLACES - vars(options).keys() == {"noted"}
    assert "boldness" not in PLACES and "quality" not in PLACES
