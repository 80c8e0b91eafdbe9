"""The tabs Explore, Transfer, Hints and Models in a real browser."""

import pytest
from browsing import code_on, drag, run_code, save_download, upload
from helpers import ROOT, WAIT, same
from PIL import Image
from playwright.sync_api import expect

import cinn_hub

EXAMPLES = ROOT / "examples"
TABS = {"Colorize": "photo", "Explore": "explore-photo", "Transfer": "transfer-photo"}
TABS |= {"Hints": "hints-photo", "Digits": None, "Models": None}


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "cat.png"
    Image.open(EXAMPLES / "cat.jpg").resize((320, 213)).save(path)
    return path


def open_tab(page, name):
    page.get_by_role("tab", name=name).click()


def test_a_map_is_drawn_walked_and_filmed(page, photo, tmp_path):
    open_tab(page, "Explore")
    upload(page, "explore-photo", photo)
    cells = page.locator("#explore-answers button img")
    expect(cells).to_have_count(25, timeout=WAIT)
    cells.nth(0).click()
    expect(page.locator("#explore-note")).to_contain_text("Number 1.")
    save_download(page, "#explore-save", tmp_path / "corner.png")
    model = cinn_hub.load("imagenet")
    results = model.explore(photo, side=5, temperature=model.temperature(1.2), seed=0)
    assert same(tmp_path / "corner.png", results[0].image)
    run_code(code_on(page, "explore"), photo)
    assert same(photo.with_name("cat_color1.png"), results[0].image)

    page.click("#take-a")
    cells.nth(4).click()
    expect(page.locator("#explore-note")).to_contain_text("Number 5.")
    page.click("#take-b")
    expect(page.locator("#b input")).to_have_value("5")
    drag(page, "place", 0.5)
    expect(page.locator("#between img")).to_be_visible(timeout=WAIT)
    name = save_download(page, "#film", tmp_path / "film.webp")
    assert name == "cat_1_to_5.webp"
    film = Image.open(tmp_path / "film.webp")
    assert film.size == (320, 213)
    assert 12 <= film.n_frames <= 46  # 24 there and 22 back; equal neighbours become one


def test_moods_are_carried_over(page, photo, tmp_path):
    open_tab(page, "Transfer")
    page.set_input_files(
        "#references input[type=file]",
        [EXAMPLES / "moods" / "coffee.jpg", EXAMPLES / "moods" / "rocket.jpg"],
    )
    expect(page.locator("#references img")).to_have_count(2, timeout=WAIT)
    upload(page, "transfer-photo", photo)
    page.click("#transfer-go")
    expect(page.locator("#transfer-answers button img")).to_have_count(2, timeout=WAIT)
    page.locator("#transfer-answers button img").nth(1).click()
    expect(page.locator("#transfer-note")).to_contain_text("Number 2.")
    save_download(page, "#transfer-save", tmp_path / "rocket.png")
    model = cinn_hub.load("imagenet")
    expected = model.transfer(EXAMPLES / "moods" / "rocket.jpg", onto=photo, seed=0)
    assert same(tmp_path / "rocket.png", expected.image)
    for name in ("coffee.jpg", "rocket.jpg"):
        (tmp_path / name).write_bytes((EXAMPLES / "moods" / name).read_bytes())
    run_code(code_on(page, "transfer"), photo)
    assert same(photo.with_name("cat_color2.png"), expected.image)

    before = page.locator("#references img").first.get_attribute("src")
    page.click("#swap")  # now the grey cat is the mood, and has none
    moved = expect(page.locator("#references img").first)
    moved.not_to_have_attribute("src", before, timeout=WAIT)
    page.click("#transfer-go")
    expect(page.get_by_text("has no colours to take")).to_be_visible(timeout=WAIT)
    expect(page.locator("#transfer-answers button img")).to_have_count(2)


def test_a_hint_is_set_undone_and_removed(page, photo, tmp_path):
    open_tab(page, "Hints")
    upload(page, "hints-photo", photo)
    canvas = page.locator("#canvas img")
    expect(canvas).to_be_visible(timeout=WAIT)
    page.wait_for_timeout(500)
    page.click("#swatch-sky")
    page.wait_for_timeout(500)
    box = canvas.bounding_box()
    spots = [(0.25, 0.4), (0.7, 0.6)]
    answers = page.locator("#hints-answers button img")
    note, code = page.locator("#hints-note"), page.locator("#hints-code")

    def click(x, y):
        canvas.click(position={"x": x * box["width"], "y": y * box["height"]})

    click(*spots[0])
    expect(answers).to_have_count(4, timeout=WAIT)
    answers.nth(1).click()
    expect(note).to_contain_text("Number 2.")
    save_download(page, "#hints-save", tmp_path / "hinted.png")
    model = cinn_hub.load("imagenet")
    hint = (80, 85, "#4a7fc1")
    expected = model.colorize(photo, n=4, seed=0, hints=[hint])[1].image
    assert same(tmp_path / "hinted.png", expected, limit=8)  # the click is a pixel off or so
    run_code(code_on(page, "hints"), photo)
    assert same(photo.with_name("cat_color2.png"), Image.open(tmp_path / "hinted.png"))

    click(*spots[1])
    expect(code).to_contain_text(r"), (", timeout=WAIT)  # two hints
    click(*spots[0])  # on the hint: away with it
    expect(code).not_to_contain_text("), (", timeout=WAIT)
    page.click("#undo")
    expect(code).to_contain_text("hints=[]", timeout=WAIT)


def test_hints_before_a_photo(page):
    open_tab(page, "Hints")
    for button in ("#undo", "#clear", "#hints-go"):
        if button == "#hints-go":
            page.locator("#hints-settings button").first.click()
        page.click(button)
        expect(page.get_by_text("There is no photo yet")).to_be_visible(timeout=WAIT)
        page.locator(".toast-close").first.click()


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
    open_tab(page, "Colorize")
    upload(page, "photo", photo)
    expect(page.locator("#colorize-answers button img")).to_have_count(8, timeout=WAIT)
    code_on(page, "colorize", "tiny")


@pytest.mark.parametrize("width", [390, 1440])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_nothing_is_wider_than_the_page_and_pictures_have_names(page, photo, width, theme):
    page.goto(f"{page.url.split('?')[0]}?__theme={theme}")
    page.wait_for_selector("#go")
    page.set_viewport_size({"width": width, "height": 844})
    for name, field in TABS.items():
        open_tab(page, name)
        if field:
            upload(page, field, photo)
        if name in ("Colorize", "Explore"):
            expect(page.locator(f"#{name.lower()}-answers button img").first).to_be_visible(
                timeout=WAIT
            )
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        expect(page.locator("img:visible:not([alt]), img:visible[alt='']")).to_have_count(0)


def test_the_page_asks_no_other_server(browser, address):
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(address)
    page.wait_for_selector("#go")
    open_tab(page, "Models")
    page.wait_for_timeout(1000)
    page.close()
    local = (address, "data:", "blob:")
    assert asked and [url for url in asked if not url.startswith(local)] == []
