"""The Colorize tab in a real browser, against the app as `python app.py` starts it."""

import numpy as np
import pytest
from helpers import ROOT, WAIT
from PIL import Image
from playwright.sync_api import expect

import cinn_hub

EXAMPLE = ROOT / "examples" / "photographer.jpg"


def upload(page, path):
    page.set_input_files("#photo input[type=file]", path)


def test_a_photo_becomes_eight_and_one_is_downloaded(page, tmp_path):
    photo = tmp_path / "grandma.png"
    Image.open(EXAMPLE).resize((413, 300)).save(photo)
    upload(page, photo)
    answers = page.locator("#answers button img")
    expect(answers).to_have_count(8, timeout=WAIT)
    sources = {answers.nth(i).get_attribute("src") for i in range(8)}
    assert len(sources) == 8 and all(source.endswith(".png") for source in sources)

    answers.nth(4).click()
    expect(page.locator("#note")).to_contain_text("Number 5", timeout=WAIT)
    page.click("#go")  # the same seed: the same pictures, the first one shown again
    expect(page.locator("#note")).to_contain_text("Number 1", timeout=WAIT)
    assert {answers.nth(i).get_attribute("src") for i in range(8)} == sources
    answers.nth(2).click()
    expect(page.locator("#note")).to_contain_text("Number 3")
    for _ in range(2):  # the second click makes a file, too
        with page.expect_download(timeout=WAIT) as download:
            page.click("#download")
        assert download.value.suggested_filename == "grandma_color3.png"
    download.value.save_as(tmp_path / "download.png")
    downloaded = Image.open(tmp_path / "download.png")
    assert downloaded.size == (413, 300)
    expected = cinn_hub.load("imagenet").colorize(photo, n=8, seed=0)[2].image
    assert np.abs(np.asarray(downloaded).astype(int) - np.asarray(expected)).max() <= 2
    assert downloaded.text["cinn_hub:seed"] == "0"


def test_other_colors(page):
    page.locator("#examples button, #examples img").first.click()
    page.click("#again")
    expect(page.locator("#answers button img")).to_have_count(8, timeout=WAIT)
    expect(page.locator("#note")).to_contain_text("seed")
    expect(page.locator("#note")).not_to_contain_text("seed 0.")


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"<!doctype html>", "is no picture that can be read"),
        (EXAMPLE.read_bytes()[:9000], "is damaged or incomplete"),
        (b"", "is no picture that can be read"),
    ],
)
def test_a_bad_file_gets_a_sentence_and_loses_nothing(page, tmp_path, content, sentence):
    upload(page, EXAMPLE)
    answers = page.locator("#answers button img")
    expect(answers).to_have_count(8, timeout=WAIT)
    before = answers.first.get_attribute("src")
    page.click("#photo button[aria-label='Remove Image']")
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(content)
    upload(page, bad)
    expect(page.get_by_text(sentence)).to_be_visible(timeout=WAIT)
    assert answers.first.get_attribute("src") == before
    answers.first.click(trial=True)  # nothing covers it


def test_no_photo(page):
    page.click("#go")
    expect(page.get_by_text("There is no photo yet")).to_be_visible(timeout=WAIT)


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_is_wider_than_the_page(page, width):
    page.set_viewport_size({"width": width, "height": 844})
    upload(page, EXAMPLE)
    expect(page.locator("#answers button img")).to_have_count(8, timeout=WAIT)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
