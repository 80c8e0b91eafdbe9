"""Latents: z by level, seeds and temperatures, and interpolation between latents."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from operator import itemgetter
from pathlib import Path

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from cinn_hub.checkpoints import open_tensors
from cinn_hub.errors import CheckpointError, CinnHubError, number_in, quoted
from cinn_hub.files import reason_of, whole_file
from cinn_hub.flow import Condition

HOTTEST = 10  # temperature; far lower ones give noise already
MOST_ROWS = 10_000  # that can be asked for at once; results are held in memory
AT_ONCE = 64  # rows decoded together, to bound memory; more are not faster
FEW_DIMENSIONS = 32  # of a level; with fewer, norms of draws differ too much to be worth keeping

HINTED, DRAWN_AT = "hinted", "drawn at"  # in the metadata of a file

Temperature = float | Mapping[str, float]
"""The scale of z: one number, or one for each level by name."""


def check_temperature(temperature: Temperature, levels: Sequence[str]) -> dict[str, float]:
    """The temperature of each level, 1 where a level is not named.

    Raises:
        CinnHubError: it is out of range, or names an unknown level.
    """
    if isinstance(temperature, Mapping):
        if unknown := sorted(temperature.keys() - set(levels)):
            raise CinnHubError(
                f"The temperature has the unknown levels {unknown}; the levels are {list(levels)}."
            )
        by_level = {level: temperature.get(level, 1.0) for level in levels}
    else:
        by_level = dict.fromkeys(levels, temperature)
    return {k: number_in(value, "The temperature", 0, HOTTEST) for k, value in by_level.items()}


def check_count(n: int, name: str = "n", least: int = 1) -> int:
    """A number of samples or steps, refused where it is out of range."""
    if isinstance(n, bool) or not isinstance(n, int | np.integer) or not least <= n <= MOST_ROWS:
        raise CinnHubError(
            f"{name} is {quoted(n)}; it must be a whole number from {least} to {MOST_ROWS}."
        )
    return int(n)


def sample_seed(seed: int, index: int) -> int:
    """The seed of sample `index`, whatever the number of samples: one for each (seed, index)."""
    words = (seed % 2**32, index, seed >> 32)  # each a word of its own, so that no two pairs agree
    return int(np.random.SeedSequence(words).generate_state(1, np.uint64)[0])


def fresh_seed() -> int:
    """A seed from the system's entropy."""
    return int(np.random.SeedSequence().generate_state(1, np.uint32)[0])


def check_seed(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or seed < 0:
        raise CinnHubError(f"The seed is {quoted(seed)}; it must be a whole number, 0 or more.")
    return int(seed)


@dataclass(frozen=True, eq=False)
class Latent:
    """The noise z of one or more samples, by level, coarse first: {"mood": (N, 2, 1, 1), ...}.

    Two latents are equal if all their values are.

    Attributes:
        levels: the values, one row per sample.
        settings: how they were made, as text: model, weights, seed, temperature ... What was made
            of another latent has that one's settings, too, under names such as "near.seed".
        hinted: whether somebody asked for some of their colours.
        temperature: at which they were drawn, for each level; 1 where a level is not named. Draws
            are spread by it around (1 - temperature) times the center, see `around`.
    """

    levels: dict[str, Tensor]
    settings: dict[str, str] = field(default_factory=dict)
    hinted: bool = False
    temperature: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def standard(
        cls,
        shapes: Mapping[str, Sequence[int]],
        seeds: Sequence[int],
        device: torch.device | str = "cpu",
    ) -> Latent:
        """Independent draws from N(0, 1), one generator per sample.

        Drawn on the CPU in float32 and then moved: the same seed gives the same noise everywhere.
        """
        generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        levels = {}
        for name, shape in shapes.items():
            rows = [
                torch.randn(*shape, generator=generator, device="cpu", dtype=torch.float32)
                for generator in generators
            ]
            levels[name] = torch.stack(rows).to(device)
        return cls(levels)

    def __len__(self) -> int:
        """N, the number of samples."""
        return len(next(iter(self.levels.values())))

    def __getitem__(self, index: int | slice) -> Latent:
        """One sample, still with its row dimension; or those of a slice. One of several draws has
        its number among its settings."""
        if isinstance(index, slice):
            return self.map(lambda z: z[index])
        index = range(len(self))[index]
        row = self.map(lambda z: z[index : index + 1])
        if len(self) == 1 or "seed" not in self.settings:
            return row
        return replace(row, settings={"sample": str(index), **row.settings})

    def __iter__(self) -> Iterator[Latent]:
        return (self[i] for i in range(len(self)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Latent):
            return NotImplemented
        same_levels = list(self.levels) == list(other.levels)
        return same_levels and all(torch.equal(z, other.levels[k]) for k, z in self.levels.items())

    __hash__ = None

    def __repr__(self) -> str:
        rows = "1 row" if len(self) == 1 else f"{len(self)} rows"
        settings = "".join(f", {key} {value}" for key, value in self.settings.items())
        return f"Latent({rows}, levels {' '.join(self.levels)}{settings})"

    def map(self, function: Callable[[Tensor], Tensor]) -> Latent:
        """The same latent with `function` applied to the tensor of every level."""
        return replace(self, levels={k: function(z) for k, z in self.levels.items()})

    def to(self, *where: torch.device | torch.dtype | str) -> Latent:
        """Moved to a device or another dtype."""
        return self.map(lambda z: z.to(*where))

    def around(self, center: Latent | None, temperature: Temperature) -> Latent:
        """Draws from N(0, 1) at a temperature T: center + T (z - center), by level.

        At 1 they stay as they are, at 0 they are the center.

        center: of one row, or of as many; 0 if None.
        """
        scale = check_temperature(temperature, list(self.levels))
        scaled = self.scale(scale) if center is None else center.plus(self.minus(center), scale)
        return replace(scaled, temperature=scale)

    def noise_of(self, center: Latent | None, sign: float = -1.0) -> Latent:
        """T times the noise of these draws at the temperature T, without the (1 - T) times the
        center that they are spread around; see `placed`."""
        if center is None:
            return self
        return self.plus(center, {k: sign * (1 - t) for k, t in self.temperatures.items()})

    def placed(self, center: Latent | None) -> Latent:
        """The draws that have this noise, spread around a center; the inverse of `noise_of`."""
        return self.noise_of(center, 1.0)

    @property
    def temperatures(self) -> dict[str, float]:
        """The temperature of every level."""
        return {k: self.temperature.get(k, 1.0) for k in self.levels}

    def plus(self, other: Latent, share: Temperature = 1.0) -> Latent:
        """This latent and a share of another, one number or one per level; one row serves all."""
        shares = share if isinstance(share, Mapping) else dict.fromkeys(self.levels, share)
        return self.mixed(
            other, {k: z + shares[k] * other.levels[k] for k, z in self.levels.items()}
        )

    def minus(self, other: Latent) -> Latent:
        return self.plus(other, -1.0)

    def repeated(self, n: int) -> Latent:
        """Every row n times, one after the other."""
        return self.map(lambda z: z.repeat_interleave(n, dim=0))

    @classmethod
    def cat(cls, latents: Sequence[Latent]) -> Latent:
        """Several latents as the rows of one.

        Raises:
            CinnHubError: there are none.
        """
        if not latents:
            raise CinnHubError("There are no latents; give one or more.")
        levels = {k: torch.cat([x.levels[k] for x in latents]) for k in latents[0].levels}
        hinted = any(x.hinted for x in latents)
        return cls(levels, hinted=hinted, temperature=latents[0].temperature)

    def scale(self, temperature: Temperature) -> Latent:
        """Multiplied by a number, or by one for each level."""
        factors = check_temperature(temperature, list(self.levels))
        return replace(self, levels={k: z * factors[k] for k, z in self.levels.items()})

    def mix(self, other: Latent, levels: Sequence[str]) -> Latent:
        """This latent, with the named levels taken from the other."""
        self.check_levels(levels)
        mixed = {k: other.levels[k] if k in levels else z for k, z in self.levels.items()}
        return self.mixed(other, mixed)

    def mixed(self, other: Latent, levels: dict[str, Tensor]) -> Latent:
        """Values that were made of this latent and the other, with the settings of this one."""
        return replace(self, levels=levels, hinted=self.hinted or other.hinted)

    def slerp(self, other: Latent, t: float) -> Latent:
        """The point at t in [0, 1] on the great circle from this latent to the other, by level.

        Between two draws from a Gaussian of many dimensions, a straight line runs through its
        improbable middle; the circle keeps the norm. Levels of few dimensions, and vectors of norm
        0, follow the straight line, and temperatures do.
        """
        number_in(t, "t", 0, 1)
        pairs = zip(self.temperatures.items(), other.temperatures.values(), strict=True)
        temperature = {k: (1 - t) * own + t * others for (k, own), others in pairs}
        between = {}
        for name, z in self.levels.items():
            few = z[0].numel() < FEW_DIMENSIONS
            between[name] = (torch.lerp if few else slerp)(z, other.levels[name], t)
        return replace(self.mixed(other, between), temperature=temperature)

    def path(self, other: Latent, steps: int) -> Latent:
        """The way to the other, both ends included, as the rows of one latent; see `slerp`.

        Raises:
            CinnHubError: fewer than 2 steps, or too many.
        """
        check_count(steps, "The number of steps", least=2)
        return Latent.cat([self.slerp(other, i / (steps - 1)) for i in range(steps)])

    def renewed(self, other: Latent, share: float | Mapping[str, float]) -> Latent:
        """sqrt(1 - share^2) of this latent and `share` of the other: two draws make a new draw.

        share: in [0, 1], one number or one per level; levels that are not named stay.
        """
        shares = share if isinstance(share, Mapping) else dict.fromkeys(self.levels, share)
        self.check_levels(shares)
        mixed = dict(self.levels)
        for name, value in shares.items():
            value = number_in(value, "The amount", 0, 1)
            kept = math.sqrt(1 - value**2)
            mixed[name] = kept * self.levels[name] + value * other.levels[name]
        return self.mixed(other, mixed)

    def check_levels(self, names: Iterable[str]) -> None:
        """Refuses names that are not among the levels."""
        if unknown := sorted(set(names) - self.levels.keys()):
            raise CinnHubError(
                f"The levels {unknown} are unknown; use some of {list(self.levels)}."
            )

    def flatten(self) -> Tensor:
        """(N, D), coarse first."""
        return torch.cat([z.flatten(1) for z in self.levels.values()], 1)

    def unflattened(self, values: Tensor) -> Latent:
        """The latent whose `flatten` gives `values` (N, D); this one lends its shapes."""
        sizes = [z[0].numel() for z in self.levels.values()]
        parts = zip(self.levels.items(), values.split(sizes, 1), strict=True)
        return replace(self, levels={k: part.unflatten(1, z.shape[1:]) for (k, z), part in parts})

    def numbered(self, name: str, **settings: str) -> list[Latent]:
        """The rows, each with these settings, too, and with its number under that name."""
        return [
            replace(self[i : i + 1], settings={**self.settings, **settings, name: str(i)})
            for i in range(len(self))
        ]

    def save(self, path: str | Path, **settings: str | int | float) -> None:
        """Writes safetensors, with the settings (model, seed, temperature ...) as metadata."""
        text = {key: str(value) for key, value in {**self.settings, **settings}.items()}
        text |= {HINTED: "yes"} if self.hinted else {}
        text |= {DRAWN_AT: by_level_as_text(self.temperature)} if self.temperature else {}
        tensors = {k: z.detach().cpu().contiguous() for k, z in self.levels.items()}
        try:
            with whole_file(path) as unfinished:
                save_file(tensors, unfinished, {**text, "levels": json.dumps(list(self.levels))})
        except (OSError, SafetensorError) as error:
            raise CinnHubError(f"{path} cannot be written: {reason_of(error)}.") from error

    @classmethod
    def load(cls, path: str | Path) -> Latent:
        """Reads what `save` wrote; its settings are strings.

        Raises:
            CheckpointError: the file is missing, is not a latent, or has no rows or values that
                are not finite.
        """
        try:
            with open_tensors(path) as file:
                metadata = file.metadata() or {}
                order = json.loads(metadata.pop("levels"))
                hinted = metadata.pop(HINTED, "") == "yes" or "hints" in metadata
                text = metadata.pop(DRAWN_AT, "")
                levels = {name: file.get_tensor(name) for name in order}
                latent = cls(levels, metadata, hinted, by_level_from_text(text, order))
        except (SafetensorError, KeyError, ValueError, TypeError, RecursionError) as error:
            raise CheckpointError(
                f"{path} cannot be read as a latent; give a file that Latent.save wrote."
            ) from error
        check_values(latent, str(path))
        return latent


def batches(z: Latent, condition: Condition) -> Iterator[tuple[Latent, Condition]]:
    """B * n latents and their B conditions in parts of up to `AT_ONCE` rows, in their order.

    Row i of z is under row i // n of the condition, in every part as in the whole.
    """
    n = len(z) // condition.rows
    if n * condition.rows != len(z) or n == 0:
        raise CinnHubError(
            f"There are {len(z)} latents for {condition.rows} conditions; give each the same "
            "number."
        )
    together = max(1, AT_ONCE // n)  # conditions
    for start in range(0, condition.rows, together):
        rows = slice(start, start + together)
        part = condition if together >= condition.rows else condition.map(itemgetter(rows))
        of_part = z[rows.start * n : rows.stop * n]
        for first in range(0, len(of_part), AT_ONCE):
            yield of_part[first : first + AT_ONCE], part


def check_values(latent: Latent, source: str) -> None:
    """Refuses a latent without rows, with levels of different lengths, or with NaN or infinity."""
    rows = {len(z) for z in latent.levels.values() if z.dim() > 1}
    if len(rows) != 1 or 0 in rows or any(z.dim() < 2 for z in latent.levels.values()):
        raise CheckpointError(
            f"{source} has levels without rows, or with unequal rows; make it again."
        )
    for name, z in latent.levels.items():
        if not (z.is_floating_point() and z.isfinite().all()):
            raise CheckpointError(
                f"{source} has values at level {name} that are not finite numbers; make it again."
            )


def nested(name: str, settings: Mapping[str, str]) -> dict[str, str]:
    """The settings of a latent that another one is made of, under names such as "near.seed"."""
    own = ("model", "weights")  # the same for both
    return {f"{name}.{key}": value for key, value in settings.items() if key not in own}


def by_level_as_text(values: Mapping[str, float]) -> str:
    """For settings: "0.8" for all levels, or "mood=0.9 things=0.8"."""
    texts = {level: f"{value:.10g}" for level, value in values.items()}
    if len(different := set(texts.values())) == 1:
        return different.pop()
    return " ".join(f"{level}={text}" for level, text in texts.items())


def by_level_from_text(text: str, levels: Iterable[str]) -> dict[str, float]:
    """What `by_level_as_text` wrote; nothing of no text."""
    if text and "=" not in text:
        return dict.fromkeys(levels, float(text))
    return {k: float(v) for k, _, v in (part.partition("=") for part in text.split())}


def slerp(a: Tensor, b: Tensor, t: float) -> Tensor:
    """Spherical interpolation, one great circle per row; a, b: (N, ...)."""
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
