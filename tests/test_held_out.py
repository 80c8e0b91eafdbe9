"""Sets of held-out photos are made again from a list of names."""

import numpy as np
import pytest
from helpers import color_picture

from benchmarks.held_out import SETS, Held, middle_square, write_set
from training.photos import find_photos


@pytest.fixture
def photos(tmp_path):
    for i, size in enumerate([(300, 400), (500, 300), (90, 120)]):
        path = tmp_path / "photos" / f"folder {i}" / f"{i}.JPEG"
        path.parent.mkdir(parents=True)
        color_picture(*size, seed=i).save(path, quality=95)
    return tmp_path / "photos"


def test_a_set_has_the_listed_photos_in_the_order_of_the_list(photos, tmp_path):
    write_set(["2.JPEG", "0.JPEG"], [photos], tmp_path / "set")
    small, large = find_photos([tmp_path / "set"])
    assert small.decode().shape == (120, 90, 3)
    assert large.decode().shape == (256, 192, 3)
    known = {source.path.name: middle_square(source) for source in find_photos([photos])}
    for found, name in zip(Held.read([tmp_path / "set"]).rgb, ("2.JPEG", "0.JPEG"), strict=True):
        errors = {key: np.abs(found - x.astype(float)).mean() for key, x in known.items()}
        assert min(errors, key=errors.get) == name


def test_a_set_is_whole_and_overwrites_nothing(photos, tmp_path):
    with pytest.raises(SystemExit, match="1 of the set's photos are not there, 7.JPEG first"):
        write_set(["0.JPEG", "7.JPEG"], [photos], tmp_path / "set")
    assert not (tmp_path / "set").exists()
    (tmp_path / "set").mkdir()
    with pytest.raises(SystemExit, match="is there already"):
        write_set(["0.JPEG"], [photos], tmp_path / "set")


def test_no_photo_is_in_two_sets():
    lists = [path.read_text().split() for path in sorted(SETS.glob("*.txt"))]
    assert [len(names) for names in lists] == [400, 400, 600, 600]
    assert len(set().union(*lists)) == sum(map(len, lists))
