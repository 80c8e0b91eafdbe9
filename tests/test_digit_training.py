"""The training of digits: what each level has of the bits, and digits that a classifier reads."""

import pytest
import torch
from helpers import randomize

from cinn_hub.models.digit_cinn import DigitCINN, DigitConfig
from cinn_hub.writing import bits_per_pixel, dequantized
from training.digit_reader import TrainingReader, reader_of, train_reader
from training.digits import ReadableDigitTask, flow_of

BATCH = 6


@pytest.fixture
def task():
    torch.manual_seed(0)
    model = DigitCINN(DigitConfig(hidden=(8, 6, 6), dense=16, bins=4, dropout=0.0))
    randomize(model.flow, scale=0.5)
    return ReadableDigitTask(model, TrainingReader().eval())


@pytest.fixture
def images():
    """Bars (2 BATCH, 1, 28, 28) uint8: upright for label 1, level for label 2; and the labels."""
    labels = torch.tensor([1, 2]).repeat(BATCH)
    upright = torch.zeros(2 * BATCH, 1, 28, 28, dtype=torch.uint8)
    upright[..., 5:23, 12:16] = 250
    level = upright.transpose(2, 3)
    return torch.where((labels == 1).view(-1, 1, 1, 1), upright, level), labels


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


def test_what_cannot_be_read_teaches_every_level(task, images):
    pictures, labels = images
    _, z = task.loss_and_latents(pictures, labels)
    task.misreading(z).backward()
    for name, level in task.model.flow.levels.items():
        grads = [parameter.grad for parameter in level.parameters()]
        assert all(grad is not None and grad.isfinite().all() for grad in grads), name
        assert max(grad.abs().max() for grad in grads) > 0, name


def test_only_the_second_stage_asks_the_classifier(task, images):
    losses = {}
    for stage in ("flow", "readability"):
        torch.manual_seed(5)
        losses[stage] = task(stage, *images).item()
    assert losses["readability"] > losses["flow"]  # a cross-entropy is above 0
    trained = {id(parameter) for parameter in flow_of(task, 1e-3)[0]["params"]}
    assert not trained & {id(parameter) for parameter in task.reader.parameters()}


def test_the_classifier_learns_and_is_kept(images, tmp_path):
    pictures, labels = (part.repeat(100, *[1] * (part.dim() - 1)) for part in images)
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
