"""No model folder, whoever made it, hangs, fills the memory or gives NaN: each is refused at once,
in a sentence."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from helpers import ROOT, SMALL, randomize
from hostile import HOSTILE

from cinn_hub.models.colorization_cinn import ColorizationCINN
from cinn_hub.models.digit_cinn import DigitCINN, DigitConfig

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measures memory in /proc")


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    """{kind: the folder of a good model}."""
    torch.manual_seed(0)
    folders = {}
    for kind, model in {
        "color": ColorizationCINN(SMALL),
        "digits": DigitCINN(DigitConfig(hidden=(8, 8, 8), dense=8, bins=4)),
    }.items():
        randomize(model.flow, scale=0.3)
        folders[kind] = tmp_path_factory.mktemp(kind)
        model.save(folders[kind], torch.float32)
    return folders


@pytest.fixture(scope="module")
def answers(good, tmp_path_factory):
    """{name: what loading said}, all in one process; the good models come first and last."""
    place = tmp_path_factory.mktemp("hostile")
    paths = {f"good {kind}": folder for kind, folder in good.items()}
    for i, (name, case) in enumerate(HOSTILE.items()):
        paths[name] = place / str(i)
        shutil.copytree(good[case.kind], paths[name])
        case.change(paths[name])
    paths |= {f"again {kind}": folder for kind, folder in good.items()}
    done = subprocess.run(
        [sys.executable, str(ROOT / "tests" / "load_hostile.py")],
        input="".join(f"{path}\n" for path in paths.values()),
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    lines = done.stdout.splitlines()
    assert len(lines) == len(paths), done.stderr
    return {name: json.loads(line) for name, line in zip(paths, lines, strict=True)}


def test_the_corpus_is_large_enough():
    assert len(HOSTILE) >= 60


@pytest.mark.parametrize("name", HOSTILE)
def test_it_is_refused_at_once_in_a_sentence(answers, name):
    answer = answers[name]
    assert answer["error"] == "CheckpointError", answer
    assert HOSTILE[name].says in answer["text"]
    assert answer["text"].isprintable() and answer["text"].endswith(".")
    assert len(answer["text"]) < 500
    assert answer["seconds"] < 2 and answer["mb"] < 300, answer


@pytest.mark.parametrize("name", ["good color", "good digits", "again color", "again digits"])
def test_good_models_are_loaded_before_and_after(answers, name):
    assert answers[name]["text"] == "loaded", answers[name]
