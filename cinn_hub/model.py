"""What every model has: encode, decode, sample and log_prob on tensors, latents and seeds."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from huggingface_hub import ModelCard, ModelHubMixin
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from cinn_hub.config import Config
from cinn_hub.errors import CheckpointError, CinnHubError
from cinn_hub.flow import Flow

FEW_DIMENSIONS = 32  # of a level: below, norms of draws differ too much to be worth keeping

Temperature = float | Mapping[str, float]
"""The scale of z: one number, or one for each level by name."""


class Condition(dict[str, Tensor]):
    """What the flow is given at each level, computed once a photo: {level: (B, C, H, W)}.

    One condition serves many samples; it is broadcast over them, never copied.
    """

    def __len__(self) -> int:
        """B, the number of photos or labels."""
        return len(next(iter(self.values())))

    def __bool__(self) -> bool:
        return True


def check_temperature(temperature: Temperature, levels: Sequence[str]) -> dict[str, float]:
    """The temperature of each level, refused where it is below 0 or names an unknown level."""
    if isinstance(temperature, Mapping):
        if unknown := sorted(temperature.keys() - set(levels)):
            raise CinnHubError(
                f"The temperature names {unknown}, but the levels are {list(levels)}."
            )
        by_level = {level: float(temperature.get(level, 1.0)) for level in levels}
    else:
        by_level = dict.fromkeys(levels, float(temperature))
    for value in by_level.values():
        if not (0 <= value < math.inf):
            raise CinnHubError(f"The temperature is {value:g}; it must be 0 or more.")
    return by_level


def sample_seed(seed: int, index: int) -> int:
    """The seed of sample `index`, whatever the number of samples: one for each (seed, index)."""
    return int(np.random.SeedSequence((seed, index)).generate_state(1, np.uint64)[0])


@dataclass(frozen=True)
class Latent:
    """z of one or several samples, by level, coarse first: {"1x1": (N, 2, 1, 1), ...}."""

    levels: dict[str, Tensor]
    settings: dict[str, str] = field(default_factory=dict)

    @classmethod
    def standard(
        cls,
        shapes: Mapping[str, Sequence[int]],
        seeds: Sequence[int],
        temperature: Temperature = 1.0,
        device: torch.device | str = "cpu",
    ) -> Latent:
        """Independent draws from N(0, temperature^2), one generator a sample.

        Drawn on the CPU in float32 and then moved: the same seed gives the same noise everywhere.
        """
        scale = check_temperature(temperature, list(shapes))
        generators = [torch.Generator().manual_seed(seed) for seed in seeds]
        levels = {}
        for name, shape in shapes.items():
            rows = [torch.randn(*shape, generator=g, dtype=torch.float32) for g in generators]
            levels[name] = (scale[name] * torch.stack(rows)).to(device)
        return cls(levels)

    def __len__(self) -> int:
        """N, the number of samples."""
        return len(next(iter(self.levels.values())))

    def __getitem__(self, index: int) -> Latent:
        """One sample, still with its row dimension."""
        index = range(len(self))[index]
        return self.map(lambda z: z[index : index + 1])

    def __iter__(self) -> Iterator[Latent]:
        return (self[i] for i in range(len(self)))

    def map(self, function: Any) -> Latent:
        """The same latent with `function` applied to the tensor of every level."""
        return Latent({k: function(z) for k, z in self.levels.items()}, dict(self.settings))

    def to(self, *where: Any) -> Latent:
        """Moved to a device or another dtype."""
        return self.map(lambda z: z.to(*where))

    def repeated(self, n: int) -> Latent:
        """Every row n times, one after the other."""
        return self.map(lambda z: z.repeat_interleave(n, dim=0))

    @classmethod
    def cat(cls, latents: Sequence[Latent]) -> Latent:
        """Several latents as the rows of one."""
        return cls({k: torch.cat([x.levels[k] for x in latents]) for k in latents[0].levels})

    def scale(self, temperature: Temperature) -> Latent:
        """Multiplied by a number, or by one for each level."""
        factors = check_temperature(temperature, list(self.levels))
        return Latent({k: z * factors[k] for k, z in self.levels.items()}, dict(self.settings))

    def mix(self, other: Latent, levels: Sequence[str]) -> Latent:
        """This latent, with the named levels taken from the other."""
        if unknown := sorted(set(levels) - self.levels.keys()):
            raise CinnHubError(f"There are no levels {unknown}; they are {list(self.levels)}.")
        mixed = {k: other.levels[k] if k in levels else z for k, z in self.levels.items()}
        return Latent(mixed, dict(self.settings))

    def slerp(self, other: Latent, t: float) -> Latent:
        """The point at t in [0, 1] on the great circle from this latent to the other, by level.

        Between two draws from a Gaussian of many dimensions the straight line runs through its
        improbable middle; the circle keeps the norm. Levels of few dimensions, and vectors of norm
        0, are met on a straight line.
        """
        met = {}
        for name, z in self.levels.items():
            few = z[0].numel() < FEW_DIMENSIONS
            met[name] = (torch.lerp if few else slerp)(z, other.levels[name], t)
        return Latent(met, dict(self.settings))

    def renewed(self, other: Latent, share: float | Mapping[str, float]) -> Latent:
        """sqrt(1 - share^2) of this latent and `share` of the other: two draws make a new draw.

        share: in [0, 1], one number or one a level; levels that are not named stay.
        """
        shares = share if isinstance(share, Mapping) else dict.fromkeys(self.levels, share)
        if unknown := sorted(shares.keys() - self.levels.keys()):
            raise CinnHubError(f"There are no levels {unknown}; they are {list(self.levels)}.")
        if wrong := [value for value in shares.values() if not 0 <= value <= 1]:
            raise CinnHubError(f"The share is {wrong[0]:g}; it must be from 0 to 1.")
        mixed = dict(self.levels)
        for name, value in shares.items():
            kept = math.sqrt(1 - value**2)
            mixed[name] = kept * self.levels[name] + value * other.levels[name]
        return Latent(mixed, dict(self.settings))

    def flatten(self) -> Tensor:
        """(N, D), coarse first."""
        return torch.cat([z.flatten(1) for z in self.levels.values()], 1)

    def unflattened(self, values: Tensor) -> Latent:
        """The latent whose `flatten` gives `values` (N, D); this one lends its shapes."""
        sizes = [z[0].numel() for z in self.levels.values()]
        parts = zip(self.levels.items(), values.split(sizes, 1), strict=True)
        levels = {k: part.unflatten(1, z.shape[1:]) for (k, z), part in parts}
        return Latent(levels, dict(self.settings))

    def save(self, path: str | Path, **settings: str | int | float) -> None:
        """Writes safetensors, with the settings (model, seed, temperature ...) as metadata."""
        text = {key: str(value) for key, value in {**self.settings, **settings}.items()}
        tensors = {k: z.detach().cpu().contiguous() for k, z in self.levels.items()}
        save_file(tensors, str(path), {**text, "levels": json.dumps(list(self.levels))})

    @classmethod
    def load(cls, path: str | Path) -> Latent:
        """Reads what `save` wrote; its settings are strings.

        Raises:
            CheckpointError: the file is missing or holds no latent.
        """
        try:
            with safe_open(str(path), "pt") as file:
                metadata = file.metadata() or {}
                order = json.loads(metadata.pop("levels"))
                return cls({name: file.get_tensor(name) for name in order}, metadata)
        except (OSError, SafetensorError, KeyError, ValueError) as error:
            raise CheckpointError(
                f"{path} is no latent file; expected safetensors written by Latent.save."
            ) from error


def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Spherical interpolation, one great circle a row; a, b: (N, ...)."""
    flat_a, flat_b = a.flatten(1), b.flatten(1)
    norms = flat_a.norm(dim=1) * flat_b.norm(dim=1)
    cosine = ((flat_a * flat_b).sum(1) / norms.clamp_min(1e-12)).clamp(-1, 1)
    angle = torch.where(norms > 0, cosine, 1.0).acos()
    sine = angle.sin()
    straight = sine < 1e-4
    safe = torch.where(straight, 1.0, sine)
    weight_a = torch.where(straight, 1 - t, ((1 - t) * angle).sin() / safe)
    weight_b = torch.where(straight, t, (t * angle).sin() / safe)
    return (weight_a[:, None] * flat_a + weight_b[:, None] * flat_b).view_as(a)


class ConditionalINN(nn.Module, ModelHubMixin):
    """z = f(x; c), exactly invertible, with log p(x | c) = log N(z; 0, 1) + log|det df/dx|.

    A subclass has `config`, `flow`, says how a `Condition` is made, and gives `latent_shapes`
    (coarse first) and `unit`, the size of one unit of the flow's x in the units of the data. `name`
    is what it was loaded by, `folder` where it lay. `save_pretrained` and `push_to_hub` are those
    of huggingface_hub, with files as `checkpoints` writes them.
    """

    name: str = "unnamed"
    folder: Path | None = None
    config: Config
    flow: Flow
    latent_shapes: dict[str, tuple[int, ...]]
    unit: float = 1.0
    network_dtype: torch.dtype | None = None

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """Of the weights, and of the values that are inverted."""
        return next(self.parameters()).dtype

    def in_dtype(self, dtype: torch.dtype | None) -> Self:
        """This model in float32 or float64; or with networks that compute in half precision.

        In half precision decoding after encoding gives x back to about 0.1 %, not exactly.
        """
        if dtype in (None, torch.float32, torch.float64):
            self.network_dtype = None
            return self.to(dtype or torch.float32)
        if dtype not in (torch.bfloat16, torch.float16):
            names = "torch.float32, float64, bfloat16 or float16"
            raise CinnHubError(f"The dtype is {dtype!r}; it must be {names}.")
        self.network_dtype = dtype
        return self

    def arithmetic(self) -> AbstractContextManager[Any]:
        """What the networks compute in."""
        if self.network_dtype is None:
            return nullcontext()
        return torch.autocast(self.device.type, self.network_dtype)

    @property
    def dimensions(self) -> int:
        """D, the number of values in one x, and in one z."""
        return sum(math.prod(shape) for shape in self.latent_shapes.values())

    def encode(self, x: Tensor, condition: Condition) -> tuple[Latent, Tensor]:
        """x (B * n, C, H, W) -> its latent, and log|det dz/dx| (B * n,) in nats.

        Row i of x is seen under row i // n of the condition.
        """
        with self.arithmetic():
            levels, log_det = self.flow(x.to(self.dtype) / self.unit, condition)
        ordered = {name: levels[name] for name in self.latent_shapes}
        return Latent(ordered), log_det - self.dimensions * math.log(self.unit)

    def decode(self, z: Latent, condition: Condition) -> Tensor:
        """The exact inverse of `encode`: a latent of B * n rows -> x (B * n, C, H, W).

        Raises:
            CinnHubError: the latent is of a model of another shape.
        """
        z = self.fitted(z)
        with self.arithmetic():
            return self.flow.inverse(z.levels, condition) * self.unit

    def fitted(self, z: Latent, rows: int | None = None) -> Latent:
        """A latent, moved to this model's device and dtype.

        Raises:
            CinnHubError: it is of a model of another shape, or has not so many rows.
        """
        if {name: tuple(x.shape[1:]) for name, x in z.levels.items()} != self.latent_shapes:
            raise CinnHubError(
                f"The latent has the levels {list(z.levels)}, but {self.name} has "
                f"{list(self.latent_shapes)}; take a latent of this model."
            )
        if rows is not None and len(z) != rows:
            raise CinnHubError(f"The latent has {len(z)} rows, but {rows} can be used: latent[0].")
        return z.to(self.device, self.dtype)

    def log_prob(self, x: Tensor, condition: Condition) -> Tensor:
        """log p(x | c) in nats, (B * n,)."""
        z, log_det = self.encode(x, condition)
        return standard_normal_log_prob(z) + log_det

    def bits_per_dim(self, log_prob: Tensor) -> Tensor:
        """Nats of a whole x -> bits per dimension, in the units of the data; less is likelier."""
        return -log_prob / (self.dimensions * math.log(2))

    def sample(
        self,
        condition: Condition,
        n: int,
        temperature: Temperature = 1.0,
        seed: int | None = None,
    ) -> Tensor:
        """n draws for every row of the condition, (B, n, C, H, W).

        Sample i depends on the seed and on i, not on n; every row gets the same noise.
        """
        z = self.draw(n, temperature, seed)
        rows = z.map(lambda level: level.repeat(len(condition), *[1] * (level.dim() - 1)))
        return self.decode(rows, condition).unflatten(0, (len(condition), n))

    def draw(self, n: int, temperature: Temperature = 1.0, seed: int | None = None) -> Latent:
        """n latents from N(0, temperature^2); without a seed, other ones each time."""
        if isinstance(n, bool) or not isinstance(n, int | np.integer) or n < 1:
            raise CinnHubError(f"n is {n}; it must be a whole number of samples, 1 or more.")
        seed = fresh_seed() if seed is None else check_seed(seed)
        seeds = [sample_seed(seed, i) for i in range(n)]
        return Latent.standard(self.latent_shapes, seeds, temperature, self.device)

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str],
        *,
        device: str | None = None,
        dtype: torch.dtype | None = None,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | os.PathLike[str] | None = None,
    ) -> Self:
        """`cinn_hub.load`, of a model of this class: see there.

        Raises:
            CheckpointError: it is a model of another class.
        """
        from cinn_hub.hub import load

        name = pretrained_model_name_or_path
        model = load(name, device, revision=revision, token=token, cache_dir=cache_dir, dtype=dtype)
        if not isinstance(model, cls):
            raise CheckpointError(
                f"{os.fspath(name)} is a {type(model).__name__}, not a {cls.__name__}; "
                "load it with cinn_hub.load."
            )
        return model

    def _save_pretrained(self, save_directory: Path) -> None:
        from cinn_hub.checkpoints import write_model

        write_model(self, save_directory)

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """A card for a model that has none yet, to be filled in by its author."""
        from cinn_hub.publishing import new_card

        return new_card(self)


def standard_normal_log_prob(z: Latent) -> Tensor:
    """log N(z; 0, 1) in nats, (N,)."""
    values = z.flatten()
    return -0.5 * (values.square().sum(1) + values.shape[1] * math.log(2 * math.pi))


def fresh_seed() -> int:
    """A seed to show, from the system's entropy."""
    return int(np.random.SeedSequence().generate_state(1, np.uint32)[0])


def check_seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise CinnHubError(f"The seed is {seed}; it must be a whole number, 0 or more.")
    return int(seed)
