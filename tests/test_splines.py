"""Splines and their densities: within bounds, in the order of the steps, and of mass one. That
their layers are bijections is tested with all others in test_flow.py."""

import pytest
import torch
from test_flow import BINS, FEATURES, between, build, details, normal, values

from cinn_hub.flow import (
    BoundedHaar,
    Chain,
    Flatten,
    Flow,
    Level,
    LevelCondition,
    LogScale,
    Probit,
    Split,
    spline,
)
from cinn_hub.flow.bounded import parameters_of


@pytest.mark.parametrize("inverse", [False, True])
def test_steep_splines_stay_finite_and_within_bounds(inverse):
    """In float32, with slopes of hundreds beside bins of the least size, up to both ends."""
    generator = torch.Generator().manual_seed(3)
    parameters = 200 * torch.randn(20, parameters_of(BINS), 400, generator=generator)
    edge = torch.finfo(torch.float32).eps / 2
    x = torch.cat(
        [torch.rand(20, 398, generator=generator), torch.tensor([[edge, 1 - edge]] * 20)], 1
    )
    values, log_slopes = spline(x, parameters, inverse)
    assert log_slopes.isfinite().all()
    assert values.min() >= 0 and values.max() <= 1 + 1e-6


def test_the_ends_have_latents_too():
    ends, log_det = Probit()(torch.tensor([[0.0, 1.0]]), LevelCondition())
    assert ends.isfinite().all() and ends[0, 0] < -5 and ends[0, 1] > 5
    assert log_det.isfinite().all()


def test_splines_rise_from_0_to_1():
    x = torch.linspace(0, 1, 101).expand(2, -1)
    assert torch.allclose(spline(x, torch.zeros(2, 13, 101))[0], x, atol=1e-6)
    parameters = 3 * torch.randn(2, 13, 1, generator=torch.Generator().manual_seed(0))
    y, log_slope = spline(x, parameters.expand(-1, -1, 101))
    assert (y.diff() > 0).all() and log_slope.std() > 0.1
    assert torch.allclose(y[:, [0, -1]], torch.tensor([0.0, 1.0]).expand(2, -1), atol=1e-6)


def test_splines_with_steep_knots_can_be_inverted():
    """In float32, where the usual formula of the root divides 0 by 0."""
    parameters = torch.zeros(1, 13, 1)
    parameters[:, 5:7] = -20.0  # two bins of nearly no height
    parameters[:, 8:] = 3000.0  # slopes at all knots
    many, y = parameters.expand(-1, -1, 4001), torch.linspace(0, 1, 4001)[None]
    x, log_slope = spline(y, many, inverse=True)
    assert x.isfinite().all() and log_slope.isfinite().all()
    assert (x.diff() > -1e-6).all() and x.min() >= 0 and x.max() <= 1 + 1e-6
    near = torch.linspace(0.25, 0.251, 4001)[None]
    again, _ = spline(spline(near, many, True)[0], many)
    assert (again - near).abs().max() < 1e-3


def test_haar_keeps_means_in_front():
    x = torch.tensor([[0.1, 0.3], [0.8, 0.4]]).view(1, 1, 2, 2)
    z, _ = BoundedHaar()(x, LevelCondition())
    assert z[0, 0].item() == pytest.approx(0.4)
    left, right = 2 * z[0, 2:].flatten() - 1  # both rows
    assert left < 0 < right


def test_haar_gives_black_next_to_ink_room():
    """Half of the noise of black is told from the other half beside ink, which is 200 times it."""
    row = torch.tensor([[0.25 / 256, 0.8], [0.75 / 256, 0.8]]).view(1, 1, 2, 2)
    shares = BoundedHaar()(row, LevelCondition())[0][0, 2:].flatten()
    assert shares[1] - shares[0] > 0.02


def test_each_step_sees_what_is_known():
    """The Jacobian is triangular in the order of the steps."""
    layer = build(lambda: details(3, 2, dense=7))
    order = torch.cat([step.flatten().nonzero()[:, 0] for step in steps_of(layer)])
    x = between(1, 3, 3, 3)
    at = LevelCondition(normal(1, FEATURES, seed=2), between(1, 1, 3, 3))
    jacobian = torch.autograd.functional.jacobian(lambda v: layer(v, at)[0], x).view(27, 27)
    jacobian = jacobian[order][:, order]
    assert jacobian.triu(1).abs().max() < 1e-12
    assert jacobian.tril(-1).abs().max() > 1e-3


def steps_of(layer):
    """Which of the shares (3, 3, 3) each step is about."""
    for k in range(len(layer.networks)):
        step = torch.zeros(3, 3, 3, dtype=torch.bool)
        step[k // layer.phases] = layer.part(k % layer.phases, step)
        yield step


@pytest.fixture
def toy():
    """All layers of the digits' flow, on 2x2 pixels."""
    flow = Flow(
        {
            "2x2": Level(BoundedHaar(), Split(1, Chain([details(1), Probit()]))),
            "1x1": Level(Chain([Flatten((1, 1, 1)), LogScale(), values(1), Probit()])),
        }
    )
    return build(lambda: flow, scale=0.6)


def log_density(flow, x, features):
    latents, log_det = flow(x, dict.fromkeys(flow.levels, features))
    z = torch.cat([level.flatten(1) for level in latents.values()], 1)
    return torch.distributions.Normal(0, 1).log_prob(z).sum(1) + log_det


def test_the_density_integrates_to_one(toy):
    """By importance sampling; the proposals have as much black as the scales of the layers."""
    points = torch.quasirandom.SobolEngine(4, scramble=True, seed=0).draw(2**16).double()
    nothing = LevelCondition()
    mean, log_det1 = LogScale().inverse(points[:, :1], nothing)
    blocks = torch.cat([mean, points[:, 1:]], 1).view(-1, 4, 1, 1)
    x, log_det2 = BoundedHaar().inverse(blocks, nothing)
    weight = (log_density(toy, x, normal(1, FEATURES, seed=2)) + log_det1 + log_det2).exp()
    assert weight.std() > 0.3  # the density is not that of the proposals
    assert weight.mean().item() == pytest.approx(1, abs=0.02)


def test_the_density_of_two_values_integrates_to_one():
    flow = Flow({"two": Level(Chain([LogScale(), values(2), Probit()]))})
    flow = build(lambda: flow, scale=0.6)
    points = torch.quasirandom.SobolEngine(2, scramble=True, seed=0).draw(2**16).double()
    # drawn evenly on the logarithmic scale, where black is not a speck
    x, log_det = LogScale().inverse(points, LevelCondition())
    weight = log_density(flow, x, normal(1, FEATURES, seed=2)) + log_det
    assert weight.exp().std() > 0.1
    assert weight.exp().mean().item() == pytest.approx(1, abs=0.02)
