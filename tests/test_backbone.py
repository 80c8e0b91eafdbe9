"""The backbone: as its authors trained it, and with quicker gradients of the same function."""

import copy

import torch

from cinn_hub.networks import EfficientNetLite, SameConv
from training.backbone import BATCH_NORM_TENSORS, StridedConv, fold, with_quick_gradients


def test_folding_and_padding_are_those_of_the_original():
    """A convolution padded as TensorFlow's "same", BatchNorm behind it, in one convolution."""
    torch.manual_seed(0)
    conv = torch.nn.Conv2d(3, 5, 3, 2, bias=False)
    norm = torch.nn.BatchNorm2d(5, eps=1e-3).eval()
    for tensor in (norm.weight, norm.bias, norm.running_mean):
        torch.nn.init.normal_(tensor)
    torch.nn.init.uniform_(norm.running_var, 0.5, 2)
    x = torch.randn(2, 3, 16, 16)
    padded = torch.nn.functional.pad(x, (0, 1, 0, 1))  # the odd pixel to the right and below
    expected = norm(conv(padded))
    same = SameConv(3, 5, 3, 2)
    entries = [*norm.state_dict().values()]
    assert len(entries) == BATCH_NORM_TENSORS
    weight, bias = fold(conv.weight, entries)
    same.weight.data = torch.nn.functional.pad(weight, (1, 0, 1, 0))
    same.bias.data = bias
    assert torch.allclose(same(x), expected, atol=1e-5)
    assert torch.allclose(same(x.clone().requires_grad_()), expected, atol=1e-5)


def test_backbone_shapes():
    taps = EfficientNetLite()(torch.zeros(1, 1, 64, 64))
    assert [tuple(tap.shape[1:]) for tap in taps] == [
        *((24, 16, 16), (40, 8, 8), (112, 4, 4), (320, 2, 2))
    ]


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
