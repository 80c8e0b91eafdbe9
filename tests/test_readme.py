"""The Python of the README runs as it stands, with examples in place of its photos."""

import re
import shutil

import numpy as np
import torch
from helpers import ROOT

from cinn_hub import photos
from cinn_hub.hints import Hint, hinted_ab

BLOCKS = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)


def test_the_python_of_the_readme_runs(tmp_path, monkeypatch):
    shutil.copy(ROOT / "examples" / "photographer.jpg", tmp_path / "grandma.jpg")
    shutil.copy(ROOT / "examples" / "moods" / "rocket.jpg", tmp_path / "sunset.jpg")
    monkeypatch.chdir(tmp_path)
    names = {"lightness": 100 * torch.rand(1, 1, 256, 256), "ab": 20 * torch.randn(1, 2, 64, 64)}
    blocks = [block for block in BLOCKS if "gradio_client" not in block]  # that one needs the app
    assert len(blocks) >= 3
    for block in blocks:
        exec(compile(block, "README.md", "exec"), names)
    assert (tmp_path / "grandma.png").exists()
    assert torch.equal(names["again"].latent.flatten(), names["results"][0].latent.flatten())
    assert names["sevens"].shape == (16, 1, 28, 28) and len(names["cells"]) == 25
    assert names["probabilities"].argmax() == 7


def test_the_shipped_model_follows_hints(imagenet):
    """What the README promises of hints, on the model that people get."""
    photo = ROOT / "examples" / "photographer.jpg"
    hints = [(100, 60, "#7fa0d0"), (260, 460, "#5a8f3c"), (250, 250, "#aa3311")]
    plain = imagenet.colorize(photo, n=2, seed=1)
    hinted = imagenet.colorize(photo, n=2, seed=1, hints=hints)
    width, height = hinted[0].photo.size
    lightness = photos.squeeze(hinted[0].photo.lightness, 64)
    for before, after in zip(plain, hinted, strict=True):
        misses = []
        for x, y, color in hints:
            place = int(y * 64 / height), int(x * 64 / width)
            wanted = hinted_ab(Hint(x, y, color), lightness[place])
            misses.append([np.linalg.norm(r.ab[place] - wanted) for r in (before, after)])
        far, near = np.mean(misses, axis=0)
        assert near < 8 and near < 0.5 * far
