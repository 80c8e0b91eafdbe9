"""The manifest: what is done again and what is not, photos that move, and what it tells."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from albums import contents, grey, rows
from helpers import ROOT, color_picture

import cinn_hub
from cinn_hub.batch import audit
from cinn_hub.batch.album import find_jobs
from cinn_hub.batch.manifest import NAME, Manifest, Outcome, Result
from cinn_hub.batch.running import Worker, run_all
from cinn_hub.batch.storage import Storage
from cinn_hub.batch.tasks import PLACES
from cinn_hub.cli import build_parser
from cinn_hub.errors import CinnHubError

COMMAND = ("colorize", "album", "-o", "out", "-n", 2, "--workers", 1)


@pytest.fixture
def run(cinn):
    """Colours three photos, two answers each."""
    grey("album/a.png", "album/sub/b.png", "album/c.png")
    return lambda *arguments: cinn(*COMMAND, *arguments)


def test_what_a_run_notes(run, model_folder):
    Path("album/bad.jpg").write_text("<html>")
    color_picture(60, 40).save("album/colored.png")
    assert run("-s", 5).code == 1
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
    typical = model.typical(prepared)
    for i, result in enumerate(model.colorize(prepared, 2, seed=5), 1):
        numbers = next(row[1:] for row in results if row[0] == f"sub/b_color{i}.png")
        expected = (result.bits_per_dim, result.plausibility, result.distance(typical))
        assert numbers == pytest.approx(expected, abs=1e-3)


def test_a_second_run_does_nothing_and_reads_no_photo(run, monkeypatch):
    color_picture(60, 40).save("album/colored.png")
    run()
    monkeypatch.setattr("cinn_hub.photos.read", None)
    done = run()
    assert done.code == 0 and not done.written
    assert "4 of 4 photos are done already" in done.err


def test_what_is_missing_or_changed_is_done_again_with_the_same_seed(run):
    Path("album/bad.jpg").write_text("<html>")
    run()
    before = contents("out")
    Path("out/sub/b_color2.png").unlink()
    grey("album/c.png", seed=9)
    os.utime("album/a.png")  # another time, the same content
    done = run()
    assert done.code == 1 and "album/bad.jpg: bad.jpg is not a picture" in done.err  # tried again
    names = ("c_color1.png", "c_color2.png", "sub/b_color1.png", "sub/b_color2.png")
    assert done.written == {f"out/{name}" for name in names}
    after = contents("out")
    assert {name for name in after if after[name] != before[name]} == set(names[:2])


def test_other_options_do_not_replace_what_is_there(run):
    run("-s", 1)
    before = contents("out")
    assert not run("-s", 2).written and contents("out") == before
    run("-s", 2, "--overwrite")
    assert len(rows("SELECT file FROM results")) == len(before)
    assert all(contents("out")[name] != before[name] for name in before)


def test_results_move_with_their_photos(run):
    run()
    before = contents("out")
    Path("album/new").mkdir()
    Path("album/a.png").rename("album/new/z.png")
    Path("album/c.png").rename("album/d.png")
    Path("album/e.png").write_bytes(Path("album/sub/b.png").read_bytes())
    assert run().written == {"out/e_color1.png", "out/e_color2.png"}  # a copy, no move
    new = {"a": "new/z", "c": "d", "sub/b": "sub/b"}
    moved = {new[n.split("_")[0]] + "_" + n.split("_")[1]: b for n, b in before.items()}
    after = contents("out")
    assert moved.items() <= after.items() and len(after) == 8
    assert {stem for (stem,) in rows("SELECT stem FROM photos")} == {"new/z", "d", "sub/b", "e"}
    assert {file for (file,) in rows("SELECT file FROM results")} == after.keys()
    assert not run().written


def test_photos_that_change_places_keep_their_own_colours(run):
    run()
    before = contents("out")
    Path("album/a.png").rename("album/x.png")
    Path("album/c.png").rename("album/a.png")
    Path("album/x.png").rename("album/c.png")
    run()
    after = contents("out")
    assert after["a_color1.png"] == before["c_color1.png"]
    assert after["c_color1.png"] == before["a_color1.png"]


def test_what_was_cut_off_is_done_again(run):
    run("-s", 1)
    before = contents("out")
    manifest = Manifest(Storage("out"), "color.png")
    manifest.begin("0", {"seed": 1})

    def work(job, photo):
        job.target("color1.png").write_bytes(b"half")
        raise KeyboardInterrupt

    jobs = find_jobs([Path("album")], Path("out"))
    with pytest.raises(KeyboardInterrupt):
        run_all(jobs, ["color1.png"], Worker(work), manifest=manifest, overwrite=True)
    manifest.close()
    run("-s", 1)
    assert contents("out") == before
    assert {state for (state,) in rows("SELECT state FROM photos")} == {"done"}


def test_a_killed_run_is_resumed_to_the_same_results(run, model_folder):
    run("-s", 1)
    before = contents("out")
    for path in Path("out").rglob("*.*"):
        path.unlink()
    command = [sys.executable, "-m", "cinn_hub", *COMMAND, "-s", 1, "-m", model_folder]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        list(map(str, command)), env=environment, stdout=subprocess.PIPE
    ) as process:
        for _ in range(2):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    run()  # it takes the seed of the run that was killed
    assert contents("out") == before
    assert {state for (state,) in rows("SELECT state FROM photos")} == {"done"}
    assert len(rows("SELECT * FROM results")) == 6


def test_results_that_are_older_than_the_manifest_are_kept(run):
    run()
    Path("out", NAME).unlink()
    Path("out/c_color1.png").unlink()
    assert run().written == {"out/c_color1.png", "out/c_color2.png"}


def test_pages(run):
    first, second = (color_picture(seed=seed).convert("L") for seed in (0, 1))
    first.save("album/scan.tif", save_all=True, append_images=[second])
    run()
    for _ in range(2):
        assert "out/scan_page2_color1.png" in run("--pages").written
        assert not run("--pages").written
        Path("out/scan_page2_color1.png").unlink()


def test_every_result_can_be_made_again_from_the_manifest(run, cinn):
    run("-b", 0.7)
    [(text,)] = rows("SELECT options FROM runs")
    options = json.loads(text)
    arguments = ["-s", options["seed"], "-b", options["boldness"], "-n", options["n"]]
    assert cinn("colorize", "album", "-o", "again", "-m", options["model"], *arguments).code == 0
    assert contents("again") == contents("out")
    latents = rows("SELECT latent FROM results")
    assert all(json.loads(latent)["seed"] == str(options["seed"]) for (latent,) in latents)


def test_several_commands_share_a_folder(run, cinn):
    run()
    color_picture(80, 80, seed=3).save("sunset.jpg", quality=95)
    for expected in ({f"out/{stem}_sunset.png" for stem in ("a", "sub/b", "c")}, set()):
        assert cinn("transfer", "sunset.jpg", "album", "-o", "out").written == expected
    tasks = rows("SELECT task, count(*) FROM photos GROUP BY task")
    assert tasks == [("color.png", 3), ("sunset.png", 3)]
    assert not run().written


def test_what_it_tells(run, cinn):
    Path("album/bad.jpg").write_text("<html>")
    run("-s", 4)
    told = cinn("manifest", "out").out
    assert "color.png: 3 done" in told and '"seed": 4' in told
    [line] = cinn("manifest", "out", "--errors").out.splitlines()
    bad = Path("album/bad.jpg").absolute()
    assert line.startswith(f"{bad}: bad.jpg is not a picture")
    lines = cinn("manifest", "out", "--oddest", 2).out.splitlines()
    odd = rows("SELECT file FROM results ORDER BY distance DESC LIMIT 2")
    assert [line.split("  ")[0] for line in lines] == [f"out/{file}" for (file,) in odd]
    for number in ("0", "-1", "two"):
        with pytest.raises(SystemExit):
            cinn("manifest", "out", "--oddest", number)
    parquet = pytest.importorskip("pyarrow.parquet")
    assert cinn("manifest", "out", "--parquet", "m.parquet").out == "m.parquet  7 rows\n"
    table = parquet.read_table("m.parquet").to_pylist()
    assert {row["file"] for row in table} == {None, *contents("out")}


@pytest.mark.parametrize("damage", ["text", "version", "missing", "place"])
def test_manifests_that_cannot_be_read_are_one_sentence(cinn, damage):
    path = Path("out", NAME)
    path.parent.mkdir()
    if damage == "text":
        path.write_text("no database " * 100)
    if damage == "version":
        database = sqlite3.connect(path)
        database.execute("PRAGMA user_version = 99")
        database.close()
    if damage == "place":
        path.mkdir()
    done = cinn("manifest", "out")
    assert done.code == 2 and done.err.count("\n") == 1 and NAME in done.err


def test_a_manifest_of_an_earlier_version_is_read(run, cinn):
    run("-s", 4)
    database = sqlite3.connect(f"out/{NAME}")
    database.execute("ALTER TABLE runs RENAME COLUMN options TO settings")
    database.execute("PRAGMA user_version = 1")
    database.close()
    assert '"seed": 4' in cinn("manifest", "out").out and not run().written


def test_names_that_are_not_utf8(tmp_path):
    name = os.fsdecode(b"caf\xe9")
    stem, photo = tmp_path / name, tmp_path / f"{name}.png"
    manifest = Manifest(Storage(tmp_path), f"{name}.png")
    manifest.begin("0", {"reference": name})
    manifest.expect([(photo, stem)])
    result = Result(tmp_path / f"{name}_{name}.png", latent={"reference": name})
    manifest.note(stem, Outcome("failed", (result,), error=f"{name}.png is damaged."))
    entry = manifest.entry(stem)
    assert entry.state == "failed" and manifest.paths(entry.results) == [result.file]
    assert list(audit.errors(manifest)) == [f"{photo}: {name}.png is damaged."]
    assert f"{name}.png: 1 failed" in list(audit.summary(manifest))
    manifest.close()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(CinnHubError, match="cannot be used"):
        Manifest(Storage(tmp_path / "file"))


def test_every_option_that_decides_the_results_is_noted():
    """A new option is, unless it is named as one that decides nothing."""
    options = build_parser().parse_args(["colorize", "a.png"])
    assert PLACES - vars(options).keys() == {"noted"}
    assert "boldness" not in PLACES and "quality" not in PLACES
