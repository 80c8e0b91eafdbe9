"""Results at an address that fsspec opens: what is done again, what moves, and what is told."""

import pickle
import sys
from pathlib import Path

import fsspec
import pytest
from helpers import color_picture

import cinn_hub
from cinn_hub.batch import tasks
from cinn_hub.batch.cluster import begin_there
from cinn_hub.batch.storage import RemoteStorage, storage_at
from cinn_hub.cli import build_parser, main
from cinn_hub.errors import CinnHubError

OUT = "memory://archive/out"


@pytest.fixture
def memory():
    """A file system in this process, empty again afterwards."""
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()


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
    def run(*arguments, out=OUT, album="album"):
        command = ["colorize", album, "-o", out, "-m", "model", "-n", "2", "--workers", "1"]
        code = main([*command, *map(str, arguments)])
        return code, capsys.readouterr()

    return run


def written(output):
    return {line.split("  ")[0] for line in output.out.splitlines()}


def contents(memory):
    root = "/archive/out/"
    names = [name for name in memory.find(root) if name.endswith(".png")]
    return {name.removeprefix(root): memory.cat_file(name) for name in names}


def test_an_address_gets_what_a_folder_gets(run, folder, memory, capsys):
    assert run("-s", 1, out="here")[0] == 0
    assert main(["manifest", OUT]) == 2
    assert f"There is no {OUT}/manifest.sqlite" in capsys.readouterr().err
    code, output = run("-s", 1)
    here = {p.relative_to("here").as_posix(): p.read_bytes() for p in Path("here").rglob("*.png")}
    assert code == 0 and contents(memory) == here and len(here) == 6
    assert written(output) == {f"{OUT}/{name}" for name in here}
    assert memory.exists("/archive/out/manifest.sqlite")
    assert main(["manifest", OUT, "--oddest", "1"]) == 0
    assert capsys.readouterr().out.startswith(f"{OUT}/")


def test_what_is_missing_is_done_again_and_nothing_else(run, memory):
    run()
    before = contents(memory)
    assert written(run()[1]) == set()
    memory.rm("/archive/out/sub/b_color2.png")
    _, output = run()
    assert written(output) == {f"{OUT}/sub/b_color{i}.png" for i in (1, 2)}
    assert contents(memory) == before


def test_results_at_an_address_move_with_their_photos(run, folder, memory):
    run()
    before = contents(memory)
    (folder / "album" / "a.png").rename(folder / "album" / "sub" / "z.png")
    assert written(run()[1]) == set()
    after = contents(memory)
    assert after.keys() == {name.replace("a_", "sub/z_") for name in before}
    assert after["sub/z_color1.png"] == before["a_color1.png"]


def test_a_photo_that_is_named_needs_no_manifest(run, memory):
    assert run(album="album/a.png")[0] == 0
    assert memory.find("/archive/out") == [f"/archive/out/a_color{i}.png" for i in (1, 2)]


def test_folders_are_made_where_the_file_system_has_them(run, tmp_path):
    assert run(out=f"file://{tmp_path}/there")[0] == 0
    names = {p.relative_to("there").as_posix() for p in Path("there").rglob("*.png")}
    assert names == {f"{stem}_color{i}.png" for stem in ("a", "sub/b", "c") for i in (1, 2)}


@pytest.mark.parametrize("out", ["strange://place", "file:///dev/null/out", "http://127.0.0.1:9/x"])
def test_addresses_that_cannot_be_used_are_one_sentence(run, out):
    code, output = run(out=out)
    [line] = output.err.splitlines()
    assert code == 2 and out in line and line.endswith(".")


def test_storage_travels_without_its_list(memory, tmp_path):
    memory.pipe_file("/archive/out/x.png", b"x")
    storage = storage_at(OUT)
    assert storage.exists(storage.folder / "x.png")
    again = pickle.loads(pickle.dumps(storage))
    assert isinstance(again, RemoteStorage) and "places" not in vars(again)
    assert again.exists(again.folder / "x.png")


def test_ray_that_is_not_installed_is_one_sentence(folder, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "ray", None)
    assert main(["colorize", "album", "-o", "out", "-m", "model", "--ray", "head:6379"]) == 2
    assert 'pip install "cinn-hub[ray]"' in capsys.readouterr().err


@pytest.mark.parametrize("address", ["127.0.0.1:9", "nonsense", "host:99999", "no host:1"])
def test_clusters_that_cannot_be_reached_are_one_sentence(folder, capsys, address):
    pytest.importorskip("ray")
    assert main(["colorize", "album", "-o", "out", "-m", "model", "--ray", address]) == 2
    [line] = capsys.readouterr().err.splitlines()
    assert f"The Ray cluster {address} cannot be reached" in line and not line.endswith("..")


def test_archives_are_not_given_to_a_cluster(folder, capsys):
    (folder / "album.zip").write_bytes(b"")
    assert main(["colorize", "album.zip", "-m", "model", "--ray", "head:6379"]) == 2
    assert "album.zip is an archive; unpack it" in capsys.readouterr().err


def test_machines_must_see_the_same_files_and_have_the_same_model(folder):
    with pytest.raises(CinnHubError, match="does not see .*nowhere"):
        begin_there(lambda: pytest.fail("It began."), ".", [folder / "album", folder / "nowhere"])
    options = build_parser().parse_args(["colorize", "album", "-m", "model", "-n", "1"])
    same = cinn_hub.__version__, tasks.load_model(options).fingerprint
    assert callable(tasks.load_work(tasks.colorize, options, *same))
    for other in (("0.0", same[1]), (same[0], "other")):
        with pytest.raises(CinnHubError, match="install the same on all machines"):
            tasks.load_work(tasks.colorize, options, *other)
