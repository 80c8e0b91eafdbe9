"""Transfer, interpolation, maps and variations of colourings, with a small random model."""

import numpy as np
import pytest
import torch
from helpers import color_picture, same
from PIL import Image

from cinn_hub import photos
from cinn_hub.errors import CinnHubError, PhotoError
from cinn_hub.latent import Latent


@pytest.fixture
def pair(small_model, photo):
    return small_model.colorize(photo, n=2, seed=5)


def test_a_photo_onto_itself_gives_its_own_colors_back(small_model):
    picture = color_picture(200, 200)
    same = small_model.transfer(picture, onto=picture, keep=1.0)
    own = photos.squeezed_ab(photos.read(picture), 16)
    np.testing.assert_allclose(same.ab, own, atol=1e-2)


def test_what_is_not_kept_is_drawn(small_model, photo):
    reference = small_model.latent_of(color_picture())
    mixed = small_model.transfer(reference, onto=photo, keep={"mood": 1, "things": 0.5}, seed=3)
    condition = small_model.prepare(photo).condition
    fresh = small_model.draws(condition, 1, seed=3, pool=None)[0]
    z = mixed.latent.levels
    assert torch.equal(z["mood"], reference.levels["mood"])
    assert torch.equal(z["details"], fresh.levels["details"])
    half = 0.75**0.5 * fresh.levels["things"] + 0.5 * reference.levels["things"]
    torch.testing.assert_close(z["things"], half)
    assert mixed.settings["keep"] == "mood=1 things=0.5 details=0 grain=0"
    assert mixed.settings["seed"] == "3"


def test_one_mood_for_an_album(small_model, photo, cinn, tmp_path):
    picked = small_model.colorize(photo, n=2, seed=5)[1].latent
    picked.save(tmp_path / "answer.safetensors")
    color_picture().save(tmp_path / "sunset.png")
    (tmp_path / "album").mkdir()
    for i in (1, 2):
        color_picture(seed=i).convert("L").save(tmp_path / "album" / f"{i}.png")
    for mood, z in (
        ("answer.safetensors", picked),
        ("sunset.png", small_model.latent_of(color_picture())),
    ):
        assert cinn("colorize", "album", "-n", 2, "-s", 3, "--mood", mood, "-o", mood[:6]).code == 0
        for i in (1, 2):
            grey = tmp_path / "album" / f"{i}.png"
            results = small_model.colorize(grey, n=2, seed=3, mood=z)
            assert all(torch.equal(x.latent.levels["mood"], z.levels["mood"]) for x in results)
            assert not torch.equal(*(x.latent.levels["things"] for x in results))
            assert same(tmp_path / mood[:6] / f"{i}_color2.png", results[1].image)
    with pytest.raises(CinnHubError, match="has 2 rows; pick one"):
        small_model.colorize(photo, n=1, mood=Latent.cat([picked, picked]))


def test_moods_need_colors(small_model, photo):
    sepia = np.asarray(photo)[..., None] * np.array([0.9, 0.7, 0.5])
    for grey in (photo, sepia.astype(np.uint8)):
        with pytest.raises(PhotoError, match="has no colours to take"):
            small_model.transfer(grey, onto=photo)
    for keep, shown in ((2, "2"), ("much", "'much'"), ({"mood": None}, "None")):
        with pytest.raises(CinnHubError, match=f"The amount is {shown}"):
            small_model.transfer(color_picture(), onto=photo, keep=keep)
    with pytest.raises(CinnHubError, match=r"The levels \['4x4'\] are unknown"):
        small_model.transfer(color_picture(), onto=photo, keep={"4x4": 1})


L = torch.full((2, 1, 64, 64), 50.0)


@pytest.mark.parametrize(
    ("lightness", "sentence"),
    [
        (L[0], r"L has the shape \(1, 64, 64\); it must be \(B, 1, 64, 64\)"),
        (L[..., :32], r"L has the shape \(2, 1, 64, 32\)"),
        (L / 100, "from 0.5 to 0.5; it must have floating-point values in"),
        (L * 5, "from 250 to 250"),
        (L - 55, "from -5 to -5"),
        (L * torch.nan, "from nan to nan"),
        (L.byte(), "values of torch.uint8"),
    ],
)
def test_a_condition_needs_a_lightness(small_model, lightness, sentence):
    with pytest.raises(CinnHubError, match=sentence):
        small_model.condition(lightness)


def test_black_photos_have_a_condition(small_model):
    assert small_model.condition(0 * L).rows == 2
    assert len(small_model.colorize(np.zeros((64, 64), np.uint8), n=1)) == 1


def test_a_way_meets_both_ends(small_model, photo, pair):
    way = small_model.interpolate(photo, pair[0].latent, pair[1].latent, steps=5)
    assert len(way) == 5
    np.testing.assert_allclose(way[0].ab, pair[0].ab, atol=1e-3)
    np.testing.assert_allclose(way[-1].ab, pair[1].ab, atol=1e-3)
    assert not np.allclose(way[2].ab, (pair[0].ab + pair[1].ab) / 2, atol=1e-3)
    with pytest.raises(CinnHubError, match="The number of steps is 1"):
        small_model.interpolate(photo, pair[0].latent, pair[1].latent, steps=1)


def test_a_map_has_the_typical_in_its_middle_and_the_temperature_at_its_corners(small_model, photo):
    cells = small_model.explore(photo, side=3, temperature=0.8, seed=1)
    assert len(cells) == 9
    z = Latent.cat([cell.latent for cell in cells])
    center = small_model.center(small_model.prepare(photo).condition)
    assert z[4] == center
    z = z.noise_of(center).flatten()  # of the corners: noise
    assert z[[0, 2, 6, 8]].std(1).numpy() == pytest.approx(0.8, abs=0.1)
    torch.testing.assert_close(z[0], -z[8])
    again = small_model.colorize(photo, latent=cells[7].latent)[0]
    np.testing.assert_allclose(again.ab, cells[7].ab, atol=1e-4)
    assert again.settings == cells[7].settings
    with pytest.raises(CinnHubError, match="side of the map is 1"):
        small_model.explore(photo, side=1)


def test_similar_ones_are_near_and_unrelated_ones_are_not(small_model, photo, pair):
    def distances(amount):
        found = small_model.similar(photo, pair[0].latent, n=3, amount=amount, seed=2)
        z = Latent.cat([result.latent for result in found])
        return (z.flatten() - pair[0].latent.flatten()).norm(dim=1), z.flatten().std()

    near, spread = distances(0.3)
    far, _ = distances(1.0)
    assert near.min() > 0 and near.max() < 0.5 * far.min()
    assert spread == pytest.approx(1, abs=0.1)  # still draws
    assert distances(0.0)[0].max() == 0


def test_intensity_scales_chroma(pair):
    strong = pair[0].with_intensity(1.5)
    np.testing.assert_allclose(strong.ab, 1.5 * pair[0].ab)
    assert strong.chroma == pytest.approx(1.5 * pair[0].chroma)
    assert strong.settings["intensity"] == "1.5"
    assert strong.with_intensity(0.5).settings["intensity"] == "0.75"
    assert np.ptp(np.asarray(pair[0].with_intensity(0).image).astype(int), axis=2).max() <= 1
    with pytest.raises(CinnHubError, match="intensity is -1"):
        pair[0].with_intensity(-1)


def test_saving_many_keeps_no_pictures_in_memory(pair, tmp_path):
    pair[0].save(tmp_path / "a.png")
    assert "image" not in vars(pair[0])
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), np.asarray(pair[0].image))


def test_latents_of_other_models_are_refused(small_model, photo, pair):
    shapes = {"1x1": (2, 1, 1), "2x2": (6, 1, 1)}
    other = Latent.standard(shapes, [0])
    both = Latent.cat([pair[0].latent, pair[1].latent])
    for call in (
        lambda: small_model.colorize(photo, latent=other),
        lambda: small_model.similar(photo, other),
        lambda: small_model.interpolate(photo, pair[0].latent, other),
        lambda: small_model.transfer(other, onto=photo),
    ):
        with pytest.raises(CinnHubError, match="take a latent of this model"):
            call()
    for call in (
        lambda: small_model.similar(photo, both),
        lambda: small_model.interpolate(photo, both, pair[0].latent),
        lambda: small_model.transfer(both, onto=photo),
    ):
        with pytest.raises(CinnHubError, match="has 2 rows; pick one"):
            call()


def test_files_name_the_model_that_made_them(small_model, photo, pair):
    latent = Latent(pair[0].latent.levels, {**pair[0].latent.settings, "model": "first"})
    assert small_model.colorize(photo, latent=latent)[0].settings["model"] == small_model.name


def test_scores_are_densities_of_noisy_colors(small_model):
    picture = color_picture(80, 80, seed=3)
    scored = small_model.score(picture, seed=4)
    ab = torch.from_numpy(photos.squeezed_ab(photos.read(picture), 16)).permute(2, 0, 1)[None]
    noise = torch.from_numpy(scored.ab).permute(2, 0, 1)[None] - ab
    assert noise.std() == pytest.approx(small_model.config.noise, rel=0.1)
    condition = small_model.prepare(picture).condition
    assert scored.log_prob == pytest.approx(
        small_model.log_prob(ab + noise, condition).item(), rel=1e-4
    )
    assert scored.bits_per_dim == pytest.approx(
        -scored.log_prob / (small_model.dimensions * np.log(2)), rel=1e-4
    )
    assert small_model.score(picture, seed=4).log_prob == scored.log_prob
    assert small_model.score(picture, seed=5).log_prob != scored.log_prob


def test_the_layer_has_the_colors_and_one_lightness(pair):
    from cinn_hub.color import to_lab

    lab = to_lab(np.asarray(pair[0].layer))
    assert np.ptp(lab[..., 0]) < 2
    assert np.abs(lab[..., 1:]).max() > 5
