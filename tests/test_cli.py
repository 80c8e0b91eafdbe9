"""The command line: pictures on disk, one sentence and exit code 2 when something is wrong."""

import json
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest
from helpers import color_picture
from PIL import Image, ImageCms

import cinn_hub
from cinn_hub import __version__
from cinn_hub.cli import main

PLAIN = ("colorize", "grandma.png", "-n", 1, "-s", 3)


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    color_picture(90, 60).convert("L").save("grandma.png")
    return tmp_path


def pixels(path):
    return np.asarray(Image.open(path)).astype(int)


def test_colorize(cinn):
    done = cinn("colorize", "grandma.png", "-n", 3, "-o", "out", "-s", 7)
    names = [f"out/grandma_color{i}.png" for i in (1, 2, 3)]
    assert done.code == 0 and done.written == set(names)
    assert done.out.count("bits/dim") == 3 and "seed 7" in done.out
    first, second, _ = map(pixels, names)
    assert first.shape == (60, 90, 3) and not np.array_equal(first, second)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.jpg"], "The photo nowhere.jpg does not exist; check the path."),
        (["page.jpg"], "page.jpg is not a picture that can be read"),
        (["half.png"], "half.png is damaged or incomplete"),
        (["dot.png"], "dot.png is 1 x 1 pixels"),
        (["grandma.png", "-m", "imagenetz"], "did you mean 'imagenet'?"),
        (["grandma.png", "-m", "mnist"], "The model mnist does not colour photos"),
        (["grandma.png", "--hint", "400,30,#bb5544"], "lies outside the photo"),
        (["grandma.png", "-o", "grandma.png/out"], "The folder grandma.png/out cannot be created"),
    ],
)
def test_bad_input_is_one_sentence(cinn, arguments, sentence):
    Path("page.jpg").write_text("<html>")
    Path("half.png").write_bytes(Path("grandma.png").read_bytes()[:300])
    Image.new("L", (1, 1)).save("dot.png")
    done = cinn("colorize", *arguments)
    assert done.code == 2 and done.out == ""
    assert done.err.startswith("cinn-hub: ") and sentence in done.err and done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("option", "values", "sentence"),
    [
        (
            "-n",
            ["0", "-3", "2.5", "many", "10001", "nan"],
            "is not a whole number, from 1 to 10000",
        ),
        ("--pool", ["0", "20000"], "is not a whole number, from 1 to 10000"),
        ("-b", ["-0.5", "1e308", "nan", "much"], "is not a number, from 0 to 10"),
        ("-s", ["-1", "x"], "is not a whole number, 0 or more"),
        ("--device", ["abacus", "cuda:x"], "is not cpu, cuda, cuda:N or mps"),
        ("--intensity", ["9", "nan"], "is not a number, from 0 to 3"),
        ("--quality", ["0", "101"], "is not a whole number, from 1 to 100"),
        ("--hint", ["40,30"], "is not a hint; give X,Y,#RRGGBB"),
        ("--format", ["bmp"], "invalid choice: 'bmp'"),
        ("--workers", ["0"], "is not a whole number, 1 or more"),
        ("--size", ["3"], "unrecognized arguments: --size"),
    ],
)
def test_options_are_checked_before_anything_is_loaded(cinn, monkeypatch, option, values, sentence):
    monkeypatch.setattr("cinn_hub.load", None)
    for value in values:
        done = cinn("colorize", "grandma.png", f"{option}={value}")
        assert done.code == 2 and done.out == "" and done.err.count("\n") == 1
        assert done.err.startswith("cinn-hub: ") and sentence in done.err
        assert "see cinn-hub" in done.err and "--help" in done.err


def test_very_many_answers_are_made_only_if_it_is_meant(cinn, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("cinn_hub.load", None)
        assert (
            "-n 101 makes 101 files of each photo; add --yes"
            in cinn("colorize", "grandma.png", "-n", 101).err
        )
    monkeypatch.setattr("cinn_hub.cli.MANY", 2)
    assert cinn("colorize", "grandma.png", "-n", 3, "--yes").code == 0


def test_a_taken_port_is_named(cinn):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = cinn("app", "--port", port)
    assert done.code == 2 and f"The port {port} of 127.0.0.1 cannot be used" in done.err


def test_boldness_scales_the_models_own_temperatures(cinn, model_folder):
    shutil.copytree(model_folder, "model")
    config = json.loads(Path("model/config.json").read_text())
    Path("model/config.json").write_text(json.dumps({**config, "temperature": {"mood": 0.5}}))
    for name, boldness in (("default", ()), ("one", ("-b", 1)), ("two", ("-b", 2))):
        cinn(*PLAIN, "-m", "model", "-o", f"{name}.png", *boldness)
    texts = [
        Image.open(f"{name}.png").text["cinn_hub:temperature"] for name in ("default", "one", "two")
    ]
    assert texts[0] == texts[1] == "mood=0.5 things=1 details=1 grain=1"
    assert texts[2] == "mood=1 things=2 details=2 grain=2"


def test_intensity_and_quality(cinn):
    cinn(*PLAIN, "-o", "grey.png", "--intensity", 0)
    assert np.ptp(pixels("grey.png"), axis=-1).max() <= 1
    for quality in (60, 95):
        cinn(*PLAIN, "-o", f"{quality}.jpg", "--quality", quality)
    assert Path("60.jpg").stat().st_size < Path("95.jpg").stat().st_size


def test_exif_and_profile_are_kept(cinn):
    picture = color_picture(60, 40)
    exif = picture.getexif()
    exif[0x010E] = "grandma, 1944"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture.save("album.jpg", exif=exif, icc_profile=profile)
    assert cinn("colorize", "album.jpg", "-n", 1, "--format", "jpg").code == 0
    result = Image.open("album_color1.jpg")
    assert result.format == "JPEG" and result.info["icc_profile"]
    assert result.getexif()[0x010E] == "grandma, 1944"


def test_hints(cinn):
    assert cinn(*PLAIN, "-o", "plain.png").code == 0
    assert cinn(*PLAIN, "-o", "hinted.png", "--hint", "40,30,#bb5544").code == 0
    assert not np.array_equal(pixels("plain.png"), pixels("hinted.png"))
    assert Image.open("hinted.png").text["cinn_hub:hints"] == "40,30,#bb5544"


def test_the_best_of_a_pool(cinn, small_model):
    assert cinn("colorize", "grandma.png", "-n", 2, "--pool", 6, "-s", 3).code == 0
    written = [Image.open(f"grandma_color{i}.png") for i in (1, 2)]
    expected = small_model.colorize("grandma.png", n=2, seed=3, pool=6)
    for picture, result in zip(written, expected, strict=True):
        assert picture.text["cinn_hub:sample"] == result.settings["sample"]
        assert picture.text["cinn_hub:pool"] == "6"


def test_transfer(cinn, small_model):
    color_picture(80, 80, seed=3).save("sunset.jpg", quality=95)
    assert cinn("transfer", "sunset.jpg", "grandma.png").written == {"grandma_sunset.png"}
    expected = small_model.transfer("sunset.jpg", onto="grandma.png")
    difference = pixels("grandma_sunset.png") - np.asarray(expected.image)
    assert np.abs(difference).max() <= 3  # weights were rounded to fp16
    done = cinn("transfer", "grandma.png", "sunset.jpg")
    assert done.code == 2 and "grandma.png is grey or toned" in done.err


def test_interpolate(cinn):
    arguments = ("interpolate", "grandma.png", "-s", 1, "--steps", 4)
    done = cinn(*arguments)
    assert done.written == {"grandma_1_to_2.webp"} and "seed 1" in done.out
    film = Image.open("grandma_1_to_2.webp")
    assert film.n_frames == 6 and film.size == (90, 60)
    assert cinn(*arguments, "--format", "png", "--to", "3").code == 0
    cinn("colorize", "grandma.png", "-n", 3, "-s", 1)
    for frame, answer in ((1, 1), (4, 3)):
        difference = pixels(f"grandma_1_to_3_{frame:03d}.png") - pixels(
            f"grandma_color{answer}.png"
        )
        assert np.abs(difference).max() <= 1


def test_films_that_are_too_long_are_refused(cinn, monkeypatch):
    monkeypatch.setattr("cinn_hub.animation.MOST_PIXELS", 10**6)
    done = cinn("interpolate", "grandma.png", "--steps", 200)
    assert done.code == 2 and "of 90 x 60 has 1 million pixels" in done.err
    for option, value in (("--from", "0"), ("--to", "1000000"), ("--steps", "1"), ("--size", "3")):
        assert (
            f"argument {option}: {value!r} is not a whole number"
            in cinn("interpolate", "grandma.png", option, value).err
        )
    assert not list(Path().glob("*.webp"))


def test_list_and_version(cinn, capsys):
    done = cinn("list")
    assert done.code == 0 and done.out.startswith("imagenet: colours")
    assert f"{cinn_hub.list_models()[0].size / 1e6:.1f} MB, bundled" in done.out
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == __version__
