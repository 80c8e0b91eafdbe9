"""docs/operations.md: each promise names tests that are there, and the options are those of the
app."""

import re

import pytest
from helpers import ROOT

from cinn_hub.cli import build_parser
from cinn_hub.ui.settings import Settings

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
    assert str(getattr(parsed, option)) == value
    assert str(getattr(Settings.of({variable: value}), option)) == value
    if default.isdecimal():
        assert getattr(Settings(), option) == int(default)
        app = build_parser()._subparsers._group_actions[0].choices["app"]
        helps = {action.dest: action.help for action in app._actions}
        assert helps[option].endswith(f"(default {default})")


def test_the_command_line_hands_its_options_on(monkeypatch):
    import runpy

    from cinn_hub.cli import main

    names = ("CINN_HUB_MEMORY", "CINN_HUB_LOADING", "GRADIO_ROOT_PATH", "GRADIO_SERVER_NAME")
    for name in (*names, "CINN_HUB_MODEL", "CINN_HUB_DISK"):
        monkeypatch.delenv(name, raising=False)
    started = []
    monkeypatch.setattr(runpy, "run_path", lambda path, run_name: started.append(Settings.of()))
    options = ["--memory", "99", "--disk", "88", "--root-path", "/colours", "--host", "0.0.0.0"]
    assert main(["app", *options, "--loading", "published"]) == 0
    assert started == [Settings(memory=99, disk=88, loading="published")]
    assert main(["app", "--memory", "1"]) == 2
