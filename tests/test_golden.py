"""The shipped models say what they said when they were published; see make_golden.py."""

import pytest
import torch
from make_golden import FOLDER, golden_values
from safetensors.torch import load_file

import cinn_hub

# Other processors, numbers of threads and versions of PyTorch round sums in another order. The same
# in float64 differs from the files by up to 5e-5 of the values' spread; ten times that is allowed.
TOLERANCE = 5e-4
NAMES = [entry.name for entry in cinn_hub.list_models()]


@pytest.mark.parametrize("name", NAMES)
def test_golden_values(name):
    path = FOLDER / f"{name}.safetensors"
    assert path.is_file(), f"{path} is missing: python -m tests.make_golden {name}"
    expected, found = load_file(path), golden_values(cinn_hub.load(name, device="cpu"))
    assert found.keys() == expected.keys()
    for key, values in expected.items():
        assert found[key].shape == values.shape, key
        assert deviation(found[key], values) < TOLERANCE, key


def deviation(found, expected):
    """The largest difference, in standard deviations of the values (of their size for a few)."""
    spread = expected.std() if len(expected) > 100 else expected.abs().max()
    return ((found - expected).abs().max() / spread).item()


def test_there_are_golden_values_of_nothing_else_and_they_are_small():
    files = list(FOLDER.glob("*.safetensors"))
    assert {path.stem for path in files} == set(NAMES)
    assert all(path.stat().st_size < 300_000 for path in files)


def test_a_changed_value_is_noticed():
    values = torch.randn(1000, generator=torch.Generator().manual_seed(0))
    changed = values.clone()
    changed[17] += 0.01
    assert deviation(values, values) == 0 and deviation(changed, values) > TOLERANCE
