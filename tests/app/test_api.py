"""Every named endpoint through `gradio_client`, and strange photos."""

import io
import zipfile

import numpy as np
import pytest
from gradio_client import handle_file
from gradio_client.exceptions import AppError
from helpers import ROOT, api_client, color_picture, same
from PIL import Image

from cinn_hub.color import to_lab
from cinn_hub.latent import Latent

EXAMPLES = ROOT / "examples"
CAT = handle_file(str(EXAMPLES / "cat.jpg"))


@pytest.fixture
def client(address):
    return api_client(address)


def answers_of(value):
    """The answers of what a call on photos gives."""
    return value[0]["rows"][0]["items"]


def like(path, expected):
    """Whether the picture, packed with losses, is the expected one."""
    shown = np.asarray(Image.open(path).convert("RGB")).astype(int)
    return np.abs(shown - np.asarray(expected)).mean() < 3


def test_every_endpoint_has_a_name_and_a_description(client):
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    saved = {"/save", "/save_all", "/save_layer", "/save_latent"}
    moves = {"/colorize", "/colorize_similar", "/explore", "/interpolate", "/transfer", "/hints"}
    digits = {f"/digits_{name}" for name in ("sample", "transfer", "interpolate", "style")}
    assert endpoints.keys() == saved | moves | digits | {"/load_model"}
    assert all(endpoint["description"] for endpoint in endpoints.values())
    parameters = [p["parameter_name"] for p in endpoints["/colorize"]["parameters"]]
    assert parameters[:5] == ["photo", "n", "temperature", "seed", "temperature_mood"]


def test_colorize_and_its_files(client, imagenet):
    value = client.predict(CAT, n=3, seed=4, api_name="/colorize")
    answers, stage, facts, code = value
    items = answers_of(value)
    results = imagenet.colorize(EXAMPLES / "cat.jpg", n=3, seed=4)
    assert len(items) == 3 and "seed=4" in code and "**Number 1**" in facts
    assert like(items[2]["image"], results[2].preview(480))
    assert like(stage["picture"], results[0].preview(1280))
    assert np.ptp(np.asarray(Image.open(stage["grey"])).astype(int), axis=2).mean() <= 2
    path = client.predict(index=1, intensity=50, kind="TIFF", api_name="/save")
    assert Image.open(path).format == "TIFF"
    assert same(path, results[1].with_intensity(0.5).image)
    archive = client.predict(kind="PNG", api_name="/save_all")
    with zipfile.ZipFile(archive) as opened:
        assert opened.namelist() == ["cat.png", "recipes.txt"]
        assert same(io.BytesIO(opened.read("cat.png")), results[0].image)
        assert "results[0].save('cat_color1.png')" in opened.read("recipes.txt").decode()
    layer = client.predict(index=1, api_name="/save_layer")
    assert same(layer, results[1].layer)
    z = Latent.load(client.predict(index=1, api_name="/save_latent"))
    again = imagenet.colorize(EXAMPLES / "cat.jpg", latent=z)[0]
    assert like(items[1]["image"], again.preview(480))
    with pytest.raises(AppError, match="The index is 7; it must be from 0 to 2"):
        client.predict(index=7, api_name="/save")
    near = client.predict(index=1, n=2, api_name="/colorize_similar")
    assert len(answers_of(near)) == 2 and "model.similar" in near[3]


def test_a_temperature_for_each_level(client, imagenet):
    mood = {f"temperature_{level}": 0 for level in imagenet.latent_shapes} | {"temperature_mood": 1}
    value = client.predict(CAT, n=1, seed=4, **mood, api_name="/colorize")
    levels = dict.fromkeys(imagenet.latent_shapes, 0.0) | {"mood": 1.0}
    expected = imagenet.colorize(EXAMPLES / "cat.jpg", n=1, seed=4, temperature=levels)
    assert like(answers_of(value)[0]["image"], expected[0].preview(480))


def test_explore_and_interpolate(client, imagenet):
    items = answers_of(client.predict(CAT, temperature=1, seed=2, api_name="/explore"))
    results = imagenet.explore(EXAMPLES / "cat.jpg", 5, imagenet.temperature(), seed=2)
    assert len(items) == 25 and like(items[3]["image"], results[3].preview(280))
    assert items[12]["picked"]
    fresh = api_client(client.src)  # has drawn no map
    film = fresh.predict(
        CAT, temperature=1, seed=2, a=1, b=4, frames=5, kind="GIF", api_name="/interpolate"
    )
    opened = Image.open(film)
    assert opened.format == "GIF" and opened.n_frames == 8
    opened.seek(4)
    difference = np.asarray(opened.convert("RGB")).astype(int) - results[3].preview(640)
    assert np.abs(difference).mean() < 8  # 256 colours
    with pytest.raises(AppError, match="no cell 26"):
        fresh.predict(CAT, b=26, api_name="/interpolate")


def test_transfer(client, imagenet):
    reference = EXAMPLES / "moods" / "coffee.jpg"
    value = client.predict(CAT, [handle_file(str(reference))], keep_things=0, api_name="/transfer")
    keep = imagenet.default_keep() | {"things": 0}
    expected = imagenet.transfer(reference, onto=EXAMPLES / "cat.jpg", keep=keep, seed=0)
    assert like(answers_of(value)[0]["image"], expected.preview(480))
    with pytest.raises(AppError, match="There is no colour photo to take colours from"):
        client.predict(CAT, [], api_name="/transfer")


def test_hints(client, imagenet):
    lines = "100 120 #4a7fc1\n300 200 #5a8f3c"
    value = client.predict(CAT, hints=lines, n=2, seed=1, api_name="/hints")
    hints = [(100, 120, "#4a7fc1"), (300, 200, "#5a8f3c")]
    expected = imagenet.colorize(EXAMPLES / "cat.jpg", n=2, seed=1, hints=hints)
    assert like(answers_of(value)[1]["image"], expected[1].preview(480))
    value = client.predict(CAT, hints="100 120 #4a7fc1", n=1, seed=1, reach=90, api_name="/hints")
    expected = imagenet.colorize(EXAMPLES / "cat.jpg", n=1, seed=1, hints=hints[:1], reach=90)
    assert like(answers_of(value)[0]["image"], expected[0].preview(480))
    assert "reach=90" in value[3]
    with pytest.raises(AppError, match="The line 'red' is not a hint; expected"):
        client.predict(CAT, hints="red", api_name="/hints")


def test_digits_and_models(client, tmp_path, small_model):

    assert Image.open(client.predict(digit="3", n=4, api_name="/digits_sample")).size == (448, 112)
    assert Image.open(client.predict(0.4, 0, api_name="/digits_style")).size[0] == 560
    small_model.save(tmp_path / "tiny")
    assert "In use: **" in client.predict(str(tmp_path / "tiny"), api_name="/load_model")[0]
    code = client.predict(CAT, n=1, api_name="/colorize")[3]
    assert "tiny" in code
    with pytest.raises(AppError, match="does not colour photos"):
        client.predict("mnist", api_name="/load_model")


def test_a_photo_of_48_megapixels(client, tmp_path):
    large = tmp_path / "large.jpg"
    color_picture(800, 600).resize((8000, 6000)).convert("L").save(large, quality=90)
    client.predict(handle_file(str(large)), n=1, api_name="/colorize")
    path = client.predict(index=0, kind="JPEG", quality=98, api_name="/save")
    result = Image.open(path)
    assert result.size == (8000, 6000)
    part = (3000, 2000, 3400, 2300)
    wanted = to_lab(np.asarray(Image.open(large).crop(part).convert("RGB")))[..., 0]
    assert np.abs(to_lab(np.asarray(result.crop(part)))[..., 0] - wanted).mean() < 1


def test_what_is_no_photo_gets_a_sentence_and_the_app_goes_on(client, tmp_path):
    bomb = tmp_path / "bomb.png"
    Image.new("1", (20_000, 20_000)).save(bomb)
    page = tmp_path / "page.jpg"
    page.write_text("<!doctype html><title>404</title>")
    drawing = tmp_path / "drawing.svg"
    drawing.write_text("<svg xmlns='http://www.w3.org/2000/svg'/>")
    half = tmp_path / "half.jpg"
    half.write_bytes((EXAMPLES / "cat.jpg").read_bytes()[:5000])
    for path, sentence in (
        (bomb, "megapixels"),
        (page, "is not a picture that can be read"),
        (drawing, "is not a picture that can be read"),
        (half, "is damaged or incomplete"),
    ):
        with pytest.raises(AppError, match=sentence):
            client.predict(handle_file(str(path)), api_name="/colorize")
    with pytest.raises(AppError, match="There are no answers, or they were deleted"):
        client.predict(index=0, api_name="/save")
    assert len(answers_of(client.predict(CAT, n=1, api_name="/colorize"))) == 1
