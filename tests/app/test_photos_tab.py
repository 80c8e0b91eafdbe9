"""Photos, the tool Colour, and the table with the answers, in a real browser."""

import io
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

from cinn_hub.latent import Latent

EXAMPLE = EXAMPLES / "photographer.jpg"
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


def test_a_photo_becomes_eight_and_one_is_downloaded(colored, results, tmp_path):
    page = colored
    first = sources(page)
    assert len(set(first)) == 8
    pick(page, 5)
    page.click("#go")  # the same seed: the same pictures, the first one shown again
    expect(page.locator("#facts")).to_contain_text("Number 1", timeout=WAIT)
    assert sources(page) == first
    pick(page, 3)
    for _ in range(2):  # the second click makes a file, too
        name = save_download(page, "#save", tmp_path / "download.png")
        assert name == "grandma_color3.png"
    assert Image.open(tmp_path / "download.png").size == (413, 300)
    assert same(tmp_path / "download.png", results[2].image)
    assert Image.open(tmp_path / "download.png").text["cinn_hub:seed"] == "0"
    name = save_download(page, "#save-latent", tmp_path / "z.safetensors")
    assert name == "grandma_latent3.safetensors"
    z = Latent.load(tmp_path / "z.safetensors")
    np.testing.assert_allclose(z.flatten(), results[2].latent.flatten(), atol=1e-5)
    save_download(page, "#save-layer", tmp_path / "layer.png")
    assert same(tmp_path / "layer.png", results[2].layer)


def test_the_code_makes_the_same_picture(colored, results, photo, tmp_path):
    page = colored
    pick(page, 2)
    drag(page, "intensity", 130)
    code = code_on(page, "with_intensity(1.3)")
    expected = results[1].with_intensity(1.3).image
    save_download(page, "#save", tmp_path / "download.png")
    run_code(code, photo)
    for path in (tmp_path / "download.png", photo.with_name("grandma_color2.png")):
        assert same(path, expected)
    pick(page, 4)  # whose intensity is its own
    expect(page.locator("#intensity input[type=number]")).to_have_value("100", timeout=WAIT)
    code_on(page, "results[3].save", has_not="with_intensity")


def test_a_row_as_a_zip_of_jpegs(colored, results, tmp_path):
    page = colored
    page.get_by_label("JPEG").first.check()
    name = save_download(page, "#save-all", tmp_path / "all.zip")
    assert name == "grandma_colors.zip"
    with zipfile.ZipFile(tmp_path / "all.zip") as archive:
        names = [f"grandma_color{i}.jpg" for i in range(1, 9)]
        assert archive.namelist() == [*names, "recipes.txt"]
        last = Image.open(io.BytesIO(archive.read("grandma_color8.jpg")))
    assert last.format == "JPEG" and last.size == (413, 300)
    assert np.abs(np.asarray(last).astype(int) - results[7].image).mean() < 2


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
    page = colored
    captions = page.locator("#answers .caption")
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


def test_surprise_me_and_more_like_this_lose_nothing(page):
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


def test_a_beside_b(colored, results):
    page = colored
    page.click("#pin")
    expect(page.locator("#pin")).to_have_text("Let go of A", timeout=WAIT)
    pick(page, 6)
    expect(page.locator("#stage .beside-name")).to_have_text("A", timeout=WAIT)
    expect(page.locator("#stage img.beside")).to_be_visible()
    shown = picture_at(page.locator("#stage img.beside"))
    assert np.abs(shown - np.asarray(results[0].preview(1280))).mean() < 3
    assert np.abs(picture_at(page.locator("#stage img.colour")) - shown).mean() > 1
    expect(page.locator("#answers .mark").first).to_have_text("A")


def test_removing_a_photo_removes_its_answers(colored, tmp_path):
    page = colored
    other = tmp_path / "other.png"
    Image.open(EXAMPLES / "cat.jpg").save(other)
    star(page, 2)
    add(page, other)
    page.get_by_label("Remove grandma.png").click()
    expect(page.locator("#photos .cell")).to_have_count(1, timeout=WAIT)
    expect(page.locator("#save-favourites")).to_be_disabled()
    page.get_by_label("Remove other.png").click()
    expect(page.locator("#answers")).to_contain_text("An example", timeout=WAIT)
    expect(page.locator("#go")).to_be_disabled()


BAD = {
    "page.jpg": (b"<!doctype html>", "is not a picture that can be read"),
    "half.jpg": (EXAMPLE.read_bytes()[:9000], "is damaged or incomplete"),
    "empty.jpg": (b"", "is not a picture that can be read"),
    "drawing.svg": (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is not a picture"),
}


@pytest.mark.parametrize("tool", ["Colour", "Explore", "Transfer", "Hints"])
def test_after_an_example_a_bad_file_gets_a_sentence_in_every_tool(page, tmp_path, tool):
    page.locator("#examples .pick").first.click()
    expect_answers(page, 8)
    wait_until_done(page)
    open_tab(page, tool)
    for count, (name, (content, sentence)) in enumerate(BAD.items(), 1):
        (tmp_path / name).write_bytes(content)
        add(page, tmp_path / name)
        expect(page.locator("#answers")).to_contain_text(sentence, timeout=WAIT)
        expect(answers(page)).to_have_count(0)  # the example's do not pass for new ones
        expect(page.locator("#status")).to_contain_text(f"{count} cannot be used")
        page.locator("#photos .pick").first.click()  # and they are not lost
        expect_answers(page, 8)


def test_a_bad_colour_photo_gets_a_sentence_after_an_example_and_a_reload(page, tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"<!doctype html>")
    for _ in range(2):
        open_tab(page, "Transfer")
        page.locator("#example-moods .pick").first.click()
        expect(page.locator("#moods .cell")).to_have_count(1, timeout=WAIT)
        page.set_input_files("#moods-drop input[type=file]", tmp_path / "bad.jpg")
        sentence = page.get_by_text("is not a picture that can be read")
        expect(sentence.first).to_be_visible(timeout=WAIT)
        expect(page.locator("#moods .cell")).to_have_count(1)
        page.reload()
        page.wait_for_selector("#go")


@pytest.fixture
def broken(tmp_path):
    """Photos that cannot be read: they are on the table at once."""
    paths = [tmp_path / "a.jpg", tmp_path / "b.jpg"]
    for path in paths:
        path.write_bytes(b"<!doctype html>")
    return paths


def test_a_reload_says_what_went(page, broken):
    add(page, *broken)
    page.reload()
    expect(page.locator("#status")).to_contain_text("removed your 2 photos; add them", timeout=WAIT)
    expect(page.locator("#photos .cell")).to_have_count(0)
    add(page, broken[0])
    page.reload()
    expect(page.locator("#status")).to_contain_text("removed your photo; add it", timeout=WAIT)


def test_a_reload_says_nothing_where_there_was_no_photo(page, broken):
    page.add_init_script(RECORD_STATUS)
    add(page, broken[0])
    page.get_by_label("Remove a.jpg").click()
    expect(page.locator("#photos .cell")).to_have_count(0, timeout=WAIT)
    page.reload()
    page.reload()
    add(page, broken[0])  # by then the page has said all that it says when it is loaded
    texts = page.evaluate("[...window.texts]")
    assert any("No photo yet" in text for text in texts)
    assert not any("removed" in text for text in texts)


def test_a_pasted_picture_is_taken(page):
    data = EXAMPLE.read_bytes()
    page.evaluate(
        """(bytes) => {
          const data = new DataTransfer();
          data.items.add(new File([new Uint8Array(bytes)], "pasted.jpg", { type: "image/jpeg" }));
          document.dispatchEvent(new ClipboardEvent("paste", { clipboardData: data }));
        }""",
        list(data),
    )
    expect_answers(page, 8)
    expect(page.get_by_label("Remove pasted.jpg")).to_be_visible()


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
