"""What the operator decides; docs/operations.md: each promise names tests that are there."""

import re
from types import SimpleNamespace

import pytest
from helpers import ROOT

from cinn_hub.cli import build_parser
from cinn_hub.errors import CinnHubError
from cinn_hub.ui import models
from cinn_hub.ui.options import AppOptions, Loading

PAGE = (ROOT / "docs" / "operations.md").read_text("utf-8")
OPTIONS = re.findall(r"^\| `--(\w+)` \| `(CINN_HUB_\w+)` \| (\S+) \|", PAGE, re.MULTILINE)


def test_every_section_with_promises_names_tests_that_are_there():
    sections = re.split(r"^## ", PAGE, flags=re.MULTILINE)[1:]
    for section in sections:
        title, text = section.split("\n", 1)
        named = re.findall(r"tests/[\w/]+\.py", text)
        assert named, title
        for name in named:
            assert (ROOT / name).is_file(), name


@pytest.mark.parametrize("option, variable, default", OPTIONS)
def test_the_options_are_those_of_the_app(option, variable, default):
    values = {"loading": "published"}
    value = values.get(option, "77")
    parsed = build_parser().parse_args(["app", f"--{option}", value])
    assert str(getattr(parsed, variable)) == value
    assert str(getattr(AppOptions.of({variable: value}), option)) == value
    if default.isdecimal():
        assert getattr(AppOptions(), option) == int(default)
        app = build_parser()._subparsers._group_actions[0].choices["app"]
        helps = {action.dest: action.help for action in app._actions}
        assert helps[variable].endswith(f"(default {default})")


def test_the_command_line_hands_its_options_on(monkeypatch):
    import runpy

    from cinn_hub.cli import main

    names = ("CINN_HUB_MEMORY", "CINN_HUB_LOADING", "GRADIO_ROOT_PATH", "GRADIO_SERVER_NAME")
    for name in (*names, "CINN_HUB_MODEL", "CINN_HUB_DISK"):
        monkeypatch.delenv(name, raising=False)
    started = []
    monkeypatch.setattr(runpy, "run_path", lambda path, run_name: started.append(AppOptions.of()))
    options = ["--memory", "99", "--disk", "88", "--root-path", "/colours", "--host", "0.0.0.0"]
    assert main(["app", *options, "--loading", "published"]) == 0
    assert started == [AppOptions(memory=99, disk=88, loading="published", hosts=())]
    assert main(["app", "--memory", "1"]) == 2


@pytest.mark.parametrize(
    "environment, loading",
    [
        ({}, Loading.ANYTHING),
        ({"GRADIO_SERVER_NAME": "localhost"}, Loading.ANYTHING),
        ({"GRADIO_SERVER_NAME": "0.0.0.0"}, Loading.BUNDLED),
        ({"GRADIO_SERVER_NAME": "192.168.0.7"}, Loading.BUNDLED),
        ({"GRADIO_SHARE": "True"}, Loading.BUNDLED),
        ({"GRADIO_ROOT_PATH": "/colours"}, Loading.BUNDLED),
        ({"SPACE_ID": "user/space"}, Loading.BUNDLED),
        ({"SPACE_ID": "user/space", "CINN_HUB_LOADING": "published"}, Loading.PUBLISHED),
        ({"GRADIO_SERVER_NAME": "::", "CINN_HUB_LOADING": "anything"}, Loading.PUBLISHED),
        ({"CINN_HUB_LOADING": "bundled"}, Loading.BUNDLED),
    ],
)
def test_strangers_load_what_is_bundled_unless_more_is_chosen(environment, loading):
    assert AppOptions.of(environment).loading == loading


@pytest.mark.parametrize(
    "header", ["forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip", "via"]
)
def test_who_comes_through_a_proxy_may_be_a_stranger(header):
    assert models.is_forwarded(SimpleNamespace(headers={"host": "localhost", header: "x"}))
    assert not models.is_forwarded(SimpleNamespace(headers={"host": "localhost"}))


def test_settings_that_are_not_understood():
    assert AppOptions.of({"CINN_HUB_MEMORY": "64", "CINN_HUB_DISK": "100"}).memory == 64
    for name, value in (("MEMORY", "lots"), ("DISK", "-1"), ("WAITING", "0"), ("LOADING", "all")):
        with pytest.raises(CinnHubError, match=f"CINN_HUB_{name} is '{value}'; it must be"):
            AppOptions.of({f"CINN_HUB_{name}": value})


def test_strangers_ask_the_hub_alone_even_where_a_folder_has_the_name(
    small_model, tmp_path, monkeypatch
):
    small_model.save(tmp_path / "models" / "mine")
    monkeypatch.chdir(tmp_path)
    asked = []

    def download(repo, revision):
        asked.append((repo, revision))
        raise CinnHubError("The Hub has none.")

    monkeypatch.setattr(models, "download", download)
    shelf = models.Shelf(small_model, Loading.PUBLISHED)
    for name in ("models/mine", "models/nowhere@v1"):
        with pytest.raises(CinnHubError, match="The Hub has none"):
            shelf.get(name)
    assert asked == [("models/mine", None), ("models/nowhere", "v1")]
    for name in (str(tmp_path / "models" / "mine"), "/etc", "..", "~", "models", ""):
        with pytest.raises(CinnHubError, match="No published model is called .*expected user/repo"):
            shelf.get(name)
    assert models.Shelf(small_model).get("models/mine").name == "models/mine"


@pytest.mark.parametrize("loading", Loading)
def test_strangers_load_no_folder_however_they_come(small_model, tmp_path, loading):
    small_model.save(tmp_path / "mine")
    shelf = models.Shelf(small_model, loading)
    assert {"imagenet", small_model.name} <= set(shelf.names())
    assert shelf.load("imagenet", stranger=True).name == "imagenet"
    for name in (str(tmp_path / "mine"), "/etc", "mnist", ""):
        with pytest.raises(CinnHubError):
            shelf.load(name, stranger=True)
    if loading == Loading.BUNDLED:
        with pytest.raises(CinnHubError, match="'mnist' does not come with this app; choose imag"):
            shelf.load("mnist")
