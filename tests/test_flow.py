"""Every layer is a bijection, and its log-determinant is that of the Jacobian; in float64."""

import math
from typing import NamedTuple

import pytest
import torch
from helpers import randomize

from cinn_hub.flow import (
    ActNorm,
    AffineCoupling,
    AutoregressiveSplines,
    Bijection,
    BoundedHaar,
    CellAttention,
    Chain,
    ConditionalGaussian,
    ConditionalRotation,
    ConditionalShift,
    DetailSplines,
    Flow,
    HaarDownsampling,
    InvertibleConv1x1,
    Level,
    LevelCondition,
    LogScale,
    Permutation,
    Probit,
    SpaceToDepth,
    Split,
    Standardization,
)
from cinn_hub.flow.bounded import parameters_of
from cinn_hub.models.digit_cinn import DetailNetwork, EarlierValues
from cinn_hub.networks import ConvSubnet, PriorNetwork
from cinn_hub.originals.models import StackSubnet

B, C, SIDE, FEATURES, BINS = 3, 4, 4, 5, 4


def subnet(inputs, outputs, coarser=0):
    return ConvSubnet(inputs, outputs, FEATURES, coarser, hidden=6)


def stack(inputs, outputs):
    """With its term as the first of the features."""
    return StackSubnet(inputs, outputs, [4, 5], FEATURES, kernel=3, place=1, slope=0.1)


def couplings(channels, coarser=0):
    return Chain(
        [
            ActNorm(channels),
            ConditionalGaussian(PriorNetwork(2 * channels, FEATURES, coarser, hidden=5)),
            InvertibleConv1x1(channels, seed=1),
            AffineCoupling(channels, lambda i, o: subnet(i, o, coarser)),
        ]
    )


def details(side, phases=1, dense=0):
    networks = [
        DetailNetwork(side, FEATURES, parameters_of(BINS), 6, dense, context=2)
        for _ in range(3 * phases)
    ]
    return DetailSplines(networks, phases)


def values(size):
    return AutoregressiveSplines(EarlierValues(size, FEATURES, parameters_of(BINS), 6))


class Case(NamedTuple):
    """A layer, and the shape of its x; from_bounds, to_bounds: whether x and z are in (0, 1)."""

    make: type[Bijection]
    shape: tuple[int, ...] = (C, SIDE, SIDE)
    from_bounds: bool = False
    to_bounds: bool = False


def within(make, *shape):
    return Case(make, shape, True, True)


LAYERS = {
    "coupling": Case(lambda: AffineCoupling(C, subnet)),
    "coupling of 3 channels": Case(lambda: AffineCoupling(3, subnet), (3, SIDE, SIDE)),
    "coupling of a stack": Case(lambda: AffineCoupling(C, stack)),
    "shift": Case(lambda: ConditionalShift(slice(-C, None))),
    "gaussian": Case(lambda: ConditionalGaussian(PriorNetwork(2 * C, FEATURES, 0, 6))),
    "actnorm": Case(lambda: ActNorm(C)),
    "standardization": Case(lambda: Standardization([0.5, -1, 2, 0], [0.3, 2, 5, 1])),
    "permutation": Case(lambda: Permutation(torch.arange(C).roll(1))),
    "fixed 1x1": Case(lambda: InvertibleConv1x1(C, seed=3)),
    "learned 1x1": Case(lambda: InvertibleConv1x1(C, seed=3, learned=True)),
    "rounded 1x1": Case(lambda: InvertibleConv1x1(C, seed=3).half()),
    "rotation": Case(lambda: ConditionalRotation(6, FEATURES), (6,)),
    "haar by wavelet": Case(lambda: HaarDownsampling("wavelet")),
    "haar by channel": Case(lambda: HaarDownsampling("channel")),
    "space to depth": Case(SpaceToDepth),
    "attention": Case(lambda: CellAttention(C, SIDE, FEATURES, heads=2, width=3)),
    "attention backwards": Case(lambda: CellAttention(C, SIDE, FEATURES, 2, 3, backwards=True)),
    "chain": Case(lambda: couplings(C)),
    "probit": Case(Probit, (7,), from_bounds=True),
    "log scale": within(LogScale, 3, 4),
    "bounded haar": within(BoundedHaar, 2, 4, 4),
    "values": within(lambda: values(6), 6),
    "details": within(lambda: details(3), 3, 3, 3),
    "details in two phases": within(lambda: details(3, 2, dense=7), 3, 3, 3),
}


def normal(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def between(*shape, seed=1):
    """Values in (0, 1), some of them black."""
    generator = torch.Generator().manual_seed(seed)
    x = torch.rand(shape, generator=generator, dtype=torch.float64)
    return torch.where(torch.rand(shape, generator=generator) < 0.4, x / 256, x)


def condition_of(case, rows=B):
    """Features as a map for layers of maps, else as a vector, with coarser values."""
    if case.from_bounds or len(case.shape) == 1:
        return LevelCondition(normal(B, FEATURES, seed=2), coarser=between(rows, 1, 3, 3))
    return LevelCondition(normal(B, FEATURES, SIDE, SIDE, seed=2))


def build(make, scale=1.0):
    layer = make().double()
    randomize(layer, scale=scale)
    return layer.eval()


def jacobian_log_det(function, x):
    """log|det| of each row's own Jacobian; rows are independent, so their sum keeps them apart."""
    jacobian = torch.func.jacrev(lambda v: function(v).flatten(1).sum(0), chunk_size=64)(x)
    jacobian = jacobian.reshape(x[0].numel(), len(x), x[0].numel()).transpose(0, 1)
    return torch.linalg.slogdet(jacobian).logabsdet


def check_inverse(found, x, log_det):
    """The inverse of a map gives x back, and the opposite log-determinant."""
    torch.testing.assert_close(found[0], x, atol=1e-9, rtol=0)
    torch.testing.assert_close(found[1], -log_det, atol=1e-9, rtol=0)


@pytest.mark.parametrize("name", LAYERS)
def test_inverse_and_log_det(name):
    case = LAYERS[name]
    layer, condition = build(case.make), condition_of(case)
    x = (between if case.from_bounds else normal)(B, *case.shape)
    z, log_det = layer(x, condition)
    assert log_det.shape == (B,) and not torch.allclose(z.flatten(), x.flatten())
    assert not case.to_bounds or 0 < z.min() < z.max() < 1
    check_inverse(layer.inverse(z, condition), x, log_det)
    expected = jacobian_log_det(lambda v: layer(v, condition)[0], x)
    torch.testing.assert_close(log_det, expected, atol=1e-6, rtol=0)
    # z -> x -> z, where z was not made from any x
    z = (between if case.to_bounds else normal)(*z.shape, seed=9)
    x, log_det = layer.inverse(z, condition)
    assert not case.from_bounds or 0 < x.min() < x.max() < 1
    check_inverse(layer(x, condition), z, log_det)


@pytest.mark.parametrize("name", [name for name, case in LAYERS.items() if not case.from_bounds])
def test_float32_round_trip(name):
    case = LAYERS[name]
    layer = build(case.make).float()
    condition = LevelCondition(condition_of(case).features.float())
    x = normal(B, *case.shape).float()
    assert (layer.inverse(layer(x, condition)[0], condition)[0] - x).abs().max() < 1e-4


LEARNED = ["chain", "coupling of a stack", "attention", "attention backwards", "rotation", "values"]
LEARNED += ["details", "details in two phases"]


@pytest.mark.parametrize("name", LEARNED)
def test_gradients_reach_every_parameter(name):
    case = LAYERS[name]
    layer = build(case.make)
    x = (between if case.from_bounds else normal)(B, *case.shape)
    z, log_det = layer(x, condition_of(case))
    (z.square() @ torch.arange(z.shape[-1], dtype=z.dtype)).sum().sub(log_det.sum()).backward()
    for parameter_name, parameter in layer.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, parameter_name


@pytest.mark.parametrize("name", [*LEARNED, "shift", "gaussian", "coupling"])
def test_one_condition_serves_many_samples(name):
    case = LAYERS[name]
    layer, condition = build(case.make), condition_of(case, 2 * B)
    x = (between if case.from_bounds else normal)(2 * B, *case.shape)
    together, log_det = layer(x, condition)
    repeated = LevelCondition(condition.features.repeat_interleave(2, 0), condition.coarser)
    apart, expected = layer(x, repeated)
    torch.testing.assert_close(together, apart)
    torch.testing.assert_close(log_det, expected)
    torch.testing.assert_close(layer.inverse(together, condition)[0], x, atol=1e-9, rtol=0)


# ------------------------------------------------------------------ levels


def small_flow():
    return Flow(
        {
            "4x4": Level(HaarDownsampling(), Split(2, couplings(6, coarser=2))),
            "2x2": Level(HaarDownsampling(), Split(2, Chain([]))),
            "1x1": Level(couplings(2)),
        }
    )


BY_LEVEL = {
    name: normal(B, FEATURES, side, side, seed=4)
    for name, side in {"4x4": 2, "2x2": 1, "1x1": 1}.items()
}


def test_flow_over_levels():
    flow, x = build(small_flow), normal(B, 2, SIDE, SIDE)
    z, log_det = flow(x, BY_LEVEL)
    shapes = {name: tuple(level.shape[1:]) for name, level in z.items()}
    assert shapes == {"4x4": (6, 2, 2), "2x2": (6, 1, 1), "1x1": (2, 1, 1)}
    check_inverse(flow.inverse(z, BY_LEVEL), x, log_det)
    together = lambda v: torch.cat([l.flatten(1) for l in flow(v, BY_LEVEL)[0].values()], 1)  # noqa: E731, E741
    torch.testing.assert_close(log_det, jacobian_log_det(together, x), atol=1e-6, rtol=0)


def test_levels_add_up_and_may_be_had_alone():
    """They are those of the whole flow, and the tails of the others do not run."""
    flow, x = build(small_flow), normal(B, 2, SIDE, SIDE)
    latents, log_dets = flow.forward_by_level(x, BY_LEVEL)
    torch.testing.assert_close(sum(log_dets.values()), flow(x, BY_LEVEL)[1])
    ran = []
    for name, level in flow.levels.items():
        if level.split is not None:
            level.split.tail.register_forward_hook(lambda *_, name=name: ran.append(name))
    for chosen in (["4x4"], ["2x2", "1x1"], list(latents)):
        ran.clear()
        found, added = flow.forward_by_level(x, BY_LEVEL, chosen)
        assert set(found) == set(added) == set(chosen) >= set(ran)
        for name in chosen:
            assert torch.equal(found[name], latents[name])
            assert torch.equal(added[name], log_dets[name])


# ------------------------------------------------------------------ single layers


def test_log_scale_stays_within_the_clamp():
    layer = AffineCoupling(C, subnet, clamp=0.5).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(50.0)
    x = normal(B, C, SIDE, SIDE)
    assert (layer(x, condition_of(LAYERS["coupling"]))[1].abs() <= 0.5 * x[0].numel()).all()


def test_features_and_coarser_values_matter():
    layer = build(lambda: AffineCoupling(C, lambda i, o: subnet(i, o, coarser=2)))
    x, features = normal(B, C, SIDE, SIDE), normal(B, FEATURES, SIDE, SIDE, seed=2)
    coarser = torch.ones(B, 2, SIDE, SIDE, dtype=torch.float64)
    z, _ = layer(x, LevelCondition(features, coarser))
    assert not torch.allclose(z, layer(x, LevelCondition(features, 2 * coarser))[0])
    assert not torch.allclose(z, layer(x, LevelCondition(2 * features, coarser))[0])


def test_actnorm_starts_from_the_first_batch_that_has_a_spread():
    layer, nothing = ActNorm(C).double().train(), LevelCondition()
    for batch in (torch.ones(1, C, 1, 1), torch.full((2, C, 1, 1), math.nan)):
        layer(batch.double(), nothing)
        assert not layer.is_initialized and torch.equal(layer.log_scale, torch.zeros(C).double())
    z, _ = layer(3 * normal(B, C, SIDE, SIDE) + 7, nothing)
    channels = z.transpose(0, 1).flatten(1)
    torch.testing.assert_close(channels.mean(1), torch.zeros(C).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(channels.std(1), torch.ones(C).double(), atol=1e-6, rtol=0)
    shift = layer.shift.clone()
    layer(normal(B, C, SIDE, SIDE), nothing)
    torch.testing.assert_close(layer.shift, shift)


def test_the_order_of_what_blocks_become():
    x, nothing = torch.arange(8.0).view(1, 2, 2, 2), LevelCondition()
    z, log_det = HaarDownsampling("wavelet")(x, nothing)
    assert z.flatten().tolist() == [1.5, 5.5, -0.5, -0.5, -1, -1, 0, 0]
    assert log_det.item() == pytest.approx(-8 * math.log(2))
    z, _ = HaarDownsampling("channel")(x, nothing)
    assert z.flatten().tolist()[:4] == [1.5, -0.5, -1, 0]
    assert SpaceToDepth()(x, nothing)[0].flatten().tolist() == [0, 4, 1, 5, 2, 6, 3, 7]


@pytest.mark.parametrize("weight", [torch.zeros(C, C), torch.ones(C, C), torch.eye(C)])
def test_1x1_starts_as_a_repeatable_rotation_and_knows_when_it_is_singular(weight):
    layer = InvertibleConv1x1(C, seed=5)
    torch.testing.assert_close(layer.weight @ layer.weight.T, torch.eye(C), atol=1e-5, rtol=0)
    assert torch.equal(layer.weight, InvertibleConv1x1(C, seed=5).weight)
    assert layer.fault() is None
    layer.weight[0], layer.weight[1:] = 1e-6 * weight[0], weight[1:]
    assert "singular or nearly so" in layer.fault()


def test_each_case_has_its_rotation_and_a_rounded_one_is_one_still():
    layer, x = build(lambda: ConditionalRotation(4, 3)), normal(4, 4, seed=6)
    cases = torch.eye(3, dtype=torch.float64)
    z, _ = layer(x, LevelCondition(cases[[2, 0]]))
    torch.testing.assert_close(z.norm(dim=1), x.norm(dim=1))
    same, _ = layer(x, LevelCondition(cases[[0, 0]]))
    assert torch.allclose(same[2:], z[2:]) and not torch.allclose(same[:2], z[:2], atol=0.1)
    assert torch.equal(ConditionalRotation(4, 3).double()(x, LevelCondition(cases[[2, 0]]))[0], x)
    rotation = layer.half().rotations(LevelCondition(cases), torch.float64)
    one = torch.eye(4, dtype=torch.float64).expand(3, -1, -1)
    torch.testing.assert_close(rotation @ rotation.transpose(1, 2), one, atol=1e-12, rtol=0)
    assert torch.linalg.det(rotation).min() > 0
