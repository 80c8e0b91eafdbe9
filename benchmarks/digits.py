"""How good the digits are: likelihood, readability, style transfer, classification.

    python -m benchmarks.digits --data MNIST [--model mnist] [--baseline FOLDER] [--work FOLDER]

Trains a classifier first, the judge (kept in --work), and measures with it. `--baseline` is what
`python -m benchmarks.minimal` wrote.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

import cinn_hub
from benchmarks.classifier import DigitReader, reader_of, slant_and_ink
from benchmarks.features import frechet_distance
from benchmarks.minimal import load_minimal
from cinn_hub.digit_model import LABELS, SIDE, STEPS, DigitModel, dequantized
from cinn_hub.model import ConditionalINN
from training.mnist import read_mnist

SAMPLES, TRANSFERS, ROUND_TRIPS = 10_000, 1_000, 1_000
TEMPERATURES = (0.6, 0.8, 1.0)


def bits_per_pixel(log_prob: Tensor) -> Tensor:
    """Nats of whole pictures -> bits per pixel of 8 bits.

    The mean over uniformly dequantised pictures bounds from above what a lossless code by this
    model needs; the figure that the field compares (Theis et al. 2016).
    """
    return math.log2(STEPS) - log_prob / (SIDE**2 * math.log(2))


@torch.inference_mode()
def bits(model: ConditionalINN, images: Tensor, labels: Tensor) -> str:
    """Bits per pixel of digits uint8, uniformly dequantised, given their labels: the mean, and
    the median, which a few digits that a model finds impossible do not move."""
    x = dequantized(images / 255, torch.Generator().manual_seed(0))
    parts = zip(x.split(500), labels.split(500), strict=True)
    log_prob = torch.cat([model.log_prob(part, model.condition(which)) for part, which in parts])
    found = bits_per_pixel(log_prob)
    return f"{found.mean().item():.3f}; {found.median().item():.3f}"


def written(model: DigitModel, temperature: float) -> tuple[Tensor, Tensor]:
    """SAMPLES digits, as many of each label, and their labels."""
    n = SAMPLES // LABELS
    labels = torch.arange(LABELS).repeat_interleave(n)
    return torch.cat([model.sample(k, n, temperature, seed=k) for k in range(LABELS)]), labels


def centered(values: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Values less the mean of their group: how a hand differs from others in the same digit."""
    means = np.array([values[groups == k].mean() for k in range(LABELS)])
    return values - means[groups]


def transfer_figures(
    model: DigitModel, images: Tensor, labels: Tensor, reader: DigitReader
) -> dict[str, float]:
    """Of digits uint8 written as all ten: how many are recognised as the intended label, and how
    much of the style stays."""
    z = model.latent(images / 255, labels)
    written = torch.cat([model.write(z, label) for label in range(LABELS)])
    targets = np.arange(LABELS).repeat(len(images))
    _, read = reader.look(written)
    figures = {"recognised": 100 * (read.numpy() == targets).mean()}
    before = slant_and_ink(images / 255)
    after = slant_and_ink(written)
    for name, source, target in zip(("slant", "ink"), before, after, strict=True):
        source = np.tile(centered(source, labels.numpy()), LABELS)
        figures[name] = np.corrcoef(source, centered(target, targets))[0, 1]
    return figures


@torch.inference_mode()
def round_trips(model: DigitModel, images: Tensor, labels: Tensor) -> tuple[float, float]:
    """The largest |z - z'| after z -> x -> z', for ROUND_TRIPS latents drawn at temperature 1; and
    the largest |x - x'| after x -> z -> x', for as many digits uint8 under their labels."""
    condition = model.condition(range(LABELS))
    z = model.draw(ROUND_TRIPS, temperature=1.0, seed=0)
    again, _ = model.encode(model.decode(z, condition), condition)
    x = dequantized(images[:ROUND_TRIPS] / 255, torch.Generator().manual_seed(0))
    condition = model.condition(labels[:ROUND_TRIPS])
    back = model.decode(model.encode(x, condition)[0], condition)
    return (again.flatten() - z.flatten()).abs().max().item(), (back - x).abs().max().item()


def calibration_error(probabilities: Tensor, labels: Tensor, bins: int = 15) -> float:
    """The expected calibration error of (N, classes): how far the probability of what is believed
    is from the share that is right, in bins of that probability (Guo et al. 2017)."""
    belief, guess = probabilities.max(1)
    place = (belief * bins).long().clamp(max=bins - 1)
    excess = belief.double() - (guess == labels).double()
    by_bin = torch.zeros(bins, dtype=torch.float64).index_add_(0, place, excess)
    return by_bin.abs().sum().item() / len(labels)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of MNIST's IDX files")
    parser.add_argument("--model", default="mnist", help="name or folder")
    parser.add_argument("--baseline", type=Path, help="folder of a trained mnist-minimal")
    parser.add_argument("--work", type=Path, default=Path("build/benchmarks"))
    options = parser.parse_args()
    train, train_labels = read_mnist(options.data, "train")
    test, test_labels = read_mnist(options.data, "test")
    model = cinn_hub.load(options.model, device="cpu")
    reader = reader_of(train, train_labels, options.work)
    real_features, read = reader.look(test / 255)
    train_features, _ = reader.look(train[: len(test)] / 255)
    accuracy = 100 * (read == test_labels).float().mean().item()
    print("| figure | value |\n|---|---|")
    print(f"| accuracy of the judge, a classifier of its own, on the test set | {accuracy:.2f} % |")
    print(f"| bits per pixel, mean; median | {bits(model, test, test_labels)} |")
    if options.baseline:
        value = bits(load_minimal(options.baseline), test, test_labels)
        print(f"| the same of `mnist-minimal`, trained for the same time | {value} |")
    for temperature in TEMPERATURES:
        digits, labels = written(model, temperature)
        features, read = reader.look(digits)
        share = 100 * (read == labels).float().mean().item()
        distance = frechet_distance(features.numpy(), real_features.numpy())
        print(
            f"| samples at temperature {temperature}: recognised; Fréchet distance | "
            f"{share:.2f} %; {distance:.2f} |"
        )
    floor = frechet_distance(train_features.numpy(), real_features.numpy())
    print(f"| Fréchet distance of real training digits | {floor:.2f} |")
    found = transfer_figures(model, test[:TRANSFERS], test_labels[:TRANSFERS], reader)
    print(f"| transfers to ten labels: recognised | {found['recognised']:.2f} % |")
    print(f"| correlation of slant, source and transfers | {found['slant']:.2f} |")
    print(f"| correlation of ink | {found['ink']:.2f} |")
    probabilities = torch.cat([model.classify(part) for part in test.split(500)])
    share = 100 * (probabilities.argmax(1) == test_labels).float().mean().item()
    print(f"| accuracy of `classify` on the test set | {share:.2f} % |")
    error = 100 * calibration_error(probabilities, test_labels)
    print(f"| expected calibration error of `classify` | {error:.2f} % |")
    of_z, of_x = round_trips(model, test, test_labels)
    print(f"| largest error of z -> x -> z; x -> z -> x | {of_z:.1e}; {of_x:.1e} |")


if __name__ == "__main__":
    main()
