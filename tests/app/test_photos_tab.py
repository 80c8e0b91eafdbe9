"""Photos, the tool Colour, and the table with the answers, in a real browser."""

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
    open_tab,
    pick,
    picture_at,
    run_code,
    save_download,
    sources,
    star,
    wait_until_done,
)
from helpers import WAIT, same
from PIL import Image
from playwright.sync_api import expect

EXAMPLE = EXAMPLES / "photographer.jpg"
BAD = b"<!doctype html>"  # photos that cannot be read are on the table at once
RECORD_STATUS = """
  window.texts = new Set();
  new MutationObserver(() => window.texts.add(document.querySelector("#status")?.innerText ?? ""))
    .observe(document, { childList: true, subtree: true, characterData: true });
"""


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "grandma.png"
    Image.open(EXAMPLE).resize((413, 300)).save(path)
    return path


@pytest.fixture
def colored(page, photo):
    add(page, photo)
    expect_answers(page, 8)
    return page


@pytest.fixture(scope="module")
def results(imagenet):
    """The answers that the page shows first."""
    return imagenet.colorize(Image.open(EXAMPLE).resize((413, 300)), n=8, seed=0, pool=32)


def test_an_empty_page_shows_what_will_happen(page):
    expect(page.locator("#answers .pick img")).to_have_count(8)
    expect(page.locator("#answers")).to_contain_text("An example")
    expect(page.locator("#stage img.colour")).to_be_visible()
    for button in ("#go", "#again", "#near", "#save", "#save-all", "#save-favourites"):
        expect(page.locator(button)).to_be_disabled()
    expect(page.locator("#status")).to_contain_text("No photo yet")
    expect(page.locator("#why")).to_contain_text("add a photo first")


def test_a_photo_becomes_eight_and_the_code_makes_the_one_that_is_saved(
    colored, results, photo, tmp_path
):
    page, first, file = colored, sources(colored), tmp_path / "download.png"
    assert len(set(first)) == 8
    pick(page, 5)
    page.click("#go")  # the same seed: the same pictures, the first one shown again
    expect(page.locator("#facts")).to_contain_text("Number 1", timeout=WAIT)
    assert sources(page) == first
    pick(page, 3)
    for _ in range(2):  # the second click makes a file, too
        assert save_download(page, "#save", file) == "grandma_color3.png"
    assert same(file, results[2].image) and Image.open(file).text["cinn_hub:seed"] == "0"
    pick(page, 2)
    drag(page, "intensity", 130)
    run_code(code_on(page, "with_intensity(1.3)"), photo)
    save_download(page, "#save", file)
    for path in (file, photo.with_name("grandma_color2.png")):
        assert same(path, results[1].with_intensity(1.3).image)
    pick(page, 4)  # whose intensity is its own
    expect(page.locator("#intensity input[type=number]")).to_have_value("100", timeout=WAIT)
    code_on(page, "results[3].save", has_not="with_intensity")


def test_a_long_job_is_stopped(page, tmp_path):
    large = tmp_path / "large.jpg"
    Image.open(EXAMPLE).resize((4000, 3000)).save(large)
    add(page, large)
    downloads = []
    page.on("download", lambda download: downloads.append(download))
    page.click("#save-all")
    page.locator("#save-stop").click(timeout=WAIT)
    expect(page.locator("#save-stop")).to_be_hidden()
    page.get_by_label("JPEG").first.check()
    save_download(page, "#save", tmp_path / "one.jpg")  # the app goes on
    assert Image.open(tmp_path / "one.jpg").size == (4000, 3000)
    assert [download.suggested_filename for download in downloads] == ["large_color1.jpg"]


def test_order_and_stars_ask_for_no_picture_again(colored, results):
    page, captions = colored, colored.locator("#answers .caption")
    asked = []
    page.on("request", lambda r: asked.append(r.url) if r.resource_type == "image" else None)
    star(page, 3)
    for label, key in (
        ("Likely first", lambda i: -results[i].plausibility),
        ("Colourful", lambda i: -results[i].chroma),
        ("As drawn", lambda i: i),
    ):
        choice = page.get_by_label(label, exact=True).first
        choice.click()  # what follows the star may undo it for a moment
        for place, i in enumerate(sorted(range(8), key=key)):
            expect(captions.nth(place)).to_contain_text(f"{i + 1} ·", timeout=WAIT)
        expect(choice).to_be_checked(timeout=WAIT)
    shown = [url for url in asked if "file=" in url]
    assert len(shown) <= 8  # the small ones among the favourites, once


def test_surprise_me_and_more_like_this_lose_nothing_and_a_stands_beside_b(page):
    page.locator("#examples .pick").first.click()
    expect_answers(page, 8)
    first = sources(page)
    page.click("#again")
    expect_new_answers(page, first)
    pick(page, 4)
    before = sources(page)
    page.click("#near")
    expect_new_answers(page, before)
    code_on(page, "model.similar")
    expect(page.locator("#earlier .title")).to_have_count(3, timeout=WAIT)
    page.locator("#earlier .line").last.locator(".pick").nth(1).click()
    expect(page.locator("#answers .pick img").first).to_have_attribute("src", first[0])
    expect(page.locator("#facts")).to_contain_text("Number 2")

    a = picture_at(page.locator("#stage img.colour"))
    page.click("#pin")
    expect(page.locator("#pin")).to_have_text("Let go of A", timeout=WAIT)
    pick(page, 6)
    expect(page.locator("#stage .beside-name")).to_have_text("A", timeout=WAIT)
    np.testing.assert_array_equal(picture_at(page.locator("#stage img.beside")), a)
    assert np.abs(picture_at(page.locator("#stage img.colour")) - a).mean() > 1
    expect(page.locator("#answers .mark").nth(1)).to_have_text("A")


def test_after_an_example_a_bad_file_gets_a_sentence_in_every_tool(page, tmp_path):
    page.locator("#examples .pick").first.click()
    expect_answers(page, 8)
    wait_until_done(page)
    (tmp_path / "bad.zip").write_bytes(b"PK")
    page.set_input_files("#drop input[type=file]", tmp_path / "bad.zip")
    sentence = page.get_by_text("bad.zip is a damaged ZIP archive")
    expect(sentence.first).to_be_visible(timeout=WAIT)  # and the next files come without it
    files = {"page.jpg": BAD, "half.jpg": EXAMPLE.read_bytes()[:9000], "empty.jpg": b""}
    files["drawing.svg"] = b"<svg xmlns='http://www.w3.org/2000/svg'/>"
    tools = ("Colour", "Explore", "Transfer", "Hints")
    for count, (tool, (name, content)) in enumerate(zip(tools, files.items(), strict=True), 1):
        open_tab(page, tool)
        (tmp_path / name).write_bytes(content)
        add(page, tmp_path / name)
        sentence = "is damaged or incomplete" if name == "half.jpg" else "is not a picture"
        expect(page.locator("#answers")).to_contain_text(sentence, timeout=WAIT)
        expect(answers(page)).to_have_count(0)  # the example's do not pass for new ones
        expect(page.locator("#status")).to_contain_text(f"{count} cannot be used")
        page.locator("#photos .pick").first.click()  # and they are not lost
        expect_answers(page, 8)


def test_a_reload_says_what_went_and_nothing_where_there_was_no_photo(page, tmp_path):
    page.add_init_script(RECORD_STATUS)
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(BAD)
    add(page, tmp_path / "a.jpg", tmp_path / "b.jpg")
    page.reload()
    expect(page.locator("#status")).to_contain_text("removed your 2 photos; add them", timeout=WAIT)
    expect(page.locator("#photos .cell")).to_have_count(0)
    add(page, tmp_path / "a.jpg")
    page.reload()
    expect(page.locator("#status")).to_contain_text("removed your photo; add it", timeout=WAIT)
    add(page, tmp_path / "a.jpg")
    page.get_by_label("Remove a.jpg").click()
    expect(page.locator("#photos .cell")).to_have_count(0, timeout=WAIT)
    expect(page.locator("#answers")).to_contain_text("An example", timeout=WAIT)
    page.reload()
    add(page, tmp_path / "a.jpg")  # by then the page has said all that it says when it is loaded
    texts = page.evaluate("[...window.texts]")
    assert any("No photo yet" in text for text in texts)
    assert not any("removed" in text for text in texts)


def test_a_pasted_picture_is_taken(page):
    page.evaluate(
        """(bytes) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "pasted.jpg", { type: "image/jpeg" }));
          document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data }));
        }""",
        list(BAD),
    )
    expect(page.get_by_label("Remove pasted.jpg")).to_be_visible(timeout=WAIT)
    expect(page.locator("#answers")).to_contain_text("pasted.jpg is not a picture", timeout=WAIT)


def test_a_folder_is_taken_and_a_run_is_stopped(page, tmp_path):
    folder = tmp_path / "box"
    folder.mkdir()
    for i in range(6):
        Image.open(EXAMPLE).resize((300 + i, 300)).save(folder / f"{i}.png")
    (folder / "notes.txt").write_text("not a photo")
    with page.expect_file_chooser() as chooser:
        page.click("#folder")
    chooser.value.set_files(folder)
    expect(page.locator("#status")).to_contain_text("of 6: ", timeout=WAIT)
    expect(page.locator("#photos .pick img").first).to_be_visible(timeout=WAIT)
    page.click("#stop")
    expect(page.locator("#stop")).to_be_hidden(timeout=WAIT)
    wait_until_done(page)
    assert page.locator("#photos .cell").count() == 6
    assert page.locator("#photos .pick img").count() < 6
    expect_answers(page, 8)  # what is done is kept
    page.locator("#photos .pick").last.click()
    expect(page.locator("#answers")).to_contain_text("has no answers yet", timeout=WAIT)
    page.click("#go")
    expect_answers(page, 8)
