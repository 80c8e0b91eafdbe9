"""Photos, the picture with its answers, and tables that come back, in a real browser."""

import zipfile

import numpy as np
import pytest
from browsing import (
    EXAMPLES,
    add,
    answers,
    code_on,
    drag,
    expect_answers,
    expect_new_answers,
    expect_picked,
    pick,
    picture_at,
    run_code,
    save_download,
    show_photo,
    sources,
    star,
    wait_until_done,
)
from helpers import WAIT, color_picture, same
from PIL import Image
from playwright.sync_api import expect

EXAMPLE = EXAMPLES / "photographer.jpg"
BAD = b"<!doctype html>"  # photos that cannot be read are on the table at once


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "grandma.png"
    Image.open(EXAMPLE).resize((413, 300)).save(path)
    return path


@pytest.fixture(scope="module")
def results(imagenet):
    """The answers that the page shows first."""
    return imagenet.colorize(Image.open(EXAMPLE).resize((413, 300)), n=8, seed=0)


def cells(page):
    return page.locator("#photos .cell")


def test_an_empty_page_offers_what_can_be_done_and_nothing_else(page):
    expect(page.locator("#drop")).to_be_in_viewport()
    expect(page.locator("#examples .pick img")).to_have_count(6)
    for name in ("Download", "Download all", "Compare", "More answers"):
        expect(page.get_by_role("button", name=name, exact=True)).to_be_hidden()


def test_a_photo_becomes_eight_and_the_code_makes_the_one_that_is_saved(
    page, results, photo, tmp_path
):
    add(page, photo)
    expect_answers(page, 8)
    first, file = sources(page), tmp_path / "download.png"
    assert len(set(first)) == 8
    pick(page, 3)
    for _ in range(2):  # the second click makes a file, too
        assert save_download(page, "#save", file) == "grandma_color3.png"
    assert same(file, results[2].image) and Image.open(file).text["cinn_hub:seed"] == "0"
    pick(page, 2)
    drag(page, "intensity", 130)
    run_code(code_on(page, "with_intensity(1.3)", back="Colour"), photo)
    save_download(page, "#save", file)
    for path in (file, photo.with_name("grandma_color2.png")):
        assert same(path, results[1].with_intensity(1.3).image)
    pick(page, 4)  # whose intensity is its own
    expect(page.locator("#intensity input[type=number]")).to_have_value("100", timeout=WAIT)
    code_on(page, "results[3].save", has_not="with_intensity")

    page.get_by_role("button", name="More answers").click()  # never the same ones
    expect_new_answers(page, first)
    second = sources(page)
    assert not set(first) & set(second)
    page.locator("#answers").get_by_label("More like number 4", exact=True).click()
    expect_new_answers(page, second)
    code_on(page, "model.similar")
    earlier = page.locator("#earlier .line")
    expect(earlier).to_have_count(2, timeout=WAIT)
    earlier.last.locator(".pick").nth(1).click()  # nothing is lost
    expect(page.locator("#answers .pick img").first).to_have_attribute("src", first[0])
    expect_picked(page, 2)


def test_the_divider_compares_with_grey_and_with_the_answer_before(page):
    page.locator("#examples .pick").first.click()
    expect_answers(page, 8)
    wait_until_done(page)
    one = picture_at(page.locator("#stage img.colour"))
    pick(page, 6)
    page.get_by_role("button", name="Compare", exact=True).click()
    left, divider = page.locator("#stage img.left"), page.locator("#stage .divider input")
    expect(left).to_be_visible()
    assert np.ptp(picture_at(left), axis=2).mean() <= 2
    box = divider.bounding_box()
    y = box["y"] + box["height"] / 2
    page.mouse.move(box["x"] + box["width"] / 2, y)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.9, y, steps=3)
    page.mouse.up()
    assert float(divider.input_value()) > 80
    page.locator("#stage .swap").click()
    expect(page.locator("#stage .swap")).to_contain_text("number 1")
    np.testing.assert_array_equal(picture_at(left), one)
    page.locator("#compare").click()
    expect(left).to_be_hidden()


def test_a_long_download_shows_that_it_runs_and_is_stopped(page, tmp_path):
    large = tmp_path / "large.jpg"
    Image.open(EXAMPLE).resize((5000, 4000)).save(large)
    add(page, large)
    downloads = []
    page.on("download", lambda download: downloads.append(download))
    page.click("#save")
    page.locator("#save-stop").click(timeout=WAIT)
    expect(page.locator("#save-stop")).to_be_hidden()
    page.get_by_label("Format", exact=True).click()
    page.get_by_role("option", name="JPEG").click()
    save_download(page, "#save", tmp_path / "one.jpg")  # the app goes on
    assert Image.open(tmp_path / "one.jpg").size == (5000, 4000)
    assert [download.suggested_filename for download in downloads] == ["large_color1.jpg"]
    page.reload()  # the format used last is offered
    expect(page.get_by_label("Format", exact=True)).to_have_value("JPEG", timeout=WAIT)


def test_bad_files_are_tiles_that_say_why_and_the_good_ones_are_taken(page, photo, tmp_path):
    files = {"page.jpg": BAD, "half.jpg": EXAMPLE.read_bytes()[:9000], "empty.jpg": b""}
    files |= {"bad.zip": b"PK", "drawing.svg": b"<svg xmlns='http://www.w3.org/2000/svg'/>"}
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with zipfile.ZipFile(tmp_path / "none.zip", "w") as archive:
        archive.writestr("notes.txt", "no photo")
    with zipfile.ZipFile(tmp_path / "box.zip", "w") as archive:
        archive.write(photo, "1950/in the box.png")
    names = [*files, "none.zip", "box.zip"]
    add(page, *(tmp_path / name for name in names))
    expect(page.locator("#status")).to_contain_text("7 photos, 6 of them not coloured")
    expect_answers(page, 8)  # the first good one is in view
    expect(page.locator("#facts")).to_contain_text("in the box.png")
    sentences = {"half.jpg": "damaged or incomplete", "bad.zip": "is a damaged ZIP archive"}
    for at, name in enumerate(names[:-1]):
        show_photo(page, at)
        sentence = sentences.get(name, "holds no photos" if at == 5 else "is not a picture")
        expect(page.locator("#answers")).to_contain_text(sentence, timeout=WAIT)
        expect(answers(page)).to_have_count(0)
    add(page, photo)  # the field is empty: the next photo comes alone
    expect_answers(page, 8)


def test_of_too_many_photos_those_that_fit_are_taken_and_come_back(
    page, context, address, tmp_path
):
    """65 at once, then a reload while they are coloured, then an outage; nobody else sees them."""
    paths = [tmp_path / f"{i}.jpg" for i in range(65)]
    for path in paths:
        path.write_bytes(BAD)
    for path in paths[:4]:
        color_picture(300, 200, seed=int(path.stem)).convert("L").save(path)
    page.set_input_files("#drop input[type=file]", paths)
    expect(cells(page)).to_have_count(60, timeout=WAIT)
    expect(page.get_by_text("60 of 65 photos are taken").first).to_be_visible(timeout=WAIT)
    expect_answers(page, 8)
    star(page, 2)
    page.reload()
    expect(cells(page)).to_have_count(60, timeout=WAIT)
    expect_answers(page, 8)
    wait_until_done(page)  # it has gone on with the rest
    expect(page.locator("#photos .pick img")).to_have_count(4)
    show_photo(page, 0)
    expect(page.get_by_label("Favourite: number 2", exact=True)).to_have_attribute(
        "aria-pressed", "true"
    )
    page.evaluate("window.before = 1")
    context.set_offline(True)
    answers(page).nth(4).click()
    expect(page.get_by_text("Connection to the server was lost").first).to_be_visible(timeout=WAIT)
    context.set_offline(False)
    page.wait_for_function("window.before === undefined", timeout=WAIT)  # Gradio loads it again
    expect(cells(page)).to_have_count(60, timeout=WAIT)
    expect_answers(page, 8)
    pick(page, 5)
    page.set_viewport_size({"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    other = context.new_page()
    other.goto(address)
    expect(other.locator("#examples .pick").first).to_be_visible(timeout=WAIT)
    expect(cells(other)).to_have_count(0)
    other.close()
    page.evaluate("sessionStorage.setItem('cinn-hub-table', 'of an app that was ended')")
    page.reload()
    expect(page.locator("#status")).to_contain_text("your photos are gone", timeout=WAIT)
    expect(cells(page)).to_have_count(0)


def test_a_folder_is_taken_and_a_run_is_stopped_and_looked_at(page, tmp_path):
    folder = tmp_path / "box"
    folder.mkdir()
    for i in range(6):
        Image.open(EXAMPLE).resize((300 + i, 300)).save(folder / f"{i}.png")
    (folder / "notes.txt").write_text("not a photo")
    with page.expect_file_chooser() as chooser:
        page.click("#folder")
    chooser.value.set_files(folder)
    expect(page.locator("#status")).to_contain_text("of 6: ", timeout=WAIT)
    expect_answers(page, 8)
    pick(page, 3)  # while the others are coloured: that goes on, and the page still says so
    expect(page.locator("#status")).to_contain_text("Colouring photo")
    page.click("#stop")
    wait_until_done(page)
    expect(page.locator("#stop")).to_be_hidden(timeout=WAIT)
    expect(cells(page)).to_have_count(6)
    expect_answers(page, 8)  # what is done is kept
    show_photo(page, 5)
    expect(page.locator("#answers")).to_contain_text("No colours yet", timeout=WAIT)
    page.get_by_role("button", name="Colour", exact=True).click()
    expect_answers(page, 8)


def test_keys_and_pasted_pictures(page):
    page.evaluate(
        """(bytes) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "pasted.jpg", { type: "image/jpeg" }));
          document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data }));
        }""",
        list(BAD),
    )
    expect(page.get_by_label("Remove pasted.jpg")).to_be_attached(timeout=WAIT)
    expect(page.locator("#answers")).to_contain_text("pasted.jpg is not a picture", timeout=WAIT)
    add(page, EXAMPLE)
    expect_answers(page, 8)
    keys = page.keyboard
    for number in (2, 3):
        keys.press("ArrowRight")
        expect_picked(page, number)
    keys.press("s")
    starred = page.get_by_label("Favourite: number 3", exact=True)
    expect(starred).to_have_attribute("aria-pressed", "true", timeout=WAIT)
    keys.press("c")
    expect(page.locator("#stage img.left")).to_be_visible()
    keys.press("?")
    expect(page.locator("#keys")).to_be_visible()
    with page.expect_download(timeout=WAIT) as download:
        keys.press("d")
    assert download.value.suggested_filename == "photographer_color3.png"
    keys.press("ArrowUp")
    expect(page.locator("#answers")).to_contain_text("pasted.jpg is not a picture", timeout=WAIT)
    assert page.locator("html").get_attribute("lang") == "en"
