"""Outputs of a network for each photo, computed once and kept on disk as memory-mapped arrays.

A photo's condition is the same every time the flow sees it, so a training that reads it from here
sees ten times as many photos. A cache belongs to one place (folder or zip), one view of its photos
and one network: its folder is named by a hash of all that, so a changed network or list makes a new
one by itself. An interrupted computation goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from tqdm import tqdm

from cinn_hub.files import whole_file, write_whole
from training.photos import ColorPhotos, Draw, Source, collate
from training.sharing import own_part

Compute = Callable[[Tensor, Tensor], Mapping[str, Tensor]]
"""(L (B, 1, size, size), ab (B, 2, size/4, size/4)) -> named arrays with B rows each."""

CHUNK = 32  # photos computed at a time
SAVED_EVERY = 20  # chunks


def fingerprint(*modules: nn.Module) -> str:
    """A hash of the names, shapes and values of all weights."""
    digest = hashlib.sha256()
    for module in modules:
        for name, x in module.state_dict().items():
            digest.update(f"{name} {tuple(x.shape)} {x.dtype}".encode())
            digest.update(x.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()


@dataclass(frozen=True)
class View:
    """How photos are looked at: whole, or as a random part of them, mirrored and aged by chance.

    number: 0 is the whole clean photo; each other one draws its own parts.
    """

    number: int = 0

    def draw(self, index: int) -> Draw:
        """What `ColorPhotos` shows of a photo."""
        return (index, 1_000_003 * self.number + index) if self.number else index


class Cache:
    """The arrays of one place; row i belongs to photo i, and only `rows` of them have colours.

    arrays: {name: (photos, ...) float16}, memory-mapped, read only.
    rows: the indices of photos that are there and have colours.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.name = json.loads((folder / "about.json").read_text("utf-8"))["name"]
        usable = np.load(folder / "usable.npy")
        self.rows = np.flatnonzero(usable)
        self.skipped = len(usable) - len(self.rows)
        names = sorted(p.stem for p in folder.glob("*.npy") if p.stem != "usable")
        self.arrays = {name: np.load(folder / f"{name}.npy", mmap_mode="r") for name in names}

    def __len__(self) -> int:
        return len(self.rows)

    def read(self, rows: np.ndarray, names: Iterable[str] | None = None) -> dict[str, Tensor]:
        """float32 copies of these rows, of the named arrays or of all."""
        names = self.arrays if names is None else names
        return {k: torch.from_numpy(self.arrays[k][rows]).float() for k in names}


def cache_folder(
    root: Path, sources: Sequence[Source], network: str, size: int, view: View
) -> Path:
    about = json.dumps([network, size, view.number, [source.name for source in sources]])
    return root / hashlib.sha256(about.encode()).hexdigest()[:16]


def make_cache(
    root: Path,
    name: str,
    sources: Sequence[Source],
    compute: Compute,
    network: str,
    size: int = 256,
    view: View = View(),
) -> Cache:
    """The cache of these photos, filled as far as it is not yet.

    Arguments:
        root: holds all caches.
        name: for people.
        network: `fingerprint` of what `compute` runs.
    """
    folder = cache_folder(root, sources, network, size, view)
    if not (folder / "about.json").exists():
        fill(folder.with_name(folder.name + ".part"), name, sources, compute, size, view)
        os.replace(folder.with_name(folder.name + ".part"), folder)
    return Cache(folder)


def fill(
    folder: Path,
    name: str,
    sources: Sequence[Source],
    compute: Compute,
    size: int,
    view: View,
) -> None:
    """Computes all rows; `done` in the folder's about.json says from where on."""
    folder.mkdir(parents=True, exist_ok=True)
    progress = folder / "done"
    done = int(progress.read_text()) if progress.exists() else 0
    photos = ColorPhotos(sources, size)
    arrays: dict[str, np.memmap] = {}
    usable = np.load(folder / "usable.npy") if done else np.zeros(len(sources), bool)
    starts = range(done, len(sources), CHUNK)
    for number, start in enumerate(tqdm(starts, desc=f"{name} {view.number}", disable=None), 1):
        found = {}
        for i in range(start, min(start + CHUNK, len(sources))):
            item = photos[view.draw(i)]
            if item is not None:
                found[i] = item
        if found:
            rows = list(found)
            with torch.inference_mode():
                results = compute(*collate(list(found.values())))
            for key, value in results.items():
                if key not in arrays:
                    arrays[key] = opened(folder / f"{key}.npy", len(sources), value.shape[1:], done)
                arrays[key][rows] = value.half().cpu().numpy()
            usable[rows] = True
        if number % SAVED_EVERY == 0 or number == len(starts):
            for array in arrays.values():
                array.flush()
            with whole_file(folder / "usable.npy") as unfinished:
                np.save(unfinished, usable)
            write_whole(progress, str(min(start + CHUNK, len(sources))))
    write_whole(folder / "about.json", json.dumps({"name": name, "view": view.number}))


def opened(path: Path, rows: int, shape: Sequence[int], done: int) -> np.memmap:
    if done and path.exists():
        return np.lib.format.open_memmap(path, mode="r+")
    array = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=(rows, *shape))
    if hasattr(os, "posix_fallocate"):  # an error now; with a map, a full disk ends the process
        with path.open("rb+") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return array


class CachedBatches:
    """Endless batches, or this process's part of them; each photo comes from a cache chosen by its
    share.

    Arguments:
        shares: of the photos of a batch that come from each cache.
        names: of the arrays in a batch, in their order.
        device: where the batches are wanted.
    """

    def __init__(
        self,
        caches: Sequence[Cache],
        shares: Sequence[float],
        batch: int,
        names: Sequence[str],
        seed: int,
        device: str | torch.device = "cpu",
    ) -> None:
        self.caches = list(caches)
        self.shares = np.array(shares) / np.sum(shares)
        self.batch, self.part = batch, own_part(batch)
        self.names = tuple(names)
        self.rng = np.random.default_rng(seed)
        self.device = device

    def __iter__(self) -> Iterator[list[Tensor]]:
        while True:
            counts = self.rng.multinomial(self.batch, self.shares)
            chosen = [
                (cache, row)
                for cache, count in zip(self.caches, counts, strict=True)
                for row in np.sort(self.rng.choice(cache.rows, count))
            ]
            own = groupby(chosen[self.part], key=itemgetter(0))
            parts = [read(cache, np.array([r for _, r in rows]), self.names) for cache, rows in own]
            yield [torch.cat(x).to(self.device) for x in zip(*parts, strict=True)]


def read(cache: Cache, rows: np.ndarray, names: Sequence[str]) -> list[Tensor]:
    """The named arrays of these photos, in this order."""
    found = cache.read(rows, names)
    return [found[name] for name in names]


def in_order(cache: Cache, names: Sequence[str], batch: int = 50) -> list[list[Tensor]]:
    """All photos of a cache, once."""
    starts = range(0, len(cache), batch)
    return [read(cache, cache.rows[i : i + batch], names) for i in starts]
