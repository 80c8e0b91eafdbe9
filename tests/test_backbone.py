"""The backbone in training: quicker gradients of the same function."""

import copy

import torch

from cinn_hub.networks import EfficientNetLite
from training.backbone import StridedConv, with_quick_gradients


def test_quick_gradients_are_those_of_the_same_function():
    torch.manual_seed(0)
    plain = EfficientNetLite()
    quick = copy.deepcopy(plain)
    with_quick_gradients(quick)
    assert sum(isinstance(m, StridedConv) for m in quick.modules()) == 4
    assert list(quick.state_dict()) == list(plain.state_dict())
    x = torch.randn(2, 1, 64, 64)

    def values_and_gradients(backbone):
        values = backbone(x)[-1]
        return values, *torch.autograd.grad(values.square().sum(), [*backbone.parameters()])

    pairs = zip(values_and_gradients(quick), values_and_gradients(plain), strict=True)
    for ours, theirs in pairs:
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-3)


def test_quick_gradients_share_the_weights_and_survive_a_copy():
    backbone = EfficientNetLite()
    weights = {name: x.data_ptr() for name, x in backbone.named_parameters()}
    with_quick_gradients(backbone)
    assert {name: x.data_ptr() for name, x in backbone.named_parameters()} == weights
    filters = [m for m in copy.deepcopy(backbone).modules() if isinstance(m, StridedConv)]
    assert len(filters) == 4 and all(
        conv.weight.data_ptr() not in weights.values() for conv in filters
    )
