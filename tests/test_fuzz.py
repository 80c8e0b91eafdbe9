"""Damaged files give a photo or a sentence: a small part of `python -m benchmarks.fuzz`."""

import pytest

pytest.importorskip("pillow_heif")

from benchmarks.fuzz import run


def test_damaged_files_give_photos_or_sentences():
    outcomes, faults = run(100)
    assert not faults
    assert outcomes["photo"] > 5 and outcomes["sentence"] > 5
