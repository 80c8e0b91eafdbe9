"""What the processes of one training share: batches, noise and numbers.

A training with the same batch makes the same steps however many processes share it: each has its
part of every batch, and their random numbers are those that one process would draw.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta

import torch
from accelerate import PartialState
from accelerate.utils import gather
from torch import Tensor

LONGEST_WAIT = timedelta(days=1)  # for a process that fills a cache or writes a checkpoint


def processes() -> PartialState:
    """The processes of this training, one if they were not started by torchrun."""
    several = int(os.environ.get("WORLD_SIZE", 1)) > 1
    return PartialState(
        cpu=True if several and not torch.cuda.is_available() else None, timeout=LONGEST_WAIT
    )


def own_part(batch: int) -> slice:
    """The part of a batch that this process has.

    Raises:
        SystemExit: the parts would differ in size.
    """
    state = processes()
    if batch % state.num_processes:
        raise SystemExit(
            f"Batches of {batch} pictures cannot be shared evenly by {state.num_processes} "
            "processes; choose another --batch."
        )
    size = batch // state.num_processes
    return slice(size * state.process_index, size * (state.process_index + 1))


def noise_like(x: Tensor, draw: Callable[..., Tensor] = torch.randn) -> Tensor:
    """Noise for this process's part of a batch, (b, ...): its part of the noise that one process
    would draw for the whole."""
    shape = (len(x) * processes().num_processes, *x.shape[1:])
    return draw(shape, device=x.device)[own_part(shape[0])]


def of_all(number: float) -> list[float]:
    """This number in each of the processes, the main one first."""
    return gather(torch.tensor([number], device=processes().device)).tolist()
