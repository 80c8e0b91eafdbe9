"""Golden values of the shipped models: what they said of fixed inputs when they were published.

`python -m tests.make_golden [NAME ...]` writes them anew, to be done only when a model is meant to
give other values. Inputs are made by code; large tensors are thinned out.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file
from torch import Tensor

import cinn_hub
from cinn_hub.color_model import ColorModel
from cinn_hub.digit_model import LABELS, SIDE, dequantized
from cinn_hub.flow import Condition, attention_of
from cinn_hub.model import ConditionalINN

FOLDER = Path(__file__).parent / "golden"
MOST_VALUES = 4096  # kept of one tensor


def waves(height: int, width: int, count: int) -> np.ndarray:
    """Smooth patterns with edges in them, (height, width, count) in [0, 1], by arithmetic alone."""
    y, x = np.mgrid[:height, :width] / max(height, width)
    layers = [
        0.5 + 0.3 * np.sin(9 * x + 4 * k * y + k) + 0.2 * np.sign(np.cos((5 + k) * y - 7 * x * y))
        for k in range(count)
    ]
    return np.stack(layers, -1)


def color_values(model: ColorModel) -> tuple[Tensor, Condition, dict[str, Tensor]]:
    """ab and the condition of a photo made here; of the rest, what reading it and `transfer` give.

    The photo is larger than what the networks see, and not a square.
    """
    rgb = (255 * waves(300, 420, 3)).round().astype(np.uint8)
    prepared = model.prepare(rgb)
    other = (255 * waves(256, 256, 4)[..., 1:]).round().astype(np.uint8)
    moved = model.transfer(prepared, other, seed=1)
    values = {
        "lightness": torch.from_numpy(prepared.lightness),
        "ab of transfer": torch.from_numpy(moved.ab).permute(2, 0, 1)[None].contiguous(),
    }
    return model.as_x(prepared.ab), prepared.condition, values


def digit_values(model: ConditionalINN) -> tuple[Tensor, Condition, dict[str, Tensor]]:
    """x and the condition of all ten labels on one pattern, and the probabilities of the labels."""
    image = torch.from_numpy(waves(SIDE, SIDE, 1)[..., 0] ** 3).float()[None, None]
    x = dequantized(image).to(model.value_dtype)
    label = model.label_scores(x).softmax(1)  # as `classify`, which refuses what is no digit
    return x.float().repeat(LABELS, 1, 1, 1), model.condition(range(LABELS)), {"label": label}


@torch.no_grad()
def golden_values(model: ConditionalINN) -> dict[str, Tensor]:
    """What a model says: of its condition, of x -> z and its log-determinant, of z -> x."""
    if not isinstance(model, ColorModel):  # float32 is too coarse for latents of a strange picture
        model = model.in_dtype(torch.float64)
    x, condition, values = (color_values if isinstance(model, ColorModel) else digit_values)(model)
    latent, log_det = model.encode(x, condition)
    z = model.draw(2, seed=3)
    first = condition.map(lambda features: features[:1])
    decoded, log_prob = model.decode_with_log_prob(z, first)
    attention = {attention_of(level) for level in model.flow.levels}  # the features say the same
    values |= {f"condition {name}": x for name, x in condition.items() if name not in attention}
    values |= {f"z {name}": level for name, level in latent.levels.items()}
    values |= {"log_det": log_det, "x of a draw": decoded, "log_prob of a draw": log_prob}
    return {name: thinned(x.float()) for name, x in values.items()}


def thinned(x: Tensor) -> Tensor:
    """Every k-th value, at most `MOST_VALUES`; k is odd, so that it meets all rows and columns."""
    step = -(-x.numel() // MOST_VALUES) | 1
    return x.flatten()[::step].clone()


def main(names: list[str]) -> None:
    FOLDER.mkdir(exist_ok=True)
    for name in names or [entry.name for entry in cinn_hub.list_models()]:
        path = FOLDER / f"{name}.safetensors"
        save_file(golden_values(cinn_hub.load(name, device="cpu")), path)
        print(f"{path} {path.stat().st_size / 1000:.0f} kB")


if __name__ == "__main__":
    main(sys.argv[1:])
