"""Latents, cards and names of models that are not what they should be: a sentence, at once."""

import os
import re

import pytest
import torch
from helpers import ROOT, color_picture
from safetensors.torch import save_file

from cinn_hub.animation import write_animation
from cinn_hub.errors import CheckpointError, CinnHubError, UnknownModelError
from cinn_hub.latent import Latent
from cinn_hub.models import load
from cinn_hub.publishing import CARD_FILE, model_bundle, model_files, read_card


def tensors(path, metadata, **levels):
    save_file(levels or {"a": torch.ones(1, 2)}, path, metadata)


LATENTS = {
    "a FIFO": os.mkfifo,
    "a folder": os.mkdir,
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "a link to itself": lambda path: path.symlink_to(path.name),
    "empty": lambda path: path.touch(),
    "1 TB": lambda path: (path.touch(), os.truncate(path, 2**40)),
    "without an order": lambda path: tensors(path, None),
    "with an order that is deep": lambda path: tensors(path, {"levels": "[" * 10**5}),
    "with an order of numbers": lambda path: tensors(path, {"levels": "[1]"}),
    "with a level that is not there": lambda path: tensors(path, {"levels": '["b"]'}),
    "without levels": lambda path: tensors(path, {"levels": "[]"}),
    "of integers": lambda path: tensors(path, {"levels": '["a"]'}, a=torch.ones(1, 2).long()),
    "without rows": lambda path: tensors(path, {"levels": '["a"]'}, a=torch.ones(0, 2)),
    "of unequal rows": lambda path: tensors(
        path, {"levels": '["a", "b"]'}, a=torch.ones(1, 2), b=torch.ones(2, 2)
    ),
}


@pytest.mark.parametrize("kind", LATENTS)
def test_latents_are_refused_in_a_sentence(tmp_path, kind):
    path = tmp_path / "z.safetensors"
    LATENTS[kind](path)
    with pytest.raises(CheckpointError) as caught:
        Latent.load(path)
    assert str(path) in str(caught.value) and str(caught.value).isprintable()


CARDS = {
    "a FIFO": os.mkfifo,
    "a folder": os.mkdir,
    "an endless device": lambda path: path.symlink_to("/dev/zero"),
    "of 1 GB": lambda path: (path.touch(), os.truncate(path, 2**30)),
    "not UTF-8": lambda path: path.write_bytes(b"---\n\xff\n---\n"),
    "deep": lambda path: path.write_text("---\na: " + "[" * 2_000 + "\n---\n"),
    "with a list for metadata": lambda path: path.write_text("---\n- 1\n---\n"),
    "with metadata that are not YAML": lambda path: path.write_text("---\na: {\n---\n"),
    "with results that are a number": lambda path: path.write_text("---\nmodel-index: 3\n---\n"),
}


@pytest.mark.parametrize("kind", CARDS)
def test_cards_are_left_out_or_refused(tmp_path, small_model, kind):
    small_model.save(tmp_path)
    CARDS[kind](tmp_path / CARD_FILE)
    assert read_card(tmp_path) is None
    load(tmp_path, "cpu")  # a model does not need its card
    with pytest.raises(CheckpointError) as caught:
        model_bundle(tmp_path)
    assert str(caught.value).isprintable() and len(str(caught.value)) < 500


def test_only_files_are_published(tmp_path, small_model):
    small_model.save(tmp_path)
    os.mkfifo(tmp_path / "training.json")
    os.mkdir(tmp_path / "sheet.png")
    os.mkfifo(tmp_path / "photo.jpg")
    assert sorted(model_files(tmp_path)) == ["config.json", "model.safetensors"]


@pytest.mark.parametrize(
    "name", ["", "a" * 5000, "a/" * 3000, "nul\0", "a\nb", "/dev/null", "/dev/zero", "\ud800"]
)
def test_names_of_models(name):
    with pytest.raises(UnknownModelError) as caught:
        load(name)
    assert str(caught.value).isprintable()


def test_a_folder_that_is_a_file(tmp_path):
    (tmp_path / "model.safetensors").touch()
    with pytest.raises(CinnHubError):
        load(tmp_path / "model.safetensors")


CARD = (ROOT / "weights" / "mnist" / CARD_FILE).read_text("utf-8")


@pytest.mark.parametrize("change", [("\n", "\r\n"), ("---\nlib", "\ufeff---\nlib")])
def test_a_card_of_windows_is_a_card(tmp_path, small_model, change):
    small_model.save(tmp_path)
    (tmp_path / CARD_FILE).write_bytes(CARD.replace(*change).encode("utf-8"))
    assert CARD_FILE in model_bundle(tmp_path) and read_card(tmp_path).data.license


@pytest.mark.parametrize("name", ["Apache 2.0", "MIT", "CC BY 4.0", "see below"])
def test_a_license_that_the_hub_refuses_is_named_before_anything_is_sent(
    tmp_path, small_model, name
):
    small_model.save(tmp_path)
    (tmp_path / CARD_FILE).write_text(re.sub("license: .*", f"license: {name}", CARD), "utf-8")
    with pytest.raises(CheckpointError, match="the Hub takes names such as apache-2.0"):
        model_bundle(tmp_path)


def test_paths_begin_at_home_and_addresses_are_no_paths(tmp_path, monkeypatch, small_model):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir("/")
    small_model.save("~/model")
    model = load("~/model", "cpu")
    color_picture().save(tmp_path / "a.png")
    result = model.colorize("~/a.png", 1)[0]
    result.save("~/b.png")
    result.latent.save("~/z.safetensors")
    write_animation([color_picture(), color_picture()], "~/film.gif")
    for name in ("model", "b.png", "z.safetensors", "film.gif"):
        assert (tmp_path / name).exists()
    monkeypatch.chdir(tmp_path)
    for use in (
        lambda: model.colorize("hf://user/repo/a.png", 1),
        lambda: result.save("hf://user/repo/b.png"),
        lambda: model.save("hf://user/repo"),
        lambda: result.latent.save("s3://bucket/z.safetensors"),
        lambda: write_animation([color_picture()] * 2, "hf://user/repo/film.gif"),
    ):
        with pytest.raises(CinnHubError, match="is an address; give a path of this machine"):
            use()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.png", "b.png", "film.gif", "model", "z.safetensors"
    ]  # fmt: skip
