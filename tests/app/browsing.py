"""What people do on the page, for the tests in a browser."""

import contextlib
import io
import re
import urllib.request

import numpy as np
from helpers import ROOT, WAIT
from PIL import Image
from playwright.sync_api import expect

EXAMPLES = ROOT / "examples"


def add(page, *paths):
    """Drops files, and waits until all photos on the table are done."""
    before = page.locator("#photos .cell").count()
    page.set_input_files("#drop input[type=file]", list(paths))
    expect(page.locator("#photos .cell")).to_have_count(before + len(paths), timeout=WAIT)
    wait_until_done(page)


def wait_until_done(page):
    expect(page.locator("#status")).to_have_text(re.compile(r"^\s*\d+ photos?[.,]"), timeout=WAIT)


def show_photo(page, index):
    """Clicks a photo on the table, and waits until it is in view."""
    tile = page.locator("#photos .pick").nth(index)
    tile.click()
    expect(tile).to_have_attribute("aria-pressed", "true", timeout=WAIT)


def answers(page):
    """The buttons of the answers in view."""
    return page.locator("#answers .pick")


def expect_answers(page, count):
    """Waits for as many pictures that were made for this visitor."""
    made = page.locator("#answers .pick img[src*='file=']")
    expect(made).to_have_count(count, timeout=WAIT)


def pick(page, number):
    """Clicks an answer, by the number that it has on the page, and waits for it."""
    answers(page).nth(number - 1).click()
    expect_picked(page, number)


def expect_picked(page, number):
    expect(page.locator("#facts")).to_contain_text(f"Number {number},", timeout=WAIT)


def star(page, number):
    button = page.locator("#answers").get_by_label(f"Favourite: number {number}", exact=True)
    button.click()
    expect(button).to_have_attribute("aria-pressed", "true", timeout=WAIT)


def open_tab(page, name):
    tab = page.get_by_role("tab", name=name, exact=True)
    tab.click()
    expect(tab).to_have_attribute("aria-selected", "true")


def sources(page):
    pictures = page.locator("#answers .pick img")
    return [pictures.nth(i).get_attribute("src") for i in range(pictures.count())]


def expect_new_answers(page, before):
    """Waits until the first picture is another one."""
    first = page.locator("#answers .pick img").first
    expect(first).not_to_have_attribute("src", before[0], timeout=WAIT)


def drag(page, slider, value):
    """Moves a slider as its number field does."""
    page.locator(f"#{slider} input[type=number]").fill(str(value))
    page.keyboard.press("Enter")


def save_download(page, button, path):
    """Clicks, waits for the file, and returns its name."""
    with page.expect_download(timeout=WAIT) as download:
        page.click(button)
    download.value.save_as(path)
    return download.value.suggested_filename


def code_on(page, wanted="results", has_not=None, back=None):
    """The code of the picked answer once it has the wanted text; then goes back to a tool."""
    open_tab(page, "More")
    code = page.locator("#code .cm-content")
    fold = page.locator("#recipe .label-wrap")
    if "open" not in fold.get_attribute("class").split():
        fold.click()
    expect(code).to_contain_text(wanted, timeout=WAIT)
    if has_not:
        expect(code).not_to_contain_text(has_not, timeout=WAIT)
    text = code.inner_text()
    if back:
        open_tab(page, back)
    return text


def run_code(code, photo):
    """Runs it where the photo is, with no names but its own; gives these."""
    names = {}
    with contextlib.chdir(photo.parent):
        exec(code, names)
    return names


def picture_at(locator):
    """The picture of an <img>, as pixels."""
    data = urllib.request.urlopen(locator.get_attribute("src")).read()
    return np.asarray(Image.open(io.BytesIO(data)).convert("RGB")).astype(int)
