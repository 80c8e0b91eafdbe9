"""A box of old photos goes in, a ZIP of colours comes out: with mouse, touch and keys."""

import io
import re
import zipfile

import numpy as np
import pillow_heif
import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import (
    EXAMPLES,
    add,
    answers,
    expect_answers,
    expect_picked,
    open_tab,
    run_code,
    save_download,
    show_photo,
    star,
    wait_until_done,
)
from helpers import WAIT
from PIL import Image
from playwright.sync_api import expect

TOOLS = ("Explore", "Transfer", "Hints", "More", "Colour")
PLACES = ("Digits", "About this model", "Photos")


@pytest.fixture(scope="module")
def old_photos(tmp_path_factory):
    """Twelve files of mixed kinds; broken.jpg cannot be read."""
    folder = tmp_path_factory.mktemp("box")
    grey = {
        path.stem: Image.open(path).convert("L").resize((240, 160))
        for path in EXAMPLES.glob("*.jpg")
    }
    grey["cat"].save(folder / "cat.tif")
    heif = pillow_heif.from_pillow(grey["coffee"].convert("RGB"))
    heif.save(folder / "coffee.heic", quality=95)
    grey["admiral"].resize((160, 280)).save(folder / "portrait.png")
    (folder / "broken.jpg").write_bytes(b"<!doctype html>")
    Image.open(EXAMPLES / "moods" / "coffee.jpg").resize((240, 160)).save(folder / "colour.jpg")
    for i, suffix in enumerate(("jpg", "png", "webp", "bmp", "gif", "jp2", "avif")):
        grey["rocket" if i % 2 else "astronaut"].rotate(i).save(folder / f"old{i}.{suffix}")
    files = sorted(folder.iterdir())
    assert len(files) == 12
    return files


def recipes_in(archive):
    """{name of the picture: its Python} from the archive's recipes."""
    text = archive.read("recipes.txt").decode()
    parts = re.split(r"^# (.+)\n", text, flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def check_archive(path, photos, folder):
    """The pictures in the archive are what their recipes make; returns their names."""
    for photo in photos:
        (folder / photo.name).write_bytes(photo.read_bytes())
    with zipfile.ZipFile(path) as archive:
        for name, code in recipes_in(archive).items():
            made = re.search(r"\.save\('(.+)'\)", code)[1]
            run_code(code, folder / name)
            expected = Image.open(folder / made)
            shown = np.asarray(Image.open(io.BytesIO(archive.read(name)))).astype(int)
            assert np.abs(shown - np.asarray(expected)).max() <= 2, name
            (folder / made).unlink()
        return archive.namelist()


def test_a_box_goes_in_by_one_drop_and_a_zip_comes_out_by_two_clicks(page, old_photos, tmp_path):
    add(page, *old_photos)
    expect(page.locator("#status")).to_contain_text("12 photos, 1 of them not coloured")
    expect(page.locator("#photos .pick img")).to_have_count(11)  # TIFF and HEIC among them
    names = [photo.name for photo in old_photos]
    show_photo(page, names.index("colour.jpg"))
    open_tab(page, "Transfer")
    page.click("#as-mood")
    expect(page.locator("#moods .cell")).to_have_count(1, timeout=WAIT)
    show_photo(page, names.index("cat.tif"))
    expect_answers(page, 8)
    star(page, 3)
    page.click("#transfer-go")
    expect(page.locator("#facts")).to_contain_text("the colours of colour", timeout=WAIT)
    star(page, 1)
    page.reload()  # nothing is lost
    expect(page.locator("#facts")).to_contain_text("the colours of colour", timeout=WAIT)
    name = save_download(page, "#save-all", tmp_path / "all.zip")
    assert name == "colours.zip"
    found = check_archive(tmp_path / "all.zip", old_photos, tmp_path)
    assert {"portrait.png", "coffee.png", "cat_1.png", "cat_2.png"} <= set(found)
    assert len(found) == 13


def test_the_same_on_a_phone_by_touch(browser, address, old_photos):
    phone = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
    context = browser.new_context(**phone)
    context.set_default_timeout(WAIT)
    page = context.new_page()
    page.goto(address)
    page.wait_for_selector("#examples .pick")
    add(page, *(photo for photo in old_photos if photo.name in ("cat.tif", "portrait.png")))
    tile = page.locator("#photos .pick").nth(1)
    tile.tap()
    expect(tile).to_have_attribute("aria-pressed", "true", timeout=WAIT)
    expect_answers(page, 8)
    answers(page).nth(2).tap()
    expect_picked(page, 3)
    page.get_by_label("Favourite: number 3", exact=True).tap()
    expect(page.get_by_label("Favourite: number 3", exact=True)).to_have_attribute(
        "aria-pressed", "true", timeout=WAIT
    )
    with page.expect_download() as download:
        page.locator("#save-all").tap()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.namelist() == ["cat.png", "portrait.png", "recipes.txt"]
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    context.close()


def tab_to(page, locator):
    """Presses Tab until the element has the focus."""
    for _ in range(120):
        if locator.evaluate("(node) => node === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError("Tab does not reach it.")


def test_keys_alone_do_it_all(page, tmp_path):
    page.locator("body").focus()
    example = page.locator("#examples .pick").nth(2)
    tab_to(page, example)
    page.keyboard.press("Enter")
    expect_answers(page, 8)
    wait_until_done(page)
    tab_to(page, answers(page).nth(1))
    page.keyboard.press("Enter")
    expect_picked(page, 2)
    starred = page.get_by_label("Favourite: number 2", exact=True)
    tab_to(page, starred)
    page.keyboard.press("Space")
    expect(starred).to_have_attribute("aria-pressed", "true", timeout=WAIT)
    tab_to(page, page.locator("#compare"))
    page.keyboard.press("Enter")
    tab_to(page, page.locator("#stage .divider input"))
    page.keyboard.press("End")
    expect(page.locator("#stage .divider input")).to_have_value("100")
    tab_to(page, page.locator("#save"))
    with page.expect_download(timeout=WAIT) as download:
        page.keyboard.press("Enter")
    assert download.value.suggested_filename == "cat_color2.png"


def serious(page):
    """What axe-core finds serious or critical, as text."""
    violations = Axe().run(page).response["violations"]
    return [
        f"{found['id']}: {[node['html'][:120] for node in found['nodes']]}"
        for found in violations
        if found["impact"] in ("serious", "critical")
    ]


@pytest.mark.parametrize(("theme", "read_at"), [("light", 1440), ("dark", 390)])
def test_all_places_can_be_read_and_used_by_all_and_ask_no_other_server(page, theme, read_at):
    asked, problems = [], []
    page.on("request", lambda request: asked.append(request.url))
    address = page.url.split("?")[0]
    page.goto(f"{address}?__theme={theme}")
    page.wait_for_selector("#examples .pick")
    page.locator("#examples .pick").first.click()
    expect_answers(page, 8)
    wait_until_done(page)
    for width in (390, 1440):
        page.set_viewport_size({"width": width, "height": 844})
        for name in (*TOOLS, *PLACES):
            open_tab(page, name)
            if name == "Digits":
                expect(page.locator("#written img")).to_be_visible(timeout=WAIT)
            assert page.evaluate("document.documentElement.scrollWidth") <= width
            expect(page.locator("img:visible:not([alt]), img:visible[alt='']")).to_have_count(0)
            if width == read_at:
                problems += [f"{name} at {width} pixels: {line}" for line in serious(page)]
    assert problems == []
    assert asked and [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


@pytest.mark.parametrize("size", [(1440, 900), (390, 844)])
@pytest.mark.parametrize("example", [0, 2])  # a portrait, a landscape
def test_the_first_screen_has_picture_answers_and_what_is_done_with_them(page, size, example):
    width, height = size
    page.set_viewport_size({"width": width, "height": height})
    page.locator("#examples .pick").nth(example).click()
    expect_answers(page, 8)
    wait_until_done(page)
    names = ("Compare", "Download", "Download all", "More answers")
    buttons = [page.get_by_role("button", name=name, exact=True) for name in names]
    for part in (page.locator("#stage img.colour"), *answers(page).all(), *buttons):
        expect(part).to_be_in_viewport(ratio=1)
    assert page.evaluate("window.scrollY") == 0
