"""Whether a photo has colours of its own: not grey, and not toned as sepia prints and cyanotypes.

Figures: `python -m benchmarks.tones`.
"""

from __future__ import annotations

import numpy as np

from cinn_hub.color import to_lab
from cinn_hub.photos.photo import Photo, squeeze

SIDE, CELLS = 64, 16  # of the squares in which tonings are found, and deviations from them measured
RIM = 3  # cells at each side that may show a border
KNOTS = 20  # pieces of a toning's curve over L, shorter near white, where filters are clipped
RIDGE = 1e-2  # of the least squares: for parts of the curve that no pixel has
SHARE = 98  # per cent of the cells that must follow the toning
LEAST_DEVIATION = 3.75  # in ab units, from which on colours are a photo's own
INSIDE = np.zeros((CELLS, CELLS), bool)
INSIDE[RIM:-RIM, RIM:-RIM] = True
EDGE = np.ones((CELLS, CELLS), bool)
EDGE[1:-1, 1:-1] = False


def is_colored(photo: Photo) -> bool:
    """Whether the photo has colours of its own: neither grey nor toned, as sepia is."""
    if photo.rgb is None:
        return False
    return beyond_toning(to_lab(squeeze(photo.rgb, SIDE))) >= LEAST_DEVIATION


def beyond_toning(lab: np.ndarray) -> float:
    """How far, in ab units, Lab (SIDE, SIDE, 3) lies from the nearest toning, but for a few cells.

    A toning is a curve of ab over L that changes a little with the place, as paper yellows. Where
    there is a border, the toning is that of the inside; near the edges, colours may then lie
    between it and the edges' own colour.
    """
    terms, ab = toning_terms(lab[..., 0]), lab[..., 1:]
    cells = squeeze(ab, CELLS)  # in whose means noise averages out
    whole = np.linalg.norm(cells - squeeze(fitted(terms, ab, np.ones_like(INSIDE)), CELLS), axis=-1)
    toning = squeeze(fitted(terms, ab, INSIDE), CELLS)
    border = np.median(cells[EDGE], axis=0)
    framed = np.where(
        INSIDE, np.linalg.norm(cells - toning, axis=-1), to_segment(cells, border, toning)
    )
    return float(min(np.percentile(whole, SHARE), np.percentile(framed, SHARE)))


def toning_terms(lightness: np.ndarray) -> np.ndarray:
    """What a toning's ab are sums of, (SIDE, SIDE, terms): hats over L, and powers of the place."""
    light = lightness[..., None].clip(0, 100) / 100
    y, x = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j].astype(np.float32)[..., None]
    along = KNOTS * (1 - np.sqrt(1 - light))
    hats = np.maximum(0, 1 - abs(along - np.arange(KNOTS + 1, dtype=np.float32)))
    slopes = [axis**power * light**k for axis in (x, y) for power in (1, 2, 3) for k in (0, 1)]
    return np.concatenate([hats, *slopes, x * light**2, y * light**2, x * y], -1)


def fitted(terms: np.ndarray, ab: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The toning (SIDE, SIDE, 2) nearest to ab in these cells (CELLS, CELLS)."""
    places = cells.repeat(SIDE // CELLS, 0).repeat(SIDE // CELLS, 1)
    known, wanted = terms[places], ab[places]
    products = known.T @ known + RIDGE * np.eye(terms.shape[-1], dtype=np.float32)
    return terms @ np.linalg.solve(products, known.T @ wanted)


def to_segment(points: np.ndarray, start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The distance of points (..., 2) to the straight lines from start to end."""
    way = end - start
    along = ((points - start) * way).sum(-1) / np.maximum((way * way).sum(-1), 1e-6)
    return np.linalg.norm(points - start - along.clip(0, 1)[..., None] * way, axis=-1)
