"""How long everything takes: networks beside FrEIA's, photos by size, memory, the import.

    python -m benchmarks.speed [networks photos import] [--device cuda] [--dtype bfloat16]

Runs are interleaved; medians and their ratios count. `networks` needs FrEIA 0.2 for its first
table: pip install FrEIA==0.2 scipy. Random weights do for it, and outputs are compared first.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from PIL import Image
from torch import Tensor

import cinn_hub
from benchmarks.timing import interleaved, multiply_adds, print_table, reachable_rate
from cinn_hub.color_model import ColorModel
from cinn_hub.latent import Latent
from cinn_hub.originals import models
from cinn_hub.originals.models import AB_CENTER, AB_SPREAD, L_CENTER, L_SPREAD, ORIGINALS

SIZES = {"512 px": (512, 384), "12 megapixels": (4243, 2828), "48 megapixels": (8485, 5657)}
ANSWERS = 8
BATCH = 16
ROUNDS, WRITTEN = 1, 2  # of a photo at full size
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def untrained(name: str, device: str, dtype: torch.dtype) -> ColorModel:
    torch.manual_seed(0)
    config = ORIGINALS[name]
    model = getattr(models, config.architecture)(config)
    return model.eval().requires_grad_(False).to(device).in_dtype(dtype)


def draw(model: ColorModel, n: int) -> Latent:
    return model.draw(n, seed=0).to(model.device)


def lightness(model: ColorModel, n: int) -> Tensor:
    side = model.config.image_size
    return (torch.randn(n, 1, side, side) * L_SPREAD + L_CENTER).to(model.device)


def decode_one_photo(model: ColorModel, light: Tensor, z: Latent) -> Tensor:
    """The samples of a photo, its condition included."""
    return model.decode(z, model.condition(light))


# ---------------------------------------------------------------- networks


def beside_freia(options: argparse.Namespace) -> None:
    """`lsun-minimal` at full width, with the same weights."""
    from benchmarks.freia import FreiaBedroom

    plain = untrained("lsun-minimal", options.device, torch.float32)
    freia = FreiaBedroom(plain).eval().requires_grad_(False).to(options.device)
    model = untrained("lsun-minimal", options.device, DTYPES[options.dtype])
    spread = torch.tensor(AB_SPREAD, device=options.device).view(2, 1, 1)
    center = torch.tensor(AB_CENTER, device=options.device).view(2, 1, 1)
    light, ab = lightness(model, BATCH), torch.randn(BATCH, 2, 64, 64, device=options.device)
    small = (light - L_CENTER) / L_SPREAD

    def flat(z: Latent) -> Tensor:
        """FrEIA's order is fine first."""
        return torch.cat([level.flatten(1) for level in reversed(z.levels.values())], 1)

    def encode() -> Tensor:
        return flat(model.encode(ab * spread + center, model.condition(light))[0])

    encoded = {"ours": encode, "FrEIA": lambda: freia.encode(ab, small)[0]}
    rows = [compared(f"encode {BATCH} photos", encoded, options)]
    for n in (1, 8, 64):
        z = draw(model, n)
        decoded = {
            "ours": partial(decode_one_photo, model, light[:1], z),
            "FrEIA": lambda z=z, n=n: (
                freia.decode(flat(z), small[:1].expand(n, -1, -1, -1)) * spread + center
            ),
        }
        rows.append(compared(f"{n} samples of one photo", decoded, options))
    print("`lsun-minimal` beside FrEIA 0.2, the same random weights\n")
    head = ["", "FrEIA / ours", "ours, ms", "FrEIA, ms", "largest difference / spread"]
    print_table(head, rows)


def compared(
    what: str, calls: dict[str, Callable[[], Tensor]], options: argparse.Namespace
) -> list[object]:
    """One row: outputs beside each other, then times."""
    ours, theirs = (call() for call in calls.values())
    difference = ((ours - theirs).abs().max() / theirs.std()).item()
    first, second = interleaved(calls, options.repeats, options.device).values()
    return [
        what,
        f"**{second / first:.2f}**",
        f"{1e3 * first:.0f}",
        f"{1e3 * second:.0f}",
        f"{difference:.1e}",
    ]


def beside_naive(options: argparse.Namespace) -> None:
    """`imagenet-research` with everything computed anew for every sample, and as it is shipped."""
    model = untrained("imagenet-research", options.device, DTYPES[options.dtype])
    light, rows = lightness(model, 1), []
    for n in (1, ANSWERS):
        z = draw(model, n)
        calls = {
            "ours": partial(decode_one_photo, model, light, z),
            "naive": lambda z=z, n=n: model.decode(z, model.condition(light.expand(n, -1, -1, -1))),
        }
        rows.append(compared(f"{n} samples of one photo", calls, options))
    print("`imagenet-research`: condition once per photo, and once per sample\n")
    print_table(["", "naive / ours", "ours, ms", "naive, ms", "largest difference / spread"], rows)


def many_samples(options: argparse.Namespace) -> None:
    """What samples cost beyond the first, and how much of the machine's rate is reached."""
    dtype = DTYPES[options.dtype]
    rate = reachable_rate(dtype, options.device)
    models = {"imagenet": cinn_hub.load("imagenet", options.device, dtype=dtype)}
    models |= {
        name: untrained(name, options.device, dtype)
        for name in ("lsun-minimal", "imagenet-research")
    }
    rows = []
    for name, model in models.items():
        light = lightness(model, 1).clamp(0, 100)
        calls = {n: partial(decode_one_photo, model, light, draw(model, n)) for n in (1, 8, 64)}
        seconds = interleaved(calls, options.repeats, options.device)
        for n, call in calls.items():
            work = multiply_adds(call)
            rows.append(
                [
                    name,
                    n,
                    f"**{seconds[n] / seconds[1]:.2f}**",
                    f"{1e3 * seconds[n]:.0f}",
                    f"{work / 1e9:.2f}",
                    f"{work / seconds[n] / rate:.0%}",
                ]
            )
    print(f"One large product: {rate / 1e9:.0f} billion multiply-adds a second ({options.dtype})\n")
    head = ["model", "samples", "times one sample", "ms", "10^9 multiply-adds", "of that rate"]
    print_table(head, rows)


@torch.inference_mode()
def networks(options: argparse.Namespace) -> None:
    try:
        beside_freia(options)
    except ModuleNotFoundError as error:
        print(f"Without FrEIA's table: {error}; pip install FrEIA==0.2 scipy.\n")
    beside_naive(options)
    many_samples(options)


# ---------------------------------------------------------------- photos


def photo(size: tuple[int, int], folder: Path, seed: int = 0) -> Path:
    """A grey JPEG with something to see at every scale."""
    rng = np.random.default_rng(seed)
    layers = [rng.uniform(0, 1, (n, n)).astype(np.float32) for n in (4, 16, 64, 256)]
    grey = np.mean([cv2.resize(x, size, interpolation=cv2.INTER_CUBIC) for x in layers], 0)
    path = folder / f"{size[0]}_{seed}.jpg"
    Image.fromarray((255 * grey.clip(0, 1)).astype(np.uint8)).save(path, quality=90)
    return path


def photos(options: argparse.Namespace) -> None:
    """Eight answers at full size, in a process of its own for each size."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name, size in SIZES.items():
            command = [sys.executable, "-m", "benchmarks.speed", "one", "--model", options.model]
            command += ["--device", options.device, "--repeats", str(options.repeats)]
            command += ["--photo", str(photo(size, Path(folder)))]
            found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            seconds = [found[part] for part in ("read", "network", "enlargement", "encoding")]
            rows.append([name, *(f"{s:.2f}" for s in seconds), f"{found['memory']:.2f}"])
    print(f"{options.model}: eight answers at full size, seconds; enlargement and PNG of one\n")
    head = ["photo", "reading, condition", "eight answers", "enlargement", "PNG", "peak memory, GB"]
    print_table(head, rows)


def one_photo(options: argparse.Namespace) -> None:
    """Renders all answers and writes two; prints the medians of what each part took."""
    model = cinn_hub.load(options.model, options.device)
    times: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(ROUNDS):
            marks = [time.perf_counter()]
            prepared = model.prepare(options.photo)
            marks.append(time.perf_counter())
            results = model.colorize(prepared, n=ANSWERS, seed=repeat)
            marks.append(time.perf_counter())
            record(times, dict(zip(("read", "network"), np.diff(marks), strict=True)))
            for i, result in enumerate(results):
                start = time.perf_counter()
                image = cinn_hub.photos.render(result.photo, result.ab)
                middle = time.perf_counter()
                record(times, {"enlargement": middle - start})
                if i < WRITTEN:
                    cinn_hub.photos.save(image, Path(folder) / "full.png", result.settings)
                    record(times, {"encoding": time.perf_counter() - middle})
                del image
    medians = {part: statistics.median(found) for part, found in times.items()}
    print(json.dumps({**medians, "memory": peak_memory()}))


def record(times: dict[str, list[float]], found: dict[str, float]) -> None:
    for part, seconds in found.items():
        times.setdefault(part, []).append(seconds)


def peak_memory() -> float:
    """The most that this process has had in memory, in GB."""
    import resource

    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


# ---------------------------------------------------------------- import


def imports(options: argparse.Namespace) -> None:
    """In processes of their own; and what the first `load` adds."""
    calls = {
        code: lambda code=code: subprocess.run([sys.executable, "-c", code], check=True)
        for code in ("import torch", "import torch, cinn_hub", "import cinn_hub")
    }
    seconds = interleaved(calls, options.repeats)
    print_table(["", "seconds"], [[f"`{code}`", f"{s:.2f}"] for code, s in seconds.items()])


PARTS = {"networks": networks, "photos": photos, "import": imports, "one": one_photo}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", choices=PARTS, default=list(PARTS)[:-1])
    parser.add_argument("--model", default="imagenet", help="of photos: name or folder")
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--dtype", choices=DTYPES, default="float32", help="of our networks")
    parser.add_argument("--photo", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args()
    for part in options.parts:
        PARTS[part](options)


if __name__ == "__main__":
    main()
