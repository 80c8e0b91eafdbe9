"""Caches: computed once, taken up where they stopped, made anew for another network or list."""

import numpy as np
import pytest
import torch
from helpers import color_picture

from training.cache import Cache, CachedBatches, View, fill, fingerprint, make_cache
from training.color_flow import PARTS, with_few_faces
from training.photos import ColorPhotos, find_photos


@pytest.fixture
def sources(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for i in range(40):
        color_picture(80, 64, seed=i).save(folder / f"{i:02}.png")
    color_picture().convert("L").save(folder / "grey.png")
    return find_photos([folder])


class Counting:
    """The mean L of a photo, and how many photos it was asked for."""

    def __init__(self, limit=10**6):
        self.photos, self.limit = 0, limit

    def __call__(self, lightness, ab):
        self.photos += len(ab)
        if self.photos > self.limit:
            raise KeyboardInterrupt
        return {"light": lightness.mean((1, 2, 3)), "ab": ab}


def make(root, sources, compute, network="one", **more):
    return make_cache(root, "photos", sources, compute, network, size=32, **more)


def test_photos_are_computed_once(tmp_path, sources):
    first, second = Counting(), Counting()
    cache = make(tmp_path / "caches", sources, first)
    again = make(tmp_path / "caches", sources, second)
    assert (first.photos, second.photos) == (40, 0)
    assert len(cache) == len(again) == 40  # the grey one is left out
    found = cache.read(cache.rows[:3], ["light", "ab"])
    assert found["ab"].shape == (3, 2, 8, 8) and found["ab"].dtype == torch.float32
    photo = ColorPhotos(sources, 32)[View().draw(0)]
    torch.testing.assert_close(found["ab"][0], photo[1], atol=0.05, rtol=0)
    assert found["light"][0].item() == pytest.approx(photo[0].mean().item(), abs=0.05)


def test_another_network_list_or_view_makes_another_cache(tmp_path, sources):
    root = tmp_path / "caches"
    caches = [
        make(root, sources, Counting()),
        make(root, sources, Counting(), network="two"),
        make(root, sources[:-1], Counting()),
        make(root, sources, Counting(), view=View(1)),
    ]
    assert len({cache.folder for cache in caches}) == 4
    plain, part = (cache.read(cache.rows[:5], ["ab"])["ab"] for cache in (caches[0], caches[3]))
    assert not torch.allclose(plain, part, atol=1)


def test_an_interrupted_cache_is_taken_up(tmp_path, sources, monkeypatch):
    monkeypatch.setattr("training.cache.SAVED_EVERY", 1)
    monkeypatch.setattr("training.cache.CHUNK", 8)
    folder, view = tmp_path / "part", View(1)
    with pytest.raises(KeyboardInterrupt):
        fill(folder, "photos", sources, Counting(limit=20), 32, view)
    rest = Counting()
    fill(folder, "photos", sources, rest, 32, view)
    assert rest.photos == 40 - 16
    whole = tmp_path / "whole"
    fill(whole, "photos", sources, Counting(), 32, view)
    for name in ("ab", "light"):
        mended, other = Cache(folder).arrays[name], Cache(whole).arrays[name]
        assert np.array_equal(mended, other)


def test_fingerprints_tell_weights():
    a, b = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
    assert fingerprint(a) != fingerprint(b)
    b.load_state_dict(a.state_dict())
    assert fingerprint(a) == fingerprint(b)


class Named(list):
    def __init__(self, name, size):
        super().__init__(range(size))
        self.name = name


def test_faces_are_a_tenth_at_most():
    shares = with_few_faces([Named("faces_a", 300), Named("things", 90), Named("faces_b", 100)])
    assert sum(shares) == pytest.approx(1)
    assert shares[1] == pytest.approx(0.9) and shares[0] == pytest.approx(3 * shares[2])
    few = with_few_faces([Named("faces_a", 1), Named("things", 99)])
    assert few == pytest.approx([0.01, 0.99])
    assert with_few_faces([Named("faces_a", 7)]) == [1]


def test_batches_are_of_all_caches(tmp_path, sources):
    def compute(lightness, ab):
        light = lightness.mean((2, 3))
        return dict.fromkeys(("middle", "coarse", "expected", "spread", "lightness"), light) | {
            "ab": ab
        }

    caches = [make(tmp_path / "caches", some, compute) for some in (sources[:20], sources[20:])]
    names = ("ab", *PARTS)
    batches = iter(CachedBatches(caches, [0.75, 0.25], 16, names, seed=1))
    ab, *parts = next(batches)
    assert ab.shape == (16, 2, 8, 8) and [x.shape for x in parts] == [(16, 1)] * 5
    assert not torch.equal(next(batches)[0], ab)
    again = iter(CachedBatches(caches, [0.75, 0.25], 16, names, seed=1))
    assert torch.equal(next(again)[0], ab)
