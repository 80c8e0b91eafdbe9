"""Models from a Hub on the loopback, through the real client, and all that can go wrong."""

import hashlib
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from helpers import ROOT
from hub_client import Client
from hub_server import TOKEN, Repo

LOADED = ["user/tiny", "ColorizationCINN"]


def weights_downloads(hub):
    return sum(method == "GET" and path.endswith("model.safetensors") for method, path in hub.asked)


def test_a_repository_is_downloaded_once(hub, load):
    first = load("user/tiny")
    assert first["value"][:2] == LOADED
    assert load("user/tiny") == first
    assert weights_downloads(hub) == 1


def test_what_is_new_is_downloaded_and_revisions_stay(hub, load, model_files):
    repo = hub.repos["user/tiny"]
    old = repo.refs["main"]
    first = load("user/tiny")
    repo.refs["v1"] = old
    changed = bytearray(model_files["model.safetensors"])
    changed[-2:] = b"\x00\x3c"  # the last number is 1 now
    repo.commit({"model.safetensors": bytes(changed)})
    load("user/tiny")
    assert weights_downloads(hub) == 2
    for name, options in (
        ("user/tiny@v1", {}),
        ("user/tiny", {"revision": "v1"}),
        (f"user/tiny@{old}", {}),
    ):
        assert load(name, **options)["value"][2] == first["value"][2]
    assert weights_downloads(hub) == 2
    asked = len(hub.asked)
    load(f"user/tiny@{old}")  # a commit in the cache: nobody is asked
    assert len(hub.asked) == asked
    answer = load("user/tiny@v2")
    assert answer["error"] == "UnknownModelError" and "has no revision 'v2'" in answer["message"]
    answer = load("user/tiny@v1", revision="v2")
    assert "name two revisions" in answer["message"]


def test_a_cache_that_cannot_be_written_is_said(hub, load, tmp_path):
    (tmp_path / "file").touch()
    answer = load("user/tiny", cache_dir=str(tmp_path / "file" / "cache"))
    assert (
        answer["error"] == "CinnHubError" and "cannot be written to: Not a dir" in answer["message"]
    )


def test_private_repositories_want_a_token(hub, load):
    answer = load("user/secret")
    assert answer["error"] == "UnknownModelError"
    assert "or it is private; check the name" in answer["message"]
    assert load("user/secret", token="hf_wrong")["error"] == "UnknownModelError"
    assert load("user/secret", token=TOKEN)["value"][1] == "ColorizationCINN"
    assert "no repository user/nothing" in load("user/nothing", token=TOKEN)["message"]


def test_a_cut_download_is_resumed(hub, load):
    """The client keeps what it has in parts of 10 MB."""
    hub.repos["user/large"] = Repo()
    files = {path.name: path.read_bytes() for path in (ROOT / "weights" / "imagenet").iterdir()}
    hub.repos["user/large"].commit(files)
    faults = iter([("cut", 15_000_000), ("cut", 3_000_000)])
    hub.fault = lambda method, path: (
        next(faults, None) if method == "GET" and path.endswith(".safetensors") else None
    )
    assert load("user/large")["value"][1] == "ColorizationCINN"
    part = 10 * 2**20
    assert hub.ranges == [f"bytes={part}-", f"bytes={part}-"]


def test_a_server_that_dies_leaves_nothing_that_loads(hub, load, tmp_path):
    hub.fault = lambda method, path: (
        ("cut", 100) if method == "GET" and path.endswith(".safetensors") else None
    )
    answer = load("user/tiny")
    assert answer["error"] == "OfflineError", answer
    assert answer["message"].count("\n") == 0 and str(tmp_path / "cache") in answer["message"]
    hub.fault = lambda method, path: 500
    assert load("user/tiny")["error"] == "OfflineError"
    hub.fault = lambda method, path: None
    assert load("user/tiny")["value"][:2] == LOADED


SILENT = ("wait", 60)


@pytest.fixture
def impatient(client):
    """From its call on, the other process soon gives up on a silent Hub."""

    def wait(seconds):
        client.run(f"from cinn_hub import hub\nhub.ANSWER_SECONDS = {seconds}")

    yield lambda: wait(0.5)
    wait(60)


@pytest.mark.parametrize("fault", [500, 429, SILENT, "hang up"])
def test_a_failing_server_does_not_hurt_what_is_cached(hub, load, impatient, fault):
    first = load("user/tiny")
    hub.fault = lambda method, path: fault
    impatient()
    start = time.monotonic()
    assert load("user/tiny") == first
    assert time.monotonic() - start < 50


@pytest.mark.parametrize("fault", [500, SILENT, "hang up"])
def test_a_failing_server_and_no_cache(hub, load, impatient, fault):
    hub.fault = lambda method, path: fault
    impatient()
    answer = load("user/tiny")
    assert answer["error"] == "OfflineError"
    assert "load a folder with its config.json and model.safetensors" in answer["message"]


def test_damaged_bytes_are_refused_and_not_kept(hub, load, model_files):
    """A body of the right length whose last number is another one: only the hash tells."""
    broken = model_files["model.safetensors"][:-2] + b"\x00\x3c"
    hub.fault = lambda method, path: (
        ("bytes", broken) if method == "GET" and path.endswith(".safetensors") else None
    )
    answer = load("user/tiny")
    assert answer["error"] == "CheckpointError"
    assert "the download was deleted: load it again" in answer["message"]
    hub.fault = lambda method, path: None
    assert load("user/tiny")["value"][:2] == LOADED


def test_an_interrupted_update_leaves_the_old_model(hub, load, model_files):
    first = load("user/tiny")
    hub.repos["user/tiny"].commit({"model.safetensors": model_files["model.safetensors"] + b" "})
    hub.fault = lambda method, path: "hang up" if path.endswith(".safetensors") else None
    assert load("user/tiny") == first
    hub.fault = lambda method, path: 500
    assert load("user/tiny") == first


@pytest.mark.parametrize("name", ["./nope", "../nope", "my--model/x", "user/repo.git"])
def test_what_is_no_folder_and_no_repository(hub, load, name):
    answer = load(name)
    assert answer["error"] == "UnknownModelError", answer


def test_the_registry_pins_a_hash(hub, client, tmp_path, model_files):
    hub.repos["cinn-hub/tiny"] = Repo()
    oid = hub.repos["cinn-hub/tiny"].commit(model_files)
    sha256 = hashlib.sha256(model_files["model.safetensors"]).hexdigest()

    def load(sha256):
        return client.run(
            "import dataclasses\n"
            "from cinn_hub import hub\n"
            "pinned = dataclasses.replace(hub.REGISTRY[0], name='tiny', "
            f"repo='cinn-hub/tiny', revision={oid!r}, sha256={sha256!r})\n"
            "before, hub.REGISTRY = hub.REGISTRY, (pinned,)\n"
            "try:\n"
            f"    value = cinn_hub.load('tiny', cache_dir={str(tmp_path)!r}).name\n"
            "finally:\n"
            "    hub.REGISTRY = before"
        )

    assert load(sha256)["value"] == "tiny"
    answer = load("0" * 64)
    assert (
        answer["error"] == "CheckpointError"
        and "the registry expects 000000000000" in answer["message"]
    )


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"config.json": b"{}", "weights.pt": b"x"}, "only as a pickle (weights.pt)"),
        ({"config.json": b"{}"}, "has no model.safetensors"),
        ({"model.safetensors": b"x"}, "has no config.json"),
        ({"model.safetensors": b"x", "config.json": b"{}"}, "names the architecture None"),
    ],
)
def test_repositories_without_a_model_of_ours(hub, load, files, sentence):
    hub.repos["user/other"] = Repo()
    hub.repos["user/other"].commit(files)
    answer = load("user/other")
    assert answer["error"] == "CheckpointError" and sentence in answer["message"]
    assert not any(path.endswith(".pt") for _, path in hub.asked)


def test_offline(hub, load, tmp_path):
    load("user/tiny")
    asked = len(hub.asked)
    offline = Client(hub.address, tmp_path / "home", HF_HUB_OFFLINE="1")
    cache = str(tmp_path / "cache")
    try:
        code = f"value = cinn_hub.load('user/tiny', cache_dir={cache!r}).name"
        assert offline.run(code) == {"value": "user/tiny"}
        answer = offline.run(f"cinn_hub.load('user/secret', cache_dir={cache!r})")
        assert answer["error"] == "OfflineError" and cache in answer["message"]
        assert offline.run("value = cinn_hub.load('imagenet').name") == {"value": "imagenet"}
    finally:
        offline.close()
    assert len(hub.asked) == asked


def test_two_processes_at_once(hub, client, tmp_path):
    other = Client(hub.address, tmp_path / "home")
    code = f"value = cinn_hub.load('user/tiny', cache_dir={str(tmp_path / 'cache')!r}).name"
    try:
        with ThreadPoolExecutor(2) as pool:
            answers = list(pool.map(lambda process: process.run(code), (client, other)))
    finally:
        other.close()
    assert answers == [{"value": "user/tiny"}] * 2


def test_from_pretrained_and_dtypes(hub, client, tmp_path):
    answer = client.run(
        "import torch\n"
        "from cinn_hub.models.colorization_cinn import ColorizationCINN\n"
        f"model = ColorizationCINN.from_pretrained('user/tiny', cache_dir={str(tmp_path)!r}, "
        "device='cpu', dtype=torch.float64)\n"
        "value = [str(model.dtype), model.training]"
    )
    assert answer == {"value": ["torch.float64", False]}
    answer = client.run(
        "from cinn_hub.models.digit_cinn import DigitCINN\n"
        f"DigitCINN.from_pretrained('user/tiny', cache_dir={str(tmp_path)!r})"
    )
    assert answer["error"] == "CheckpointError"
    assert "names the architecture 'ColorizationCINN', not 'DigitCINN'" in answer["message"]


@pytest.mark.parametrize(
    ("name", "size", "sentence"),
    [
        ("model.safetensors", 2**40, "has 1,048,576.0 MB, more than the 512 MB that are read"),
        ("config.json", 2**21, "has 2.0 MB, more than the 1 MB that are read"),
        ("README.md", 2**30, "has 1,024.0 MB, more than the 0.125 MB that are read"),
        ("model.safetensors", None, "does not say how large model.safetensors of user/tiny is"),
    ],
)
def test_sizes_are_looked_at_before_anything_is_downloaded(hub, load, name, size, sentence):
    hub.sizes["user/tiny", name] = size
    answer = load("user/tiny")
    assert answer["error"] == "CheckpointError" and sentence in answer["message"], answer
    assert not [path for _, path in hub.asked if "/resolve/" in path]
    hub.sizes.clear()
    assert load("user/tiny")["value"][:2] == LOADED


def test_what_else_is_in_a_repository_may_be_large(hub, load):
    hub.repos["user/tiny"].commit({"training.bin": b"x"})
    hub.sizes["user/tiny", "training.bin"] = 2**40
    assert load("user/tiny")["value"][:2] == LOADED
    assert not [path for _, path in hub.asked if path.endswith("training.bin")]
