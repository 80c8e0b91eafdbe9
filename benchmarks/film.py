"""Films: how much colours flicker along the true motion, which cuts are found, and how long it
takes.

    python -m benchmarks.film [flicker cuts speed] [--sizes 854x480 1920x1080]

The films are made from the colour photos in examples/ with known motion: what a pixel shows, and
where that was in the picture before, is exact.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np

import cinn_hub
from benchmarks.timing import print_table
from cinn_hub.color_model import ColorModel
from cinn_hub.film.coloring import Painter, Track
from cinn_hub.film.motion import Motion, grid, guide_of, moved
from cinn_hub.film.reading import Picture
from cinn_hub.photos import GuidedEnlargement, Photo, read

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
