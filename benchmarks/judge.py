"""A judge for what no error shows: how often it takes coloured photos for real ones.

Whole pictures and their quarters are seen by EfficientNet-Lite1 (see `benchmarks.features`). In its
features, ridge regression learns to tell real photos from coloured ones, on every other photo, and
reads the rest; then the halves change places.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from benchmarks.features import ColorCritic

SHRINKAGE = 1.0  # the ridge, times the number of examples; features have a variance of 1
CANNOT_TELL = 50.0  # percent


def quarters(picture: np.ndarray) -> list[np.ndarray]:
    """The four quarters of a picture (2 h, 2 w, 3)."""
    height, width = (side // 2 for side in picture.shape[:2])
    return [picture[y : y + height, x : x + width] for y in (0, height) for x in (0, width)]


def views(critic: ColorCritic, pictures: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Features (N, 1, D) of N whole pictures, and (N, 4, D) of their quarters."""
    parts = [part for picture in pictures for part in quarters(picture)]
    whole = critic.look(pictures).features.numpy()
    small = critic.look(parts, side=parts[0].shape[0]).features.numpy()
    return [whole[:, None], small.reshape(len(pictures), 4, -1)]


class Ridge:
    """Tells rows of features (N, D) by two classes: above 0 is real."""

    def __init__(self, real: np.ndarray, colored: np.ndarray) -> None:
        x = np.concatenate([real, colored]).astype(np.float64)
        y = np.repeat([1.0, -1.0], [len(real), len(colored)])
        self.mean, self.scale = x.mean(0), x.std(0) + 1e-6
        x = (x - self.mean) / self.scale
        within = x.T @ x + SHRINKAGE * len(x) * np.eye(x.shape[1])
        self.weights = np.linalg.solve(within, x.T @ y)

    def score(self, x: np.ndarray) -> np.ndarray:
        """Of features (..., D)."""
        return ((x - self.mean) / self.scale) @ self.weights


def taken_for_real(real: Sequence[np.ndarray], colored: Sequence[np.ndarray]) -> float:
    """In percent of the coloured photos, what `views` has of both, photo by photo.

    `CANNOT_TELL` is as good as real; more is chance.
    """
    taken = []
    for half in (0, 1):
        scores = np.zeros(len(colored[0][1 - half :: 2]))
        for one, other in zip(real, colored, strict=True):
            seen = [np.concatenate(x[half::2]) for x in (one, other)]
            left = Ridge(*seen).score(other[1 - half :: 2]).mean(1)
            scores += left
        taken.append(scores > 0)
    return 100 * float(np.concatenate(taken).mean())
