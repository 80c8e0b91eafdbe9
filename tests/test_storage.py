"""Results at an address that fsspec opens: what is done again, what moves, and what is told."""

import pickle
import shutil
import sys
from pathlib import Path

import fsspec
import pytest
import torch
from albums import contents, grey
from helpers import randomize

import cinn_hub
from cinn_hub.batch import tasks
from cinn_hub.batch.album import Album
from cinn_hub.batch.cluster import begin_there
from cinn_hub.batch.storage import Storage
from cinn_hub.cli import build_parser
from cinn_hub.errors import CinnHubError

OUT = "memory://archive/out"
NAMES = {f"{stem}_color{i}.png" for stem in ("a", "sub/b", "c") for i in (1, 2)}


@pytest.fixture
def memory():
    """A file system in this process, empty again afterwards."""
    system = fsspec.filesystem("memory")
    yield system
    system.store.clear()


@pytest.fixture
def run(cinn):
    grey("album/a.png", "album/sub/b.png", "album/c.png")

    def run(*arguments, out=OUT, album="album"):
        return cinn("colorize", album, "-o", out, "-n", 2, "--workers", 1, *arguments)

    return run


def kept(memory):
    root = "/archive/out/"
    names = [name for name in memory.find(root) if name.endswith(".png")]
    return {name.removeprefix(root): memory.cat_file(name) for name in names}


def test_an_address_gets_what_a_folder_gets(run, cinn, memory):
    assert run("-s", 1, out="here").code == 0
    assert f"There is no {OUT}/manifest.sqlite" in cinn("manifest", OUT).err
    done = run("-s", 1)
    assert done.code == 0 and kept(memory) == contents("here") and kept(memory).keys() == NAMES
    assert done.written == {f"{OUT}/{name}" for name in NAMES}
    assert memory.exists("/archive/out/manifest.sqlite")
    assert cinn("manifest", OUT, "--oddest", "1").out.startswith(f"{OUT}/")


def test_what_is_missing_is_done_again_and_moves_with_its_photo(run, memory):
    run()
    before = kept(memory)
    assert not run().written
    memory.rm("/archive/out/sub/b_color2.png")
    assert run().written == {f"{OUT}/sub/b_color{i}.png" for i in (1, 2)}
    assert kept(memory) == before
    Path("album/a.png").rename("album/sub/z.png")
    assert not run().written
    assert kept(memory) == {name.replace("a_", "sub/z_"): data for name, data in before.items()}


def test_a_photo_that_is_named_needs_no_manifest(run, memory):
    assert run(album="album/a.png").code == 0
    assert memory.find("/archive/out") == [f"/archive/out/a_color{i}.png" for i in (1, 2)]


def test_folders_are_made_where_the_file_system_has_them(run, tmp_path):
    assert run(out=f"file://{tmp_path}/there").code == 0
    assert contents("there").keys() == NAMES


@pytest.mark.parametrize("out", ["strange://place", "http://127.0.0.1:9/x"])
def test_addresses_that_cannot_be_used_are_one_sentence(run, out):
    done = run(out=out)
    [line] = done.err.splitlines()
    assert done.code == 2 and out in line and line.endswith(".")


def test_storage_travels_without_its_list(memory):
    memory.pipe_file("/archive/out/x.png", b"x")
    storage = Storage(OUT)
    assert storage.exists(storage.folder / "x.png")
    again = pickle.loads(pickle.dumps(storage))
    assert again.url == OUT and "keys" not in vars(again)
    assert again.exists(again.folder / "x.png")


def test_clusters_that_cannot_be_used_are_one_sentence(run, cinn, monkeypatch):
    Path("album.zip").write_bytes(b"")
    done = cinn("colorize", "album.zip", "--ray", "head:6379")
    assert done.code == 2 and "album.zip is an archive; unpack it" in done.err
    command = ("colorize", "album", "-o", "out", "--ray")
    with monkeypatch.context() as patch:
        patch.setitem(sys.modules, "ray", None)
        assert 'pip install "ray>=2.50"' in cinn(*command, "head:6379").err
    pytest.importorskip("ray")
    for address in ("127.0.0.1:9", "nonsense", "host:99999", "no host:1"):
        done = cinn(*command, address)
        [line] = done.err.splitlines()
        assert f"The Ray cluster {address} cannot be reached" in line and not line.endswith("..")


def test_machines_must_see_the_same_files():
    with pytest.raises(CinnHubError, match="does not see .*nowhere"):
        begin_there(lambda: pytest.fail("It began."), ".", [Path(__file__), Path("nowhere")])


@pytest.mark.parametrize("other", ["weights", "version"])
def test_machines_must_have_the_same_model(cinn, model_folder, small_model, monkeypatch, other):
    """What a command hands to other processes begins only where the colours will be the same."""
    grey("album/a.png")
    shutil.copytree(model_folder, "model")
    options = build_parser().parse_args(["colorize", "album", "-m", "model", "-n", "1"])
    options.noted = True
    jobs = Album.of(options.photos, options.out.folder).jobs
    model = tasks.load_model(options)
    engine = tasks.engine_of(options, tasks.colorize, model, jobs)
    assert callable(engine.start())
    if other == "version":
        monkeypatch.setattr(cinn_hub, "__version__", "0.0")
    else:
        torch.manual_seed(1)
        changed = type(small_model)(small_model.config).eval()
        randomize(changed.flow, seed=1, scale=0.3)
        changed.save(Path("model"))
    with pytest.raises(CinnHubError, match="install the same on all machines"):
        engine.start()
