"""ConditionalINN, the base of all models: x <-> z on tensors, and files on disk and the Hub."""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar, Self

import torch
from huggingface_hub import ModelCard, ModelHubMixin
from torch import Tensor, nn

from cinn_hub import publishing
from cinn_hub.checkpoints import read_config, read_weights, write_checkpoint
from cinn_hub.config import Config
from cinn_hub.errors import CheckpointError, CinnHubError, number_in
from cinn_hub.files import local_path
from cinn_hub.flow import Bijection, Condition, Flow
from cinn_hub.hub import find_folder
from cinn_hub.latent import (
    HOTTEST,
    Latent,
    Temperature,
    batches,
    by_level_as_text,
    check_count,
    check_seed,
    check_temperature,
    fresh_seed,
    sample_seed,
)

DEVICES = ("cpu", "cuda", "mps")
HALF_PRECISION = (torch.bfloat16, torch.float16)


class ConditionalINN(nn.Module, ModelHubMixin):
    """z = f(x; c), exactly invertible, with log p(x | c) = log N(z; 0, 1) + log|det df/dx|.

    The moves are `sample` (draw z and decode it), `encode`, `decode` and `log_prob`. Transfer is to
    encode under one condition and decode under another; interpolation is to decode along
    `Latent.path`.

    A subclass names its `config_class` and has `config`, `flow`, a method that makes a `Condition`,
    `latent_shapes` (coarse first) and `unit`, the size of one unit of the flow's x in the units of
    the data.

    Attributes:
        name: the name it was loaded by; folder: the folder that it came from.
        default_temperature: the model's own, for each level; 1 where a level is not named.
    """

    config_class: ClassVar[type[Config]]
    name: str = "unnamed"
    folder: Path | None = None
    config: Config
    flow: Flow
    latent_shapes: dict[str, tuple[int, ...]]
    unit: float = 1.0
    default_temperature: Mapping[str, float] = {}
    network_dtype: torch.dtype | None = None

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the weights."""
        return next(self.parameters()).dtype

    @property
    def value_dtype(self) -> torch.dtype:
        """The dtype of the values in the flow: of x, of z, and of what lies between them."""
        return self.dtype

    @property
    def dimensions(self) -> int:
        """D, the number of values in one x, and in one z."""
        return sum(math.prod(shape) for shape in self.latent_shapes.values())

    @cached_property
    def fingerprint(self) -> str:
        """`fingerprint_of` config and weights as they were when it was first asked for. Latents
        and results name it, so that they are used with no other model."""
        return fingerprint_of(self.config, self.state_dict())

    @property
    def public_name(self) -> str:
        """The name for files that others may see: of a folder its last part alone."""
        return Path(self.name).name if os.path.isdir(self.name) else self.name

    # ------------------------------------------------------------------ arithmetic

    def in_dtype(self, dtype: torch.dtype | None) -> Self:
        """This model in float32 or float64; or with networks that compute in half precision.

        In half precision, decoding after encoding gives x back to about 0.1 %, not exactly.
        """
        if dtype in (None, torch.float32, torch.float64):
            self.network_dtype = None
            return self.to(dtype or torch.float32)
        if dtype not in HALF_PRECISION:
            names = "torch.float32, float64, bfloat16 or float16"
            raise CinnHubError(f"The dtype is {dtype!r}; it must be {names}.")
        self.network_dtype = dtype
        return self

    def half(self) -> Self:
        """`in_dtype(torch.float16)`: values in the flow stay float32."""
        return self.in_dtype(torch.float16)

    def bfloat16(self) -> Self:
        """`in_dtype(torch.bfloat16)`: values in the flow stay float32."""
        return self.in_dtype(torch.bfloat16)

    def arithmetic(self) -> AbstractContextManager[Any]:
        """The precision in which the networks compute.

        Raises:
            CinnHubError: the weights themselves are in half precision.
        """
        if self.dtype in HALF_PRECISION:
            raise CinnHubError(
                f"The weights of {self.name} are {self.dtype}, too coarse for an exact inverse; "
                f"use model.in_dtype({self.dtype}) instead of model.to({self.dtype})."
            )
        if self.network_dtype is None:
            return nullcontext()
        return torch.autocast(self.device.type, self.network_dtype)

    # ------------------------------------------------------------------ x <-> z

    def encode(self, x: Tensor, condition: Condition) -> tuple[Latent, Tensor]:
        """x (B * n, C, H, W) -> its latent, and log|det dz/dx| (B * n,) in nats.

        Row i of x is seen under row i // n of the condition.

        Raises:
            CinnHubError: x, or what this model makes of it, is not finite.
        """
        with self.arithmetic():
            levels, log_det = self.flow(x.to(self.value_dtype) / self.unit, condition)
        self.check_finite(*levels.values(), log_det)
        ordered = {name: levels[name] for name in self.latent_shapes}
        return Latent(ordered), log_det - self.log_volume_of_unit

    def decode(self, z: Latent, condition: Condition) -> Tensor:
        """The exact inverse of `encode`: a latent of B * n rows -> x (B * n, C, H, W).

        Raises:
            CinnHubError: the latent belongs to another model, or what comes out is not finite.
        """
        return self.decode_with_log_prob(z, condition)[0]

    def decode_with_log_prob(self, z: Latent, condition: Condition) -> tuple[Tensor, Tensor]:
        """As `decode`, with log p(x | c) in nats (B * n,), which costs nothing more."""
        z = self.fitted(z)
        with self.arithmetic():
            parts = [self.flow.inverse(rows.levels, part) for rows, part in batches(z, condition)]
        x, log_det = (torch.cat(values) for values in zip(*parts, strict=True))
        x = x * self.unit
        log_prob = standard_normal_log_prob(z) - log_det - self.log_volume_of_unit
        self.check_finite(x, log_prob)
        return x, log_prob

    def check_finite(self, *values: Tensor) -> None:
        """Refuses what would become a picture, or a likelihood, of NaN."""
        if not all(x.isfinite().all() for x in values):
            raise CinnHubError(
                f"{self.name} gives values here that are not finite numbers; take another latent, "
                "or a lower temperature."
            )

    @property
    def log_volume_of_unit(self) -> float:
        return self.dimensions * math.log(self.unit)

    def log_prob(self, x: Tensor, condition: Condition) -> Tensor:
        """log p(x | c) in nats, (B * n,)."""
        z, log_det = self.encode(x, condition)
        return standard_normal_log_prob(z) + log_det

    def bits_per_dim(self, log_prob: Tensor) -> Tensor:
        """Nats of a whole x -> bits per dimension, in the units of the data; lower is likelier."""
        return -log_prob / (self.dimensions * math.log(2))

    def sample(
        self,
        condition: Condition,
        n: int,
        temperature: Temperature | None = None,
        seed: int | None = None,
    ) -> Tensor:
        """n draws for every row of the condition, (B, n, C, H, W); see `draw`.

        Every row of the condition gets the same noise.
        """
        seed, center = fresh_seed() if seed is None else seed, self.center(condition)
        centers = [None] * condition.rows if center is None else center
        z = Latent.cat([self.draw(n, temperature, seed, center) for center in centers])
        return self.decode(z, condition).unflatten(0, (condition.rows, n))

    # ------------------------------------------------------------------ latents

    def temperature(self, boldness: float = 1.0) -> dict[str, float]:
        """The model's own temperature of each level, times `boldness`."""
        boldness = number_in(boldness, "The boldness", 0, HOTTEST)
        default = check_temperature(self.default_temperature, list(self.latent_shapes))
        return {level: boldness * value for level, value in default.items()}

    def center(self, condition: Condition) -> Latent | None:
        """What temperatures scale z around, a row for each of the condition; None for 0."""
        return None

    def draw(
        self,
        n: int,
        temperature: Temperature | None = None,
        seed: int | None = None,
        center: Latent | None = None,
    ) -> Latent:
        """n latents from N(0, 1) at a temperature, with it and the seed among their settings.

        Arguments:
            temperature: one number, or one per level; by default, and for levels that are not
                named, the model's own.
            seed: the same seed gives the same latents; row i depends on it and on i, not on n. By
                default a fresh one.
            center: see `Latent.around`.

        Raises:
            CinnHubError: n, temperature or seed is out of range.
        """
        n = check_count(n)
        seed = fresh_seed() if seed is None else check_seed(seed)
        by_level = self.temperatures(temperature)
        seeds = [sample_seed(seed, i) for i in range(n)]
        noise = Latent.standard(self.latent_shapes, seeds, self.device)
        settings = {"seed": str(seed), "temperature": by_level_as_text(by_level)}
        return replace(noise.around(center, by_level), settings=settings)

    def temperatures(self, temperature: Temperature | None) -> dict[str, float]:
        """That of each level, the model's own where none is named."""
        if temperature is None or isinstance(temperature, Mapping):
            temperature = self.temperature() | dict(temperature or {})
        return check_temperature(temperature, list(self.latent_shapes))

    def fitted(self, z: Latent, rows: int | None = None) -> Latent:
        """A latent, moved to this model's device and `value_dtype`.

        Raises:
            CinnHubError: it belongs to another model, has not so many rows, or is not finite.
        """
        if {name: tuple(x.shape[1:]) for name, x in z.levels.items()} != self.latent_shapes:
            raise CinnHubError(
                f"The latent has the levels {list(z.levels)}, but {self.name} has "
                f"{list(self.latent_shapes)}; take a latent of this model."
            )
        if z.settings.get("weights", self.fingerprint) != self.fingerprint:
            raise CinnHubError(
                f"The latent was made with the weights {z.settings['weights']}, but {self.name} "
                f"has {self.fingerprint}; take a latent of this model."
            )
        if rows is not None and len(z) != rows:
            raise CinnHubError(f"The latent has {len(z)} rows; pick one, such as latent[0].")
        z = z.to(self.device, self.value_dtype)
        if not all(level.isfinite().all() for level in z.levels.values()):
            raise CinnHubError("The latent has values that are not finite numbers; make it again.")
        return z

    # ------------------------------------------------------------------ files

    @classmethod
    def from_folder(
        cls,
        folder: Path,
        name: str | None = None,
        device: str | None = None,
        dtype: torch.dtype | None = None,
    ) -> Self:
        """The model of this class that lies in a folder, in evaluation mode.

        Arguments:
            name: how messages call it; by default the path of the folder.
            device, dtype: as those of `cinn_hub.load`.

        Raises:
            CheckpointError: a file is missing or damaged, or belongs to another class.
        """
        where = choose_device(device)
        config = read_config(folder, cls.config_class)
        with torch.inference_mode(False):  # tensors made in that mode could not serve hints
            with torch.device("meta"):
                model = cls(config)
            state = read_weights(folder, model.state_dict())
            model.load_state_dict(state, strict=True, assign=True)
            check_layers(model, folder)
            model.name, model.folder = name or str(folder), folder
            model.fingerprint  # noqa: B018  of the weights as they are in the file
            return model.eval().requires_grad_(False).in_dtype(dtype).to(where)

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
        """The trained model of that name, of this class; arguments as those of `cinn_hub.load`.

        Raises:
            UnknownModelError, OfflineError, CheckpointError: as `cinn_hub.load`.
        """
        name = os.fspath(pretrained_model_name_or_path)
        folder = find_folder(name, revision, token, cache_dir)
        return cls.from_folder(folder, name, device, dtype)

    def save(self, folder: str | os.PathLike[str], dtype: torch.dtype = torch.float16) -> None:
        """Writes `config.json` and `model.safetensors`, floating-point weights in `dtype`."""
        write_checkpoint(self.config, self.state_dict(), local_path(folder), dtype)

    def save_pretrained(
        self,
        save_directory: str | os.PathLike[str],
        *,
        push_to_hub: bool = False,
        repo_id: str | None = None,
        **options: Any,
    ) -> str | None:
        """Writes the model, and its card where there is none yet; perhaps publishes it, too.

        In place of the `ModelHubMixin`'s own, which removes the config of the model that was there
        before it has written another.

        Raises:
            CinnHubError: the folder cannot be written to.
        """
        folder = local_path(save_directory)
        self.save(folder)
        publishing.write_card(self.generate_model_card(), folder)
        return self.push_to_hub(repo_id or folder.name, **options) if push_to_hub else None

    def generate_model_card(self, *args: Any, **kwargs: Any) -> ModelCard:
        """The card that the model was loaded with; a draft for its author if it had none, or if
        the weights have changed since."""
        unchanged = fingerprint_of(self.config, self.state_dict()) == self.fingerprint
        if self.folder and unchanged and (card := publishing.read_card(self.folder)):
            return card
        millions = sum(parameter.numel() for parameter in self.parameters()) / 1e6
        origin = None
        if self.folder:
            origin = f"Trained from {self.name}, whose terms also hold for it."
        return publishing.draft_card(type(self).__name__, millions, origin)

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Publishes the model with its card on the Hub; options as those of `ModelHubMixin`.

        Raises:
            CheckpointError: the card is a draft or lacks what the Hub asks for.
        """
        publishing.check_card(str(self.generate_model_card()), f"The card of {self.name}")
        return super().push_to_hub(repo_id, **options)


def check_layers(model: ConditionalINN, folder: Path) -> None:
    """Refuses a model with a layer that its weights make impossible to invert."""
    for name, layer in model.named_modules():
        if isinstance(layer, Bijection) and (fault := layer.fault()):
            raise CheckpointError(f"{folder} cannot be inverted: {name} {fault}; get it again.")


def fingerprint_of(config: Config, state: Mapping[str, Tensor]) -> str:
    """The first 12 hexadecimal digits of a SHA-256 of all that a latent's meaning depends on: the
    config but for temperatures, and the weights as float16 files hold them."""
    digest = hashlib.sha256(config.canonical(without=("temperature",)).encode())
    for name, x in sorted(state.items()):
        stored = x.half() if x.is_floating_point() else x
        digest.update(name.encode() + stored.cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:12]


def standard_normal_log_prob(z: Latent) -> Tensor:
    """log N(z; 0, 1) in nats, (N,)."""
    values = z.flatten()
    return -0.5 * (values.square().sum(1) + values.shape[1] * math.log(2 * math.pi))


def choose_device(device: str | None) -> str:
    """The device of that name if it can be used here; the best there is for None.

    Raises:
        CinnHubError: there is no such device here.
    """
    usable = {"cpu": True, "cuda": torch.cuda.is_available()}
    usable["mps"] = torch.backends.mps.is_available()
    if device is None:
        return next(kind for kind in ("cuda", "mps", "cpu") if usable[kind])
    kind, _, number = str(device).partition(":")
    if kind not in DEVICES or not (number.isdigit() or str(device) == kind):
        raise CinnHubError(f"The device is {device!r}; it must be cpu, cuda, cuda:N or mps.")
    if not usable[kind] or (kind == "cuda" and int(number or 0) >= torch.cuda.device_count()):
        raise CinnHubError(f"The device {device!r} cannot be used here; try device='cpu'.")
    return str(device)
