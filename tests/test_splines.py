"""Layers between 0 and 1, and their densities: exact, within bounds, and of mass one."""

import pytest
import torch
from helpers import randomize
from test_flow import check_inverse, jacobian_log_det

from cinn_hub.flow import (
    AutoregressiveSplines,
    BoundedHaar,
    Chain,
    DetailSplines,
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
from cinn_hub.models.digit_cinn import DetailNetwork, EarlierValues

B, FEATURES, BINS = 3, 5, 4


def details(side, phases=1, dense=0):
    networks = [
        DetailNetwork(side, FEATURES, parameters_of(BINS), 6, dense, context=2)
        for _ in range(3 * phases)
    ]
    return DetailSplines(networks, phases)


def values(size):
    return AutoregressiveSplines(EarlierValues(size, FEATURES, parameters_of(BINS), 6))


LAYERS = {  # with the shape of x
    "log scale": (LogScale, (3, 4)),
    "haar": (BoundedHaar, (2, 4, 4)),
    "values": (lambda: values(6), (6,)),
    "details": (lambda: details(3), (3, 3, 3)),
    "details in two phases": (lambda: details(3, 2, dense=7), (3, 3, 3)),
}


@pytest.fixture
def condition():
    generator = torch.Generator().manual_seed(2)
    features = torch.randn(B, FEATURES, generator=generator, dtype=torch.float64)
    return LevelCondition(features, coarser=between(B, 1, 3, 3))


def between(*shape, seed=1):
    """Values in (0, 1), some of them black."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(shape, generator=generator, dtype=torch.float64)
    return torch.where(torch.rand(shape, generator=generator) < 0.4, x / 256, x)


def build(make, scale=1.0):
    layer = make().double()
    randomize(layer, scale=scale)
    return layer.eval()


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


@pytest.mark.parametrize(("make", "shape"), LAYERS.values(), ids=LAYERS.keys())
def test_inverse_and_log_det(make, shape, condition):
    layer, x = build(make), between(B, *shape)
    z, log_det = layer(x, condition)
    assert z.min() > 0 and z.max() < 1 and not torch.allclose(z.flatten(), x.flatten())
    check_inverse(layer.inverse(z, condition), x, log_det)
    expected = jacobian_log_det(lambda v: layer(v, condition)[0], x)
    torch.testing.assert_close(log_det, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("make", "shape"), LAYERS.values(), ids=LAYERS.keys())
def test_every_value_between_0_and_1_comes_from_one(make, shape, condition):
    layer = build(make)
    z = between(*layer(between(B, *shape), condition)[0].shape, seed=9)
    x, log_det = layer.inverse(z, condition)
    assert x.min() > 0 and x.max() < 1
    check_inverse(layer(x, condition), z, log_det)


@pytest.mark.parametrize("name", ["values", "details", "details in two phases"])
def test_gradients_reach_every_parameter(name, condition):
    make, shape = LAYERS[name]
    layer = build(make)
    z, log_det = layer(between(B, *shape), condition)
    (z.square().sum() - log_det.sum()).backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


@pytest.mark.parametrize("name", ["values", "details", "details in two phases"])
def test_one_condition_serves_many_samples(name, condition):
    make, shape = LAYERS[name]
    layer, x = build(make), between(2 * B, *shape)
    coarser = between(2 * B, 1, 3, 3, seed=5)
    together = layer(x, LevelCondition(condition.features, coarser))
    apart = layer(x, LevelCondition(condition.features.repeat_interleave(2, 0), coarser))
    torch.testing.assert_close(together, apart)


def test_probit_leads_to_all_numbers(condition):
    x = between(B, 7)
    z, log_det = Probit()(x, condition)
    check_inverse(Probit().inverse(z, condition), x, log_det)
    expected = jacobian_log_det(lambda v: Probit()(v, condition)[0], x)
    torch.testing.assert_close(log_det, expected, atol=1e-6, rtol=0)
    ends, log_det = Probit()(torch.tensor([[0.0, 1.0]]), condition)
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


def test_each_step_sees_what_is_known(condition):
    """The Jacobian is triangular in the order of the steps."""
    layer = build(lambda: details(3, 2, dense=7))
    order = torch.cat([step.flatten().nonzero()[:, 0] for step in steps_of(layer)])
    x = between(1, 3, 3, 3)
    at = LevelCondition(condition.features[:1], condition.coarser[:1])
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


def test_the_density_integrates_to_one(toy, condition):
    """By importance sampling; the proposals have as much black as the scales of the layers."""
    points = torch.quasirandom.SobolEngine(4, scramble=True, seed=0).draw(2**16).double()
    nothing = LevelCondition()
    mean, log_det1 = LogScale().inverse(points[:, :1], nothing)
    blocks = torch.cat([mean, points[:, 1:]], 1).view(-1, 4, 1, 1)
    x, log_det2 = BoundedHaar().inverse(blocks, nothing)
    weight = (log_density(toy, x, condition.features[:1]) + log_det1 + log_det2).exp()
    assert weight.std() > 0.3  # the density is not that of the proposals
    assert weight.mean().item() == pytest.approx(1, abs=0.02)


def test_the_density_of_two_values_integrates_to_one(condition):
    flow = Flow({"two": Level(Chain([LogScale(), values(2), Probit()]))})
    flow = build(lambda: flow, scale=0.6)
    points = torch.quasirandom.SobolEngine(2, scramble=True, seed=0).draw(2**16).double()
    # drawn evenly on the logarithmic scale, where black is not a speck
    x, log_det = LogScale().inverse(points, LevelCondition())
    weight = log_density(flow, x, condition.features[:1]) + log_det
    assert weight.exp().std() > 0.1
    assert weight.exp().mean().item() == pytest.approx(1, abs=0.02)
