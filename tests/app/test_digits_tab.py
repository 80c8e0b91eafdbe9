"""The Digits tab in a real browser."""

import io
import time
import urllib.request

import numpy as np
import pytest
from browsing import drag, open_tab, run_code
from helpers import WAIT
from PIL import Image
from playwright.sync_api import TimeoutError, expect

from cinn_hub.ui.digits import sheet


@pytest.fixture
def tab(page):
    page.get_by_role("tab", name="Digits").click()
    page.wait_for_selector("#written img")
    return page


def shown(page, elem_id):
    """The picture on the page, as pixels."""
    source = page.locator(f"#{elem_id} img").get_attribute("src")
    return np.asarray(Image.open(io.BytesIO(urllib.request.urlopen(source).read())).convert("L"))


def click_until(page, button, locator):
    """Clicks, and again while pads still send their pictures, until what is located is visible."""
    deadline = time.monotonic() + WAIT / 1000
    while True:
        page.click(button)
        try:
            return locator.wait_for(timeout=4000)
        except TimeoutError:
            if time.monotonic() > deadline:
                raise


def draw_seven(page, pad):
    canvas = page.locator(f"#{pad} canvas").first
    expect(canvas).to_be_visible(timeout=WAIT)
    buttons = page.locator(f"#{pad}")
    expect(buttons.get_by_role("button", name="Pan")).to_be_enabled(timeout=WAIT)  # a moment later
    box = canvas.bounding_box()
    places = (0.3, 0.3), (0.7, 0.3), (0.45, 0.75)
    start, *rest = ((box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in places)
    page.mouse.move(*start)
    page.mouse.down()
    for place in rest:
        page.mouse.move(*place, steps=4)
    page.mouse.up()
    expect(buttons.get_by_role("button", name="Undo")).to_be_enabled(timeout=WAIT)


def test_digits_are_written(tab, mnist):
    expected = sheet(mnist.sample(range(10), 10, 0.8, 0))
    assert np.abs(shown(tab, "written").astype(int) - expected).max() <= 3
    before = tab.locator("#written img").get_attribute("src")
    tab.get_by_label("3", exact=True).first.check()
    tab.click("#write")
    expect(tab.locator("#written img")).not_to_have_attribute("src", before, timeout=WAIT)
    assert shown(tab, "written").shape == (112, 1120)


def test_a_drawn_digit_becomes_all_ten_and_nothing_drawn_is_said(tab):
    tab.get_by_role("tab", name="Your hand").click()
    tab.click("#transfer")
    expect(tab.get_by_text("Nothing is drawn yet")).to_be_visible(timeout=WAIT)
    draw_seven(tab, "pad")
    click_until(tab, "#transfer", tab.locator("#transferred img"))
    assert shown(tab, "transferred").shape == (224, 560) and shown(tab, "transferred").min() < 80
    expect(tab.locator("#reads h2")).to_have_text("7")


def test_a_walk_between_two_hands(tab):
    tab.get_by_role("tab", name="Two hands").click()
    draw_seven(tab, "pad-A")
    tab.get_by_role("button", name="Hand B: use a sample").click()
    click_until(tab, "#walk", tab.locator("#walked img"))
    assert shown(tab, "walked").shape == (112, 1008)


def test_sliders_change_the_hand(tab):
    tab.get_by_role("tab", name="Style").click()
    picture = tab.locator("#styled img")
    expect(picture).to_be_visible(timeout=WAIT)
    before = picture.get_attribute("src")
    drag(tab, "style-0", 2)
    expect(picture).not_to_have_attribute("src", before, timeout=WAIT)


def test_the_code_runs_as_it_is_shown(tab, tmp_path):
    tab.locator("#digits-recipe button").first.click()
    code = tab.locator("#digits-code .cm-content")
    expect(code).to_contain_text("cinn_hub.load", timeout=WAIT)
    names = run_code(code.inner_text(), tmp_path / "any")
    assert names["same_hand"].shape[-3:] == names["slanted"].shape[-3:] == (1, 28, 28)
    assert len(names["between"]) == 9


def test_nothing_is_wider_than_the_page(tab):
    for name in ("Write", "Your hand", "Two hands", "Style"):
        open_tab(tab, name)
        for width in (390, 1440):
            tab.set_viewport_size({"width": width, "height": 844})
            frames = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"
            tab.evaluate(frames)
            assert tab.evaluate("document.documentElement.scrollWidth") <= width
