"""The mean of two trainings' weights, as a checkpoint to go on from.

    python -m training.average first.training/checkpoint.pt second.training/checkpoint.pt \
        --share 0.6 --out third.training/checkpoint.pt

Both must come from one model. On photos that neither has seen their mean is often better than
either, since what each has learned by heart cancels out (Wortsman et al. 2022, "Model soups").
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch
from torch import Tensor

from training.loop import Progress

State = dict[str, Tensor]


def read_state(path: Path) -> State:
    """The averaged weights of a checkpoint; between two stages its weights are averaged ones."""
    checkpoint = torch.load(path, map_location="cpu", weights_only=True)
    averaged = checkpoint["averaged"]
    if not averaged:
        return checkpoint["task"]
    prefix = "module."
    return {k.removeprefix(prefix): x for k, x in averaged.items() if k.startswith(prefix)}


def mean(first: State, second: State, share: float, flow_share: float | None = None) -> State:
    """(1 - share) of the first and `share` of the second; of their flows `flow_share`."""
    if first.keys() != second.keys():
        raise SystemExit("The two checkpoints are of different models.")
    mixed = {}
    for name, x in first.items():
        part = flow_share if flow_share is not None and ".flow." in name else share
        mixed[name] = torch.lerp(x, second[name], part) if x.is_floating_point() else x
    return mixed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=Path)
    parser.add_argument("second", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of the second")
    parser.add_argument("--flow-share", type=float, help="of the second, in the flow")
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    states = read_state(options.first), read_state(options.second)
    task = mean(*states, options.share, options.flow_share)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    progress = vars(Progress())
    checkpoint = {"task": task, "averaged": None, "optimizer": None, "progress": progress}
    torch.save(checkpoint, options.out)


if __name__ == "__main__":
    main()
