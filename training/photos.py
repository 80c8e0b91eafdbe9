"""Photos from folders and zip archives as pairs (L, ab): cropped, flipped, aged at random."""

from __future__ import annotations

import os
import zipfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, WeightedRandomSampler, default_collate

from cinn_hub import photos
from cinn_hub.errors import PhotoError
from training.sharing import processes

T = TypeVar("T")
Draw = int | tuple[int, int]
"""The number of a photo; or that and a seed, for a random part of it."""
MOST_FACES = 0.1  # of the photos that are drawn
SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff"}


@dataclass(frozen=True)
class Source:
    """Where one photo lies: a file, or a member of an archive.

    name: of the folder or archive that was searched, and the photo's path in it.
    group: its collection.
    """

    path: Path
    member: str | None
    name: str
    group: str

    @cached_property
    def size(self) -> int:
        """In bytes."""
        if self.member:
            return archive(self.path, os.getpid()).getinfo(self.member).file_size
        return self.path.stat().st_size

    def read(self) -> bytes:
        if self.member:
            return archive(self.path, os.getpid()).read(self.member)
        return self.path.read_bytes()

    def decode(self) -> np.ndarray | None:
        """BGR (H, W, 3) uint8; None where OpenCV cannot read it."""
        data = self.read()
        return cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if data else None


@lru_cache(maxsize=64)
def archive(path: Path, process: int) -> zipfile.ZipFile:
    """The opened archive; processes that share one would move each other's place in the file."""
    return zipfile.ZipFile(path)


def find_photos(places: Sequence[str | Path]) -> list[Source]:
    """All photos in the given folders (recursive) and zip archives, in a fixed order."""
    sources = []
    for place in map(Path, places):
        if place.is_dir():
            files = sorted(p for p in place.rglob("[!.]*") if p.suffix.lower() in SUFFIXES)
            root = place.resolve().name
            sources += [
                Source(p, None, f"{root}/{p.relative_to(place).as_posix()}", p.parent.name)
                for p in files
            ]
        elif zipfile.is_zipfile(place):
            with zipfile.ZipFile(place) as opened:
                names = sorted(n for n in opened.namelist() if Path(n).suffix.lower() in SUFFIXES)
            sources += [
                Source(place, n, f"{place.name}/{n}", Path(n).stem.rpartition("-")[0])
                for n in names
            ]
        else:
            raise SystemExit(f"{place} must be a folder or a zip archive of photos.")
    if not sources:
        raise SystemExit(f"There are no photos in {', '.join(map(str, places))}.")
    return sources


def tell_shared(sources: Sequence[Source], held: Sequence[Source]) -> None:
    """Says, once, how many held-out photos, or copies of them, are trained on."""
    if not processes().is_main_process:
        return
    sizes = {source.size for source in held}
    known = {source.read() for source in sources if source.size in sizes}
    if shared := sum(source.read() in known for source in held):
        print(
            f"{shared} of {len(held)} held-out photos are also trained on, so that the figures "
            "flatter; give other photos as --held-out."
        )


def evenly(sources: Sequence[T], limit: int) -> list[T]:
    """At most `limit` of them, evenly taken from all."""
    return list(sources[:: max(1, len(sources) // limit)][:limit])


class ColorPhotos(Dataset):
    """(L (1, size, size) in [0, 100], ab (2, size/4, size/4)) of colour photos, float32.

    With `classes`, the photo's scores in a classifier come third.

    Each photo is squeezed to a square by `cinn_hub.photos`. With a seed, it is a random crop of at
    least 65 % of each side, perhaps flipped, and L alone perhaps aged: the same for the same seed.
    Grey, toned and unreadable photos give None; `collate` drops them.

    Arguments:
        classes: (photos, classes) of any dtype.
        checked: the photos are known to have colours, and are not looked at for that.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        size: int = 256,
        classes: Tensor | None = None,
        checked: bool = False,
    ) -> None:
        self.sources = list(sources)
        self.checked = checked
        self.classes = classes
        self.size = size

    def __len__(self) -> int:
        return len(self.sources)

    def __getitem__(self, draw: Draw) -> tuple[Tensor, ...] | None:
        index, seed = draw if isinstance(draw, tuple) else (draw, None)
        chance = None if seed is None else torch.Generator().manual_seed(seed)
        bgr = self.sources[index].decode()
        if bgr is None:
            return None
        if chance:
            bgr = random_part(bgr, chance)
        try:
            photo = photos.read(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
        except PhotoError:  # too small
            return None
        if not (self.checked or photos.is_colored(photo)):
            return None
        lightness = photos.squeeze(photo.lightness, self.size)
        if chance:
            lightness = perhaps_aged(lightness, chance)
        ab = photos.squeezed_ab(photo, self.size // 4)
        ab = torch.from_numpy(ab).permute(2, 0, 1).contiguous()
        item = (torch.from_numpy(lightness[None]), ab)
        return item if self.classes is None else (*item, self.classes[index])


def random_part(picture: np.ndarray, chance: torch.Generator, least: float = 0.65) -> np.ndarray:
    """A random crop of at least `least` of each side, perhaps mirrored."""
    height, width = picture.shape[:2]
    share_y, share_x, place_y, place_x, coin = torch.rand(5, generator=chance).tolist()
    h = max(1, round(height * (least + (1 - least) * share_y)))
    w = max(1, round(width * (least + (1 - least) * share_x)))
    top, left = round((height - h) * place_y), round((width - w) * place_x)
    part = picture[top : top + h, left : left + w]
    return part[:, ::-1] if coin < 0.5 else part


def perhaps_aged(lightness: np.ndarray, chance: torch.Generator, share: float = 0.4) -> np.ndarray:
    """L (h, w) in [0, 100], aged like old prints and scans with probability `share`.

    Development (gamma), fading (blacks rise, whites fall), soft lenses and grain, each of a random
    strength. The colours to be learned stay those of the clean photo.
    """
    if torch.rand((), generator=chance) >= share:
        return lightness
    gamma, black, white, blur, grain, size = torch.rand(6, generator=chance).tolist()
    aged = (lightness / 100).clip(0, 1) ** 2 ** (1.4 * gamma - 0.7)
    aged = 100 * (0.25 * black + (1 - 0.25 * black - 0.2 * white) * aged)
    if blur > 0.5:
        aged = cv2.GaussianBlur(aged, (0, 0), 0.4 + 2.4 * (blur - 0.5))
    noise = torch.randn(lightness.shape, generator=chance).numpy()
    if size > 0.5:
        noise = cv2.GaussianBlur(noise, (0, 0), 0.8) * 2.8  # back to a deviation of about 1
    return (aged + 5 * grain**2 * noise).clip(0, 100).astype(np.float32)


def collate(items: list[tuple[Tensor, ...] | None]) -> Sequence[Tensor]:
    """A batch of those photos that have colours."""
    kept = [item for item in items if item is not None]
    return default_collate(kept) if kept else (torch.empty(0, 1, 0, 0), torch.empty(0, 2, 0, 0))


def rarity(sources: Sequence[Source]) -> Tensor:
    """How often to draw each photo, (photos,): collections by the root of their size, but those of
    faces (by their name) at most a tenth of the time."""
    sizes = Counter(source.group for source in sources)
    weights = torch.tensor([sizes[source.group] ** -0.5 for source in sources])
    faces = torch.tensor([source.group.startswith("faces") for source in sources])
    if faces.any() and not faces.all():
        allowed = MOST_FACES / (1 - MOST_FACES) * weights[~faces].sum()
        weights[faces] *= (allowed / weights[faces].sum()).clamp_max(1)
    return weights


class Draws(WeightedRandomSampler):
    """Draws photos in proportion to their weights, each with a seed of its own."""

    def __init__(self, weights: Tensor, seed: int) -> None:
        super().__init__(weights, len(weights), generator=torch.Generator().manual_seed(seed))

    def __iter__(self) -> Iterator[Draw]:
        for index in super().__iter__():
            yield index, int(torch.randint(2**62, (), generator=self.generator))
