"""The manifest: what is done again and what is not, photos that move, and what it tells."""

import json
import os
import signal
import sqlite3
import subprocess
import sys

import pytest
from helpers import ROOT, color_picture

from cinn_hub.batch import audit
from cinn_hub.batch.album import find_jobs
from cinn_hub.batch.manifest import NAME, Manifest, Outcome, Result
from cinn_hub.batch.running import run_all
from cinn_hub.batch.storage import Storage
from cinn_hub.batch.tasks import SETTINGS
from cinn_hub.cli import build_parser, main
from cinn_hub.errors import CinnHubError


@pytest.fixture
def folder(tmp_path, small_model, monkeypatch):
    small_model.save(tmp_path / "model")
    for i, name in enumerate(("a", "sub/b", "c")):
        (tmp_path / "album" / name).parent.mkdir(parents=True, exist_ok=True)
        color_picture(60, 40, seed=i).convert("L").save(tmp_path / "album" / f"{name}.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder, capsys):
    def run(*arguments):
        command = ["colorize", "album", "-o", "out", "-m", "model", "-n", "2", "--workers", "1"]
        code = main([*command, *map(str, arguments)])
        return code, capsys.readouterr()

    return run


@pytest.fixture
def tell(folder, capsys):
    def tell(*arguments):
        code = main(["manifest", "out", *map(str, arguments)])
        return code, capsys.readouterr()

    return tell


def rows(query):
    database = sqlite3.connect(f"out/{NAME}")
    found = database.execute(query).fetchall()
    database.close()
    return found


def written(output):
    """The results that a run has printed."""
    return {line.split("  ")[0] for line in output.out.splitlines()}


def contents(folder):
    files = sorted(folder.rglob("*.png"))
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_what_a_run_notes(run, folder):
    (folder / "album" / "bad.jpg").write_text("<html>")
    color_picture(60, 40).save(folder / "album" / "colored.png")
    assert run("-s", 5)[0] == 1
    states = dict(rows("SELECT stem, state FROM photos"))
    done = dict.fromkeys(("a", "sub/b", "c"), "done")
    assert states == {**done, "bad": "failed", "colored": "skipped"}
    [(photo, size, width, height, error)] = rows(
        "SELECT photo, bytes, width, height, error FROM photos WHERE stem = 'sub/b'"
    )
    path = folder / "album" / "sub" / "b.png"
    assert (photo, size, width, height, error) == (str(path), path.stat().st_size, 60, 40, None)
    assert "not a picture" in rows("SELECT error FROM photos WHERE stem = 'bad'")[0][0]
    results = rows("SELECT file, bits_per_dim, plausibility, distance FROM results")
    assert {result[0] for result in results} == set(contents(folder / "out"))
    assert all(None not in result and result[3] > 0 for result in results)


def test_a_second_run_does_nothing_and_reads_no_photo(run, folder, monkeypatch):
    color_picture(60, 40).save(folder / "album" / "colored.png")
    run()
    monkeypatch.setattr("cinn_hub.photos.read", None)
    code, output = run()
    assert code == 0 and written(output) == set()
    assert "4 of 4 photos are done already" in output.err


def test_what_is_missing_or_changed_is_done_again_with_the_same_seed(run, folder):
    run()
    before = contents(folder / "out")
    (folder / "out" / "sub" / "b_color2.png").unlink()
    color_picture(60, 40, seed=9).convert("L").save(folder / "album" / "c.png")
    os.utime(folder / "album" / "a.png")  # another time, the same content
    _, output = run()
    names = ("c_color1.png", "c_color2.png", "sub/b_color1.png", "sub/b_color2.png")
    assert written(output) == {f"out/{name}" for name in names}
    after = contents(folder / "out")
    assert {name for name in after if after[name] != before[name]} == set(names[:2])


def test_other_settings_do_not_replace_what_is_there(run, folder):
    run("-s", 1)
    before = contents(folder / "out")
    assert written(run("-s", 2)[1]) == set() and contents(folder / "out") == before
    run("-s", 2, "--overwrite")
    assert len(rows("SELECT file FROM results")) == len(before)
    assert all(contents(folder / "out")[name] != before[name] for name in before)


def test_results_move_with_their_photos(run, folder):
    run()
    before = contents(folder / "out")
    (folder / "album" / "new").mkdir()
    (folder / "album" / "a.png").rename(folder / "album" / "new" / "z.png")
    (folder / "album" / "c.png").rename(folder / "album" / "d.png")
    (folder / "album" / "e.png").write_bytes((folder / "album" / "sub" / "b.png").read_bytes())
    _, output = run()
    assert written(output) == {"out/e_color1.png", "out/e_color2.png"}  # a copy, no move
    new = {"a": "new/z", "c": "d", "sub/b": "sub/b"}
    moved = {new[n.split("_")[0]] + "_" + n.split("_")[1]: b for n, b in before.items()}
    after = contents(folder / "out")
    assert moved.items() <= after.items() and len(after) == 8
    assert {stem for (stem,) in rows("SELECT stem FROM photos")} == {"new/z", "d", "sub/b", "e"}
    assert {file for (file,) in rows("SELECT file FROM results")} == set(after)
    assert written(run()[1]) == set()


def test_photos_that_change_places_keep_their_own_colours(run, folder):
    run()
    before = contents(folder / "out")
    first, second = folder / "album" / "a.png", folder / "album" / "c.png"
    first.rename(folder / "album" / "x.png")
    second.rename(first)
    (folder / "album" / "x.png").rename(second)
    run()
    after = contents(folder / "out")
    assert after["a_color1.png"] == before["c_color1.png"]
    assert after["c_color1.png"] == before["a_color1.png"]


def test_what_was_cut_off_is_done_again(run, folder):
    run("-s", 1)
    before = contents(folder / "out")
    jobs = find_jobs([folder / "album"], folder / "out")
    manifest = Manifest(Storage(folder / "out"), "color.png", {"seed": 1})
    manifest.begin("0")

    def work(job, photo):
        job.target("color1.png").write_bytes(b"half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_all(jobs, ["color1.png"], work, overwrite=True, manifest=manifest)
    manifest.close()
    run("-s", 1)
    assert contents(folder / "out") == before
    assert {state for (state,) in rows("SELECT state FROM photos")} == {"done"}


def test_results_that_are_older_than_the_manifest_are_kept(run, folder):
    run()
    (folder / "out" / NAME).unlink()
    (folder / "out" / "c_color1.png").unlink()
    assert written(run()[1]) == {"out/c_color1.png", "out/c_color2.png"}


def test_pages(run, folder):
    first, second = (color_picture(seed=seed).convert("L") for seed in (0, 1))
    first.save(folder / "album" / "scan.tif", save_all=True, append_images=[second])
    run()
    assert "out/scan_page2_color1.png" in written(run("--pages")[1])
    assert written(run("--pages")[1]) == set()
    (folder / "out" / "scan_page2_color1.png").unlink()
    assert "out/scan_page2_color1.png" in written(run("--pages")[1])


def test_every_result_can_be_made_again_from_the_manifest(run, folder):
    run("-b", 0.7)
    before = contents(folder / "out")
    [(text,)] = rows("SELECT settings FROM runs")
    settings = json.loads(text)
    arguments = ["-s", settings["seed"], "-b", settings["boldness"], "-n", settings["n"]]
    again = ["colorize", "album", "-o", "again", "-m", settings["model"], *map(str, arguments)]
    assert main(again) == 0
    assert contents(folder / "again") == before
    latents = rows("SELECT file, latent FROM results")
    assert all(json.loads(latent)["seed"] == str(settings["seed"]) for _, latent in latents)


def test_several_commands_share_a_folder(run, folder, capsys):
    run()
    color_picture(80, 80, seed=3).save(folder / "sunset.jpg", quality=95)
    transfer = ["transfer", "sunset.jpg", "album", "-o", "out", "-m", "model"]
    assert main(transfer) == 0
    tasks = rows("SELECT task, count(*) FROM photos GROUP BY task")
    assert tasks == [("color.png", 3), ("sunset.png", 3)]
    capsys.readouterr()
    assert written(run()[1]) == set()


def test_what_it_tells(run, tell, folder):
    (folder / "album" / "bad.jpg").write_text("<html>")
    run("-s", 4)
    code, output = tell()
    assert code == 0 and "color.png: 3 done" in output.out and '"seed": 4' in output.out
    [line] = tell("--errors")[1].out.splitlines()
    assert line.startswith(f"{folder / 'album' / 'bad.jpg'}: bad.jpg is not a picture")
    lines = tell("--oddest", 2)[1].out.splitlines()
    odd = rows("SELECT file FROM results ORDER BY distance DESC LIMIT 2")
    assert [line.split("  ")[0] for line in lines] == [f"out/{file}" for (file,) in odd]
    for number in ("0", "-1", "two"):
        with pytest.raises(SystemExit):
            tell("--oddest", number)


def test_parquet(run, tell, folder):
    parquet = pytest.importorskip("pyarrow.parquet")
    (folder / "album" / "bad.jpg").write_text("<html>")
    run()
    assert tell("--parquet", "m.parquet")[1].out == "m.parquet  7 rows\n"
    table = parquet.read_table("m.parquet").to_pylist()
    assert {row["file"] for row in table} == {None, *contents(folder / "out")}


@pytest.mark.parametrize("damage", ["text", "version", "missing", "place"])
def test_manifests_that_cannot_be_read_are_one_sentence(tell, folder, damage):
    (folder / "out").mkdir()
    path = folder / "out" / NAME
    if damage == "text":
        path.write_text("no database " * 100)
    if damage == "version":
        database = sqlite3.connect(path)
        database.execute("PRAGMA user_version = 99")
        database.close()
    if damage == "place":
        path.mkdir()
    code, output = tell()
    assert code == 2 and output.err.count("\n") == 1 and NAME in output.err


def test_names_that_are_not_utf8(folder):
    name = os.fsdecode(b"caf\xe9")
    stem, photo = folder / name, folder / f"{name}.png"
    manifest = Manifest(Storage(folder), f"{name}.png", {"reference": name})
    manifest.begin("0")
    manifest.expect([(photo, stem)])
    result = Result(folder / f"{name}_{name}.png", latent={"reference": name})
    manifest.note(stem, Outcome("failed", (result,), error=f"{name}.png is damaged."))
    entry = manifest.entry(stem)
    assert entry.state == "failed" and manifest.paths(entry.files) == [result.file]
    assert list(audit.errors(manifest)) == [f"{photo}: {name}.png is damaged."]
    assert f"{name}.png: 1 failed" in list(audit.summary(manifest))
    manifest.close()


def test_a_folder_that_cannot_be_written_is_one_sentence(folder):
    (folder / "file").write_text("")
    with pytest.raises(CinnHubError, match="cannot be used"):
        Manifest(Storage(folder / "file"))


def killed_after(lines, *command):
    """Runs a command, and kills it with SIGKILL once it has printed so many lines."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-m", "cinn_hub", *command], env=environment, stdout=subprocess.PIPE
    ) as process:
        for _ in range(lines):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)


def test_a_killed_run_is_resumed_to_the_same_results(run, folder):
    run("-s", 1)
    before = contents(folder / "out")
    for path in (folder / "out").rglob("*.*"):
        path.unlink()
    command = ("colorize", "album", "-o", "out", "-m", "model", "-n", "2", "--workers", "1")
    killed_after(2, *command, "-s", "1")
    run()
    assert contents(folder / "out") == before
    assert {state for (state,) in rows("SELECT state FROM photos")} == {"done"}
    assert len(rows("SELECT * FROM results")) == 6


def test_every_option_that_decides_the_results_is_noted():
    others = {"photos", "out", "device", "overwrite", "workers", "ray", "run"}
    for command, *arguments in (["colorize"], ["transfer", "x.jpg"], ["interpolate"]):
        options = build_parser().parse_args([command, *arguments, "a.png"])
        assert vars(options).keys() - others <= set(SETTINGS), command
