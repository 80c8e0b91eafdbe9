"""Hints: finds latents near given ones whose colourings have chosen colours at chosen spots.

Two things are known of the colouring that is wanted: the colours at the spots, with a small
doubt, and that the rest is about as before, with a doubt that is the *reach* of the hints. With J
and K the derivatives at z = 0 of the spots' colours and of the whole picture's in coarse cells, z
moves by the d of the least |d|^2 + |K d|^2 / reach^2 + |missing - J d|^2 / doubt^2. For a
linear flow that is the posterior mean given all three. The flow knows what belongs together: the
thing that is hinted follows the hint, the rest stays. Where hints have reaches of their own, each
coarse cell listens to those whose spots it varies with. Of d = (1 + K^T K / reach^2)^-1 J^T y only
y has to be found.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from cinn_hub.color import fit_gamut, to_lab
from cinn_hub.errors import CinnHubError, number_or_nan, quoted

HintLike = tuple[float, float, str] | tuple[float, float, str, float]

DOUBT = 2.0  # standard deviation, in ab units, of a hint's colour
SPOT = 1  # cells around the hinted one that count as its spot
REACH = 30.0  # how far, in ab units, the rest may move
MOST_HINTS = 64
GREY = "#808080"
STEPS = 10
LONGEST_STEP = 4.0  # in z; farther away the linear model is not trusted
SHORTEST_STEP = 0.1  # in z; below, nothing more is to be gained
CLOSE_ENOUGH = 1.5  # mean distance to the wanted colours, in ab units


@dataclass(frozen=True)
class Hint:
    """A colour at a place: x, y in pixels of the photo from its upper left, color "#rrggbb".

    reach: how far, in ab units, the rest may move with it; that of all hints if None.
    """

    x: float
    y: float
    color: str
    reach: float | None = None

    @property
    def rgb(self) -> tuple[int, int, int]:
        return tuple(bytes.fromhex(self.color[1:]))

    def __str__(self) -> str:
        own = "" if self.reach is None else f",{self.reach:.10g}"
        return f"{self.x:.10g},{self.y:.10g},{self.color}{own}"


def read_hints(hints: Sequence[HintLike | Hint], size: tuple[int, int]) -> list[Hint]:
    """The hints (x, y, "#rrggbb") or (x, y, "#rrggbb", reach), checked; size is the photo's (width,
    height).

    Raises:
        CinnHubError: a hint has another form, lies outside the photo, or has a reach that is not
            above 0; or there are too many.
    """
    if isinstance(hints, str) or not isinstance(hints, Sequence):
        raise CinnHubError(f'The hints are {quoted(hints)}; give a list of (x, y, "#rrggbb").')
    if len(hints) > MOST_HINTS:
        raise CinnHubError(f"There are {len(hints)} hints; give at most {MOST_HINTS}.")
    return [read_hint(hint, size) for hint in hints]


def read_hint(hint: HintLike | Hint, size: tuple[int, int]) -> Hint:
    try:
        parts = (hint.x, hint.y, hint.color, hint.reach) if isinstance(hint, Hint) else hint
        x, y, color, *rest = parts
        (reach,) = rest or (None,)
        found = Hint(float(x), float(y), str(color), reach if reach is None else float(reach))
    except (TypeError, ValueError, OverflowError) as error:
        message = (
            f'The hint is {quoted(hint)}; it must be (x, y, "#rrggbb") or (x, y, "#rrggbb", reach).'
        )
        raise CinnHubError(message) from error
    if not (0 <= found.x < size[0] and 0 <= found.y < size[1]):
        raise CinnHubError(
            f"The hint at ({found.x:g}, {found.y:g}) lies outside the photo; x must be from 0 to "
            f"{size[0] - 1} and y from 0 to {size[1] - 1}."
        )
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", found.color):
        raise CinnHubError(
            f'The colour of the hint is {found.color!r}; it must be "#rrggbb", such as "#aa3311".'
        )
    if found.reach is not None:
        check_reach(found.reach)
    return found


def check_reach(reach: float) -> float:
    """A reach above 0, in ab units; infinity lets the whole photo follow."""
    number = number_or_nan(reach)
    if not number > 0:
        shown = quoted(reach) if math.isnan(number) else f"{number:g}"
        raise CinnHubError(f"The reach is {shown}; it must be above 0, in ab units.")
    return number


def hinted_ab(hint: Hint, lightness: float) -> np.ndarray:
    """ab (2,) of the hint's colour, as far as it exists at the photo's lightness there."""
    lab = to_lab(np.array([[hint.rgb]], np.uint8))
    lab[..., 0] = lightness
    return fit_gamut(lab)[0, 0, 1:]


def spot_weights(hints: Sequence[Hint], size: tuple[int, int], side: int) -> Tensor:
    """(K, side, side): the share of each cell of the squeezed picture in each hint's spot."""
    weights = torch.zeros(len(hints), side, side, device="cpu", dtype=torch.float32)
    for weight, hint in zip(weights, hints, strict=True):
        row, column = cell_of(hint, size, side)
        rows = slice(max(0, row - SPOT), row + SPOT + 1)
        columns = slice(max(0, column - SPOT), column + SPOT + 1)
        weight[rows, columns] = 1.0
    return weights / weights.sum((1, 2), keepdim=True)


def cell_of(hint: Hint, size: tuple[int, int], side: int) -> tuple[int, int]:
    """Row and column of a hint's cell, of side x side of the squeezed picture."""
    return int(hint.y / size[1] * side), int(hint.x / size[0] * side)


def guide(
    decode: Callable[[Tensor], Tensor],
    z: Tensor,
    spots: Tensor,
    wanted: Tensor,
    rest: Tensor,
    reaches: Sequence[float],
) -> Tensor:
    """The latents near z whose pictures have the wanted colours at the spots.

    Broyden's method in the few dimensions of y: one derivative, then only decoding.

    Arguments:
        decode: z (N, D) -> pictures (N, C, side, side), differentiable.
        z: (N, D), the latents to begin with.
        spots: (K, side, side), weights that sum to 1 for each spot.
        wanted: (K, C) colours.
        rest: (M, E), the derivative at z = 0 of what is to stay, by the first E values of z: see
            `derivative`.
        reaches: of each hint, how far the rest may move with it, in its own units; above 0,
            infinity for any distance.

    Returns:
        (N, D). Of each row's steps the best one counts.
    """

    def look(z: Tensor) -> Tensor:
        return torch.einsum("nchw,khw->nkc", decode(z).to(z.dtype), spots).flatten(1)

    target = wanted.flatten()
    jacobian = derivative(look, torch.zeros_like(z[:1]))  # (K * C, D)
    held = F.pad(held_rest(rest, jacobian, reaches), (0, z.shape[1] - rest.shape[1]))
    gain = torch.eye(len(held), device=z.device, dtype=z.dtype) + held @ held.T
    # J (1 + K^T K / reach^2)^-1, by Woodbury
    directions = jacobian - (jacobian @ held.T) @ torch.linalg.solve(gain, held)
    doubt = DOUBT**2 * torch.eye(len(target), device=z.device, dtype=z.dtype)
    inverse = torch.linalg.inv(jacobian @ directions.T + doubt).expand(len(z), -1, -1)
    y = z.new_zeros(len(z), len(target))
    with torch.no_grad():
        missing = target - look(z)
        residual, best, least = missing, z, distance(missing, wanted)
        moving = least >= CLOSE_ENOUGH  # each row by itself, however many others go on
        for _ in range(STEPS):
            step = (inverse @ residual[..., None])[..., 0]
            length = (step @ directions).norm(dim=1, keepdim=True)
            step = step * (LONGEST_STEP / length.clamp_min(LONGEST_STEP))
            y = y + step
            moved = z + y @ directions
            missing = target - look(moved)
            before, residual = residual, missing - DOUBT**2 * y
            inverse = broyden_update(inverse, step, before - residual)
            far = distance(missing, wanted)
            better = moving & (far < least)
            best = torch.where(better[:, None], moved, best)
            least = torch.where(better, far, least)
            moving = moving & (least >= CLOSE_ENOUGH) & (length[:, 0] >= SHORTEST_STEP)
            if not moving.any():
                break
    return best


def held_rest(rest: Tensor, jacobian: Tensor, reaches: Sequence[float]) -> Tensor:
    """The rest (M, E) in units of how far each of its values may move.

    jacobian: (K * C, D), of the spots. A value listens to each hint by how much it varies with the
    hint's spot: 1 / reach^2 is the mean over the hints, weighted by squared correlations.
    """
    spots = jacobian[:, : rest.shape[1]]
    squares = (rest @ spots.T).square() / spots.square().sum(1).clamp_min(1e-12)
    shares = squares.unflatten(1, (len(reaches), -1)).sum(2) + 1e-12
    firmness = 1 / torch.tensor(reaches, dtype=rest.dtype, device=rest.device).square()
    weights = shares / shares.sum(1, keepdim=True) @ firmness
    return rest * weights.sqrt()[:, None]


def derivative(function: Callable[[Tensor], Tensor], z: Tensor) -> Tensor:
    """d function(z) / dz as a matrix; z has one row."""
    with torch.enable_grad():
        z = z.detach().requires_grad_(True)
        values = function(z)[0]
        rows = torch.eye(len(values), device=z.device, dtype=z.dtype)
        return torch.autograd.grad(values, z, rows, is_grads_batched=True)[0][:, 0]


def broyden_update(inverse: Tensor, step: Tensor, change: Tensor) -> Tensor:
    """Broyden's first method: the inverse derivative (N, M, M) after `step` made `change`, (N, M).

    The update by Sherman and Morrison; none where it would divide by nothing.
    """
    mapped = (inverse @ change[..., None])[..., 0]
    divisor = (step * mapped).sum(1)
    usable = divisor.abs() > 1e-8 * step.square().sum(1) + 1e-12
    rate = (step - mapped) / torch.where(usable, divisor, math.inf)[:, None]
    return inverse + rate[..., None] * (step[:, None] @ inverse)


def distance(missing: Tensor, wanted: Tensor) -> Tensor:
    """The mean distance of the spots' colours to the wanted ones, (N,)."""
    return missing.unflatten(1, wanted.shape).norm(dim=-1).mean(1)
