"""ColorGAN: a Wasserstein GAN whose generator gets noise in several layers.

Cao et al. 2017, "Unsupervised Diverse Colorization via Generative Adversarial Networks",
https://arxiv.org/abs/1702.06674. Settings are those of its authors' code for LSUN bedrooms, which
has both ways to bound the critic: weights clipped to 0.01, with RMSProp (Arjovsky et al. 2017), and
a gradient penalty, with Adam (Gulrajani et al. 2017).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.rivals.conditions import Parts
from benchmarks.rivals.networks import GLANCE, Eye, Glance, Painter, light_of, repeated
from benchmarks.rivals.rival import Adversarial

Z = 100  # values of noise, uniform in [-1, 1]
MAPS = {8: 32, 16: 16, 32: 8}  # channels of noise at each side
CLIP = 0.01
PENALTY = 10.0
SLOPE = 0.2


class NoisyPainter(nn.Module):
    """The eye and the painter, with maps of noise in each of three layers.

    Theirs has one map beside one of lightness; here there are more, beside many of features.
    """

    def __init__(self) -> None:
        super().__init__()
        self.eye = Eye()
        self.maps_of_noise = nn.ModuleList(
            nn.Sequential(nn.Linear(Z, c * s * s), nn.Unflatten(1, (c, s, s)), nn.BatchNorm2d(c))
            for s, c in MAPS.items()
        )
        self.painter = Painter(extra=tuple(MAPS.values()))

    def forward(self, parts: Parts, n: int) -> Tensor:
        maps = repeated(self.eye(parts), n)
        z = 2 * torch.rand(len(maps[0]), Z, device=maps[0].device) - 1
        return self.painter(maps, [F.relu(layer(z)) for layer in self.maps_of_noise])


class Critic(nn.Module):
    """ab and the condition -> one number for each photo, (B,): a DCGAN's, without a sigmoid.

    norm: BatchNorm in it; a gradient penalty allows none.
    """

    def __init__(self, norm: bool) -> None:
        super().__init__()
        self.glance = Glance()
        self.first = nn.Conv2d(2 + 4 + GLANCE["fine"], 64, 5, 2, 2)
        self.second = nn.Conv2d(64 + GLANCE["middle"], 128, 5, 2, 2)
        self.third = nn.Conv2d(128 + GLANCE["coarse"], 256, 5, 2, 2)
        self.batch_norms = nn.ModuleList(
            nn.BatchNorm2d(c) if norm else nn.Identity() for c in (128, 256)
        )
        self.last = nn.Sequential(nn.Flatten(), nn.Linear(256 * 16, 64), nn.Linear(64, 1))

    def forward(self, ab: Tensor, parts: Parts) -> Tensor:
        known = self.glance(parts)
        x = self.first(torch.cat([ab / 50, light_of(parts), known["fine"]], 1))
        x = torch.cat([F.leaky_relu(x, SLOPE), known["middle"]], 1)
        x = F.leaky_relu(self.batch_norms[0](self.second(x)), SLOPE)
        x = self.third(torch.cat([x, known["coarse"]], 1))
        return self.last(F.leaky_relu(self.batch_norms[1](x), SLOPE)).flatten().float()


class ColorGAN(Adversarial):
    """penalty: a gradient penalty in place of clipped weights."""

    batch = 16  # theirs is 64; so there are four times as many steps in a short time
    critic_turns = 5
    critic_rate, generator_rate = 2e-4, 1e-4
    loss_names = ("distance", "generator", "penalty")

    def __init__(self, penalty: bool = False) -> None:
        super().__init__()
        self.penalty = penalty
        # RMSProp with decay 0.9 is Adam without momentum
        self.betas = (0.5, 0.999) if penalty else (0.0, 0.9)
        self.generator = NoisyPainter()
        self.critic = Critic(norm=not penalty)

    def answers(self, parts: Parts, n: int) -> Tensor:
        return self.generator(parts, n)

    def critic_loss(self, real: Tensor, fake: Tensor, parts: Parts) -> Tensor:
        if not self.penalty:
            self.clip_weights()
        with torch.autocast(real.device.type, enabled=False):  # slopes need all digits
            distance = self.critic(real, parts).mean() - self.critic(fake, parts).mean()
            self.note(distance=distance)
            if not self.penalty:
                return -distance
            steepness = self.steepness(real, fake, parts)
            self.note(penalty=steepness)
            return PENALTY * steepness - distance

    def generator_loss(self, real: Tensor, fake: Tensor, parts: Parts) -> Tensor:
        with torch.autocast(real.device.type, enabled=False):
            loss = -self.critic(fake, parts).mean()
        self.note(generator=loss)
        return loss

    @torch.no_grad()
    def clip_weights(self) -> None:
        for weight in self.critic.parameters():
            weight.clamp_(-CLIP, CLIP)

    def steepness(self, real: Tensor, fake: Tensor, parts: Parts) -> Tensor:
        """How far the critic's slopes between real and fake are from 1, squared."""
        share = torch.rand(len(real), 1, 1, 1, device=real.device)
        between = torch.lerp(real, fake, share).requires_grad_(True)
        scores = self.critic(between, parts).sum()
        (slopes,) = torch.autograd.grad(scores, between, create_graph=True)
        return (50 * slopes.flatten(1).norm(dim=1) - 1).square().mean()  # ab / 50 is what it sees
