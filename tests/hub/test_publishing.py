"""Models and the app, sent to a Hub on the loopback and loaded back from there."""

import re
import tomllib

import pytest
import yaml
from albums import Done
from helpers import ROOT, SMALL
from hub_server import TOKEN, Repo
from huggingface_hub import ModelCard

import cinn_hub
from cinn_hub import publishing
from cinn_hub.cli import main
from cinn_hub.errors import CheckpointError


@pytest.fixture
def folder(tmp_path, model_files):
    place = tmp_path / "my-model"
    place.mkdir()
    for name, content in model_files.items():
        (place / name).write_bytes(content)
    (place / "notes.txt").write_text("private")
    return place


@pytest.fixture
def run(hub, monkeypatch, capsys):
    """Runs a command of `cinn-hub` with a token."""

    def run(*words, token=TOKEN):
        with monkeypatch.context() as patch:
            patch.setenv("HF_TOKEN", token)
            code = main([str(word) for word in words])
        return Done(code, *capsys.readouterr())

    return run


def test_a_folder_is_pushed_and_loaded_back(hub, run, folder, load, model_files):
    done = run("push", folder, "user/mine")
    assert done.code == 0, done.err
    assert "user/mine" in done.out
    repo = hub.repos["user/mine"]
    assert repo.commits[repo.refs["main"]] == model_files  # and not notes.txt
    assert not repo.private
    assert load("user/mine")["value"] == ["user/mine", *load("user/tiny")["value"][1:]]
    assert run("push", folder, "user/hidden", "--private").code == 0
    assert hub.repos["user/hidden"].private


def test_a_dry_run_sends_nothing(hub, run, folder):
    done = run("push", folder, "user/mine", "--dry-run", token="")
    assert done.code == 0 and hub.asked == []
    names = [line.split()[-1] for line in done.out.splitlines()[:-1]]
    assert names == ["config.json", "model.safetensors", "README.md"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda f: (f / "README.md").unlink(), "has no README.md; write the model's card"),
        (lambda f: (f / "README.md").write_text("# no metadata"), "lacks library_name, pipeline"),
        (lambda f: (f / "README.md").write_text("---\na: [\n---\n"), "metadata that is not YAML"),
        (lambda f: (f / "model.safetensors").write_bytes(b"x" * 99), "is damaged"),
        (lambda f: (f / "config.json").unlink(), "has no config.json"),
    ],
)
def test_what_is_not_whole_is_not_sent(hub, run, folder, change, sentence):
    change(folder)
    done = run("push", folder, "user/mine")
    assert done.code == 2 and sentence in done.err
    assert done.err.count("\n") == 1 and hub.asked == []


def test_who_may_not_publish(hub, run, folder):
    assert "Publishing needs a token" in run("push", folder, "user/mine", token="").err
    done = run("push", folder, "user/mine", token="hf_wrong")
    assert done.code == 2 and "The Hub refused user/mine" in done.err
    assert "is not the name of a repository" in run("push", folder, "a/b/c").err
    hub.repos["user/open"] = Repo()
    hub.repos["user/open"].commit({})
    done = run("push", folder, "user/open", "--private")
    assert done.code == 2 and "exists already and is public" in done.err
    assert list(hub.repos["user/open"].commits.values()) == [{}]
    for fault in ("hang up", ("page", b"<html>Log in to this hotel's network</html>")):
        hub.fault = lambda method, path, fault=fault: fault
        assert "The Hub cannot be reached" in run("push", folder, "user/mine").err


def test_the_mixin_saves_and_pushes(hub, tmp_path, folder, load):
    saved = tmp_path / "saved"
    model = cinn_hub.load(folder, "cpu")
    model.save_pretrained(saved)
    assert "user/mixed" in model.push_to_hub("user/mixed", token=TOKEN)
    assert load("user/mixed")["value"][1:] == load("user/tiny")["value"][1:]
    assert cinn_hub.load(saved, "cpu").config == SMALL
    assert "# tiny" in ModelCard.load(saved / "README.md").text
    (saved / "README.md").write_text("my own")
    model.save_pretrained(saved)
    assert (saved / "README.md").read_text() == "my own"


def test_a_changed_model_gets_a_draft_that_is_not_published(hub, tmp_path, folder):
    model = cinn_hub.load(folder, "cpu")
    next(model.parameters()).add_(1)
    model.save_pretrained(tmp_path / "saved")
    with pytest.raises(CheckpointError, match="is still a draft"):
        model.push_to_hub("user/changed", token=TOKEN)
    assert "user/changed" not in hub.repos
    card = ModelCard.load(tmp_path / "saved" / "README.md")
    assert card.data.library_name == "cinn_hub" and "## Data and terms" in card.text
    with pytest.raises(CheckpointError, match="is still a draft"):
        publishing.model_bundle(tmp_path / "saved")


def test_the_shipped_cards_have_metadata_that_the_library_takes():
    for entry in cinn_hub.list_models():
        card = ModelCard.load(entry.folder / "README.md")
        assert card.data.library_name == "cinn_hub" and card.data.license
        assert card.data.datasets and card.data.tags
        assert len(card.data.eval_results) >= 2, entry.name
        for result in card.data.eval_results:
            assert isinstance(result.metric_value, float) and result.dataset_name
        again = yaml.safe_load(card.data.to_yaml())
        assert again["model-index"][0]["results"]
        sent = publishing.model_bundle(entry.folder)
        for link in re.findall(r"!\[[^]]*\]\(([^)]*)\)", card.text):
            assert link in sent, link
        if card.data.license == "other":
            assert card.data.license_link in sent


def test_the_app_is_sent_whole_and_nothing_else(hub, run):
    listed = run("space", "user/demo", "--dry-run", token="")
    names = [line.split(maxsplit=1)[1] for line in listed.out.splitlines()[:-1]]
    for needed in ("app.py", "requirements.txt", "cinn_hub/ui/page/style.css", "examples/cat.jpg"):
        assert needed in names
    led_to = publishing.README_LINK.findall((ROOT / "README.md").read_text("utf-8"))
    led_to = {name for name in led_to if (ROOT / name).is_file()}
    assert led_to <= set(names)
    folders = ("cinn_hub/", "examples/", "weights/")
    others = {name for name in names if not name.startswith(folders)}
    assert others - led_to <= set(publishing.APP_FILES)
    assert not [name for name in names if name.endswith((".pyc", ".npz")) or "comparison/" in name]
    done = run("space", "user/demo")
    assert done.code == 0, done.err
    repo = hub.repos["user/demo"]
    sent = repo.commits[repo.refs["main"]]
    assert sent.keys() == set(names)
    assert sent["app.py"] == (ROOT / "app.py").read_bytes()
    front = yaml.safe_load(sent["README.md"].decode().split("---")[1])
    pinned = dict(line.split("==") for line in sent["requirements.txt"].decode().split())
    assert front["sdk_version"] == pinned["gradio"] and front["app_file"] == "app.py"


def test_the_wheel_has_what_the_app_and_its_readme_show():
    """A Space can be published from an installed package, too."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    added = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    pictures = re.findall(r"!\[[^]]*\]\(([^)]*)\)", (ROOT / "README.md").read_text("utf-8"))
    shown = {name for name in pictures if not name.startswith("weights/")}
    assert added == {
        "weights": "cinn_hub/weights",
        **{name: f"cinn_hub/space/{name}" for name in (*publishing.APP_FILES, "examples", *shown)},
    }
