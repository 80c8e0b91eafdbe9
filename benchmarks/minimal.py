"""`mnist-minimal` of Ardizzone et al. 2019, from the layers of this package, as a baseline.

    python -m benchmarks.minimal --data MNIST --out FOLDER --minutes 25

Twenty permutations and couplings of the whole picture, subnets of one hidden layer of 512, clamp 1,
on normalised pixels; here with uniform dequantisation in place of their Gaussian noise, so that
likelihoods compare. 24.3 million parameters.
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from cinn_hub.digit_model import LABELS, SIDE, check_labels
from cinn_hub.flow import (
    ActNorm,
    AffineCoupling,
    Chain,
    Condition,
    Flatten,
    Flow,
    Level,
    LevelCondition,
    Permutation,
)
from cinn_hub.model import ConditionalINN
from training.digits import HELD_OUT, DigitTask, loader
from training.loop import Stage, Trainer
from training.mnist import read_mnist

BLOCKS, HIDDEN, LEARNING_RATE = 20, 512, 5e-4


class MinimalSubnet(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(inputs + LABELS, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, outputs)
        )
        for parameter in self.parameters():
            nn.init.normal_(parameter, std=0.01)

    def forward(self, x: Tensor, condition: LevelCondition) -> Tensor:
        labels = condition.features
        labels = labels.repeat_interleave(len(x) // len(labels), dim=0)
        return self.layers(torch.cat([x, labels], 1))


class MinimalCINN(ConditionalINN):
    """x (B, 1, 28, 28) in [0, 1] <-> z (B, 784), given a label."""

    def __init__(self) -> None:
        super().__init__()
        size = SIDE**2
        layers = [ActNorm(1), Flatten((1, SIDE, SIDE))]
        for k in range(BLOCKS):
            order = torch.randperm(size, generator=torch.Generator().manual_seed(k))
            layers += [Permutation(order), AffineCoupling(size, MinimalSubnet, 1.0)]
        self.flow = Flow({"28x28": Level(Chain(layers))})
        self.latent_shapes = {"28x28": (size,)}

    def condition(self, labels: Tensor) -> Condition:
        one_hot = nn.functional.one_hot(check_labels(labels), LABELS).float()
        return Condition({"28x28": one_hot.to(self.device)})


def load_minimal(folder: Path) -> MinimalCINN:
    model = MinimalCINN()
    model.load_state_dict(load_file(folder / "model.safetensors"))
    return model.eval().requires_grad_(False)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=25)
    options = parser.parse_args()
    torch.manual_seed(0)
    images, labels = read_mnist(options.data, "train")
    model = MinimalCINN()
    stage = Stage(
        "flow", 1.0, lambda task: [{"params": list(task.parameters()), "lr": LEARNING_RATE}]
    )
    trainer = Trainer(
        DigitTask(model), [stage], options.minutes, options.out / "training", average=0.999
    )
    seen, held = slice(None, -HELD_OUT), slice(-HELD_OUT, None)
    trainer.run(
        partial(loader, images[seen], labels[seen], 256),
        loader(images[held], labels[held], 1000),
    )
    save_file(model.state_dict(), options.out / "model.safetensors")


if __name__ == "__main__":
    main()
