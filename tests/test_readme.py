"""README and docs: their Python runs as it stands, their commands can be parsed, their links lead
somewhere."""

import re
import shlex
import shutil

import numpy as np
import pytest
import torch
from helpers import ROOT

from cinn_hub import photos
from cinn_hub.cli import build_parser
from cinn_hub.hints import Hint, hinted_ab

MOST_WORDS = 1000
PAGES = {
    str(path.relative_to(ROOT)): path.read_text("utf-8")
    for pattern in ("*.md", "docs/*.md", "training/*.md", "weights/*/README.md")
    for path in sorted(ROOT.glob(pattern))
}
COMMANDS = [
    (page, line)
    for page, text in PAGES.items()
    for block in re.findall(r"```\n(.*?)```", text, re.DOTALL)
    for line in block.replace("\\\n", "").splitlines()
    if line.startswith("cinn-hub ")
]


def blocks_of(page):
    """Its Python, but for the client of the app, which tests/app/test_api.py has."""
    blocks = re.findall(r"```python\n(.*?)```", PAGES[page], re.DOTALL)
    return [block for block in blocks if "gradio_client" not in block]


def anchor(heading):
    return re.sub(r"[^\w -]", "", heading.lower()).strip().replace(" ", "-")


def test_the_readme_is_short():
    assert len(PAGES["README.md"].split()) <= MOST_WORDS


@pytest.mark.parametrize("page", [page for page in PAGES if blocks_of(page)])
def test_the_python_runs(page, tmp_path, monkeypatch):
    """With examples in place of its photos, and with tensors that the reader is to have."""
    shutil.copy(ROOT / "examples" / "photographer.jpg", tmp_path / "grandma.jpg")
    shutil.copy(ROOT / "examples" / "moods" / "rocket.jpg", tmp_path / "sunset.jpg")
    monkeypatch.chdir(tmp_path)
    names = {"lightness": 100 * torch.rand(1, 1, 256, 256), "ab": 20 * torch.randn(1, 2, 64, 64)}
    for block in blocks_of(page):
        exec(compile(block, page, "exec"), names)
    assert names["sevens"].shape == (16, 1, 28, 28)
    if "again" in names:
        assert (tmp_path / "grandma.png").exists()
        assert torch.equal(names["again"].latent.flatten(), names["results"][0].latent.flatten())
    if "probabilities" in names:
        assert names["probabilities"].argmax() == 7


@pytest.mark.parametrize("page, command", COMMANDS)
def test_commands_can_be_parsed(page, command):
    words = shlex.split(re.sub(r"\s#(\s.*)?$", "", command))
    build_parser().parse_args(words[1:])


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    links = re.findall(r"\]\(([^)\s]+)\)", PAGES[page])
    for link in links:
        if "://" in link:
            continue
        name, _, part = link.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), link
        if part:
            headings = re.findall(r"^#+ (.*)$", path.read_text("utf-8"), re.MULTILINE)
            assert part in map(anchor, headings), link


def test_every_page_is_listed():
    listed = PAGES["docs/README.md"]
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"README.md"}
    assert pages == set(re.findall(r"\]\(([a-z]+\.md)\)", listed))
    assert "(docs/README.md)" in PAGES["README.md"]


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
