"""DigitModel: labels in, handwriting out, for any architecture that gives digits for labels."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Sequence

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cinn_hub.errors import DigitError
from cinn_hub.flow import Condition
from cinn_hub.latent import Latent, Temperature
from cinn_hub.model import ConditionalINN

SIDE = 28
LABELS = 10
STEPS = 256  # grey values of a pixel
PAPER_SPREAD = 0.1  # how much the border of a picture on paper varies, at most
BOX = 20  # pixels; MNIST digits were fitted into such a square

ImageLike = Image.Image | np.ndarray | Tensor
Labels = int | Sequence[int] | Tensor


class DigitModel(ConditionalINN):
    """Handwritten digits given their label.

    x is (B, 1, 28, 28) in [0, 1], where the 8-bit value v takes the range [v, v + 1) / 256;
    `dequantized` and `quantized` convert pictures to x and back. A subclass says how labels become
    a condition, and names in `config.directions` what its directions change.

    Attributes:
        directions: (K, 784) orthonormal; a step along one changes a hand in one way, whatever it
            writes.
        deviations: (K,), how far the latents of real digits go along each.
    """

    directions: Tensor
    deviations: Tensor

    def condition(self, labels: Labels) -> Condition:
        """Labels (B,) from 0 to 9 -> the features of each level.

        Raises:
            DigitError: a label is not one of 0 to 9.
        """
        raise NotImplementedError

    @torch.inference_mode()
    def sample(
        self,
        label: Labels | Condition,
        n: int = 1,
        temperature: Temperature | None = None,
        seed: int | None = None,
    ) -> Tensor:
        """n pictures (n, 1, 28, 28) in [0, 1] of one label; of several labels (B, n, 1, 28, 28).

        Picture i of every label has the same latent: the same hand.
        """
        condition = label if isinstance(label, Condition) else self.condition(label)
        pictures = quantized(super().sample(condition, n, temperature, seed)).float()
        return pictures[0] if isinstance(label, int | np.integer) else pictures

    @torch.inference_mode()
    def transfer(
        self, image: ImageLike | Sequence[ImageLike], label: Labels, source: Labels | None = None
    ) -> Tensor:
        """The handwriting of each image as other digits: f^-1(f(x; source); label).

        Arguments:
            image: one digit, or N: see `read_digits`.
            label: what to write, one or B labels.
            source: what the images show; by default what `classify` finds.

        Returns:
            (B, 1, 28, 28) in [0, 1]; of several images (N, B, 1, 28, 28). B is 1 for one label.
        """
        z = self.latent(read_digits(image), source)
        pictures = [self.write(row, label) for row in z]
        return pictures[0] if is_single(image) else torch.stack(pictures)

    @torch.inference_mode()
    def interpolate(
        self, image: ImageLike, other: ImageLike, label: int | None = None, steps: int = 9
    ) -> Tensor:
        """Handwriting between two digits, along the great circle: (steps, 1, 28, 28) in [0, 1].

        label: what to write on the way; by default what `image` shows.
        """
        images = torch.cat([read_digits(image), read_digits(other)])
        labels = self.classify(images).argmax(1)
        z = self.latent(images, labels)
        return self.write(z[0].path(z[1], steps), labels[:1] if label is None else label)

    @torch.inference_mode()
    def classify(self, image: ImageLike | Sequence[ImageLike]) -> Tensor:
        """p(label | image) by Bayes' rule from ten exact likelihoods, with equal priors.

        (10,), or (N, 10) of several images.

        Raises:
            DigitError: an image is empty, or noise explains it better than any digit.
        """
        images = read_digits(image).to(self.device)
        x = dequantized(images).to(self.value_dtype)
        with self.arithmetic():
            scores = self.label_scores(x)
        self.check_finite(scores)
        is_noise = self.is_noise(x, scores.argmax(1))
        if far := (is_noise | (images.amax((1, 2, 3)) == 0)).nonzero()[:, 0].tolist():
            which = f"Image {far[0]}" if len(images) > 1 else "The image"
            raise DigitError(
                f"{which} is no handwritten digit: it is empty, or likelier to be noise; give a "
                "digit, light on dark or dark on light, that fills most of the picture."
            )
        probabilities = scores.float().softmax(1)
        return probabilities[0] if is_single(image) else probabilities

    def is_noise(self, x: Tensor, labels: Tensor) -> Tensor:
        """Which of the pictures are likelier to be noise than these digits, (N,); a model whose
        likelihoods do not tell says so of none."""
        return torch.zeros(len(x), dtype=torch.bool, device=x.device)

    def label_scores(self, x: Tensor) -> Tensor:
        """log p(x | label) of pictures (N, 1, 28, 28) and all labels, (N, 10), in nats; from each
        row the same number may be missing."""
        rows, condition = x.repeat(LABELS, 1, 1, 1), self.condition(range(LABELS))
        return self.log_prob_of_labels(rows, condition).view(LABELS, -1).T

    def log_prob_of_labels(self, x: Tensor, condition: Condition) -> Tensor:
        """As `log_prob`; a model may leave out what is the same for all labels of a picture."""
        return self.log_prob(x, condition)

    @torch.inference_mode()
    def latent(self, images: Tensor, labels: Labels | None = None) -> Latent:
        """The latents (N rows) of pictures (N, 1, 28, 28); labels by default from `classify`."""
        labels = self.classify(images).argmax(1) if labels is None else check_labels(labels)
        if len(labels) not in (1, len(images)):
            raise DigitError(
                f"There are {len(images)} images and {len(labels)} labels; give one label, or one "
                "per image."
            )
        x = dequantized(images.to(self.device)).to(self.deviations)
        return self.encode(x, self.condition(labels))[0]

    @torch.inference_mode()
    def write(self, z: Latent, label: Labels) -> Tensor:
        """One latent as each of B labels, or N latents as one label: pictures (B or N, 1, 28, 28)
        in [0, 1]."""
        condition, rows = self.condition(label), self.fitted(z)
        if 1 not in (len(rows), condition.rows):
            raise DigitError(
                f"There are {len(rows)} latents and {condition.rows} labels; give one latent, or "
                "one label."
            )
        rows = rows.repeated(condition.rows) if len(rows) == 1 else rows
        return quantized(self.decode(rows, condition)).float()

    @torch.inference_mode()
    def moved(self, z: Latent, amounts: Sequence[float]) -> Latent:
        """z moved along the directions, in standard deviations of real digits."""
        if len(amounts) > len(self.deviations):
            known = len(self.deviations)
            raise DigitError(f"There are {len(amounts)} amounts; give at most {known}.")
        if not all(math.isfinite(amount) for amount in amounts):
            raise DigitError(f"The amounts are {list(amounts)}; they must be finite numbers.")
        steps = torch.tensor(list(amounts), device=self.device) * self.deviations[: len(amounts)]
        return z.unflattened(z.flatten() + steps @ self.directions[: len(amounts)])


def check_labels(labels: Labels) -> Tensor:
    """One or several labels as a tensor (B,)."""
    given = labels.reshape(-1).tolist() if isinstance(labels, Tensor) else labels
    values = list(given) if isinstance(given, Iterable) else [given]
    for value in values:
        is_whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not is_whole or not 0 <= value < LABELS:
            raise DigitError(f"The label is {value!r}; it must be a digit from 0 to 9.")
    if not values:
        raise DigitError("There is no label; give one or several digits from 0 to 9.")
    return torch.tensor(values, device=device_of(labels))


def device_of(values: object) -> torch.device | str:
    """Where a tensor lies; the CPU for all else, whatever PyTorch's default device is."""
    return values.device if isinstance(values, Tensor) else "cpu"


def is_single(image: ImageLike | Sequence[ImageLike]) -> bool:
    return isinstance(image, Image.Image) or (hasattr(image, "ndim") and image.ndim == 2)


def read_digits(image: ImageLike | Sequence[ImageLike]) -> Tensor:
    """Digits as (N, 1, 28, 28) float32 in [0, 1], light on dark; dark ones on paper are turned.

    image: a grey PIL image of 28x28; an array or tensor (28, 28), (N, 28, 28) or (N, 1, 28, 28) of
        uint8 or of floats in [0, 1]; or a sequence of such.

    Raises:
        DigitError: another size, colours, or values out of range.
    """
    if isinstance(image, Image.Image):
        if image.mode not in ("L", "1"):
            raise DigitError(
                f"The image has the mode {image.mode}; make it grey first: image.convert('L')."
            )
        image = np.array(image.convert("L"))
    if isinstance(image, str | os.PathLike):
        raise DigitError(f"{os.fspath(image)!r} is a path; open it first: PIL.Image.open(path).")
    if not isinstance(image, np.ndarray | Tensor):
        images = [read_digits(one) for one in image]
        if not images:
            raise DigitError("There is no image; give one or several.")
        return torch.cat(images)
    values = torch.as_tensor(image, device=device_of(image))
    if values.shape[-2:] != (SIDE, SIDE) or values.ndim > 4:
        raise DigitError(
            f"The image has the shape {tuple(values.shape)}; it must be 28 x 28 pixels."
        )
    values = values.unsqueeze(1) if values.ndim == 3 else values
    values = values[None, None] if values.ndim == 2 else values
    if values.shape[1] != 1:
        raise DigitError(f"The image has {values.shape[1]} channels; it must be grey, with one.")
    values = values.float() / 255 if values.dtype == torch.uint8 else values.float()
    if not (values.isfinite().all() and values.min() >= 0 and values.max() <= 1):
        raise DigitError(
            "The image has values outside of [0, 1]; scale them (8-bit values: divide by 255)."
        )
    return without_paper(values)


def without_paper(images: Tensor) -> Tensor:
    """Pictures (N, 1, 28, 28) in which an even border is black, whichever grey it was."""
    edges = images[..., 0, :], images[..., -1, :], images[..., 0], images[..., -1]
    border = torch.cat(edges, -1)[:, 0]
    paper, spread = (x[:, None, None, None] for x in (border.median(1).values, border.std(1)))
    dark, light = paper - 3 * spread, paper + 3 * spread  # all between is paper
    ink = torch.where(paper > 0.5, (dark - images) / dark, (images - light) / (1 - light))
    return torch.where((paper > 0) & (spread < PAPER_SPREAD), ink.clamp(0, 1), images)


def dequantized(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Pictures in [0, 1] as the model's x: the middle of each 8-bit value's range.

    With a generator, uniformly drawn from that range: x then has the density that is scored.
    """
    steps = (images * (STEPS - 1)).round()
    if generator is None:
        return (steps + 0.5) / STEPS
    noise = torch.rand(steps.shape, generator=generator, device=generator.device)
    return (steps + noise.to(steps.device)) / STEPS


def quantized(x: Tensor) -> Tensor:
    """The model's x as pictures in [0, 1] with 256 grey values."""
    return (x * STEPS).floor().clamp(0, STEPS - 1) / (STEPS - 1)


def from_sketch(sketch: np.ndarray) -> np.ndarray:
    """A drawing (H, W) uint8, light on dark, prepared as MNIST was: (28, 28) uint8.

    The drawn part is fitted into 20x20 pixels, and its centre of mass put in the middle of 28x28.

    Raises:
        DigitError: nothing is drawn.
    """
    if sketch.ndim != 2:
        raise DigitError(f"The drawing has the shape {sketch.shape}; it must be (H, W), grey.")
    drawn = sketch > 40
    if drawn.sum() < 4:
        raise DigitError("Nothing is drawn yet; draw a digit.")
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    part = sketch[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1].astype(np.float32)
    scale = BOX / max(part.shape)
    size = tuple(max(1, round(side * scale)) for side in part.shape[::-1])
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    mass = small.sum()
    center_x = (small.sum(0) * np.arange(size[0])).sum() / mass
    center_y = (small.sum(1) * np.arange(size[1])).sum() / mass
    shift = np.float32([[1, 0, SIDE / 2 - 0.5 - center_x], [0, 1, SIDE / 2 - 0.5 - center_y]])
    placed = cv2.warpAffine(small, shift, (SIDE, SIDE), flags=cv2.INTER_LINEAR)
    return placed.round().clip(0, 255).astype(np.uint8)
