"""Photos toned and aged in many ways, and coloured by hand: rgb (H, W, 3) float32 in [0, 1]."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np

from cinn_hub.color import to_lab, to_rgb

Random = np.random.Generator
Way = Callable[[np.ndarray, Random], np.ndarray]
SEPIA = np.array([1.351, 1.203, 0.937], np.float32)  # the usual filter on a grey
LEAST_THING, MOST_THING = 0.01, 0.2  # shares of the picture that one coloured thing takes
STRONG = 30.0  # chroma


def grey_of(rgb: np.ndarray) -> np.ndarray:
    """rgb uint8 -> (H, W, 1) float32, coded as the photo is."""
    return cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)[..., None].astype(np.float32) / 255


def shade(lightness: float, chroma: float, hue: float) -> np.ndarray:
    """The colour of this Lab, its hue in degrees."""
    angle = math.radians(hue)
    lab = np.array([[[lightness, chroma * math.cos(angle), chroma * math.sin(angle)]]], np.float32)
    return to_rgb(lab)[0, 0].astype(np.float32) / 255


def between(dark: np.ndarray, light: np.ndarray, grey: np.ndarray) -> np.ndarray:
    return (1 - grey) * dark + grey * light


def paper(rng: Random) -> np.ndarray:
    """Old paper, from almost white to brown."""
    return shade(rng.uniform(78, 97), rng.uniform(3, 25), rng.uniform(70, 100))


# Tonings: grey (H, W, 1) -> rgb


def sepia_filter(grey: np.ndarray, rng: Random) -> np.ndarray:
    strength = rng.uniform(0.4, 1)
    return (grey * (1 - strength + strength * SEPIA)).clip(0, 1)


def brown_print(grey: np.ndarray, rng: Random) -> np.ndarray:
    ink = shade(rng.uniform(5, 30), rng.uniform(5, 22), rng.uniform(35, 85))
    return between(ink, paper(rng), grey)


def cyanotype(grey: np.ndarray, rng: Random) -> np.ndarray:
    ink = shade(rng.uniform(8, 32), rng.uniform(22, 50), rng.uniform(250, 290))
    return between(ink, shade(rng.uniform(85, 97), rng.uniform(0, 10), rng.uniform(80, 260)), grey)


def selenium(grey: np.ndarray, rng: Random) -> np.ndarray:
    """Purple brown in the shadows, neutral lights."""
    tint = shade(50, rng.uniform(10, 35), rng.uniform(-40, 40)) - shade(50, 0, 0)
    return (grey + tint * (1 - grey) ** rng.uniform(1, 4)).clip(0, 1)


def split(grey: np.ndarray, rng: Random) -> np.ndarray:
    """Blue or green shadows, warm lights."""
    shadows = shade(50, rng.uniform(8, 25), rng.uniform(180, 290)) - shade(50, 0, 0)
    lights = shade(50, rng.uniform(8, 30), rng.uniform(30, 100)) - shade(50, 0, 0)
    return (grey + shadows * (1 - grey) ** 2 + lights * grey**2).clip(0, 1)


def one_hue(grey: np.ndarray, rng: Random) -> np.ndarray:
    """Any hue, strongest between black and white, as filters of phones make it."""
    tint = shade(55, rng.uniform(10, 45), rng.uniform(0, 360)) - shade(55, 0, 0)
    return (grey + tint * 4 * grey * (1 - grey)).clip(0, 1)


def scanner_cast(grey: np.ndarray, rng: Random) -> np.ndarray:
    return (grey ** rng.uniform(0.75, 1.33, 3) * rng.uniform(0.85, 1, 3)).astype(np.float32)


def no_tone(grey: np.ndarray, rng: Random) -> np.ndarray:
    return np.repeat(grey, 3, axis=2)


# Ages: rgb -> rgb


def places(shape: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Down and across, each (H, W, 1) in [-1, 1]."""
    y, x = np.mgrid[-1 : 1 : shape[0] * 1j, -1 : 1 : shape[1] * 1j]
    return y[..., None].astype(np.float32), x[..., None].astype(np.float32)


def slope(shape: tuple[int, ...], rng: Random) -> np.ndarray:
    """From 0 to 1 in any direction, (H, W, 1)."""
    y, x = places(shape)
    angle = rng.uniform(0, 2 * math.pi)
    along = math.cos(angle) * x + math.sin(angle) * y
    return (along - along.min()) / np.ptp(along)


def faded_at_edges(rgb: np.ndarray, rng: Random) -> np.ndarray:
    y, x = places(rgb.shape)
    far = np.maximum(abs(x), abs(y)) ** rng.uniform(1.5, 6) * rng.uniform(0.3, 0.8)
    return (1 - far) * rgb + far * paper(rng)


def yellowed_aside(rgb: np.ndarray, rng: Random) -> np.ndarray:
    tint = shade(rng.uniform(75, 92), rng.uniform(10, 40), rng.uniform(60, 95))
    return rgb * tint ** (slope(rgb.shape, rng) ** rng.uniform(0.7, 3))


def stained(rgb: np.ndarray, rng: Random) -> np.ndarray:
    """One to five stains of water, tea or glue, and small brown spots."""
    y, x = places(rgb.shape)
    stains = np.zeros_like(x)
    for size in [*rng.uniform(0.1, 0.35, rng.integers(1, 6)), *rng.uniform(0.01, 0.04, 20)]:
        wide, high = size * rng.uniform(0.6, 1.6), size
        far = np.hypot((x - rng.uniform(-1, 1)) / wide, (y - rng.uniform(-1, 1)) / high)
        inside = np.clip((1 - far) * rng.uniform(2, 20), 0, 1)
        stains = np.maximum(stains, inside * rng.uniform(0.3, 1) * (0.6 + 0.4 * far.clip(0, 1)))
    tint = shade(rng.uniform(60, 90), rng.uniform(8, 30), rng.uniform(60, 90))
    return rgb * tint**stains


def framed(rgb: np.ndarray, color: np.ndarray, rng: Random) -> np.ndarray:
    sides = (rng.uniform(0.02, 0.13, 4) * max(rgb.shape)).astype(int).tolist()
    return cv2.copyMakeBorder(rgb, *sides, cv2.BORDER_CONSTANT, value=color.tolist())


def with_border(rgb: np.ndarray, rng: Random) -> np.ndarray:
    return framed(rgb.astype(np.float32), paper(rng), rng)


def in_album(rgb: np.ndarray, rng: Random) -> np.ndarray:
    """Photographed on a page of dark cardboard, brown, black or green."""
    board = shade(rng.uniform(8, 45), rng.uniform(0, 18), rng.uniform(40, 140))
    return framed(rgb.astype(np.float32), board, rng)


def unevenly_lit(rgb: np.ndarray, rng: Random) -> np.ndarray:
    """A lamp on one side, a window on the other."""
    along = slope(rgb.shape, rng)
    lamp = shade(92, rng.uniform(5, 25), rng.uniform(55, 85))
    window = shade(rng.uniform(75, 95), rng.uniform(0, 12), rng.uniform(230, 280))
    return rgb * ((1 - along) * lamp + along * window)


def noisy(rgb: np.ndarray, rng: Random) -> np.ndarray:
    """The coloured noise of a cheap camera or scanner."""
    noise = rng.normal(0, rng.uniform(0.01, 0.04), rgb.shape).astype(np.float32)
    return (rgb + cv2.GaussianBlur(noise, (0, 0), 0.8) * 1.8).clip(0, 1)


def as_jpeg(rgb: np.ndarray, quality: int) -> np.ndarray:
    bgr = np.round(rgb[..., ::-1].clip(0, 1) * 255).astype(np.uint8)
    data = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1].astype(np.float32) / 255


def rough(rgb: np.ndarray, rng: Random) -> np.ndarray:
    return as_jpeg(rgb, int(rng.integers(25, 60)))


TONES: dict[str, Way] = {
    "sepia filter": sepia_filter,
    "brown print": brown_print,
    "cyanotype": cyanotype,
    "selenium": selenium,
    "split toning": split,
    "one hue": one_hue,
    "scanner's cast": scanner_cast,
}
AGES: dict[str, Way] = {
    "faded at its edges": faded_at_edges,
    "yellowed on one side": yellowed_aside,
    "stained": stained,
    "with a border": with_border,
    "on an album's page": in_album,
    "under two lights": unevenly_lit,
    "noisy": noisy,
    "as a rough JPEG": rough,
}


def any_of(ways: dict[str, Way], rng: Random) -> Way:
    return list(ways.values())[rng.integers(len(ways))]


def any_tone(grey: np.ndarray, rng: Random) -> np.ndarray:
    return any_of({**TONES, "none": no_tone}, rng)(grey, rng)


def any_tone_twice_aged(grey: np.ndarray, rng: Random) -> np.ndarray:
    rgb = any_tone(grey, rng)
    for _ in range(2):
        rgb = any_of(AGES, rng)(rgb, rng)
    return rgb


def toned_ways() -> dict[str, Way]:
    """Each toning; each age on any of them; two ages at once. grey -> rgb."""

    def aged(age: Way) -> Way:
        return lambda grey, rng: age(any_tone(grey, rng), rng)

    ages = {f"any toning, {name}": aged(age) for name, age in AGES.items()}
    return {**TONES, **ages, "any toning, two of these": any_tone_twice_aged}


# Colours that are a photo's own: rgb -> rgb, or None where the photo has no such thing


def untouched(rgb: np.ndarray, rng: Random) -> np.ndarray:
    return rgb


def with_cast(rgb: np.ndarray, rng: Random) -> np.ndarray:
    return (rgb ** rng.uniform(0.75, 1.33, 3) * rng.uniform(0.85, 1, 3)).astype(np.float32)


def faded_print(rgb: np.ndarray, rng: Random) -> np.ndarray:
    """A colour print of the 1970s: pale, flat and reddish."""
    grey = rgb.mean(2, keepdims=True)
    pale = grey + rng.uniform(0.4, 0.7) * (rgb - grey)
    return between(shade(20, 15, 10), shade(92, 12, 60), pale)


def coloured_by_hand(rgb: np.ndarray, rng: Random) -> np.ndarray:
    """Soft, pale colours on a grey or brown print."""
    base = to_lab(any_of({"grey": no_tone, "brown": brown_print}, rng)(grey_of(eight(rgb)), rng))
    soft = cv2.GaussianBlur(to_lab(rgb)[..., 1:], (0, 0), 0.02 * max(rgb.shape))
    base[..., 1:] += rng.uniform(0.4, 0.8) * soft
    return to_rgb(base).astype(np.float32) / 255


def one_colored_thing(rgb: np.ndarray, rng: Random) -> np.ndarray | None:
    """All but the thing of the strongest colour turned grey."""
    lab = to_lab(rgb)
    chroma = cv2.GaussianBlur(np.hypot(lab[..., 1], lab[..., 2]), (0, 0), 3)
    _, labels = cv2.connectedComponents((chroma > max(STRONG, 0.6 * chroma.max())).astype(np.uint8))
    thing = labels == labels.flat[chroma.argmax()]
    if chroma.max() < STRONG or not LEAST_THING <= thing.mean() <= MOST_THING:
        return None
    lab[..., 1:] *= cv2.GaussianBlur(thing.astype(np.float32), (0, 0), 1)[..., None]
    return to_rgb(lab).astype(np.float32) / 255


def eight(rgb: np.ndarray) -> np.ndarray:
    return np.round(rgb.clip(0, 1) * 255).astype(np.uint8)


COLORED = {
    "as they are": untouched,
    "with a scanner's cast": with_cast,
    "faded prints": faded_print,
    "coloured by hand": coloured_by_hand,
    "one coloured thing on grey": one_colored_thing,
}
