"""The Colorize tab in a real browser, against the app as `python app.py` starts it."""

import io
import zipfile

import numpy as np
import pytest
from browsing import code_on, drag, run_code, save_download, upload
from helpers import ROOT, WAIT
from PIL import Image
from playwright.sync_api import expect

import cinn_hub
from cinn_hub.latent import Latent

EXAMPLE = ROOT / "examples" / "photographer.jpg"


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "grandma.png"
    Image.open(EXAMPLE).resize((413, 300)).save(path)
    return path


@pytest.fixture
def colored(page, photo):
    upload(page, "photo", photo)
    expect(page.locator("#colorize-answers button img")).to_have_count(8, timeout=WAIT)
    return page


def test_a_photo_becomes_eight_and_one_is_downloaded(colored, photo, tmp_path):
    page = colored
    answers = page.locator("#colorize-answers button img")
    note = page.locator("#colorize-note")
    sources = {answers.nth(i).get_attribute("src") for i in range(8)}
    assert len(sources) == 8 and all(source.endswith(".png") for source in sources)

    answers.nth(4).click()
    expect(note).to_contain_text("Number 5", timeout=WAIT)
    page.click("#go")  # the same seed: the same pictures, the first one shown again
    expect(note).to_contain_text("Number 1", timeout=WAIT)
    assert {answers.nth(i).get_attribute("src") for i in range(8)} == sources
    answers.nth(2).click()
    expect(note).to_contain_text("Number 3")
    for _ in range(2):  # the second click makes a file, too
        name = save_download(page, "#colorize-save", tmp_path / "download.png")
        assert name == "grandma_color3.png"
    downloaded = Image.open(tmp_path / "download.png")
    assert downloaded.size == (413, 300)
    expected = cinn_hub.load("imagenet").colorize(photo, n=8, seed=0)[2]
    assert np.abs(np.asarray(downloaded).astype(int) - np.asarray(expected.image)).max() <= 2
    assert downloaded.text["cinn_hub:seed"] == "0"

    assert save_download(page, "#colorize-save-latent", tmp_path / "z.safetensors").endswith(
        "_latent3.safetensors"
    )
    z = Latent.load(tmp_path / "z.safetensors")
    np.testing.assert_allclose(z.flatten(), expected.latent.flatten(), atol=1e-5)
    save_download(page, "#colorize-save-layer", tmp_path / "layer.png")
    assert np.array_equal(Image.open(tmp_path / "layer.png"), expected.layer)


def test_the_code_makes_the_same_picture(colored, photo, tmp_path):
    page = colored
    page.locator("#colorize-answers button img").nth(1).click()
    expect(page.locator("#colorize-note")).to_contain_text("Number 2")
    drag(page, "colorize-intensity", 130)
    expected = cinn_hub.load("imagenet").colorize(photo, n=8, seed=0)[1].with_intensity(1.3)
    code = code_on(page, "colorize", "with_intensity(1.3)")
    save_download(page, "#colorize-save", tmp_path / "download.png")
    run_code(code, photo)
    for path in (tmp_path / "download.png", photo.with_name("grandma_color2.png")):
        assert np.abs(np.asarray(Image.open(path)).astype(int) - expected.image).max() <= 2


def test_all_as_a_zip_of_jpegs(colored, photo, tmp_path):
    page = colored
    page.get_by_label("JPEG").first.check()
    name = save_download(page, "#colorize-save-all", tmp_path / "all.zip")
    assert name == "grandma_colors.zip"
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        assert archive.namelist() == [f"grandma_color{i}.jpg" for i in range(1, 9)]
        last = Image.open(io.BytesIO(archive.read("grandma_color8.jpg")))
    expected = cinn_hub.load("imagenet").colorize(photo, n=8, seed=0)[7].image
    assert last.format == "JPEG" and last.size == (413, 300)
    assert np.abs(np.asarray(last).astype(int) - expected).mean() < 2


def test_a_long_job_is_stopped(page, tmp_path):
    large = tmp_path / "large.jpg"
    Image.open(EXAMPLE).resize((4000, 3000)).save(large)
    upload(page, "photo", large)
    expect(page.locator("#colorize-answers button img")).to_have_count(8, timeout=WAIT)
    downloads = []
    page.on("download", lambda download: downloads.append(download))
    page.click("#colorize-save-all")
    page.locator("#colorize-stop").click(timeout=WAIT)
    expect(page.locator("#colorize-stop")).to_be_hidden()
    page.get_by_label("JPEG").first.check()
    save_download(page, "#colorize-save", tmp_path / "one.jpg")  # the app goes on
    assert Image.open(tmp_path / "one.jpg").size == (4000, 3000)
    assert [download.suggested_filename for download in downloads] == ["large_color1.jpg"]


def test_order(colored, photo):
    results = cinn_hub.load("imagenet").colorize(photo, n=8, seed=0)
    captions = colored.locator("#colorize-answers .caption-label")
    for label, key in (
        ("most likely first", lambda i: results[i].bits_per_dim),
        ("most colourful first", lambda i: -results[i].chroma),
        ("as drawn", lambda i: i),
    ):
        colored.get_by_label(label).first.check()
        for place, i in enumerate(sorted(range(8), key=key)):
            expect(captions.nth(place)).to_contain_text(f"{i + 1} ·", timeout=WAIT)
    colored.get_by_label("most colourful first").first.check()
    best = max(range(8), key=lambda i: results[i].chroma)
    expect(captions.first).to_contain_text(f"{best + 1} ·", timeout=WAIT)
    colored.locator("#colorize-answers button img").first.click()
    expect(colored.locator("#colorize-note")).to_contain_text(f"Number {best + 1}.")


def test_surprise_me_and_more_like_this(page):
    page.locator("#examples button, #examples img").first.click()
    answers = page.locator("#colorize-answers button img")
    expect(answers).to_have_count(8, timeout=WAIT)
    page.click("#again")
    expect(page.locator("#colorize-note")).not_to_contain_text("Seed 0.", timeout=WAIT)
    answers.nth(3).click()
    expect(page.locator("#colorize-note")).to_contain_text("Number 4")
    before = answers.nth(7).get_attribute("src")
    page.click("#near")
    expect(answers.nth(7)).not_to_have_attribute("src", before, timeout=WAIT)
    code_on(page, "colorize", "model.similar")


def test_keys_alone_pick_an_answer(colored):
    colored.locator("#colorize-answers button:has(img)").nth(1).focus()
    colored.keyboard.press("Enter")
    expect(colored.locator("#colorize-note")).to_contain_text("Number 2.")


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("bad.jpg", b"<!doctype html>", "is not a picture that can be read"),
        ("bad.jpg", EXAMPLE.read_bytes()[:9000], "is damaged or incomplete"),
        ("bad.jpg", b"", "is not a picture that can be read"),
        (
            "bad.svg",
            b"<svg xmlns='http://www.w3.org/2000/svg'/>",
            "is not a picture that can be read",
        ),
    ],
)
def test_a_bad_file_gets_a_sentence_and_loses_nothing(page, tmp_path, name, content, sentence):
    upload(page, "photo", EXAMPLE)
    answers = page.locator("#colorize-answers button img")
    expect(answers).to_have_count(8, timeout=WAIT)
    before = answers.first.get_attribute("src")
    page.click("#photo button[aria-label='Remove Image']")
    bad = tmp_path / name
    bad.write_bytes(content)
    upload(page, "photo", bad)
    expect(page.get_by_text(sentence)).to_be_visible(timeout=WAIT)
    assert answers.first.get_attribute("src") == before
    answers.first.click(trial=True)  # nothing covers it


def test_no_photo(page):
    page.click("#go")
    expect(page.get_by_text("There is no photo yet")).to_be_visible(timeout=WAIT)
