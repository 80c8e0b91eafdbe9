"""The digits model on tensors, its images, and what it refuses."""

import math

import numpy as np
import pytest
import torch
from helpers import ROOT, randomize
from PIL import Image

from benchmarks.digits import bits_per_pixel
from cinn_hub.digit_model import dequantized, from_sketch, quantized, read_digits
from cinn_hub.errors import CinnHubError, DigitError
from cinn_hub.models import load
from cinn_hub.models.digit_cinn import DigitCINN, DigitConfig


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(0)
    config = DigitConfig(hidden=(8, 6, 6), dense=16, bins=4, directions=("one", "two"))
    model = DigitCINN(config)
    randomize(model.flow, scale=0.3)
    model.directions = torch.linalg.qr(torch.randn(784, 2)).Q.T.contiguous()
    model.deviations = torch.tensor([2.0, 1.0])
    return model.eval().requires_grad_(False)


@pytest.fixture
def images():
    """Five 8-bit pictures, mostly black."""
    generator = torch.Generator().manual_seed(1)
    noise = torch.rand(5, 1, 28, 28, generator=generator)
    return ((noise - 0.6).clamp(0) * 637).round() / 255


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float64, 1e-9), (torch.float32, 1e-4)])
def test_round_trip(small, images, dtype, limit):
    model = small.to(dtype)
    x = dequantized(images, torch.Generator().manual_seed(0)).to(dtype)
    condition = model.condition([3, 1, 4, 1, 5])
    z, _ = model.encode(x, condition)
    assert (model.decode(z, condition) - x).abs().max() < limit
    small.float()


def test_quantization_gives_back_the_picture(images):
    for generator in (None, torch.Generator().manual_seed(3)):
        assert torch.equal(quantized(dequantized(images, generator)), images)


def test_bits_are_those_of_eight_bit_pixels():
    nats = torch.tensor([0.0])  # density 1 on [0, 1]: 8 bits for each pixel
    assert bits_per_pixel(nats).item() == pytest.approx(8)


def test_samples(small):
    seven = small.sample(7, n=3, seed=4)
    assert seven.shape == (3, 1, 28, 28) and seven.min() >= 0 and seven.max() <= 1
    assert torch.equal(seven[:2], small.sample(7, n=2, seed=4))
    assert not torch.equal(seven, small.sample(7, n=3, seed=5))
    both = small.sample([1, 7], n=3, seed=4)
    assert both.shape == (2, 3, 1, 28, 28)
    assert torch.allclose(both[1], seven, atol=1 / 255)
    assert torch.equal(seven, (seven * 255).round() / 255)


def test_transfer_to_its_own_label_changes_nothing(small, images):
    again = small.transfer(images, [4, 4], source=[4] * 5)
    assert again.shape == (5, 2, 1, 28, 28)
    assert torch.allclose(again, images[:, None].expand_as(again), atol=1e-6)
    assert small.transfer(images[0, 0], range(10)).shape == (10, 1, 28, 28)


def test_interpolation_ends_at_its_ends(small, images):
    way = small.interpolate(images[0, 0], images[1, 0], steps=5)
    assert way.shape == (5, 1, 28, 28)
    assert torch.allclose(way[0], images[0], atol=1e-6)


def test_classification_is_bayes_rule(small, images):
    probabilities = small.classify(images)
    assert torch.allclose(probabilities.sum(1), torch.ones(5), atol=1e-5)
    nats = [small.log_prob(dequantized(images[:1]), small.condition(k)).item() for k in range(10)]
    expected = torch.tensor(nats).softmax(0)
    assert torch.allclose(small.classify(images[0, 0]), expected, atol=1e-4)


def test_moving_along_directions(small, images):
    z = small.latent(images, [0] * 5)
    moved = small.moved(z, [0.5, -2])
    difference = (moved.flatten() - z.flatten()).float()
    assert torch.allclose(difference @ small.directions.T, torch.tensor([1.0, -2.0]), atol=1e-4)
    assert math.isclose(difference[0].norm().item(), math.hypot(1, 2), rel_tol=1e-3)


def test_folder_round_trip(small, tmp_path, images):
    small.save(tmp_path, torch.float32)
    again = load(tmp_path, "cpu")
    assert again.config == small.config
    assert torch.equal(again.sample(3, seed=1), small.sample(3, seed=1))


@pytest.mark.parametrize("label", [-1, 10, 2.5, "7", True, [], [3, 12], None])
def test_bad_labels(small, label):
    with pytest.raises(DigitError, match="0 to 9"):
        small.sample(label)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((27, 28), np.uint8), "must be 28 x 28"),
        (np.zeros((1, 3, 28, 28), np.uint8), "3 channels"),
        (Image.new("RGB", (28, 28)), "mode RGB"),
        (Image.new("L", (32, 32)), "must be 28 x 28"),
        (np.full((28, 28), 200.0), "values outside of"),
        (np.full((28, 28), np.nan), "values outside of"),
        ("seven.png", "'seven.png' is a path; open it first"),
        ([], "There is no image"),
    ],
)
def test_bad_images(small, image, message):
    with pytest.raises(DigitError, match=message):
        small.transfer(image, 3)


def test_counts_that_do_not_fit(small, images):
    z = small.latent(images[:3], [1, 2, 3])
    with pytest.raises(DigitError, match="3 latents and 2 labels"):
        small.write(z, [1, 2])
    with pytest.raises(DigitError, match="3 images and 2 labels"):
        small.transfer(images[:3], 4, source=[1, 2])
    with pytest.raises(DigitError, match="amounts; give at most"):
        small.moved(z, [0.0] * 1000)


def test_numbers(small):
    plain = small.sample(7, n=2, seed=1)
    assert torch.equal(small.sample(np.int64(7), n=np.int64(2), seed=np.int64(1)), plain)
    for options in ({"n": 0}, {"temperature": -1}, {"seed": -2}):
        with pytest.raises(CinnHubError):
            small.sample(3, **options)


def test_kinds_of_images():
    array = np.arange(784, dtype=np.uint32).reshape(28, 28).astype(np.uint8)
    same = [array, array / 255, torch.from_numpy(array), Image.fromarray(array)]
    for image in same:
        assert torch.allclose(read_digits(image), read_digits(array), atol=1e-6)
    assert read_digits(same[:3]).shape == (3, 1, 28, 28)


def test_sketches_are_prepared_as_mnist_was():
    sketch = np.zeros((300, 200), np.uint8)
    sketch[40:240, 120:150] = 255  # 200 high, far from the middle
    digit = from_sketch(sketch)
    rows, columns = np.flatnonzero(digit.any(1)), np.flatnonzero(digit.any(0))
    assert 19 <= rows[-1] - rows[0] + 1 <= 21 and columns[-1] - columns[0] <= 4
    mass = digit.astype(float) / digit.sum()
    assert abs((mass.sum(1) * np.arange(28)).sum() - 13.5) < 0.3
    assert abs((mass.sum(0) * np.arange(28)).sum() - 13.5) < 0.3
    with pytest.raises(DigitError, match="Nothing is drawn"):
        from_sketch(np.zeros((280, 280), np.uint8))


def test_the_shipped_model_reads_what_it_writes_and_loses_nothing(mnist):
    """Every latent is a picture, which is read as what it was meant to be."""
    condition, labels = mnist.condition(range(10)), torch.arange(10)
    z = mnist.draw(30, temperature=0.7, seed=0)
    x = mnist.decode(z, condition)
    assert 0 < x.min() < x.max() < 1
    again, _ = mnist.encode(x, condition)
    assert (again.flatten() - z.flatten()).abs().max() < 1e-5
    assert (mnist.decode(again, condition) - x).abs().max() < 1e-5
    read = mnist.classify(quantized(x).float()).argmax(1)
    assert (read == labels.repeat_interleave(3)).float().mean() > 0.9
    assert mnist.transfer(quantized(x[21, 0]).float(), range(10)).shape == (10, 1, 28, 28)
    assert len(mnist.config.directions) == len(mnist.directions) == len(mnist.deviations) >= 3


def test_classification_needs_only_what_the_label_changes(mnist):
    """28x28 is the same for all labels, so `label_scores` leaves it out."""
    x = dequantized(mnist.sample(7, n=2, seed=5))
    with torch.inference_mode():
        whole = [mnist.log_prob(x, mnist.condition([k])) for k in range(10)]
    difference = mnist.label_scores(x.to(mnist.value_dtype)) - torch.stack(whole, 1)
    torch.testing.assert_close(difference, difference[:, :1].expand(-1, 10), atol=1e-3, rtol=0)


def test_digits_on_any_paper_are_read(mnist):
    """As scans show them: dark on light, on grey paper, with noise."""
    light = mnist.sample(range(10), 3, 0.6, seed=1)[:, :, 0].flatten(0, 1).numpy()
    labels = np.arange(10).repeat(3)
    noise = np.random.default_rng(0).normal(0, 0.015, light.shape)
    for paper in (1 - light, 0.9 - 0.8 * light, 0.15 + 0.8 * light, 0.9 - 0.8 * light + noise):
        found = mnist.classify(paper.clip(0, 1).astype(np.float32)).argmax(1).numpy()
        assert (found == labels).mean() >= 0.95
    assert torch.equal(read_digits(light), torch.from_numpy(light)[:, None])


@pytest.mark.parametrize("kind", ["noise", "photo", "grey", "white"])
def test_what_is_no_digit_is_said_to_be_none(mnist, kind):
    photo = Image.open(ROOT / "examples" / "photographer.jpg").convert("L").resize((28, 28))
    pictures = {
        "noise": np.random.default_rng(0).random((28, 28)).astype(np.float32),
        "photo": np.array(photo),
        "grey": np.full((28, 28), 60, np.uint8),
        "white": np.full((28, 28), 255, np.uint8),
    }
    for move in (mnist.classify, lambda image: mnist.transfer(image, 3)):
        with pytest.raises(DigitError, match="The image is no handwritten digit"):
            move(pictures[kind])
    good = mnist.sample(3, 1, 0.5, seed=0)[:, 0].numpy()
    with pytest.raises(DigitError, match="Image 1 is no handwritten digit"):
        mnist.classify([good, pictures[kind]])
