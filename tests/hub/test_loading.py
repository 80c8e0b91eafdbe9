"""Models from a Hub on the loopback, through the real client, and all that can go wrong."""

import hashlib
from dataclasses import replace

import pytest
import torch
from hub_server import TOKEN, Repo
from huggingface_hub import constants

from cinn_hub import hub as hub_module
from cinn_hub.errors import CheckpointError
from cinn_hub.models.colorization_cinn import ColorizationCINN
from cinn_hub.models.digit_cinn import DigitCINN

LOADED = ["user/tiny", "ColorizationCINN"]


def weights_downloads(hub):
    return sum(method == "GET" and path.endswith("model.safetensors") for method, path in hub.asked)


def with_last_number_one(model_files):
    """Other weights of the same size."""
    return model_files["model.safetensors"][:-2] + b"\x00\x3c"


def test_a_repository_is_downloaded_once(hub, load):
    first = load("user/tiny")
    assert first["value"][:2] == LOADED
    assert load("user/tiny") == first
    assert load("hf://user/tiny")["value"][1:] == first["value"][1:]
    assert weights_downloads(hub) == 1


def test_what_is_new_is_downloaded_and_revisions_stay(hub, load, model_files):
    repo = hub.repos["user/tiny"]
    old = repo.refs["main"]
    first = load("user/tiny")
    repo.refs["v1"] = old
    repo.commit({"model.safetensors": with_last_number_one(model_files)})
    assert load("user/tiny")["value"][2] != first["value"][2]
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


def test_private_and_gated_repositories(hub, load):
    answer = load("user/secret")
    assert answer["error"] == "UnknownModelError"
    assert "or it is private; check the name" in answer["message"]
    assert load("user/secret", token="hf_wrong")["error"] == "UnknownModelError"
    assert load("user/secret", token=TOKEN)["value"][1] == "ColorizationCINN"
    assert "no repository user/nothing" in load("user/nothing", token=TOKEN)["message"]
    hub.repos["user/tiny"].gated = True
    assert "user/tiny is gated; ask for access" in load("user/tiny", token=TOKEN)["message"]


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


SILENT, LOGIN = ("wait", 60), ("page", b"<html>Log in to this hotel's network</html>")


@pytest.mark.parametrize("fault", [500, SILENT, LOGIN])
def test_a_failing_server_does_not_hurt_what_is_cached(hub, load, monkeypatch, fault, tmp_path):
    first = load("user/tiny")
    hub.fault = lambda method, path: fault
    monkeypatch.setattr(hub_module, "ANSWER_SECONDS", 0.2)
    hub.asked.clear()
    assert load("user/tiny") == first
    assert len(hub.asked) == 1  # and not again: each silent answer costs ANSWER_SECONDS
    assert load("hf://user/tiny")["value"][1:] == first["value"][1:]
    answer = load("user/tiny", cache_dir=str(tmp_path / "empty"))
    assert answer["error"] == "OfflineError"
    assert "load a folder with its config.json and model.safetensors" in answer["message"]


def test_damaged_bytes_are_refused_and_not_kept(hub, load, model_files):
    """A body of the right length whose last number is another one: only the hash tells."""
    broken = with_last_number_one(model_files)
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
    assert load("hf://user/tiny")["value"][1:] == first["value"][1:]
    hub.fault = lambda method, path: 500
    assert load("user/tiny") == first
    assert load("hf://user/tiny")["value"][1:] == first["value"][1:]


@pytest.mark.parametrize("name", ["../nope", "my--model/x", "user/repo.git"])
def test_what_is_no_folder_and_no_repository(hub, load, name):
    answer = load(name)
    assert answer["error"] == "UnknownModelError", answer


def test_the_registry_pins_a_revision_and_a_hash(hub, load, monkeypatch, model_files):
    """`main` has gone on since; what is loaded is the revision, if it has the hash."""
    repo = hub.repos["cinn-hub/tiny"] = Repo()
    repo.refs["v1"] = repo.commit(model_files)
    repo.commit({"model.safetensors": with_last_number_one(model_files)})

    def load_pinned(sha256, **options):
        entry = hub_module.REGISTRY[0]
        where = {"name": "tiny", "repo": "cinn-hub/tiny", "revision": "v1", "sha256": sha256}
        monkeypatch.setattr(hub_module, "REGISTRY", (replace(entry, **where),))
        return load("tiny", **options)

    right = load_pinned(hashlib.sha256(model_files["model.safetensors"]).hexdigest())
    assert right["value"][2] == load("user/tiny")["value"][2]
    assert load_pinned("0" * 64, revision="main")["value"][2] != right["value"][2]
    answer = load_pinned("0" * 64)
    assert answer["error"] == "CheckpointError"
    assert "the registry expects 000000000000" in answer["message"]


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({"config.json": b"{}", "weights.pt": b"x"}, "has no model.safetensors"),
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


def test_offline(hub, load, monkeypatch):
    first = load("user/tiny")
    asked = len(hub.asked)
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert load("user/tiny") == first
    answer = load("user/secret")
    assert answer["error"] == "OfflineError" and "is not in the cache" in answer["message"]
    assert load("imagenet")["value"][0] == "imagenet"
    assert len(hub.asked) == asked


def test_from_pretrained_and_dtypes(hub, tmp_path):
    options = {"cache_dir": tmp_path, "device": "cpu"}
    model = ColorizationCINN.from_pretrained("user/tiny", dtype=torch.float64, **options)
    assert model.dtype == torch.float64 and not model.training
    with pytest.raises(CheckpointError, match="names the architecture 'ColorizationCINN', not 'Di"):
        DigitCINN.from_pretrained("user/tiny", **options)


@pytest.mark.parametrize(
    ("name", "size", "sentence"),
    [
        ("model.safetensors", 2**40, "has 1,099,511,627,776 bytes; up to 536,870,912 are read"),
        ("README.md", 2**30, "has 1,073,741,824 bytes; up to 131,072 are read"),
        ("model.safetensors", None, "has an unknown number of bytes; up to 536,870,912 are read"),
    ],
)
def test_sizes_are_looked_at_before_anything_is_downloaded(hub, load, name, size, sentence):
    hub.sizes["user/tiny", name] = size
    answer = load("user/tiny")
    assert answer["error"] == "CheckpointError" and sentence in answer["message"], answer
    assert not [path for _, path in hub.asked if "/resolve/" in path]
    hub.sizes.clear()
    hub.repos["user/tiny"].commit({"training.bin": b"x"})
    hub.sizes["user/tiny", "training.bin"] = 2**40
    assert load("user/tiny")["value"][:2] == LOADED
    assert not [path for _, path in hub.asked if path.endswith("training.bin")]
