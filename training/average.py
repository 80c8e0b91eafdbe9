"""The mean of two trainings' weights, as a checkpoint to go on from.

    python -m training.average first.training/checkpoint.pt second.training/checkpoint.pt \
        --share 0.6 --out third.training/checkpoint.pt

With `--model NAME_OR_FOLDER`, a model of the same shape, --out is a model folder instead. Both
trainings must have started from the same weights, or one from the other. On new photos their mean
is often better than either (Wortsman et al. 2022, "Model soups").
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

import cinn_hub
from training.loop import Progress, write_state

State = dict[str, Tensor]


def read_state(path: Path) -> State:
    """The averaged weights of a checkpoint; between two stages its weights are averaged ones."""
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    averaged = checkpoint["averaged"]
    if not averaged:
        return checkpoint["task"]
    prefix = "module."
    return {k.removeprefix(prefix): x for k, x in averaged.items() if k.startswith(prefix)}


def mean(first: State, second: State, share: float, parts: dict[str, float]) -> State:
    """(1 - share) of the first and `share` of the second.

    parts: other shares for tensors whose names contain a text; the last that fits counts.
    """
    if first.keys() != second.keys():
        raise SystemExit("The two checkpoints belong to different models; give two of one model.")
    mixed = {}
    for name, x in first.items():
        mine = [part for text, part in parts.items() if text in name]
        weight = mine[-1] if mine else share
        mixed[name] = torch.lerp(x, second[name], weight) if x.is_floating_point() else x
    return mixed


def part_and_share(text: str) -> tuple[str, float]:
    """Reads "flow.levels.details=0.5"."""
    part, _, share = text.rpartition("=")
    return part, float(share)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument(
        "--share", type=float, default=0.5, help="share of the second (default 0.5)"
    )
    parser.add_argument(
        "--part",
        type=part_and_share,
        action="append",
        default=[],
        metavar="TEXT=SHARE",
        help="another share for tensors whose names contain the text: flow.levels.details=0",
    )
    parser.add_argument("--model", help="write a model folder with this model's config")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    states = read_state(options.first), read_state(options.second)
    task = mean(*states, options.share, dict(options.part))
    if options.model:
        model = cinn_hub.load(options.model, device="cpu")
        prefix = "model."
        model.load_state_dict(
            {k.removeprefix(prefix): x for k, x in task.items() if k.startswith(prefix)}
        )
        model.save_pretrained(options.out)
        return
    options.out.parent.mkdir(parents=True, exist_ok=True)
    progress = vars(Progress())
    checkpoint = {"task": task, "averaged": None, "optimizer": None, "progress": progress}
    write_state(checkpoint, options.out)


if __name__ == "__main__":
    main()
