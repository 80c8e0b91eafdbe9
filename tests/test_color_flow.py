"""The flow on ab: exact in float64, a mood of two numbers that moves the photo's mean colour."""

from dataclasses import replace

import pytest
import torch
from helpers import SMALL, randomize
from test_flow import jacobian_log_det

from cinn_hub.flow import CellAttention, LevelCondition
from cinn_hub.models.colorization_cinn import (
    CELLS,
    MOOD,
    THINGS,
    ColorFlow,
    MoodSplit,
    Surroundings,
    box,
)

SIDE, MIDDLE, COARSE = 2, 5, 32


def small_flow():
    flow = ColorFlow(replace(SMALL, channels=(4, MIDDLE, COARSE), hidden=(8, 8, 8)))
    randomize(flow, scale=0.3)
    return flow.double().eval()


@pytest.fixture
def flow():
    return small_flow()


@pytest.fixture
def parts():
    generator = torch.Generator().manual_seed(1)
    shapes = {
        "middle": (MIDDLE, 2 * SIDE, 2 * SIDE),
        "coarse": (COARSE, SIDE, SIDE),
        "expected": (2, 4 * SIDE, 4 * SIDE),
        "spread": (2, 4 * SIDE, 4 * SIDE),
        "lightness": (1, 8 * SIDE, 8 * SIDE),
    }
    return {
        name: torch.randn(2, *shape, generator=generator, dtype=torch.float64)
        for name, shape in shapes.items()
    }


def picture(rows):
    generator = torch.Generator().manual_seed(2)
    return torch.randn(rows, 2, 8 * SIDE, 8 * SIDE, generator=generator, dtype=torch.float64)


def test_inverse_and_log_det(flow, parts):
    x, condition = picture(1), flow.condition({name: part[:1] for name, part in parts.items()})
    z, log_det = flow(x, condition)
    assert {name: tuple(level.shape[1:]) for name, level in z.items()} == flow.latent_shapes
    torch.testing.assert_close(flow.inverse(z, condition)[0], x, atol=1e-8, rtol=0)
    together = lambda v: torch.cat([l.flatten(1) for l in flow(v, condition)[0].values()], 1)  # noqa: E731, E741
    torch.testing.assert_close(log_det, jacobian_log_det(together, x), atol=1e-5, rtol=0)


def test_several_samples_of_one_condition(flow, parts):
    x, condition = picture(6), flow.condition(parts)
    z, log_det = flow(x, condition)
    first = {name: given[:1] for name, given in condition.items()}
    alone, log_det_alone = flow(x[1:2], first)
    torch.testing.assert_close(log_det[1:2], log_det_alone)
    for name, level in alone.items():
        torch.testing.assert_close(z[name][1:2], level)
    torch.testing.assert_close(flow.inverse(z, condition)[0], x, atol=1e-8, rtol=0)


def test_attention_is_computed_once_for_a_photo(flow, parts, monkeypatch):
    calls = []
    attention = CellAttention.attention

    def counted(layer, features):
        calls.append(layer)
        return attention(layer, features)

    monkeypatch.setattr(CellAttention, "attention", counted)
    condition = flow.condition(parts)
    assert len(calls) == len(set(calls)) == 3
    z, log_det = flow(picture(4), condition)
    x, _ = flow.inverse(z, condition)
    assert len(calls) == 3
    from_features = {name: condition[name] for name in condition if name != "cells attention"}
    anew, log_det_anew = flow(picture(4), from_features)
    assert all(torch.equal(z[name], anew[name]) for name in z)
    assert torch.equal(log_det, log_det_anew)
    assert torch.equal(x, flow.inverse(z, from_features)[0])
    assert len(calls) == 9


def test_gradients_reach_every_parameter(flow, parts):
    condition = {name: flow.level_condition(name, parts) for name in ("cells", "details", "grain")}
    directions = flow.condition(parts)[THINGS]
    z, log_det = flow(picture(2), {**condition, THINGS: directions})
    (sum(level.square().sum() for level in z.values()) - log_det.sum()).backward()
    for name, parameter in flow.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_the_mood_moves_the_mean_colour_and_nothing_else_does(flow, parts):
    condition = flow.condition(parts)

    def mean(mood, things):
        cells = MoodSplit().inverse((mood, things), LevelCondition(condition[THINGS]))[0]
        x = flow.levels[CELLS].steps.inverse(cells, LevelCondition(condition[CELLS]))[0]
        return x.mean((2, 3)).sum(0)

    shapes = flow.latent_shapes
    at_zero = tuple(torch.zeros(2, *shapes[name], dtype=torch.float64) for name in (MOOD, THINGS))
    by_mood, by_things = torch.autograd.functional.jacobian(mean, at_zero)
    assert by_things.abs().max() < 1e-10
    by_mood = by_mood[:, 0, :, 0, 0]
    torch.testing.assert_close(by_mood, by_mood.T)  # the first number moves a, the second b
    assert torch.linalg.eigvalsh(by_mood).min() > 0


def rotations(directions):
    """What `MoodSplit` does to vectors, (B, D, D), for orthonormal directions (B, 2, D)."""
    rows, size = directions.shape[0], directions.shape[-1]
    unit = torch.eye(size).repeat(rows, 1).unflatten(1, (8, -1, 2))
    condition = LevelCondition(directions.unflatten(2, (8, -1, 2)))
    (mood, rest), log_det = MoodSplit()(unit, condition)
    assert not log_det.any()
    return torch.cat([mood.flatten(1), rest], 1).unflatten(0, (rows, size)).transpose(1, 2)


def test_the_rotation_of_the_mood_has_its_directions_first_and_never_jumps():
    """As the frames of a film do, the directions change in small steps; so does all that the
    rotation makes of the rest. Completed by QR, it flips signs on two of four such ways."""
    generator = torch.Generator().manual_seed(0)
    start, change = torch.randn(2, 4, 1, 64, 2, generator=generator)
    way = start + torch.linspace(0, 1, 41).view(-1, 1, 1) * change
    for steps in way:
        directions = torch.linalg.qr(steps)
        signs = directions.R.diagonal(dim1=1, dim2=2).sign()
        directions = (directions.Q * signs[:, None]).transpose(1, 2)
        found = rotations(directions)
        torch.testing.assert_close(found @ found.transpose(1, 2), torch.eye(64).expand_as(found))
        torch.testing.assert_close(found[:, :2], directions, atol=1e-5, rtol=0)
        moved, turned = (x.diff(dim=0).flatten(1).norm(dim=1) for x in (directions, found))
        assert (turned < 4 * moved).all()


def test_the_edges_of_lightness_predict_those_of_colour():
    """Where ab is a multiple of L, its details are that multiple of the details of L."""
    generator = torch.Generator().manual_seed(3)
    light = torch.randn(2, 4, 6, 6, generator=generator, dtype=torch.float64)
    slopes = torch.tensor([0.5, -1.5], dtype=torch.float64).view(1, 2, 1, 1)
    drawn = (light[:, :1] * slopes + 0.3).repeat_interleave(3, dim=0)
    surroundings = Surroundings(4, slice(0, 4), channels=3, blocks=1, doubt=0.0)
    predicted = surroundings.predicted(drawn, light)
    expected = torch.cat([light[:, k : k + 1] * slopes for k in (1, 2, 3)], 1)
    torch.testing.assert_close(predicted, expected.repeat_interleave(3, dim=0))


def test_box_means_count_only_what_is_there():
    ones = torch.ones(1, 1, 4, 4)
    torch.testing.assert_close(box(ones), ones)
