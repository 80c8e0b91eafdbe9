"""The command line: pictures on disk, one sentence and exit code 2 when something is wrong."""

import numpy as np
import pytest
from helpers import color_picture
from PIL import Image

from cinn_hub import __version__
from cinn_hub.checkpoints import write_model
from cinn_hub.cli import main


@pytest.fixture
def folder(tmp_path, small_model):
    write_model(small_model, tmp_path / "model")
    color_picture(90, 60).convert("L").save(tmp_path / "grandma.png")
    (tmp_path / "page.jpg").write_text("<html>")
    (tmp_path / "half.png").write_bytes((tmp_path / "grandma.png").read_bytes()[:300])
    Image.new("L", (1, 1)).save(tmp_path / "dot.png")
    return tmp_path


@pytest.fixture
def run(folder, monkeypatch, capsys):
    monkeypatch.chdir(folder)

    def run(*arguments):
        code = main([*map(str, arguments)])
        return code, capsys.readouterr()

    return run


def test_colorize(run, folder):
    code, output = run("colorize", "grandma.png", "-n", 3, "-o", "out", "-s", 7, "-m", "model")
    assert code == 0
    written = sorted(p.name for p in (folder / "out").iterdir())
    assert written == [f"grandma_color{i}.png" for i in (1, 2, 3)]
    pictures = [np.asarray(Image.open(folder / "out" / name)) for name in written]
    assert pictures[0].shape == (60, 90, 3)
    assert not np.array_equal(pictures[0], pictures[1])
    assert output.out.count("bits/dim") == 3 and "seed 7" in output.out


def test_jpeg(run, folder):
    code, _ = run("colorize", "grandma.png", "-n", 1, "--format", "jpg", "-m", "model")
    assert code == 0
    assert Image.open(folder / "grandma_color1.jpg").format == "JPEG"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.jpg"], "There is no photo nowhere.jpg; check the path."),
        (["page.jpg"], "page.jpg is no picture that can be read"),
        (["half.png"], "half.png is damaged or incomplete"),
        (["dot.png"], "dot.png is 1 x 1 pixels"),
        (["grandma.png", "-n", "0"], "n is 0"),
        (["grandma.png", "-t", "-0.5"], "The temperature is -0.5"),
        (["grandma.png", "-s", "-1"], "The seed is -1"),
        (["grandma.png", "-m", "imagenetz"], "did you mean 'imagenet'?"),
        (["grandma.png", "--device", "abacus"], "The device is 'abacus'"),
        (["grandma.png", "-o", "grandma.png/out"], "The folder grandma.png/out cannot be made"),
    ],
)
def test_bad_input_is_one_sentence(run, arguments, sentence):
    if "-m" not in arguments:
        arguments = [*arguments, "-m", "model"]
    code, output = run("colorize", *arguments)
    assert code == 2
    assert output.err.startswith("cinn-hub: ") and sentence in output.err
    assert output.err.count("\n") == 1 and output.out == ""


def test_list_and_version(run, capsys):
    code, output = run("list")
    assert code == 0 and output.out.startswith("imagenet    colorization  bundled")
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == __version__
