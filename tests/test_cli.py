"""The command line: pictures on disk, one sentence and exit code 2 when something is wrong."""

import json

import numpy as np
import pytest
from helpers import color_picture
from PIL import Image, ImageCms

import cinn_hub
from cinn_hub import __version__
from cinn_hub.batch.manifest import NAME
from cinn_hub.cli import main


@pytest.fixture
def folder(tmp_path, small_model):
    small_model.save(tmp_path / "model")
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
        (["nowhere.jpg"], "The photo nowhere.jpg does not exist; check the path."),
        (["page.jpg"], "page.jpg is not a picture that can be read"),
        (["half.png"], "half.png is damaged or incomplete"),
        (["dot.png"], "dot.png is 1 x 1 pixels"),
        (["grandma.png", "-n", "0"], "n is 0"),
        (["grandma.png", "-b", "-0.5"], "The boldness is -0.5"),
        (["grandma.png", "-s", "-1"], "The seed is -1"),
        (["grandma.png", "-m", "imagenetz"], "did you mean 'imagenet'?"),
        (["grandma.png", "--device", "abacus"], "The device is 'abacus'"),
        (["grandma.png", "-o", "grandma.png/out"], "The folder grandma.png/out cannot be created"),
    ],
)
def test_bad_input_is_one_sentence(run, arguments, sentence):
    if "-m" not in arguments:
        arguments = [*arguments, "-m", "model"]
    code, output = run("colorize", *arguments)
    assert code == 2
    assert output.err.startswith("cinn-hub: ") and sentence in output.err
    assert output.err.count("\n") == 1 and output.out == ""


def test_folders_are_searched_resumed_and_failures_named(run, folder):
    album = folder / "album"
    (album / "1944" / "may").mkdir(parents=True)
    for name in ("a.png", "1944/a.png", "1944/may/b.jpg"):
        color_picture(60, 40).convert("L").save(album / name)
    (album / "1944" / "a.jpg").write_bytes((album / "a.png").read_bytes())
    (album / "bad.jpg").write_text("<html>")
    (album / "notes.txt").write_text("no photo")
    command = ("colorize", album, "-n", 2, "-o", "out", "-m", "model", "-s", 1)
    code, output = run(*command)
    assert code == 1
    failures = [line for line in output.err.splitlines() if line.startswith("cinn-hub: ")]
    assert len(failures) == 1 and "album/bad.jpg: bad.jpg is not a picture" in failures[0]
    written = {str(p.relative_to(folder / "out")) for p in (folder / "out").rglob("*.png")}
    stems = ("a", "1944/a.png", "1944/a.jpg", "1944/may/b")  # two of one stem keep their suffixes
    assert written == {f"{stem}_color{i}.png" for stem in stems for i in (1, 2)}

    (folder / "out" / "a_color2.png").unlink()
    before = (folder / "out" / "1944" / "may" / "b_color1.png").stat().st_mtime_ns
    code, output = run(*command)
    assert code == 1 and "3 of 5 photos are done already; --overwrite" in output.err
    assert (folder / "out" / "a_color2.png").exists()
    assert (folder / "out" / "1944" / "may" / "b_color1.png").stat().st_mtime_ns == before
    run(*command, "--overwrite")
    assert (folder / "out" / "1944" / "may" / "b_color1.png").stat().st_mtime_ns > before


@pytest.mark.parametrize(
    ("photos", "results"),
    [
        (["a.png"], ["a_color1.png"]),
        (["IMG_1.JPG"], ["IMG_1_color1.png"]),
        (["a.jpg", "a.png"], ["a.jpg_color1.png", "a.png_color1.png"]),
    ],
)
def test_results_beside_their_photos_are_not_coloured_again(run, folder, photos, results):
    album = folder / "album"
    album.mkdir()
    for name in photos:
        color_picture(60, 40).convert("L").save(album / name)
    for _ in range(2):
        assert run("colorize", album, "-n", 1, "-o", album, "-m", "model")[0] == 0
        assert sorted(p.name for p in album.iterdir()) == sorted([*photos, *results, NAME])


def test_results_in_a_folder_inside_are_not_coloured_again(run, folder):
    album = folder / "album"
    (album / "old").mkdir(parents=True)
    color_picture(60, 40).convert("L").save(album / "old" / "a.png")
    for _ in range(2):
        assert run("colorize", album, "-n", 1, "-o", album / "out", "-m", "model")[0] == 0
        found = sorted(str(p.relative_to(album)) for p in album.rglob("*.png"))
        assert found == ["old/a.png", "out/old/a_color1.png"]


def test_transfers_beside_their_photos_are_no_photos(run, folder):
    album = folder / "album"
    album.mkdir()
    color_picture(60, 40).convert("L").save(album / "a.png")
    color_picture(80, 80, seed=3).save(folder / "sunset.jpg", quality=95)
    for _ in range(2):
        assert run("transfer", "sunset.jpg", album, "-o", album, "-m", "model")[0] == 0
        assert sorted(p.name for p in album.iterdir()) == ["a.png", "a_sunset.png", NAME]


def test_photos_with_colours_are_left_alone_in_folders(run, folder):
    album = folder / "album"
    album.mkdir()
    color_picture(60, 40).save(album / "new.png")
    color_picture(60, 40).convert("L").save(album / "old.png")
    command = ("colorize", album, "-n", 1, "-o", "out", "-m", "model")
    code, output = run(*command)
    assert code == 0 and "new.png  is skipped: it has colours (--recolor" in output.err
    assert [p.name for p in (folder / "out").glob("*.png")] == ["old_color1.png"]
    assert run(*command, "--recolor")[0] == 0 and (folder / "out" / "new_color1.png").exists()


def test_every_photo_in_a_folder_is_coloured_or_named(run, folder):
    album = folder / "album"
    album.mkdir()
    color_picture(60, 40).convert("L").save(album / "a.avif")
    (album / "b.HEIC").write_bytes(b"no photo that is read here")
    code, output = run("colorize", album, "-n", 1, "-o", "out", "-m", "model")
    assert code == 1 and "b.HEIC is not a picture that can be read" in output.err
    assert (folder / "out" / "a_color1.png").exists()


def test_boldness_scales_the_models_own_temperatures(run, folder, small_model):
    config = json.loads((folder / "model" / "config.json").read_text())
    config["temperature"] = {"mood": 0.5}
    (folder / "model" / "config.json").write_text(json.dumps(config))
    plain = ("colorize", "grandma.png", "-n", 1, "-s", 3, "-m", "model")
    run(*plain, "-o", "default")
    run(*plain, "-o", "one", "-b", 1)
    run(*plain, "-o", "two", "-b", 2)
    texts = [
        Image.open(folder / name / "grandma_color1.png").text["cinn_hub:temperature"]
        for name in ("default", "one", "two")
    ]
    assert texts[0] == texts[1] == "mood=0.5 things=1 details=1 grain=1"
    assert texts[2] == "mood=1 things=2 details=2 grain=2"


def test_intensity_and_quality(run, folder):
    plain = ("colorize", "grandma.png", "-n", 1, "-s", 3, "-m", "model")
    run(*plain, "-o", "grey", "--intensity", 0)
    grey = np.asarray(Image.open(folder / "grey" / "grandma_color1.png"))
    assert np.ptp(grey, axis=-1).max() <= 1
    sizes = []
    for quality in (60, 95):
        run(*plain, "-o", "jpeg", "--format", "jpg", "--quality", quality, "--overwrite")
        sizes.append((folder / "jpeg" / "grandma_color1.jpg").stat().st_size)
    assert sizes[0] < sizes[1]
    code, output = run(*plain, "--intensity", 9)
    assert code == 2 and "The intensity is 9" in output.err
    code, output = run(*plain, "--quality", 0)
    assert code == 2 and "The quality is 0" in output.err


def test_photos_of_one_name_do_not_overwrite_each_other(run, folder):
    for name in ("one", "two"):
        (folder / name).mkdir()
        color_picture(60, 40).save(folder / name / "a.png")
    code, output = run("colorize", "one", "two", "-m", "model", "-o", "out")
    assert code == 2 and "Two photos are called a.png" in output.err


def test_exif_and_profile_are_kept(run, folder):
    picture = color_picture(60, 40)
    exif = picture.getexif()
    exif[0x010E] = "grandma, 1944"
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture.save(folder / "album.jpg", exif=exif, icc_profile=profile)
    code, _ = run("colorize", "album.jpg", "-n", 1, "--format", "jpg", "-m", "model")
    result = Image.open(folder / "album_color1.jpg")
    assert code == 0 and result.getexif()[0x010E] == "grandma, 1944" and result.info["icc_profile"]


def test_hints_on_the_command_line(run, folder):
    arguments = ("colorize", "grandma.png", "-n", 1, "-s", 3, "-m", "model", "-o")
    assert run(*arguments, "plain")[0] == 0
    assert run(*arguments, "hinted", "--hint", "40,30,#bb5544")[0] == 0
    plain, hinted = (
        Image.open(folder / name / "grandma_color1.png") for name in ("plain", "hinted")
    )
    assert not np.array_equal(plain, hinted)
    assert hinted.text["cinn_hub:hints"] == "40,30,#bb5544"
    code, output = run(*arguments, "far", "--hint", "400,30,#bb5544")
    assert code == 2 and "lies outside the photo" in output.err


def test_the_best_of_a_pool(run, folder, small_model):
    command = ("colorize", "grandma.png", "-n", 2, "--pool", 6, "-s", 3, "-m", "model", "-o", "out")
    assert run(*command)[0] == 0
    written = [Image.open(folder / "out" / f"grandma_color{i}.png") for i in (1, 2)]
    expected = small_model.colorize(folder / "grandma.png", n=2, seed=3, pool=6)
    for picture, result in zip(written, expected, strict=True):
        assert picture.text["cinn_hub:sample"] == result.settings["sample"]
        assert picture.text["cinn_hub:pool"] == "6"


def test_transfer(run, folder, small_model):
    color_picture(80, 80, seed=3).save(folder / "sunset.jpg", quality=95)
    code, output = run("transfer", "sunset.jpg", "grandma.png", "-m", "model", "-o", "out")
    assert code == 0 and "grandma_sunset.png" in output.out
    written = np.asarray(Image.open(folder / "out" / "grandma_sunset.png")).astype(int)
    expected = small_model.transfer(folder / "sunset.jpg", onto=folder / "grandma.png")
    assert np.abs(written - np.asarray(expected.image)).max() <= 3  # weights were rounded to fp16
    code, output = run("transfer", "grandma.png", "sunset.jpg", "-m", "model")
    assert code == 2 and "grandma.png is grey or toned" in output.err


def test_interpolate(run, folder):
    arguments = ("interpolate", "grandma.png", "-m", "model", "-s", 1, "--steps", 4)
    code, output = run(*arguments)
    assert code == 0 and "grandma_1_to_2.webp" in output.out and "seed 1" in output.out
    film = Image.open(folder / "grandma_1_to_2.webp")
    assert film.n_frames == 6 and film.size == (90, 60)
    code, output = run(*arguments, "--format", "png", "--to", "3")
    assert code == 0
    frames = [folder / f"grandma_1_to_3_{i:03d}.png" for i in (1, 2, 3, 4)]
    run("colorize", "grandma.png", "-n", 3, "-s", 1, "-m", "model")
    for frame, answer in ((frames[0], 1), (frames[3], 3)):
        difference = np.asarray(Image.open(frame)).astype(int) - Image.open(
            folder / f"grandma_color{answer}.png"
        )
        assert np.abs(difference).max() <= 1
    code, output = run(*arguments, "--from", "0")
    assert code == 2 and "--from is 0" in output.err


def test_list_and_version(run, capsys):
    code, output = run("list")
    assert (
        code == 0
        and output.out.startswith("imagenet: colours")
        and f"{cinn_hub.list_models()[0].size / 1e6:.1f} MB, bundled" in output.out
    )
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out.strip() == __version__
