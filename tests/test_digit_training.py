"""The training of digits: what each level has of the bits, and digits that a classifier reads."""

from types import SimpleNamespace

import pytest
import torch
from helpers import randomize

from benchmarks.digits import bits_per_pixel
from cinn_hub.digit_model import dequantized
from cinn_hub.flow import spline
from cinn_hub.latent import Latent
from cinn_hub.model import standard_normal_log_prob
from cinn_hub.models.digit_cinn import DigitCINN, DigitConfig
from training.digit_reader import TrainingReader, reader_of, train_reader
from training.digits import (
    KNOTS,
    ReadableDigitTask,
    flow_and_hands,
    flow_of,
    hand_directions,
    hands_of,
    initial_model,
    parameters_at,
)
from training.hands import Hands, measures_of
from training.mnist import varied

BATCH = 6


@pytest.fixture
def images():
    """Bars (2 BATCH, 1, 28, 28) uint8: upright for label 1, level for label 2; and the labels."""
    labels = torch.tensor([1, 2]).repeat(BATCH)
    upright = torch.zeros(2 * BATCH, 1, 28, 28, dtype=torch.uint8)
    upright[..., 5:23, 12:16] = 250
    level = upright.transpose(2, 3)
    return torch.where((labels == 1).view(-1, 1, 1, 1), upright, level), labels


@pytest.fixture
def fresh():
    """Before any training."""
    torch.manual_seed(0)
    model = DigitCINN(DigitConfig(hidden=(8, 6, 6), dense=16, bins=4, dropout=0.0))
    usual = torch.randint(256, (40, 1, 28, 28), dtype=torch.uint8)
    hands = Hands(usual, torch.arange(10).repeat(4), 49)
    return ReadableDigitTask(model, TrainingReader().eval(), hands)


@pytest.fixture
def task(fresh):
    randomize(fresh.model.flow, scale=0.5)
    return fresh


def taught(task):
    """The levels that have gradients."""
    levels = task.model.flow.levels
    return {name for name in levels if any(p.grad is not None for p in levels[name].parameters())}


def test_levels_add_up_to_the_bits(task, images):
    pictures, labels = images
    parts = list(zip(pictures.split(BATCH), labels.split(BATCH), strict=True))
    with torch.no_grad():
        found = task.held_out("flow", parts)
        bits = []
        for part, which in parts:
            x = dequantized(part / 255, torch.Generator().manual_seed(0))
            bits.append(bits_per_pixel(task.model.log_prob(x, task.model.condition(which))))
    assert found["bits per pixel"] == pytest.approx(torch.cat(bits).mean().item(), abs=1e-4)
    levels = [value for name, value in found.items() if name.startswith("bits of")]
    assert len(levels) == 3 and sum(levels) == pytest.approx(found["bits per pixel"] - 8, abs=1e-6)


def test_a_level_alone_has_the_loss_that_it_has_among_all(task, images):
    """The density of all levels is the sum; the noise is the same."""
    total = 0.0
    for name in task.model.latent_shapes:
        torch.manual_seed(3)
        total = total + task.loss_of_level(name, *images)
    torch.manual_seed(3)
    loss, _ = task.loss_and_latents(*images)
    assert total.item() == pytest.approx(loss.item(), abs=1e-5)
    task.zero_grad()
    task.loss_of_level("14x14", *images).backward()
    assert taught(task) == {"14x14"}


def test_the_last_layers_learn_that_a_latent_is_a_hand(fresh, images):
    """Only they and the readout are taught, and latents do not become less likely."""
    fresh.requires_grad_(False)
    fresh.hands.deviations *= fresh.hands(images[0] / 255, images[1]).abs().amax(0)
    parameters = hands_of(fresh)[0]["params"]
    for parameter in parameters:
        parameter.requires_grad_(True)
    optimizer = torch.optim.Adam(parameters, 3e-3)

    @torch.no_grad()
    def error_and_nats():
        torch.manual_seed(4)
        x = (images[0] + 0.5) / 256
        z, _ = fresh.of_level("7x7", x, images[1])
        off = fresh.hands.readout(z.levels["7x7"]) - fresh.hands(x, images[1])
        return off.square().mean(), fresh.loss_and_latents(*images)[0]

    error, nats = error_and_nats()
    for _ in range(60):
        optimizer.zero_grad()
        fresh("hands", *images).backward()
        optimizer.step()
    assert all(parameter.grad.abs().max() > 0 for parameter in parameters)
    error_after, nats_after = error_and_nats()
    assert error_after < 0.2 * error and nats_after < nats


def test_labels_are_told_apart_by_the_exact_density(task, images):
    """Bayes' rule has the same result without the finest level, which is left out; the rest of the
    density is that of the two others."""
    pictures, labels = images
    torch.manual_seed(6)
    scores = task.label_scores(pictures)
    torch.manual_seed(6)
    x = (pictures + torch.rand(pictures.shape)) / 256
    with torch.no_grad():
        of_labels = [task.model.log_prob(x, task.model.condition([k])) for k in range(10)]
        z, log_dets = task.model.flow.forward_by_level(x, task.model.condition(labels))
        finest = standard_normal_log_prob(Latent({"28x28": z["28x28"]})) + log_dets["28x28"]
    expected = torch.stack(of_labels, 1).float() - finest[:, None]
    torch.testing.assert_close(scores, expected, rtol=1e-4, atol=0.1)
    task("labels", *images).backward()
    assert taught(task) == {"14x14", "7x7"}


def test_digits_are_varied_a_little(images):
    torch.manual_seed(8)
    before = images[0][images[1] == 1].repeat(20, 1, 1, 1)
    after = varied(before)
    assert after.dtype == torch.uint8 and after.shape == before.shape
    assert len({picture.numpy().tobytes() for picture in after}) == len(after)
    ink = after.double().sum((1, 2, 3)) / before.double().sum((1, 2, 3))
    assert 0.6 < ink.min() < 1 < ink.max() < 1.6 and abs(ink.mean() - 1) < 0.1
    moved = (measures_of(after / 255) - measures_of(before / 255)).abs()
    assert 0.02 < moved[:, 0].mean() < 0.3  # of the slant


def test_measures_of_a_hand():
    rows, columns = torch.meshgrid(torch.arange(28.0), torch.arange(28.0), indexing="ij")
    bar = ((columns - 14).abs() < 2) & ((rows - 14).abs() < 9)
    leaning = ((columns - 14 - 0.5 * (rows - 14)).abs() < 2) & ((rows - 14).abs() < 9)
    footed = bar | (((columns - 14).abs() < 8) & (rows > 20) & (rows < 23))
    upright, slanted, foot = measures_of(torch.stack([bar, leaning, footed])[:, None].float())
    assert upright[0].abs() < 1e-5 and slanted[0].item() == pytest.approx(0.5, abs=0.05)
    assert slanted[1].item() == pytest.approx(upright[1].item(), rel=0.1)
    assert slanted[2] < 1.1  # of the stroke alone; with the shear it would be 2.8
    assert foot[2] > 1.5 * upright[2] and foot[3] < upright[3] - 0.1
    assert measures_of(torch.zeros(1, 1, 28, 28)).isfinite().all()


def test_hands_are_compared_within_a_label():
    pictures = torch.randint(256, (400, 1, 28, 28), dtype=torch.uint8)
    labels = torch.arange(10).repeat(40)
    pictures[labels == 3, :, :, 20:] = 255
    found = Hands(pictures, labels, 5)(pictures / 255, labels)
    for group in (found, found[labels == 3]):
        torch.testing.assert_close(group.mean(0), torch.zeros(4), atol=1e-3, rtol=0)
        torch.testing.assert_close(group.std(0), torch.ones(4), atol=0.02, rtol=0)


def test_only_the_last_stage_asks_the_classifier(task, images):
    seen = []
    task.reader.register_forward_hook(lambda reader, pictures, scores: seen.append(pictures))
    task("flow", *images)
    task("labels", *images)
    task("hands", *images)
    assert not seen
    torch.manual_seed(5)
    loss = task("readability", *images)
    torch.manual_seed(5)
    assert loss > task.loss_and_latents(*images)[0]  # a cross-entropy is above 0
    assert len(seen) == 1
    loss.backward()
    assert taught(task) == set(task.model.latent_shapes)
    for groups in (flow_of(task), hands_of(task), flow_and_hands(task)):
        trained = {id(parameter) for group in groups for parameter in group["params"]}
        assert not trained & {id(parameter) for parameter in task.reader.parameters()}


def test_the_classifier_learns_and_is_kept(images, tmp_path):
    pictures, labels = (part.repeat(40, *[1] * (part.dim() - 1)) for part in images)
    torch.manual_seed(7)
    reader = reader_of(pictures, labels, tmp_path)
    after = torch.rand(1)
    torch.manual_seed(7)
    assert torch.equal(after, torch.rand(1))  # PyTorch's random numbers are as they were
    x = dequantized(images[0] / 255)
    anew = train_reader(pictures, labels)
    with torch.no_grad():
        assert torch.equal(reader(x).argmax(1), images[1])
        assert torch.equal(reader_of(pictures[:0], labels[:0], tmp_path)(x), reader(x))
        assert torch.equal(anew(x), reader(x))


def test_directions_are_those_in_which_the_measures_change(task, monkeypatch):
    """Here the measures are known: two are values of the latent, and two are mixed of values."""
    images = torch.randint(256, (500, 1, 28, 28), dtype=torch.uint8)
    labels = torch.arange(10).repeat(50)
    mixed = torch.zeros(4, 49)
    mixed[0, 3], mixed[1, 7], mixed[2, 1], mixed[3, 2] = 2.0, 0.5, 1.0, 1.0
    mixed[3, 1] = 1.0
    with torch.no_grad():
        z = task.of_level("7x7", (images + 0.5) / 256, labels)[0].flatten()
    monkeypatch.setattr(task.hands, "forward", lambda x, which: z @ mixed.T)
    directions, deviations = hand_directions(task, images, labels)
    assert directions.shape == (4, 784) and torch.all(directions[:, 49:] == 0)
    torch.testing.assert_close(directions @ directions.T, torch.eye(4), atol=1e-5, rtol=0)
    changes = mixed @ directions[:, :49].T
    torch.testing.assert_close(changes, changes.T, atol=1e-3, rtol=0)  # the nearest rotation
    assert torch.linalg.eigvalsh(changes).min() > 0
    torch.testing.assert_close(deviations, (z @ directions[:, :49].T).std(0))


def test_a_spline_begins_with_the_bins_that_it_is_given():
    """It rises by as much in each, and more steeply where they are narrow."""
    knots = torch.tensor([0.0, 0.04, 0.05, 0.5, 1.0])
    parameters = parameters_at(knots)[None, :, None].expand(5, -1, -1)
    heights, log_slopes = spline(knots[:, None], parameters)
    torch.testing.assert_close(heights[:, 0], torch.linspace(0, 1, 5), atol=1e-5, rtol=0)
    assert log_slopes.argmax() in (1, 2) and log_slopes[1:3].min() > 0 > log_slopes[3:].max()
    model = initial_model(SimpleNamespace(init=None, config=None))
    begun = model.flow.levels["7x7"].steps.layers[2].network.last_bias
    assert torch.equal(begun[3, 0], parameters_at(torch.tensor(KNOTS)))
