"""The digits model: maximum likelihood of MNIST, then labels that are told apart, then digits that
a classifier can read, in hands that stay; at the end the directions of latents that change a hand.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

import cinn_hub
from cinn_hub.config import read_json
from cinn_hub.digit_model import LABELS, STEPS, dequantized
from cinn_hub.flow.bounded import LEAST, SLOPE_ONE
from cinn_hub.latent import Latent
from cinn_hub.model import ConditionalINN, standard_normal_log_prob
from cinn_hub.models.digit_cinn import COARSE, FINE, MIDDLE, DigitCINN, DigitConfig
from training.digit_reader import reader_of
from training.hands import MEASURES, Hands
from training.loop import Stage, Trainer
from training.losses import latent_loss
from training.mnist import read_mnist, varied
from training.sharing import noise_like

DIRECTION_IMAGES = 10_000  # enough for the directions of hands
HELD_OUT = 5000  # the last of the 60,000; the test images are for benchmarks alone


def noisy(images: Tensor) -> Tensor:
    """Digits uint8 as the model's x, with noise that is new each time."""
    return (images + noise_like(images, torch.rand)) / STEPS


class DigitTask(nn.Module):
    """A model of digits, and its likelihood as a loss; images are uint8 (B, 1, 28, 28)."""

    def __init__(self, model: ConditionalINN) -> None:
        super().__init__()
        self.model = model

    def forward(self, stage: str, images: Tensor, labels: Tensor) -> Tensor:
        return self.loss_and_latents(images, labels)[0]

    def loss_and_latents(self, images: Tensor, labels: Tensor) -> tuple[Tensor, Latent]:
        """Nats per dimension, and the latents, with noise that is new each time."""
        x = noisy(images)
        levels, log_det = self.model.flow(x, self.model.condition(labels))
        z = Latent(levels)
        return latent_loss(z, log_det) / self.model.dimensions, z

    def loss_of_level(self, chosen: str, images: Tensor, labels: Tensor) -> Tensor:
        """What one level adds to the nats per dimension."""
        x = noisy(images)
        z, log_det = self.of_level(chosen, x, labels)
        return latent_loss(z, log_det) / self.model.dimensions

    def of_level(self, chosen: str, x: Tensor, labels: Tensor) -> tuple[Latent, Tensor]:
        """The latents of one level, and what it adds to the log-determinant (B,)."""
        condition = self.model.condition(labels)
        latents, log_dets = self.model.flow.forward_by_level(x, condition, [chosen])
        return Latent(latents), log_dets[chosen]

    def held_out(self, stage: str, batches: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """Bits per pixel, and what each level adds to them; fewer than 0 where values are close to
        each other."""
        nats, count = dict.fromkeys(self.model.latent_shapes, 0.0), 0
        for images, labels in batches:
            generator = torch.Generator(images.device).manual_seed(0)
            x = dequantized(images / 255, generator)
            latents, log_dets = self.model.flow.forward_by_level(x, self.model.condition(labels))
            count += len(images)
            for name, z in latents.items():
                found = standard_normal_log_prob(Latent({name: z})) + log_dets[name]
                nats[name] += found.double().sum().item()
        scale = -1 / (count * math.log(2) * self.model.dimensions)
        by_level = {f"bits of {name}": scale * total for name, total in nats.items()}
        return {"bits per pixel": math.log2(STEPS) + sum(by_level.values()), **by_level}


class ReadableDigitTask(DigitTask):
    """A model of digits in four stages: first it learns its levels by turns, as the log-likelihood
    is the sum of what each adds; then to tell labels apart; then what makes a latent the same hand
    in all labels; then to be read, and to keep a hand.

    Arguments:
        reader: pictures (B, 1, 28, 28) in [0, 1] -> scores (B, 10).
        hands: what is to stay the same in all digits.
    """

    def __init__(self, model: DigitCINN, reader: nn.Module, hands: Hands) -> None:
        super().__init__(model)
        self.reader = reader
        self.hands = hands

    def forward(self, stage: str, images: Tensor, labels: Tensor) -> Tensor:
        if stage == "flow":
            turn = torch.multinomial(torch.tensor(list(TURNS.values())), 1).item()
            return self.loss_of_level(list(TURNS)[turn], images, labels)
        if stage == "labels":
            return self.told_apart(images, labels)
        if stage == "hands":
            return self.read_from_latents(images, labels)
        return self.readable(images, labels)

    def told_apart(self, images: Tensor, labels: Tensor) -> Tensor:
        """Nats of one half of the pictures, and the cross-entropy of Bayes' rule on both, where the
        other half is varied. Ardizzone et al. 2020, "Training Normalizing Flows with the
        Information Bottleneck for Competitive Generative Classification"."""
        half = len(images) // 2
        scores = self.label_scores(torch.cat([images[:half], varied(images[half:])]))
        nats = -scores[:half].gather(1, labels[:half, None]).mean() / self.model.dimensions
        return nats + LABEL * F.cross_entropy(scores, labels)

    def label_scores(self, images: Tensor) -> Tensor:
        """`DigitModel.label_scores` of uint8 (B, 1, 28, 28), with noise that is new each time."""
        return self.model.label_scores(noisy(images))

    def read_from_latents(self, images: Tensor, labels: Tensor) -> Tensor:
        """How far the readout of hands is off, and a little of the nats that 7x7 adds, so that
        latents stay normal."""
        x = noisy(images)
        z, log_det = self.of_level(COARSE, x, labels)
        nats = latent_loss(z, log_det)
        off = F.mse_loss(self.hands.readout(z.levels[COARSE]), self.hands(x, labels))
        return off + NORMAL * nats

    def readable(self, images: Tensor, labels: Tensor) -> Tensor:
        half = len(images) // 2
        loss, z = self.loss_and_latents(images, labels)
        mistaken = F.cross_entropy(self.label_scores(varied(images[:half])), labels[:half])
        written, wanted = self.written(z)
        misread = F.cross_entropy(self.reader(written), wanted)
        hands = self.hands((images[:half] + 0.5) / STEPS, labels[:half])
        changed = F.smooth_l1_loss(self.hands(written[:half], wanted[:half]), hands)
        return loss + LABEL * mistaken + READING * misread + HAND * changed

    def written(self, z: Latent) -> tuple[Tensor, Tensor]:
        """Digits of random labels, and these: half of them in the hands of these latents, half in
        hands that the model draws."""
        half, (low, high) = len(z) // 2, HEAT
        rows = z.levels[COARSE][:, 0]
        heat = low + (high - low) * noise_like(rows[half:], torch.rand)
        levels = {}
        for name, values in z.levels.items():
            noise = noise_like(values[half:])
            noise = noise * heat.view(-1, *[1] * (noise.dim() - 1))
            levels[name] = torch.cat([values[:half].detach(), noise])
        labels = (LABELS * noise_like(rows, torch.rand)).long()
        return self.model.flow.inverse(levels, self.model.condition(labels))[0], labels

    def held_out(self, stage: str, batches: Iterable[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """Also how many digits Bayes' rule tells right, how many of the model's own are read as
        meant, and how much of the slant stays when digits are written as the next label."""
        batches = list(batches)
        each = READ // LABELS
        own = self.model.sample(range(LABELS), each, 0.8, seed=0).flatten(0, 1)
        meant = torch.arange(LABELS, device=own.device).repeat_interleave(each)
        read = (self.reader(own).argmax(1) == meant).float().mean().item()
        images, labels = (part[:READ] for part in batches[0])
        other = (labels + 1) % LABELS
        z = self.model.latent(images / 255, labels)
        again = self.model.decode(z, self.model.condition(other))
        slants = self.hands(images / 255, labels)[:, 0], self.hands(again, other)[:, 0]
        kept = torch.corrcoef(torch.stack(slants))[0, 1].item()
        found = self.model.classify(images / 255).argmax(1)
        right = (found == labels).float().mean().item()
        figures = {"percent told": 100 * right, "percent read": 100 * read, "slant kept": kept}
        return {**super().held_out(stage, batches), **figures}


def flow_of(task: ReadableDigitTask, rate: float = 3e-3) -> list[dict]:
    hand = {id(parameter) for parameter in task.model.hand.parameters()}
    others = [parameter for parameter in task.model.parameters() if id(parameter) not in hand]
    return [{"params": others, "lr": rate}]


def hands_of(task: ReadableDigitTask, rate: float = 5e-3) -> list[dict]:
    return [
        {"params": [*task.model.hand.parameters(), *task.hands.readout.parameters()], "lr": rate}
    ]


def flow_and_hands(task: ReadableDigitTask) -> list[dict]:
    return [*flow_of(task, 5e-4), {"params": list(task.model.hand.parameters()), "lr": 1e-3}]


TURNS = {FINE: 0.6, MIDDLE: 0.2, COARSE: 0.2}  # of the levels, in the first stage
LABEL = 0.01  # weight of the cross-entropy of Bayes' rule beside nats per dimension
NORMAL = 0.015  # weight of nats beside the error of the readout, in standard deviations
READ = 500  # digits that the classifier reads at each look
READING = 0.03  # weight of the classifier's cross-entropy beside nats per dimension
HEAT = (0.7, 0.9)  # the temperatures of the hands that are drawn for it
KNOTS = (0, 0.045, 0.062, 0.073, 0.084, 0.105, 0.25, 0.5, 0.7, 0.9, 1)
"""Of ten bins on the `LogScale`: four share the narrow range in which the mean of 16 black pixels
lies. Splines that begin as straight lines never find it."""
HAND = 0.03  # weight of how much a hand changes
STAGES = [
    Stage("flow", 0.55, flow_of),
    Stage("labels", 0.15, partial(flow_of, rate=1e-3)),
    Stage("hands", 0.05, hands_of),
    Stage("readability", 0.25, flow_and_hands),
]


def loader(images: Tensor, labels: Tensor, batch: int, seed: int | None = None) -> DataLoader:
    """Batches in their order; with a seed, shuffled."""
    shuffle = seed is not None
    generator = torch.Generator().manual_seed(seed) if shuffle else None
    pictures = TensorDataset(images, labels)
    return DataLoader(pictures, batch, shuffle, drop_last=shuffle, generator=generator)


@torch.no_grad()
def hand_directions(
    task: ReadableDigitTask, images: Tensor, labels: Tensor
) -> tuple[Tensor, Tensor]:
    """The directions in the latent space along which the measures of a hand change, whatever the
    label: those of a linear regression of the measures on the 7x7 latents, made orthogonal.

    Returns:
        (measures, D) orthonormal, and the standard deviations of real latents along them.
    """
    found, measures = [], []
    for part, which in zip(images.split(500), labels.split(500), strict=True):
        x = (part + 0.5) / STEPS
        found.append(task.of_level(COARSE, x, which)[0].flatten())
        measures.append(task.hands(x, which))
    z = torch.cat(found)
    slopes = torch.linalg.lstsq(z - z.mean(0), torch.cat(measures)).solution.T
    left, _, right = torch.linalg.svd(slopes, full_matrices=False)
    directions = left @ right  # the nearest orthonormal ones
    deviations = (z @ directions.T).std(0)
    rest = task.model.dimensions - z.shape[1]  # of finer levels, which come behind the coarsest
    return F.pad(directions, (0, rest)), deviations


def knots(bins: int) -> Tensor:
    """Where the bins of the splines at 7x7 begin and end before they are trained, (bins + 1,)."""
    places = np.interp(np.linspace(0, 1, bins + 1), np.linspace(0, 1, len(KNOTS)), KNOTS)
    return torch.tensor(places, dtype=torch.float32)


def parameters_at(knots: Tensor) -> Tensor:
    """The parameters (3 bins + 1,) of a spline that rises from 0 to 1 by as much in each bin, where
    the bins lie between these knots (bins + 1,), from 0 to 1."""
    widths = knots.diff()
    bins = len(widths)
    raw = (widths - LEAST).clamp_min(LEAST / 100).log()
    steepness = 1 / (bins * widths)
    between = (steepness[1:] * steepness[:-1]).sqrt()
    slopes = torch.cat([steepness[:1], between, steepness[-1:]]) - LEAST
    inverse_softplus = slopes + (-(-slopes).expm1()).log()
    return torch.cat([raw, torch.zeros_like(raw), inverse_softplus - SLOPE_ONE])


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, required=True, help="folder of MNIST's IDX files")
    parser.add_argument("--out", type=Path, required=True, help="the model folder to write")
    parser.add_argument("--work", type=Path, help="folder of checkpoints (default OUT.training)")
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--checkpoint-minutes", type=float, default=2)
    start = parser.add_mutually_exclusive_group()
    start.add_argument("--init", help="go on from this model, by name or folder")
    start.add_argument("--config", type=Path, help="a config.json of another shape")


def initial_model(options: argparse.Namespace) -> DigitCINN:
    if options.init:
        return cinn_hub.load(options.init, device="cpu").train().requires_grad_(True)
    config = DigitConfig()
    if options.config:
        config = DigitConfig.from_dict(read_json(options.config))
    model = DigitCINN(replace(config, directions=MEASURES))
    values = model.flow.levels[COARSE].steps.layers[2].network
    values.last_bias.data += parameters_at(knots(config.bins))
    return model


def main(options: argparse.Namespace) -> None:
    torch.manual_seed(options.seed)
    images, labels = read_mnist(options.data, "train")
    model = initial_model(options)
    work = options.work or options.out.with_name(options.out.name + ".training")
    seen, held = slice(None, -HELD_OUT), slice(-HELD_OUT, None)
    reader = reader_of(images[seen], labels[seen], work)
    hands = Hands(images[seen], labels[seen], model.latent_shapes[COARSE][0])
    trainer = Trainer(
        ReadableDigitTask(model, reader, hands),
        STAGES,
        options.minutes,
        work,
        average=0.999,
        checkpoint_minutes=options.checkpoint_minutes,
        seed=options.seed,
    )
    batches = partial(loader, images[seen], labels[seen], options.batch)
    trainer.run(batches, loader(images[held], labels[held], 1000))
    model.cpu().eval().requires_grad_(False)
    model.directions, model.deviations = hand_directions(
        trainer.task.cpu().eval(), images[:DIRECTION_IMAGES], labels[:DIRECTION_IMAGES]
    )
    trainer.write(model, options.out, f"try it: cinn_hub.load({str(options.out)!r}).sample(7)")
