"""How answers differ beside how the truth does."""

import numpy as np

from benchmarks import differences


def test_answers_drawn_as_the_truth_is_differ_as_much():
    random = np.random.default_rng(0)
    region = np.arange(16).reshape(4, 4) // 4
    answers, truth = np.zeros(3), np.zeros(3)
    for _ in range(400):
        *drawn, real = random.normal(size=(9, 4, 4, 2)) + random.normal(size=(9, 1, 1, 2))
        drawn = np.stack(drawn)
        own = differences.of_answers(drawn, region)
        answers += own
        truth += differences.of_truth(drawn, own, real, region)
    np.testing.assert_allclose(answers / truth, 1, atol=0.06)


def test_each_kind_of_difference_has_its_own_part():
    region = np.repeat([[0, 0, 1, 1]], 4, axis=0)
    tint = np.ones((4, 4, 2))
    thing = np.where(region[..., None] == 0, 1.0, -1.0) * tint
    blotch = np.where(np.arange(4)[:, None, None] % 2 == 0, 1.0, -1.0) * tint
    for kind, difference in enumerate((tint, thing, blotch)):
        answers = np.stack([difference, -difference])
        expected = np.eye(3)[kind] * 4
        np.testing.assert_allclose(differences.of_answers(answers, region), expected, atol=1e-6)
