"""The tools Explore, Transfer and Hints, and other models, in a real browser."""

import re

import pytest
from browsing import (
    EXAMPLES,
    add,
    answers,
    code_on,
    drag,
    expect_answers,
    expect_picked,
    open_tab,
    pick,
    run_code,
    save_download,
    show_photo,
)
from helpers import WAIT, same
from PIL import Image
from playwright.sync_api import expect


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "cat.png"
    Image.open(EXAMPLES / "cat.jpg").resize((320, 213)).save(path)
    return path


def test_a_map_is_drawn_walked_and_filmed(page, imagenet, photo, tmp_path):
    add(page, photo)
    open_tab(page, "Explore")
    page.locator("#tool-explore").get_by_label("Seed").fill("7")
    page.click("#explore-go")
    expect_answers(page, 25)
    pick(page, 1)
    save_download(page, "#save", tmp_path / "corner.png")
    results = imagenet.explore(photo, side=5, temperature=imagenet.temperature(1.2), seed=7)
    assert same(tmp_path / "corner.png", results[0].image)
    run_code(code_on(page, "model.explore", back="Explore"), photo)
    assert same(photo.with_name("cat_color1.png"), results[0].image)

    pick(page, 5)
    stage = page.locator("#stage img.colour")
    before = stage.get_attribute("src")
    drag(page, "place", 0.5)
    expect(stage).not_to_have_attribute("src", before, timeout=WAIT)
    expect(stage).to_have_attribute("alt", "50% of the way")
    name = save_download(page, "#film", tmp_path / "film.webp")
    assert name == "cat_1_to_5.webp"
    film = Image.open(tmp_path / "film.webp")
    assert film.size == (320, 213)
    assert 12 <= film.n_frames <= 46  # 24 there and 22 back; equal neighbours become one


def test_colours_are_transferred(page, imagenet, photo, tmp_path):
    coffee, rocket = (EXAMPLES / "moods" / f"{name}.jpg" for name in ("coffee", "rocket"))
    add(page, coffee, photo)
    open_tab(page, "Transfer")
    page.click("#as-mood")  # a photo of the table
    moods = page.locator("#moods .cell")
    expect(moods).to_have_count(1, timeout=WAIT)
    show_photo(page, 1)
    page.click("#as-mood")
    sentence = page.get_by_text("cat.png is grey or toned, so it has no colours to take")
    expect(sentence.first).to_be_visible(timeout=WAIT)
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"<!doctype html>")
    page.set_input_files("#moods-drop input[type=file]", bad)
    sentence = page.get_by_text("bad.jpg is not a picture that can be read")
    expect(sentence.first).to_be_visible(timeout=WAIT)
    page.set_input_files("#moods-drop input[type=file]", rocket)
    expect(moods).to_have_count(2, timeout=WAIT)
    page.locator("#tool-transfer").get_by_label("Seed").fill("7")
    page.click("#transfer-go")
    expect_answers(page, 2)
    answers(page).nth(1).click()
    expect(page.locator("#facts")).to_contain_text("Number 2, rocket", timeout=WAIT)
    save_download(page, "#save", tmp_path / "rocket.png")
    expected = imagenet.transfer(rocket, onto=photo, seed=7)
    assert same(tmp_path / "rocket.png", expected.image)
    for path in (coffee, rocket):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    run_code(code_on(page, "model.transfer", back="Transfer"), photo)
    assert same(photo.with_name("cat_color2.png"), expected.image)
    for left, name in ((1, "coffee.jpg"), (0, "rocket.jpg")):
        page.locator("#moods").get_by_label(f"Remove {name}").click()
        expect(moods).to_have_count(left, timeout=WAIT)
    expect(page.locator("#moods")).to_contain_text("Whose colours?")


def hinted_photo(page, photo, number):
    """Adds the photo, picks an answer, and gives the picture to click on."""
    add(page, photo)
    pick(page, number)
    open_tab(page, "Hints")
    canvas = page.locator("#stage img.colour")
    expect(canvas).to_have_attribute("alt", f"number {number}", timeout=WAIT)
    return canvas


def place(canvas, x, y, tap=False):
    """Clicks or taps, at shares of width and height, and waits for colours to choose from."""
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    at = {"x": x * box["width"], "y": y * box["height"]}
    canvas.tap(position=at) if tap else canvas.click(position=at)
    expect(canvas.page.locator("#stage .spot.open")).to_have_count(1)
    expect(canvas.page.locator("#stage .swatch").nth(2)).to_be_visible(timeout=WAIT)


def expect_hints(page, count):
    """Waits until all answers have so many hints, and nothing is under way."""
    text = expect(page.locator("#facts"))
    (text.to_contain_text if count else text.not_to_contain_text)("with hints", timeout=WAIT)
    expect(page.locator("#stage .said")).to_have_text("", timeout=WAIT)
    code_on(page)
    colors = re.compile(rf"^[^#]*(#[^#]*){{{count}}}$")
    expect(page.locator("#code .cm-content")).to_have_text(colors, timeout=WAIT)
    open_tab(page, "Hints")


def test_hints_are_set_moved_undone_and_removed(page, photo, tmp_path):
    canvas = hinted_photo(page, photo, 4)
    spots = page.locator("#stage .spot")
    place(canvas, 0.25, 0.4)
    before = canvas.get_attribute("src")
    page.locator("#stage .swatch").nth(2).click()
    expect(canvas).not_to_have_attribute("src", before, timeout=WAIT)  # the picked answer, at once
    expect_answers(page, 8)
    expect_hints(page, 1)
    expect_picked(page, 4)
    place(canvas, 0.7, 0.6)
    page.locator("#stage .neutral").click()
    expect(page.locator("#stage .spot.open")).to_have_count(0)
    expect_hints(page, 2)
    save_download(page, "#save", tmp_path / "hinted.png")
    run_code(code_on(page, back="Hints"), photo)
    assert same(photo.with_name("cat_color4.png"), Image.open(tmp_path / "hinted.png"))

    spots.nth(1).hover()
    left = spots.nth(1).bounding_box()["x"]
    box = canvas.bounding_box()
    page.mouse.down()
    x, y = (box["x"] + 128.5 / 320 * box["width"], box["y"] + 63.5 / 213 * box["height"])
    page.mouse.move(x, y, steps=4)
    page.mouse.up()
    assert spots.nth(1).bounding_box()["x"] < left - 50
    code_on(page, "(128, 63, '#808080')", back="Hints")
    page.locator("#stage .reach").evaluate(
        "node => { node.value = 80; node.dispatchEvent(new Event('change')); }"
    )
    code_on(page, "'#808080', 80)", back="Hints")
    page.locator("#stage .undo").click()
    code_on(page, "'#808080')]", back="Hints")
    page.locator("#stage .remove").wait_for(state="hidden")
    spots.nth(1).click()
    page.locator("#stage .remove").click()
    expect_hints(page, 1)
    page.locator("#stage .clear").click()
    expect_hints(page, 0)
    expect(spots).to_have_count(0)


def test_hints_by_keyboard(page, photo):
    hinted_photo(page, photo, 2)
    page.locator("#stage .add").focus()
    page.keyboard.press("Enter")
    spot = page.locator("#stage .spot")
    expect(spot).to_be_focused()
    expect(page.locator("#stage .swatch").nth(2)).to_be_visible(timeout=WAIT)
    page.locator("#stage .swatch").nth(1).focus()
    page.keyboard.press("Enter")
    expect_hints(page, 1)
    code_on(page, "(160, 106,", back="Hints")
    spot.focus()
    page.keyboard.press("Shift+ArrowRight")
    code_on(page, "(176, 106,", back="Hints")
    spot.focus()
    page.keyboard.press("Delete")
    expect(page.locator("#stage .add")).to_be_focused()
    expect_hints(page, 0)


def test_hints_by_touch_on_a_narrow_page(browser, address, photo):
    page = browser.new_page(viewport={"width": 390, "height": 844}, has_touch=True)
    page.set_default_timeout(WAIT)
    page.goto(address)
    page.wait_for_selector("#examples .pick")
    canvas = hinted_photo(page, photo, 1)
    place(canvas, 0.5, 0.5, tap=True)
    page.locator("#stage .swatch").first.tap()
    expect(page.locator("#facts")).to_contain_text("with hints", timeout=WAIT)
    expect(canvas).to_be_in_viewport()  # the page stays where the hints are
    expect_hints(page, 1)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    page.close()


def test_another_model_is_loaded(page, tmp_path, small_model, photo):
    small_model.save(tmp_path / "tiny")
    (tmp_path / "tiny" / "README.md").write_text("---\nlicense: mit\n---\n# A tiny model\n")
    open_tab(page, "About this model")
    expect(page.locator("#model-card")).to_contain_text("colours for any photo")
    page.fill("#model-name input, #model-name textarea", "nowhere/to-be-found")
    page.click("#model-load")
    expect(page.locator(".toast-body")).to_be_visible(timeout=WAIT)
    expect(page.locator("#model-in-use")).to_contain_text("imagenet")
    page.fill("#model-name input, #model-name textarea", str(tmp_path / "tiny"))
    page.click("#model-load")
    expect(page.locator("#model-card")).to_contain_text("A tiny model", timeout=WAIT)
    expect(page.locator("#model-card")).not_to_contain_text("license")
    open_tab(page, "Photos")
    expect(page.locator("#tools")).to_contain_text("tiny", timeout=WAIT)
    add(page, photo)
    expect_answers(page, 8)
    code_on(page, "tiny")
