"""What all rivals are to the training loop and to the measures; and what the two GANs share."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from benchmarks.rivals.conditions import PARTS, SIDE, Parts
from training.cache import Cache

DIMENSIONS = 2 * SIDE**2
NOISE = 0.5  # ab units, added to ab wherever there is a likelihood
ANSWERS = 8
MEMORY = 0.99  # of the running means of losses


class Rival(nn.Module):
    """A network that colours; a batch is ab (B, 2, 32, 32) in ab units and then `PARTS`.

    Attributes:
        batch: photos in a batch. clip: the largest norm of the gradient.
        has_likelihood: whether `nats` is there.
    """

    batch = 32
    clip = 1.0
    learning_rate = 1e-3
    has_likelihood = False

    def groups(self) -> list[dict[str, Any]]:
        """What is trained, as groups of the optimiser AdamW."""
        return [{"params": list(self.parameters()), "lr": self.learning_rate}]

    def prepare(self, caches: Sequence[Cache]) -> None:
        """Looks at the photos before the training, where that is needed."""

    def loss(self, ab: Tensor, parts: Parts) -> Tensor:
        raise NotImplementedError

    def answers(self, parts: Parts, n: int) -> Tensor:
        """n colourings of each photo, (B * n, 2, 32, 32) in ab units, of torch's generator."""
        raise NotImplementedError

    def nats(self, ab: Tensor, parts: Parts) -> Tensor:
        """-log p(ab | L), or a bound that is not below it, (B,)."""
        raise NotImplementedError

    def losses(self) -> dict[str, float]:
        """Running means of the parts of the loss, to be recorded."""
        return {}

    def forward(self, stage: str, ab: Tensor, *parts: Tensor) -> Tensor:
        return self.loss(ab, dict(zip(PARTS, parts, strict=True)))

    def held_out(self, stage: str, batches: Iterable[Sequence[Tensor]]) -> dict[str, float]:
        """In ab units at 32x32: `of 8`, `of 1`, `variance`; bits; running means of losses."""
        found: dict[str, list[Tensor]] = {}
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            for ab, *rest in batches:
                parts = dict(zip(PARTS, rest, strict=True))
                figures = beside_truth(self.answers(parts, ANSWERS), ab)
                if self.has_likelihood:
                    figures["bits"] = self.bits(ab, parts)
                for name, values in figures.items():
                    found.setdefault(name, []).append(values)
        return {name: torch.cat(x).mean().item() for name, x in found.items()} | self.losses()

    def bits(self, ab: Tensor, parts: Parts) -> Tensor:
        """Bits per dimension of ab with `NOISE`, (B,)."""
        return self.nats(noisy(ab), parts) / (DIMENSIONS * math.log(2))


def noisy(ab: Tensor) -> Tensor:
    return ab + NOISE * torch.randn_like(ab)


def beside_truth(answers: Tensor, ab: Tensor) -> dict[str, Tensor]:
    """Of answers (B * n, 2, h, w) and the real ab: root mean squares and the variance, (B,)."""
    answers = answers.unflatten(0, (len(ab), -1))
    squares = (answers - ab[:, None]).square()
    return {
        "of 8": squares.amin(1).mean((1, 2, 3)).sqrt(),
        "of 1": squares[:, 0].mean((1, 2, 3)).sqrt(),
        "variance": answers.var(1, unbiased=False).mean((1, 2, 3)),
    }


class Adversarial(Rival):
    """A generator and a critic that learn by turns, one batch a turn.

    The loss of a turn reaches the weights of that turn's network alone, so one AdamW without decay,
    with a group for each network, is two Adams.

    Attributes:
        critic_turns: of the critic before each turn of the generator.
        betas, critic_rate, generator_rate: of Adam.
        loss_names: what `note` takes.
    """

    loss_names: tuple[str, ...]
    clip = math.inf
    critic_turns = 1
    betas = (0.5, 0.999)
    critic_rate = generator_rate = 2e-4
    generator: nn.Module
    critic: nn.Module

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("turn", torch.tensor(0))
        self.register_buffer("means", torch.zeros(len(self.loss_names)))

    def groups(self) -> list[dict[str, Any]]:
        options = {"betas": self.betas, "weight_decay": 0.0}
        return [
            {"params": list(self.generator.parameters()), "lr": self.generator_rate, **options},
            {"params": list(self.critic.parameters()), "lr": self.critic_rate, **options},
        ]

    def loss(self, ab: Tensor, parts: Parts) -> Tensor:
        turn = int(self.turn) % (self.critic_turns + 1)
        self.turn += 1
        if turn < self.critic_turns:
            with torch.no_grad():
                fake = self.answers(parts, 1)
            return self.critic_loss(ab, fake, parts)
        with frozen(self.critic):
            return self.generator_loss(ab, self.answers(parts, 1), parts)

    def critic_loss(self, real: Tensor, fake: Tensor, parts: Parts) -> Tensor:
        raise NotImplementedError

    def generator_loss(self, real: Tensor, fake: Tensor, parts: Parts) -> Tensor:
        raise NotImplementedError

    def note(self, **values: Tensor) -> None:
        """Goes into the running means."""
        share = 1.0 if int(self.turn) <= self.critic_turns + 1 else 1 - MEMORY
        for name, value in values.items():
            self.means[self.loss_names.index(name)].lerp_(value.detach().float(), share)

    def losses(self) -> dict[str, float]:
        return dict(zip(self.loss_names, self.means.tolist(), strict=True))


@contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Gradients go through the network, and leave its weights alone."""
    trained = [p for p in network.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)
