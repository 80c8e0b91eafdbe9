"""How answers differ: by one tint over everything, thing by thing, or in patches within things.

From the answers for a photo their mean is subtracted. The energy of what is left, in squared ab
units, is the sum of three:

mood     of the photo's mean difference: one tint over everything
things   of how the means of its regions differ from that: the cup is red here and blue there
patches  of what varies within a region: blotches

The regions are those of Felzenszwalb and Huttenlocher 2004 in the real photo. Answers as different
as the truth have, on average, the same three energies as the real photo minus the mean of all
answers there could be.
"""

from __future__ import annotations

import numpy as np
from skimage.segmentation import felzenszwalb

PARTS = ("mood", "things", "patches")


def regions(lightness: np.ndarray, ab: np.ndarray) -> np.ndarray:
    """L (h, w) and ab (h, w, 2), about 64x64 -> the number of each place's region, (h, w)."""
    lab = np.dstack([lightness / 50, ab / 25])
    return felzenszwalb(lab, scale=4, sigma=0.5, min_size=20, channel_axis=2)


def energies(differences: np.ndarray, region: np.ndarray) -> np.ndarray:
    """differences (n, h, w, 2) in ab units, region (h, w) -> mood, things, patches, (3,): the means
    over places and differences of |.|^2."""
    values = differences.reshape(len(differences), -1, 2)
    labels = np.unique(region, return_inverse=True)[1].ravel()
    members = np.eye(labels.max() + 1, dtype=np.float32)[labels]  # (places, regions)
    region_means = np.einsum("pr,npc->nrc", members / members.sum(0), values)
    mood = values.mean(1, keepdims=True)
    of_regions = region_means[:, labels]
    parts = np.broadcast_to(mood, values.shape), of_regions - mood, values - of_regions
    return np.array([np.square(part).sum(2).mean() for part in parts])


def of_answers(answers: np.ndarray, region: np.ndarray) -> np.ndarray:
    """The energies of answers (n, h, w, 2) around their mean, without the bias of n answers."""
    n = len(answers)
    return energies(answers - answers.mean(0), region) * n / (n - 1)


def of_truth(
    answers: np.ndarray, own: np.ndarray, real: np.ndarray, region: np.ndarray
) -> np.ndarray:
    """The energies of the real ab (h, w, 2) around the mean of all answers there could be: around
    that of these, without what the mean of n answers is off. own: what `of_answers` gives."""
    return energies((real - answers.mean(0))[None], region) - own / len(answers)
