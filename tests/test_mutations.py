"""The mistakes of `python -m tests.mutations` can be planted in the code as it is."""

import pytest
from helpers import ROOT
from mutations import MUTATIONS, mutated_file


@pytest.mark.parametrize("mutation", MUTATIONS, ids=[mutation.name for mutation in MUTATIONS])
def test_it_finds_its_place_and_its_tests(mutation):
    assert mutated_file(ROOT, mutation).is_file()
    for test in mutation.tests:
        name, _, function = test.partition("::")
        assert f"def {function.partition('[')[0]}" in (ROOT / name).read_text("utf-8")
