"""Spots whose colours would settle most, found in draws; and those that ask for them."""

import builtins

import numpy as np
import pytest
import torch

from cinn_hub.errors import CinnHubError
from cinn_hub.questions import telling_spots


@pytest.fixture(scope="module")
def three_things():
    """64 answers, (64, 2, 4, 4): the top half, the third row and the last row vary by themselves,
    the first most and the last least."""
    ab = torch.zeros(64, 2, 4, 4)
    size = torch.tensor([20.0, 20.0, 15.0, 8.0])
    values = torch.randn(64, 2, 3, generator=torch.Generator().manual_seed(0))
    return ab + (values[:, :, [0, 0, 1, 2]] * size)[..., None]


def test_each_question_is_about_the_thing_that_leaves_most_open(three_things):
    spots = telling_spots(three_things, 3)
    assert [0 if row < 2 else row for row, _, _ in spots] == [0, 2, 3]
    shares = [share for _, _, share in spots]
    assert shares == pytest.approx(np.array([800, 225, 64]) / 1089, abs=0.08)


def test_what_is_known_is_not_asked(three_things):
    assert telling_spots(three_things, 1, known=[(0, 0)])[0][0] == 2
    row, column, _ = telling_spots(three_things, 1, unknown=[(0, 0)])[0]
    assert row < 2 and column == 3  # the same thing, where somebody may know it
    everywhere = [(row, column) for row in range(4) for column in range(4)]
    assert telling_spots(three_things, 1, known=everywhere)[0][2] < 0.01


def test_questions_of_a_photo(small_model, photo):
    prepared = small_model.prepare(photo)
    first, second = small_model.questions(prepared, 2)
    assert 0 < second.share < first.share < 1
    assert first.colors == small_model.colors_at(prepared, first.x, first.y)
    hint = (first.x, first.y, first.colors[0].color)
    (next_one,) = small_model.questions(prepared, 1, hints=[hint])
    assert (next_one.x, next_one.y) == (second.x, second.y)
    (other,) = small_model.questions(prepared, 1, unknown=[(first.x, first.y)])
    assert (other.x, other.y) != (first.x, first.y)
    with pytest.raises(CinnHubError, match="n is 0"):
        small_model.questions(prepared, 0)
    with pytest.raises(CinnHubError, match="lies outside the photo"):
        small_model.questions(prepared, 1, unknown=[(1000, 2)])


def test_a_model_without_classes_of_colour_asks_nothing(small_model, photo, monkeypatch):
    monkeypatch.setattr(type(small_model), "has_classes", False)
    with pytest.raises(CinnHubError, match="does not say which colours are possible"):
        small_model.questions(photo)


def test_ask_in_a_terminal(small_model, photo, cinn, tmp_path, monkeypatch):
    photo.save(tmp_path / "grandma.png")
    said = iter(["much", "99", "2", "", "#aa3311"])
    monkeypatch.setattr(builtins, "input", lambda prompt: next(said))
    done = cinn("ask", "grandma.png", "-n", 2, "-s", 3, "-o", "out")
    assert done.code == 0, done
    assert len(list((tmp_path / "out").iterdir())) == 2
    assert done.out.count("What colour is the spot") == 3
