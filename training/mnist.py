"""MNIST from its four IDX files, gzipped or not. LeCun et al. 1998."""

from __future__ import annotations

import gzip
import math
import struct
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor

from training.sharing import noise_like

TURNED, MOVED = 0.15, 0.08  # the most that `varied` changes: of a unit; of half the width
PARTS = {"train": "train", "test": "t10k"}


def read_mnist(folder: str | Path, part: str) -> tuple[Tensor, Tensor]:
    """Digits (N, 1, 28, 28) uint8 and labels (N,) int64 of "train" or "test"."""
    images = read_idx(Path(folder), f"{PARTS[part]}-images-idx3-ubyte")
    labels = read_idx(Path(folder), f"{PARTS[part]}-labels-idx1-ubyte")
    return images.unsqueeze(1), labels.long()


def read_idx(folder: Path, name: str) -> Tensor:
    for path in (folder / f"{name}.gz", folder / name):
        if path.exists():
            data = path.read_bytes()
            return parse_idx(gzip.decompress(data) if path.suffix == ".gz" else data, path)
    raise SystemExit(f"{folder} has no {name}[.gz]; give the folder of MNIST's files as --data.")


def parse_idx(data: bytes, path: Path) -> Tensor:
    """IDX of unsigned bytes: 0, 0, 8, number of dimensions, the sizes, the values."""
    shape = struct.unpack_from(f">{data[3]}I", data, 4) if data[:3] == b"\x00\x00\x08" else ()
    start = 4 + 4 * len(shape)
    if not shape or len(data) != start + math.prod(shape):
        raise SystemExit(f"{path} is not a complete IDX file of bytes; get it again.")
    return torch.frombuffer(bytearray(data[start:]), dtype=torch.uint8).view(shape)


def varied(images: Tensor) -> Tensor:
    """Digits uint8 (N, 1, 28, 28), each turned, sheared, scaled and moved a little, at random."""
    spread = torch.tensor([TURNED, TURNED, MOVED], device=images.device).expand(len(images), 2, 3)
    change = spread * (2 * noise_like(spread, torch.rand) - 1)
    same = torch.eye(2, 3, device=images.device)
    grid = F.affine_grid(same + change, list(images.shape), align_corners=False)
    return F.grid_sample(images.float(), grid, align_corners=False).round().to(torch.uint8)
