"""A conditional GAN with L1, whose noise is dropout.

Isola et al. 2017, "Image-to-Image Translation with Conditional Adversarial Networks",
https://arxiv.org/abs/1611.07004; settings of its sec. 3.3 and 6.2, for colours.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.rivals.conditions import Parts
from benchmarks.rivals.networks import GLANCE, UNIT, Eye, Glance, Painter, light_of, repeated
from benchmarks.rivals.rival import Adversarial
from cinn_hub.networks import enlarged

RANGE = 110.0  # ab units in one unit of the L1 loss
SLOPE = 0.2


class PatchCritic(nn.Module):
    """ab and the condition -> scores of overlapping patches, (B, 1, 16, 16).

    A patch is 12 of 32 values wide, as theirs are 70 of 256 pixels.
    """

    def __init__(self) -> None:
        super().__init__()
        self.glance = Glance()
        self.first = nn.Conv2d(2 + 4 + GLANCE["fine"], 64, 4, 2, 1)
        inputs = 64 + GLANCE["middle"] + GLANCE["coarse"]
        self.second = nn.Conv2d(inputs, 128, 3, padding=1)
        self.second_norm = nn.BatchNorm2d(128)
        self.last = nn.Conv2d(128, 1, 3, padding=1)

    def forward(self, ab: Tensor, parts: Parts) -> Tensor:
        known = self.glance(parts)
        x = self.first(torch.cat([ab / UNIT, light_of(parts), known["fine"]], 1))
        seen = [F.leaky_relu(x, SLOPE), known["middle"], enlarged(known["coarse"])]
        x = self.second_norm(self.second(torch.cat(seen, 1)))
        return self.last(F.leaky_relu(x, SLOPE)).float()


class Pix2Pix(Adversarial):
    """The generator is a U-Net with dropout, at test time, too; the critic sees patches.

    l1: weight of the L1 loss: 100 for "L1 + cGAN", 0 for "cGAN" in the paper's tables.
    critic_turns: before each turn of the generator; theirs is 1.
    """

    batch = 4
    loss_names = ("critic on real", "critic on fake", "generator", "l1")

    def __init__(self, l1: float = 100.0, critic_turns: int = 1) -> None:
        super().__init__()
        self.l1, self.critic_turns = l1, critic_turns
        self.generator = nn.ModuleDict({"eye": Eye(), "painter": Painter(dropout=0.5)})
        self.critic = PatchCritic()
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def answers(self, parts: Parts, n: int) -> Tensor:
        return self.generator["painter"](repeated(self.generator["eye"](parts), n))

    def critic_loss(self, real: Tensor, fake: Tensor, parts: Parts) -> Tensor:
        on_real = cross_entropy(self.critic(real, parts), 1.0)
        on_fake = cross_entropy(self.critic(fake, parts), 0.0)
        self.note(**{"critic on real": on_real, "critic on fake": on_fake})
        return 0.5 * (on_real + on_fake)

    def generator_loss(self, real: Tensor, fake: Tensor, parts: Parts) -> Tensor:
        fooled = cross_entropy(self.critic(fake, parts), 1.0)
        l1 = ((fake - real) / RANGE).abs().mean()
        self.note(generator=fooled, l1=l1)
        return fooled + self.l1 * l1


def cross_entropy(scores: Tensor, wanted: float) -> Tensor:
    return F.binary_cross_entropy_with_logits(scores, torch.full_like(scores, wanted))
