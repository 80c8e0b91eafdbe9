"""The four original networks: what the authors' code says, our models of their files say, too."""

import numpy as np
import pytest
import torch
from helpers import color_picture
from PIL import Image
from rebuilding import FOLDER, NAMES, Golden, conditioned, rebuilt

from cinn_hub.flow import HaarDownsampling, SpaceToDepth, soft_clamp
from cinn_hub.originals import models as networks
from cinn_hub.originals.bilateral import JointBilateralEnlargement
from cinn_hub.originals.checkpoints import read_original
from cinn_hub.originals.models import (
    L_CENTER,
    L_SPREAD,
    ORIGINALS,
    numpy_permutation,
)
from cinn_hub.photos import GuidedEnlargement

TOLERANCE = 1e-4
LAYERS = {key: torch.from_numpy(x) for key, x in np.load(FOLDER / "layers.golden.npz").items()}


@pytest.fixture(scope="module")
def models():
    return {name: read_original(rebuilt(name), name)[1] for name in NAMES}


@pytest.fixture(params=NAMES)
def pair(request, models):
    model = models[request.param]
    return model, Golden(request.param, model)


def check(found, expected, tolerance=TOLERANCE):
    assert found.shape == expected.shape
    assert (found - expected).abs().max() <= tolerance * expected.abs().max()


def test_encode(pair):
    model, golden = pair
    z, log_det = model.encode(golden.x, conditioned(model, golden.condition))
    assert list(z.levels) == list(model.latent_shapes)
    for name, level in z.levels.items():
        check(level, golden.z.levels[name])
    check(log_det, golden.log_det)


def test_decode(pair):
    model, golden = pair
    condition = conditioned(model, golden.condition)
    x, log_prob = model.decode_with_log_prob(golden.drawn, condition)
    check(x, golden.decoded)
    values = golden.drawn.flatten()
    normal = -0.5 * (values.square() + np.log(2 * np.pi)).sum(1)
    check(log_prob, normal - golden.log_det_reverse)
    check(model.decode(model.encode(golden.x, condition)[0], condition), golden.x)


def test_rows_of_one_condition(pair):
    """Several samples of one photo or label are what each is alone."""
    model, golden = pair
    condition = conditioned(model, golden.condition[:1])
    together = model.decode(golden.drawn, condition)
    alone = [model.decode(golden.drawn[i], condition) for i in range(len(golden.drawn))]
    check(together, torch.cat(alone), 1e-5)


def test_conditions(models):
    bedroom = Golden("lsun-minimal", models["lsun-minimal"])
    for i, found in enumerate(models["lsun-minimal"].condition_network(bedroom("in/L"))):
        check(found, bedroom(f"f32/condition_{i}"))
    model = models["imagenet-research"]
    golden = Golden("imagenet-research", model)
    features = model.features(golden.condition)
    check(features, golden("f32/features"))
    check(model.vector(features), golden("f32/fc_condition"))


def test_condition_subnets(models):
    model = models["imagenet-research"]
    golden = Golden("imagenet-research", model)
    for level, key in (("64x64", "1_first"), ("4x4", "54")):
        expected = golden(f"f32/subnet_node_{key}")
        features = golden("f32/features")[: len(expected)]
        check(model.subnets[level][0](features), expected)


def test_layers():
    for n in (784, 8, 1024, 512):
        for seed, expected in enumerate(LAYERS[f"permutation/{n}"].long()):
            assert torch.equal(numpy_permutation(n, seed).order, expected)
    for clamp in ("0.6", "0.8", "1.0", "1.5", "1.9"):
        found = soft_clamp(LAYERS["f64/clamp_s"], float(clamp))
        torch.testing.assert_close(found, LAYERS[f"f64/clamp_log_scale_{clamp}"])
    x = LAYERS["downsample/x"]
    assert torch.equal(SpaceToDepth()(x, None)[0], LAYERS["f32/space_to_depth"])
    for order in ("channel", "wavelet"):
        z, log_det = HaarDownsampling(order)(x, None)
        name = f"f32/haar_{order}_rebalance_0.5"
        check(z, LAYERS[name], 1e-6)
        assert log_det.tolist() == pytest.approx([LAYERS[f"{name}_log_det"].item()] * 2)


PARAMETERS = {
    "mnist-minimal": 24_341_120,
    "mnist-research": 54_424_320,
    "lsun-minimal": 11_010_760,
    "imagenet-research": 88_868_624,
}


@pytest.mark.parametrize("name", NAMES)
def test_full_width(name):
    with torch.device("meta"):
        model = getattr(networks, ORIGINALS[name].architecture)(ORIGINALS[name])
    assert sum(parameter.numel() for parameter in model.parameters()) == PARAMETERS[name]
    assert ORIGINALS[name] == model.config


@pytest.mark.parametrize("name", ["lsun-minimal", "imagenet-research"])
def test_moves_of_photos(models, name):
    model, photo = models[name], color_picture(80, 60)
    first, second = model.colorize(photo, n=2, seed=3)
    assert first.image.size == (80, 60) and not np.allclose(first.ab, second.ab)
    way = model.interpolate(photo, first.latent, second.latent, steps=3)
    np.testing.assert_allclose(way[0].ab, first.ab, atol=0.01)
    assert np.isfinite(model.transfer(photo, onto=photo.convert("L")).ab).all()
    assert np.isfinite(model.score(photo).bits_per_dim)
    (hinted,) = model.colorize(photo, n=1, seed=3, hints=[(40, 30, "#805040")])
    assert np.isfinite(hinted.ab).all() and not np.allclose(hinted.ab, first.ab)


@pytest.mark.parametrize("name", ["mnist-minimal", "mnist-research"])
def test_moves_of_digits(models, name):
    model = models[name]
    pictures = model.sample([3, 7], n=2, seed=1)
    assert pictures.shape == (2, 2, 1, 28, 28) and pictures.min() >= 0 and pictures.max() <= 1
    digits = (
        torch.rand(2, 28, 28, generator=torch.Generator().manual_seed(0)).mul(255).round() / 255
    )
    assert model.classify(digits).shape == (2, 10)
    # every picture of 8 bits comes back exactly when it is written as what it shows
    written = model.transfer(digits, label=4, source=4)
    torch.testing.assert_close(written.view(2, 28, 28), digits, atol=1 / 254, rtol=0)
    assert model.interpolate(digits[0], digits[1], label=2, steps=3).shape == (3, 1, 28, 28)


@pytest.mark.parametrize(
    ("key", "reach", "contrast"), [("6_sl0.1", 6, 2.56), ("4_sl0.05", 4, 1.28)]
)
def test_joint_bilateral_enlargement(key, reach, contrast):
    golden = np.load(FOLDER / "joint-bilateral.golden.npz")
    lightness = golden["L"] * np.float32(L_SPREAD) + np.float32(L_CENTER)
    small = golden["ab"].transpose(1, 2, 0)
    enlargement = JointBilateralEnlargement(small, reach, contrast)
    expected = golden[f"up_sx{key}"].transpose(1, 2, 0)
    parts = [enlargement.rows(lightness, slice(i, i + 20)) for i in (0, 20, 40)]
    np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-4)


def test_pictures_as_in_the_paper(models, tmp_path):
    (result,) = models["lsun-minimal"].colorize(color_picture(40, 30), n=1, seed=3)
    for enlargement in (GuidedEnlargement, JointBilateralEnlargement):
        result.save(tmp_path / f"{enlargement.__name__}.png", enlargement=enlargement)
    ours, theirs = (np.asarray(Image.open(path)) for path in sorted(tmp_path.iterdir()))
    assert ours.shape == theirs.shape and not np.array_equal(ours, theirs)
