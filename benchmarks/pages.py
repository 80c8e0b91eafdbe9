"""What shows nothing stays neutral: made pages and real ones; photos must not change.

    python -m benchmarks.pages --pages page.png --photos generic-val

For each page: the mean chroma of the model's colours, and the mean and the 99th percentile of what
is written, over eight samples (of a bordered photo, in the border alone). For the photos: how many
count as showing less than a photo, how many have borders, and the real chroma in those borders.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

import cinn_hub
from benchmarks.sheets import contact_sheet
from cinn_hub import photos
from cinn_hub.color import to_lab
from cinn_hub.photos.content import SIDE, Content
from training.photos import find_photos

WIDTH, HEIGHT, BORDER = 600, 800, 40
PHOTO = Path(__file__).parent.parent / "examples" / "astronaut.jpg"


def written(paper: int, ink: int, size: int) -> Image.Image:
    """A page of text: lines of words between margins."""
    page, rng = Image.new("L", (WIDTH, HEIGHT), paper), np.random.default_rng(0)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size)
    for y in range(60, HEIGHT - 60, size * 3 // 2):
        words = ("".join(rng.choice([*"abcdefghilmnoprstu"], rng.integers(2, 9))) for _ in range(9))
        draw.text((50, y), " ".join(words)[: (WIDTH - 100) * 2 // size], ink, font)
    return page


def drawn(paper: int, ink: int) -> Image.Image:
    """Line art: circles, boxes and strokes, none of them filled."""
    page, rng = Image.new("L", (WIDTH, HEIGHT), paper), np.random.default_rng(1)
    draw = ImageDraw.Draw(page)
    for k in range(30):
        x, y, far = *rng.integers(50, 500, 2), rng.integers(20, 250)
        box = [int(x), int(y), int(x + far), int(y + far)]
        (draw.ellipse, draw.rectangle)[k % 2](box, outline=ink, width=3)
        draw.line([*box[:2], *rng.integers(0, HEIGHT, 2).tolist()], ink, 4)
    return page


def gradient(round_one: bool) -> Image.Image:
    y, x = np.mgrid[-1 : 1 : HEIGHT * 1j, -1 : 1 : WIDTH * 1j]
    values = 210 - 60 * (x * x + y * y) if round_one else 128 + 70 * y + 30 * x
    return Image.fromarray(values.clip(0, 255).astype(np.uint8))


def lit_from_aside(page: Image.Image) -> Image.Image:
    """The page as a camera takes it: darker towards one corner, with grain, as a JPEG."""
    y, x = np.mgrid[0 : 1 : page.height * 1j, 0 : 1 : page.width * 1j]
    light = np.asarray(page) * (1 - 0.2 * x - 0.15 * y)
    light += np.random.default_rng(2).normal(0, 4, light.shape)
    buffer = io.BytesIO()
    Image.fromarray(light.clip(0, 255).astype(np.uint8)).save(buffer, "JPEG", quality=75)
    return Image.open(buffer)


def bordered(tone: int) -> Image.Image:
    photo = Image.open(PHOTO).convert("L").resize((WIDTH - 2 * BORDER, HEIGHT - 2 * BORDER))
    page = Image.new("L", (WIDTH, HEIGHT), tone)
    page.paste(photo, (BORDER, BORDER))
    return page


def made_pages() -> dict[str, Image.Image]:
    grain = np.random.default_rng(3).normal(150, 8, (HEIGHT, WIDTH)).clip(0, 255)
    return {
        "text, black on white": written(255, 0, 16),
        "text, brown paper as grey": written(205, 50, 22),
        "text, white on black": written(20, 235, 16),
        "text, as a camera takes it": lit_from_aside(written(235, 40, 20)),
        "line art": drawn(245, 20),
        "line art, as a camera takes it": lit_from_aside(drawn(235, 30)),
        "flat grey": Image.new("L", (WIDTH, HEIGHT), 128),
        "grain": Image.fromarray(grain.astype(np.uint8)),
        "gradient, straight": gradient(round_one=False),
        "gradient, round": gradient(round_one=True),
        "border, cream as grey": bordered(232),
        "border, black": bordered(8),
    }


def measure(model: cinn_hub.ColorModel, page: Image.Image, border: bool) -> str:
    """One row of the table: chroma before, mean and 99th percentile after, share of the page."""
    results = model.colorize(page, n=8, seed=0)
    there = np.ones((page.height, page.width), bool)
    if border:
        there[BORDER:-BORDER, BORDER:-BORDER] = False
    own, after = [], []
    for result in results:
        everything = np.hypot(*np.moveaxis(photos.squeeze(result.ab, SIDE), 2, 0))
        own.append(everything[photos.squeeze(there.astype(np.float32), SIDE) > 0.99].mean())
        ab = to_lab(np.asarray(result.image.convert("RGB")))[..., 1:]
        after.append(np.hypot(ab[..., 0], ab[..., 1])[there])
    return f"{np.mean(own):6.1f} {np.mean(after):6.1f} {np.percentile(after, 99):6.1f}"


def measure_photos(places: list[str]) -> None:
    sources = find_photos(places)
    empty, chromas = 0, []
    for source in sources:
        photo = photos.read(source.read())
        content = Content.of(photo.lightness)
        empty += content.detail < 1
        border = np.outer(content.rows, content.columns) < 0.5
        if border.any() and photo.rgb is not None:
            chromas.append(
                float(np.hypot(*np.moveaxis(to_lab(photo.rgb)[border], 1, 0)[1:]).mean())
            )
    print(f"{len(sources)} photos: {empty} show less than a photo, {len(chromas)} have borders")
    if chromas:
        print(f"real chroma in them: mean {np.mean(chromas):.1f}, at most {max(chromas):.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--model", default="imagenet")
    parser.add_argument("--pages", type=Path, nargs="*", default=[], help="pictures of pages")
    parser.add_argument("--photos", nargs="*", default=[], help="folders or archives of photos")
    parser.add_argument("--sheet", type=Path, help="where to write a picture of all pages")
    options = parser.parse_args()
    model = cinn_hub.load(options.model, device="cpu")
    pages = made_pages() | {path.name: Image.open(path).convert("L") for path in options.pages}
    print(f"{'':32} {'model':>6} {'mean':>6} {'99 %':>6}")
    for name, page in pages.items():
        print(f"{name:32} {measure(model, page, name.startswith('border, '))}", flush=True)
    if options.sheet:
        shown = [
            [p, *(r.preview(400) for r in model.colorize(p, 2, seed=0))] for p in pages.values()
        ]
        rows = [[np.asarray(x.convert("RGB").resize((210, 280))) for x in row] for row in shown]
        contact_sheet(rows, (210, 280)).save(options.sheet)
    if options.photos:
        measure_photos(options.photos)


if __name__ == "__main__":
    main()
