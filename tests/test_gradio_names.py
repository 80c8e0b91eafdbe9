"""The app rests on Gradio's public names alone: what changes without notice is not used."""

import ast
import re

import gradio as gr
import pytest
from gradio_client.documentation import classes_to_document
from helpers import ROOT

FILES = sorted((ROOT / "cinn_hub" / "ui").glob("*.py"))
PUBLIC = [found for group in classes_to_document.values() for found, *_ in group]
PUBLIC += [getattr(gr, name) for name in gr.__all__]
OF_BLOCKS = {"queue", "launch", "load"} | {
    "get_config_file",  # what Gradio serves as /config; test_requests.py rests on its form
    "get_api_info",  # what it serves as /gradio_api/info
}


def names_of_gradio(tree):
    """gr.x, gr.x.y, and from gradio.x import y."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "gradio":
            yield from (f"{node.module}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Attribute) and re.fullmatch(r"gr(\.\w+)+", ast.unparse(node)):
            yield ast.unparse(node).replace("gr.", "gradio.", 1)


def is_public(name):
    """Whether Gradio exports or documents it, or something of which it is a part."""
    found, public = gr, name.startswith("gradio.themes")
    for part in name.split(".")[1:]:
        found = getattr(found, part, None)
        public = public or any(found is known for known in PUBLIC)
    return public and "._" not in name


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_names_of_gradio_are_public(path):
    tree = ast.parse(path.read_text("utf-8"))
    assert not [name for name in names_of_gradio(tree) if not is_public(name)]
    attributes = [node for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    hidden = {ast.unparse(node) for node in attributes if node.attr.startswith("_")}
    assert not {name for name in hidden if "__" not in name and not name.startswith("self._")} - {
        "os._exit"
    }
    of_blocks = {node.attr for node in attributes if ast.unparse(node.value) == "demo"}
    assert of_blocks <= OF_BLOCKS


@pytest.mark.parametrize("name", ["queueing.Queue", "Blocks._queue", "routes.App", "utils.Request"])
def test_other_names_are_noticed(name):
    assert not is_public(f"gradio.{name}")
