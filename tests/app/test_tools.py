"""The tools Explore, Transfer and Hints, and the tab Models, in a real browser."""

import pytest
from browsing import (
    EXAMPLES,
    add,
    answers,
    code_on,
    drag,
    expect_answers,
    open_tab,
    pick,
    run_code,
    save_download,
)
from helpers import WAIT, same
from PIL import Image
from playwright.sync_api import expect

import cinn_hub


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "cat.png"
    Image.open(EXAMPLES / "cat.jpg").resize((320, 213)).save(path)
    return path


def test_a_map_is_drawn_walked_and_filmed(page, photo, tmp_path):
    add(page, photo)
    open_tab(page, "Explore")
    expect(page.locator("#film")).to_be_disabled()
    page.click("#explore-go")
    expect_answers(page, 25)
    answers(page).nth(0).click()
    expect(page.locator("#facts")).to_contain_text("Number 1.", timeout=WAIT)
    save_download(page, "#save", tmp_path / "corner.png")
    model = cinn_hub.load("imagenet")
    results = model.explore(photo, side=5, temperature=model.temperature(1.2), seed=0)
    assert same(tmp_path / "corner.png", results[0].image)
    run_code(code_on(page, "model.explore"), photo)
    assert same(photo.with_name("cat_color1.png"), results[0].image)

    page.click("#pin")
    expect(page.locator("#pin")).to_have_text("Let go of A", timeout=WAIT)
    answers(page).nth(4).click()
    expect(page.locator("#facts")).to_contain_text("Number 5.", timeout=WAIT)
    expect(page.locator("#film")).to_be_enabled(timeout=WAIT)
    before = page.locator("#stage img.colour").get_attribute("src")
    drag(page, "place", 0.5)
    stage = page.locator("#stage img.colour")
    expect(stage).not_to_have_attribute("src", before, timeout=WAIT)
    expect(stage).to_have_attribute("alt", "50% of the way from A")
    name = save_download(page, "#film", tmp_path / "film.webp")
    assert name == "cat_1_to_5.webp"
    film = Image.open(tmp_path / "film.webp")
    assert film.size == (320, 213)
    assert 12 <= film.n_frames <= 46  # 24 there and 22 back; equal neighbours become one


def test_colours_are_transferred(page, photo, tmp_path):
    add(page, photo)
    open_tab(page, "Transfer")
    expect(page.locator("#as-mood")).to_be_disabled()
    expect(page.locator("#why")).to_contain_text("needs a photo that has colours")
    page.set_input_files(
        "#moods-drop input[type=file]",
        [EXAMPLES / "moods" / "coffee.jpg", EXAMPLES / "moods" / "rocket.jpg"],
    )
    expect(page.locator("#moods img")).to_have_count(2, timeout=WAIT)
    page.click("#transfer-go")
    expect_answers(page, 2)
    answers(page).nth(1).click()
    expect(page.locator("#facts")).to_contain_text("Number 2, rocket", timeout=WAIT)
    save_download(page, "#save", tmp_path / "rocket.png")
    model = cinn_hub.load("imagenet")
    expected = model.transfer(EXAMPLES / "moods" / "rocket.jpg", onto=photo, seed=0)
    assert same(tmp_path / "rocket.png", expected.image)
    for name in ("coffee.jpg", "rocket.jpg"):
        (tmp_path / name).write_bytes((EXAMPLES / "moods" / name).read_bytes())
    run_code(code_on(page, "model.transfer"), photo)
    assert same(photo.with_name("cat_color2.png"), expected.image)


def test_a_photo_on_the_table_becomes_a_mood(page, photo):
    add(page, EXAMPLES / "moods" / "coffee.jpg", photo)
    expect(page.locator("#as-mood")).to_be_enabled(timeout=WAIT)
    page.click("#as-mood")
    open_tab(page, "Transfer")
    expect(page.get_by_label("Remove coffee.jpg").last).to_be_visible(timeout=WAIT)
    page.locator("#photos .pick").nth(1).click()
    expect(page.locator("#as-mood")).to_be_disabled(timeout=WAIT)
    page.click("#transfer-go")
    expect_answers(page, 1)
    expect(page.locator("#facts")).to_contain_text("The colours of coffee")
    page.locator("#moods").get_by_label("Remove coffee.jpg").click()
    expect(page.locator("#moods")).to_contain_text("No colour photo yet", timeout=WAIT)


def test_a_hint_is_set_undone_and_removed(page, photo, tmp_path):
    add(page, photo)
    pick(page, 4)
    open_tab(page, "Hints")
    canvas = page.locator("#canvas img")
    expect(canvas).to_be_visible(timeout=WAIT)
    page.click("#swatch-sky")
    expect(page.locator("#hint-color")).to_be_visible()
    box = canvas.bounding_box()

    def click(x, y):
        canvas.click(position={"x": x * box["width"], "y": y * box["height"]})

    click(0.25, 0.4)
    expect_answers(page, 4)
    pick(page, 2)
    save_download(page, "#save", tmp_path / "hinted.png")
    run_code(code_on(page, "hints=[("), photo)
    assert same(photo.with_name("cat_color2.png"), Image.open(tmp_path / "hinted.png"))
    click(0.7, 0.6)
    code_on(page, "), (")  # two hints
    click(0.25, 0.4)  # on the hint: away with it
    code_on(page, "hints=[(", has_not="), (")
    page.click("#undo")
    code_on(page, "hints=[]")


def test_another_model_is_loaded(page, tmp_path, small_model, photo):

    small_model.save(tmp_path / "tiny")
    (tmp_path / "tiny" / "README.md").write_text("---\nlicense: mit\n---\n# A tiny model\n")
    open_tab(page, "Models")
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
    add(page, photo)
    expect_answers(page, 8)
    code_on(page, "tiny")


def test_the_page_asks_no_other_server(browser, address):
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_selector("#go")
    open_tab(page, "Models")
    page.wait_for_load_state("networkidle")
    page.close()
    local = (address, "data:", "blob:")
    assert asked and [url for url in asked if not url.startswith(local)] == []
