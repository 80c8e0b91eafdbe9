"""Every layer is a bijection, and its log-determinant is that of the Jacobian; in float64."""

import math

import pytest
import torch
from helpers import randomize

from cinn_hub.flow import (
    ActNorm,
    AffineCoupling,
    CellAttention,
    Chain,
    ConditionalGaussian,
    ConditionalRotation,
    ConditionalShift,
    Flow,
    HaarDownsampling,
    InvertibleConv1x1,
    Level,
    LevelCondition,
    Permutation,
    SpaceToDepth,
    Split,
    Standardization,
)
from cinn_hub.networks import ConvSubnet, PriorNetwork
from cinn_hub.originals.models import StackSubnet

B, C, SIDE, FEATURES = 3, 4, 4, 5


def subnet(inputs, outputs, coarser=0):
    return ConvSubnet(inputs, outputs, FEATURES, coarser, hidden=6, kernel=3)


def stack(inputs, outputs):
    """With its term as the first of the features."""
    return StackSubnet(inputs, outputs, [4, 5], FEATURES, kernel=3, place=1, slope=0.1)


def couplings(channels, coarser=0):
    return Chain(
        [
            ActNorm(channels),
            ConditionalGaussian(PriorNetwork(2 * channels, FEATURES, coarser, hidden=5, kernel=3)),
            InvertibleConv1x1(channels, seed=1),
            AffineCoupling(channels, lambda i, o: subnet(i, o, coarser)),
        ]
    )


LAYERS = {
    "coupling": lambda: AffineCoupling(C, subnet),
    "coupling of a stack": lambda: AffineCoupling(C, stack),
    "conditional shift": lambda: ConditionalShift(slice(-C, None)),
    "conditional gaussian": lambda: ConditionalGaussian(PriorNetwork(2 * C, FEATURES, 0, 6, 3)),
    "actnorm": lambda: ActNorm(C),
    "standardization": lambda: Standardization([0.5, -1.0, 2.0, 0.0], [0.3, 2.0, 5.0, 1.0]),
    "permutation": lambda: Permutation(torch.arange(C).roll(2)),
    "fixed 1x1": lambda: InvertibleConv1x1(C, seed=3),
    "learned 1x1": lambda: InvertibleConv1x1(C, seed=3, learned=True),
    "haar by wavelet": lambda: HaarDownsampling("wavelet"),
    "haar by channel": lambda: HaarDownsampling("channel"),
    "space to depth": lambda: SpaceToDepth(),
    "attention": lambda: CellAttention(C, SIDE, FEATURES, heads=2, width=3),
    "attention backwards": lambda: CellAttention(C, SIDE, FEATURES, 2, 3, backwards=True),
    "chain": lambda: couplings(C),
}


@pytest.fixture
def x():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(B, C, SIDE, SIDE, generator=generator, dtype=torch.float64)


@pytest.fixture
def condition():
    generator = torch.Generator().manual_seed(2)
    features = torch.randn(B, FEATURES, SIDE, SIDE, generator=generator, dtype=torch.float64)
    return LevelCondition(features)


def build(make):
    layer = make().double()
    randomize(layer)
    return layer.eval()


def jacobian_log_det(function, x):
    """log|det| of each row's own Jacobian; rows are independent, so their sum keeps them apart."""
    jacobian = torch.func.jacrev(lambda v: function(v).flatten(1).sum(0), chunk_size=64)(x)
    jacobian = jacobian.reshape(x[0].numel(), len(x), x[0].numel()).transpose(0, 1)
    return torch.linalg.slogdet(jacobian).logabsdet


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS.keys())
def test_inverse_and_log_det(make, x, condition):
    layer = build(make)
    z, log_det = layer(x, condition)
    assert log_det.shape == (B,)
    assert not torch.allclose(z.flatten(), x.flatten())
    check_inverse(layer.inverse(z, condition), x, log_det)
    expected = jacobian_log_det(lambda v: layer(v, condition)[0], x)
    torch.testing.assert_close(log_det, expected, atol=1e-6, rtol=0)


def check_inverse(found, x, log_det):
    """The inverse of a map gives x back, and the opposite log-determinant."""
    torch.testing.assert_close(found[0], x, atol=1e-9, rtol=0)
    torch.testing.assert_close(found[1], -log_det, atol=1e-9, rtol=0)


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS.keys())
def test_latents_come_back(make, x, condition):
    """z -> x -> z, where z was not made from any x."""
    layer = build(make)
    shape = layer(x, condition)[0].shape
    z = torch.randn(shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
    found, log_det = layer.inverse(z, condition)
    check_inverse(layer(found, condition), z, log_det)


@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS.keys())
def test_float32_round_trip(make, x, condition):
    layer = build(make).float()
    condition = LevelCondition(condition.features.float())
    z, _ = layer(x.float(), condition)
    assert (layer.inverse(z, condition)[0] - x.float()).abs().max() < 1e-4


def small_flow():
    return Flow(
        {
            "4x4": Level(HaarDownsampling(), Split(2, couplings(6, coarser=2))),
            "2x2": Level(HaarDownsampling(), Split(2, Chain([]))),
            "1x1": Level(couplings(2)),
        }
    )


@pytest.fixture
def by_level():
    generator = torch.Generator().manual_seed(4)
    return {
        name: torch.randn(B, FEATURES, side, side, generator=generator, dtype=torch.float64)
        for name, side in {"4x4": 2, "2x2": 1, "1x1": 1}.items()
    }


def test_flow_over_levels(x, by_level):
    flow = build(small_flow)
    x = x[:, :2]
    z, log_det = flow(x, by_level)
    assert {name: tuple(level.shape[1:]) for name, level in z.items()} == {
        "4x4": (6, 2, 2),
        "2x2": (6, 1, 1),
        "1x1": (2, 1, 1),
    }
    check_inverse(flow.inverse(z, by_level), x, log_det)
    together = lambda v: torch.cat([l.flatten(1) for l in flow(v, by_level)[0].values()], 1)  # noqa: E731, E741
    torch.testing.assert_close(log_det, jacobian_log_det(together, x), atol=1e-6, rtol=0)


def test_levels_add_up(x, by_level):
    flow = build(small_flow)
    _, log_dets = flow.forward_by_level(x[:, :2], by_level)
    torch.testing.assert_close(sum(log_dets.values()), flow(x[:, :2], by_level)[1])


def test_levels_may_be_had_alone(x, by_level):
    """They are those of the whole flow, and the tails of the others do not run."""
    flow = build(small_flow)
    latents, log_dets = flow.forward_by_level(x[:, :2], by_level)
    ran = []
    for name, level in flow.levels.items():
        if level.split is not None:
            level.split.tail.register_forward_hook(lambda *_, name=name: ran.append(name))
    for chosen in (["4x4"], ["2x2", "1x1"], list(latents)):
        ran.clear()
        found, added = flow.forward_by_level(x[:, :2], by_level, chosen)
        assert set(found) == set(added) == set(chosen) >= set(ran)
        for name in chosen:
            assert torch.equal(found[name], latents[name])
            assert torch.equal(added[name], log_dets[name])


@pytest.mark.parametrize(
    "name", ["chain", "coupling of a stack", "attention", "attention backwards"]
)
def test_gradients_reach_every_parameter(name, x, condition):
    layer = build(LAYERS[name])
    z, log_det = layer(x, condition)
    (z.square().sum() - log_det.sum()).backward()
    for name, parameter in layer.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().max() > 0, name


def test_log_scale_stays_within_the_clamp(x, condition):
    layer = AffineCoupling(C, subnet, clamp=0.5).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.fill_(50.0)
    _, log_det = layer(x, condition)
    assert (log_det.abs() <= 0.5 * x[0].numel()).all()


def test_coupling_of_an_odd_number_of_channels(x, condition):
    layer = build(lambda: AffineCoupling(3, subnet))
    z, log_det = layer(x[:, :3], condition)
    check_inverse(layer.inverse(z, condition), x[:, :3], log_det)
    expected = jacobian_log_det(lambda v: layer(v, condition)[0], x[:, :3])
    torch.testing.assert_close(log_det, expected, atol=1e-6, rtol=0)


def test_features_and_coarser_values_matter(x, condition):
    layer = build(lambda: AffineCoupling(C, lambda i, o: subnet(i, o, coarser=2)))
    coarser = torch.ones(B, 2, SIDE, SIDE, dtype=torch.float64)
    z, _ = layer(x, LevelCondition(condition.features, coarser))
    assert not torch.allclose(z, layer(x, LevelCondition(condition.features, 2 * coarser))[0])
    assert not torch.allclose(z, layer(x, LevelCondition(2 * condition.features, coarser))[0])


def test_one_condition_serves_many_samples(x, condition):
    layer = build(LAYERS["chain"])
    rows = x.repeat_interleave(2, 0)
    rows = rows + torch.arange(2 * B, dtype=x.dtype).view(-1, 1, 1, 1)
    together, log_det = layer(rows, condition)
    repeated = LevelCondition(condition.features.repeat_interleave(2, 0))
    apart, expected = layer(rows, repeated)
    torch.testing.assert_close(together, apart)
    torch.testing.assert_close(log_det, expected)


def test_actnorm_starts_from_the_first_batch(x, condition):
    layer = ActNorm(C).double().train()
    z, _ = layer(3 * x + 7, condition)
    values = z.transpose(0, 1).flatten(1)
    torch.testing.assert_close(values.mean(1), torch.zeros(C).double(), atol=1e-6, rtol=0)
    torch.testing.assert_close(values.std(1), torch.ones(C).double(), atol=1e-6, rtol=0)
    shift = layer.shift.clone()
    layer(5 * x, condition)
    torch.testing.assert_close(layer.shift, shift)


def test_actnorm_waits_for_a_batch_that_has_a_spread(condition):
    layer = ActNorm(2).train()
    layer(torch.ones(1, 2, 1, 1), condition)
    assert not layer.is_initialized and torch.equal(layer.log_scale, torch.zeros(2))
    layer(torch.arange(4.0).view(2, 2, 1, 1), condition)
    assert layer.is_initialized and layer.log_scale.isfinite().all()


def test_haar_keeps_means_in_front():
    x = torch.arange(8.0).view(1, 2, 2, 2)
    z, log_det = HaarDownsampling("wavelet")(x, LevelCondition())
    assert z.flatten().tolist() == [1.5, 5.5, -0.5, -0.5, -1, -1, 0, 0]
    assert log_det.item() == pytest.approx(-8 * math.log(2))
    assert HaarDownsampling("channel")(x, LevelCondition())[0].flatten().tolist()[:4] == [
        1.5,
        -0.5,
        -1,
        0,
    ]


def test_space_to_depth_goes_position_by_position():
    x = torch.arange(8.0).view(1, 2, 2, 2)
    z, _ = SpaceToDepth()(x, LevelCondition())
    assert z.flatten().tolist() == [0, 4, 1, 5, 2, 6, 3, 7]


def test_1x1_starts_as_a_repeatable_rotation():
    weight = InvertibleConv1x1(6, seed=5).weight
    torch.testing.assert_close(weight @ weight.T, torch.eye(6), atol=1e-5, rtol=0)
    assert torch.equal(weight, InvertibleConv1x1(6, seed=5).weight)


@pytest.mark.parametrize("weight", [torch.zeros(C, C), torch.ones(C, C), torch.eye(C)])
def test_1x1_knows_that_it_is_singular(weight):
    layer = InvertibleConv1x1(C, seed=5)
    assert layer.fault() is None
    layer.weight[0], layer.weight[1:] = 1e-6 * weight[0], weight[1:]
    assert "singular or nearly so" in layer.fault()


def test_1x1_counts_a_rounded_rotation_exactly(x, condition):
    layer = InvertibleConv1x1(C, seed=5).half().double()
    z, log_det = layer(x, condition)
    assert log_det.abs().max() > 1e-6
    check_inverse(layer.inverse(z, condition), x, log_det)


def test_each_case_has_its_rotation():
    layer = build(lambda: ConditionalRotation(4, 3))
    generator = torch.Generator().manual_seed(6)
    x = torch.randn(4, 4, generator=generator, dtype=torch.float64)
    condition = LevelCondition(torch.eye(3, dtype=torch.float64)[[2, 0]])
    z, log_det = layer(x, condition)
    check_inverse(layer.inverse(z, condition), x, log_det)
    expected = jacobian_log_det(lambda v: layer(v, condition)[0], x)
    torch.testing.assert_close(log_det, expected, atol=1e-9, rtol=0)
    torch.testing.assert_close(z.norm(dim=1), x.norm(dim=1))
    same, _ = layer(x, LevelCondition(condition.features[[1, 1]]))
    assert torch.allclose(same[2:], z[2:]) and not torch.allclose(same[:2], z[:2], atol=0.1)
    plain = ConditionalRotation(4, 3).double()
    assert torch.equal(plain(x, condition)[0], x)


def test_a_rounded_rotation_is_one_still():
    layer = build(lambda: ConditionalRotation(4, 3)).half()
    rotation = layer.rotations(LevelCondition(torch.eye(3)), torch.float64)
    one = torch.eye(4, dtype=torch.float64).expand(3, -1, -1)
    torch.testing.assert_close(rotation @ rotation.transpose(1, 2), one, atol=1e-12, rtol=0)
    assert torch.linalg.det(rotation).min() > 0
