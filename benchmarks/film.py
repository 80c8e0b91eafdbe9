"""Films: how much colours flicker along the true motion, which cuts are found, how long it takes.

    python -m benchmarks.film [flicker cuts speed] [--sizes 854x480 1920x1080]

The films are made from the colour photos in examples/ with known motion: what a pixel shows, and
where that was in the picture before, is exact.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import numpy as np

import cinn_hub
from benchmarks.speed import peak_memory
from benchmarks.timing import print_table
from cinn_hub.color_model import ColorModel
from cinn_hub.film.coloring import Painter, Track, paint
from cinn_hub.film.motion import CUT, Motion, grid, guide_of, moved
from cinn_hub.film.reading import FilmFile, Picture
from cinn_hub.film.writing import Segment
from cinn_hub.photos import GuidedEnlargement, Photo, read
from cinn_hub.photos.rendering import NO_COLORS as GREY

EXAMPLES = Path(__file__).parent.parent / "examples"
PHOTOS = ("cat.jpg", "coffee.jpg", "rocket.jpg", "astronaut.jpg")
KINDS = ("still, grain", "pan", "pan, grain", "zoom, grain", "pan, exposure")
SIZE = (426, 240)
PICTURES = 24
GRAIN = 4.0  # deviation of L
SEED = 7


def made_film(
    photo: str, kind: str, size: tuple[int, int] = SIZE, n: int = PICTURES
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """L (H, W) of each picture, and where its pixels are in the photo, (H, W, 2).

    kind: "still", "pan" or "zoom", with ", grain" or ", exposure": that changes by a factor of two.
    """
    lightness = read(EXAMPLES / photo).lightness
    height, width = lightness.shape
    rng = np.random.default_rng(0)
    scale = max(size[0] / width, size[1] / height) * 1.25
    for t in np.linspace(0, 1, n):
        across = 0.45 + 0.1 * t if "pan" in kind else 0.5
        zoom = scale * (1 + 0.25 * t) if "zoom" in kind else scale
        middle = np.array([across * width, height / 2]) - 0.5
        places = middle + (grid(size[::-1]) - (np.array(size) - 1) / 2) / zoom
        places = places.astype(np.float32)
        border = cv2.BORDER_REFLECT_101
        picture = cv2.remap(lightness, places, None, cv2.INTER_LINEAR, borderMode=border)
        if "exposure" in kind:
            picture = picture * (0.75 + 0.25 * np.cos(2 * np.pi * t * n / 24))
        if "grain" in kind or "exposure" in kind:
            picture = picture + rng.normal(0, GRAIN, picture.shape)
        yield picture.clip(0, 100).astype(np.float32), places


def true_motion(before: np.ndarray, now: np.ndarray) -> np.ndarray:
    """Where each pixel was, in pixels of the picture before, given both pictures' places."""
    step = before[0, 1, 0] - before[0, 0, 0]
    return ((now - before[0, 0]) / step).astype(np.float32)


# ---------------------------------------------------------------- flicker


def ours(model: ColorModel, film: list[np.ndarray]) -> Iterator[np.ndarray]:
    """ab of each picture, at the size of its guide."""
    painter = Painter(model, lambda photo, _: model.colorize(photo, n=1, seed=SEED)[0].latent)
    for track in tracks(painter, film):
        yield track.mean


def tracks(painter: Painter, film: list[np.ndarray]) -> Iterator[Track]:
    """The pictures as one shot."""
    track = None
    for i, lightness in enumerate(film):
        guide, picture = guide_of(lightness), Picture(lightness, i)
        if track is None:
            track = painter.begin(picture, guide, 1)
        else:
            track = painter.follow(track, picture, guide, Motion.between(track.guide, guide))
        yield track


def by_picture(seeds: Iterator[int], pool: int | None) -> Callable[..., Iterator[np.ndarray]]:
    """Each picture as a photo of its own."""

    def colors(model: ColorModel, film: list[np.ndarray]) -> Iterator[np.ndarray]:
        for lightness in film:
            guide = guide_of(lightness)
            answer = model.colorize(Photo(lightness), n=1, seed=next(seeds), pool=pool)[0]
            yield GuidedEnlargement.of(answer.ab, guide).rows(guide, slice(0, None))

    return colors


WAYS = {
    "ours": ours,
    "one latent": by_picture(itertools.repeat(SEED), None),
    "one seed": by_picture(itertools.repeat(SEED), 32),
    "fresh seeds": by_picture(itertools.count(), 32),
}


def flicker(options: argparse.Namespace) -> None:
    """The mean change of ab, in ab units, from a picture to the next along the true motion."""
    model = cinn_hub.load("imagenet", "cpu")
    rows = []
    for kind in KINDS:
        found = {way: [] for way in WAYS}
        for photo in PHOTOS[: options.photos]:
            film, places = zip(*made_film(photo, kind), strict=True)
            for way, colors in WAYS.items():
                ab = list(colors(model, list(film)))
                found[way] += [
                    change(*pair) for pair in zip(ab, ab[1:], places, places[1:], strict=False)
                ]
        means = [float(np.mean(changes)) for changes in found.values()]
        ratios = [f"{means[0] / other:.2f}" for other in means[1:]]
        rows.append([kind, *(f"{mean:.2f}" for mean in means), *ratios])
        print(rows[-1], file=sys.stderr)
    print_table(["film", *WAYS, *(f"ours / {way}" for way in list(WAYS)[1:])], rows)


def change(
    before: np.ndarray, now: np.ndarray, places_before: np.ndarray, places: np.ndarray
) -> float:
    """The mean change of ab where a pixel was in the picture before, too."""
    origin = true_motion(places_before, places)
    inside = ((origin >= 0) & (origin <= np.array(SIZE) - 1)).all(-1)
    return float(np.linalg.norm(now - moved(before, origin), axis=-1)[inside].mean())


# ---------------------------------------------------------------- cuts


def cuts(options: argparse.Namespace) -> None:
    """How like its neighbour a picture is, moved: within shots, and across cuts."""
    within, across, firsts = [], [], []
    for photo, kind in itertools.product(PHOTOS, KINDS):
        guides = [guide_of(lightness) for lightness, _ in made_film(photo, kind)]
        within += [Motion.between(*pair).likeness for pair in itertools.pairwise(guides)]
        firsts.append((photo, guides[0]))
    for (photo, before), (other, now) in itertools.product(firsts, firsts):
        if photo != other:
            across.append(Motion.between(before, now).likeness)
    rows = [["in a shot", len(within), f"{min(within):.3f}", f"{np.median(within):.3f}", ""]]
    rows += [["at a cut", len(across), "", f"{np.median(across):.3f}", f"{max(across):.3f}"]]
    print_table(["pictures", "pairs", "least likeness", "median", "most"], rows)
    print(f"A shot ends below {CUT}: {sum(x < CUT for x in within)} of {len(within)} are taken for")
    print(f"cuts, {sum(x >= CUT for x in across)} of {len(across)} cuts are not seen.\n")


# ---------------------------------------------------------------- speed


def speed(options: argparse.Namespace) -> None:
    """Milliseconds of one core that a picture takes, by stage; and the peak memory."""
    model, rows = cinn_hub.load("imagenet", "cpu"), []
    for text in options.sizes:
        size = tuple(map(int, text.split("x")))
        spent = dict.fromkeys(
            ("reading", "motion", "network", "carrying", "painting", "writing"), 0.0
        )
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "in.nut"
            write_film(source, size, options.pictures)
            with FilmFile(source) as film:
                color(model, film, Path(folder) / "out.nut", spent)
        spent["carrying"] -= spent["network"]
        each = [f"{1000 * seconds / options.pictures:.0f}" for seconds in spent.values()]
        rate = options.pictures / sum(spent.values())
        rows.append([text, *each, f"{rate:.1f}", f"{peak_memory():.2f}"])
    head = [f"{stage}, ms" for stage in spent]
    print_table(["size", *head, "pictures a second", "peak memory, GB"], rows)


def write_film(path: Path, size: tuple[int, int], n: int) -> None:
    with av.open(str(path), "w") as film:
        video = film.add_stream("libx264", rate=24, options={"preset": "ultrafast"})
        (video.width, video.height), video.pix_fmt = size, "yuv420p"
        for time, (lightness, _) in enumerate(made_film(PHOTOS[0], KINDS[1], size, n)):
            frame = av.VideoFrame.from_ndarray(paint(lightness, GREY), format="rgb24")
            frame.pts = time
            film.mux(video.encode(frame))
        film.mux(video.encode(None))


def color(model: ColorModel, film: FilmFile, out: Path, spent: dict[str, float]) -> None:
    """As `cinn_hub.film.color_film`, with the time of each stage added to `spent`; that of carrying
    has the network's in it."""

    def timed(stage: str, function: Callable, *arguments: object, **named: object) -> object:
        start = time.process_time()
        result = function(*arguments, **named)
        spent[stage] += time.process_time() - start
        return result

    calls = ("prepare", "center", "decode", "fitted")
    network = SimpleNamespace(
        **{name: partial(timed, "network", getattr(model, name)) for name in calls}
    )
    painter = Painter(network, lambda photo, _: model.draws(photo.condition, n=1, seed=SEED)[0])
    pictures, track, segment = film.pictures(), None, None
    while picture := timed("reading", next, pictures, None):
        guide = timed("motion", guide_of, picture.lightness)
        if track is None:
            track = painter.begin(picture, guide, 1)
            spent["network"] = 0.0  # of a shot's first picture alone
            segment = Segment(out, film, picture.lightness.shape[::-1])
        else:
            motion = timed("motion", Motion.between, track.guide, guide)
            track = timed("carrying", painter.follow, track, picture, guide, motion)
        rgb = timed("painting", paint, picture.lightness, track.mean)
        timed("writing", segment.add, rgb, picture.time)
    timed("writing", segment.close)


PARTS = {"flicker": flicker, "cuts": cuts, "speed": speed}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=PARTS, default=list(PARTS))
    parser.add_argument("--photos", type=int, default=len(PHOTOS), help="of the films that flicker")
    parser.add_argument("--sizes", nargs="+", default=["854x480", "1920x1080"])
    parser.add_argument("--pictures", type=int, default=48, help="of the films that are timed")
    options = parser.parse_args()
    for part in options.parts:
        PARTS[part](options)


if __name__ == "__main__":
    main()
