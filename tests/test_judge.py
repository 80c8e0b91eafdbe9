"""A judge that tells coloured photos from real ones."""

import numpy as np
import pytest
import torch

from benchmarks.features import Seen
from benchmarks.judge import quarters, taken_for_real, views


class Critic:
    """In place of a pretrained network: features are the mean colours of the picture."""

    def look(self, pictures, side=0):
        means = torch.stack([torch.from_numpy(x).float().mean((0, 1)) for x in pictures])
        return Seen(means, means)


def pictures_of(means, seed=0):
    """(N, 8, 8, 3) uint8 with about these mean colours (N, 3)."""
    noise = np.random.default_rng(seed).normal(0, 8, (len(means), 8, 8, 3))
    return list(np.clip(means[:, None, None] + noise, 0, 255).astype(np.uint8))


def judged(colored_means, real_means):
    real, colored = (
        views(Critic(), pictures_of(means, seed))
        for seed, means in enumerate((real_means, colored_means))
    )
    return taken_for_real(real, colored)


def test_what_differs_in_colour_is_seen_through_and_what_does_not_is_not():
    real = np.random.default_rng(0).normal(128, 20, (400, 3))
    other = np.random.default_rng(1).normal(128, 20, (400, 3))
    assert judged(real + [40, 0, -40], real) < 10
    assert 40 < judged(other, real) < 60
    assert judged(real + [8, 0, -8], real) == pytest.approx(40, abs=15)


def test_it_never_judges_what_it_has_learned_from():
    """Features of chance, more than photos: who has seen them knows all of them."""
    real, colored = (
        [np.random.default_rng(seed).normal(size=(120, k, 300)) for k in (1, 4)] for seed in (2, 3)
    )
    assert 35 < taken_for_real(real, colored) < 65


def test_quarters_are_the_whole_picture():
    picture = np.arange(8 * 6 * 3).reshape(8, 6, 3)
    a, b, c, d = quarters(picture)
    assert (np.vstack([np.hstack([a, b]), np.hstack([c, d])]) == picture).all()
