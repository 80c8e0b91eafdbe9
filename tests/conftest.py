"""Fixtures that the tests share."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from albums import Done
from helpers import SMALL, color_picture, randomize
from PIL import Image

import cinn_hub
from cinn_hub.cli import main
from cinn_hub.color_model import ColorModel
from cinn_hub.digit_model import DigitModel
from cinn_hub.models.colorization_cinn import ColorizationCINN

# The models of most tests are small, and threads would only wait for each other. Never taken back:
# see `cinn_hub.batch.processes.use_one_core`.
torch.set_num_threads(1)
os.environ["OMP_NUM_THREADS"] = "1"  # of the processes that tests start


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Which tests one process does: all of the running app; of the others, those of a file."""
    for item in items:
        of_app = "address" in getattr(item, "fixturenames", ())
        item.add_marker(pytest.mark.xdist_group("app" if of_app else item.path.stem))


@pytest.fixture(scope="session")
def small_model() -> ColorizationCINN:
    """An untrained model of 16x16 ab, randomised, in evaluation mode."""
    torch.manual_seed(0)
    model = ColorizationCINN(SMALL)
    randomize(model.flow, scale=0.3)
    return model.eval().requires_grad_(False)


@pytest.fixture(scope="session")
def imagenet() -> ColorModel:
    """The model that people get. A test that changes it must put it back."""
    return cinn_hub.load("imagenet", device="cpu")


@pytest.fixture(scope="session")
def mnist() -> DigitModel:
    """The digits that people get. A test that changes them must put them back."""
    return cinn_hub.load("mnist", device="cpu")


@pytest.fixture(scope="session")
def model_folder(small_model: ColorizationCINN, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The small model as a folder. A test that changes it must change a copy."""
    folder = tmp_path_factory.mktemp("model")
    small_model.save(folder)
    return folder


@pytest.fixture
def cinn(
    model_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Callable[..., Done]:
    """The command line in an empty folder, with the small model where none is named."""
    monkeypatch.chdir(tmp_path)

    def run(command: str, *arguments: object) -> Done:
        given = [command, *map(str, arguments)]
        if command in ("colorize", "transfer", "interpolate", "film", "ask") and "-m" not in given:
            given += ["-m", str(model_folder)]
        code = main(given)
        return Done(code, *capsys.readouterr())

    return run


@pytest.fixture
def photo() -> Image.Image:
    """A grey photo of 96 x 64 pixels."""
    return color_picture().convert("L")


@pytest.fixture
def color_photos(tmp_path) -> Path:
    """A folder with twelve colour photos, and two files that teach no colours."""
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(12):
        color_picture(96, 80, seed=i).save(folder / f"{i:02}.png")
    color_picture().convert("L").save(folder / "grey.png")
    (folder / "broken.jpg").write_bytes(b"no photo")
    return folder
