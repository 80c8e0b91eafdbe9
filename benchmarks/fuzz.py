"""Damaged files of all formats that are read: each must give a photo or one sentence.

    python -m benchmarks.fuzz --files 10000

Small pictures are written in every format, with metadata, and damaged at random: bytes changed,
pieces cut out, doubled or set to extremes, ends missing. Each file is read, and what is read is
written in all formats. Batches run in processes of their own, so that a crash is seen and named.
"""

from __future__ import annotations

import argparse
import io
import subprocess
import sys
import warnings
from collections import Counter

import numpy as np
import pillow_heif
import tifffile
from PIL import Image

from cinn_hub import photos
from cinn_hub.errors import PhotoError

BATCH = 250
SECONDS = 600  # for a batch
PIXELS = 4_000_000  # of what is read, so that a changed size costs no time


def seeds() -> dict[str, bytes]:
    """Whole files to damage, by kind."""
    ramp = np.add.outer(np.arange(48), np.arange(64)).astype(np.uint8)
    grey, rgb = ramp * 2, np.dstack([ramp * 2, ramp, 255 - ramp])
    exif = Image.Exif()
    exif[0x010F], exif[0x0112] = "Zeiss", 6
    exif[0x8769] = {36867: "1944:05:01 12:00:00", 33434: 0.5, 37500: b"note" * 20}
    exif[0x8825] = {1: "N", 2: (48.0, 1.0, 2.0)}
    found = {}

    def add(name: str, array: np.ndarray, kind: str, **options: object) -> None:
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, kind, **options)
        found[name] = buffer.getvalue()

    for name, kind in (("jpeg", "JPEG"), ("png", "PNG"), ("webp", "WEBP"), ("avif", "AVIF")):
        add(name, rgb, kind, exif=exif)
    for name, kind in (("bmp", "BMP"), ("gif", "GIF"), ("jp2", "JPEG2000"), ("ppm", "PPM")):
        add(name, rgb, kind)
    for name, kind in (("pcx", "PCX"), ("tga", "TGA"), ("dib", "DIB"), ("mpo", "MPO")):
        add(name, rgb, kind)
    for compression in ("tiff_lzw", "tiff_adobe_deflate", "jpeg", "packbits"):
        add(f"tiff {compression}", rgb, "TIFF", compression=compression, dpi=(300, 300))
    add("tiff", rgb, "TIFF", exif=exif.tobytes(), dpi=(300, 300))
    add("dds", rgb, "DDS")
    add("png 16", grey.astype(np.uint16) * 257, "PNG")
    for name, values in (("16", grey.astype(np.uint16)), ("float", grey / np.float32(255))):
        buffer = io.BytesIO()
        tifffile.imwrite(buffer, values, photometric="miniswhite", metadata=None)
        found[f"tiff {name}"] = buffer.getvalue()
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(rgb)).save(buffer, exif=exif.tobytes())
    return found | {"heic": buffer.getvalue()}


def damaged(whole: bytes, rng: np.random.Generator) -> bytes:
    """The file with one to four faults."""
    data = bytearray(whole)
    for _ in range(rng.integers(1, 5)):
        # the heads of files, where their layout is told, are hit as often as all of the rest
        reach = min(len(data), 256) if rng.random() < 0.5 else len(data)
        if reach < 8:
            break
        at, length = int(rng.integers(reach)), int(2 ** rng.integers(0, 7))
        fault = rng.integers(6)
        if fault <= 1:
            data[at] ^= 1 << int(rng.integers(8))
        elif fault == 2:
            data[at : at + 4] = bytes([int(rng.choice([0, 1, 127, 128, 255]))] * 4)
        elif fault == 3:
            del data[at : at + length]
        elif fault == 4:
            data[at:at] = data[at : at + length]
        elif rng.random() < 0.3:
            del data[at + 8 :]
    return bytes(data)


def attempt(data: bytes, kind: str) -> str:
    """What became of the file, whose name ends in its kind: "photo" or "sentence".

    Raises:
        Exception: anything else, which is a fault of cinn_hub.
    """
    try:
        file = io.BytesIO(data)
        file.name = f"damaged.{kind}"
        photo = photos.read(file, max_pixels=PIXELS)
        small = photos.shrunk(photo, 64)
        image = photos.render(photo if max(photo.size) <= 256 else small, np.zeros((4, 4, 2), "f4"))
        image.info |= {key: value for key, value in vars(photo.metadata).items() if value}
        for kind in ("png", "jpeg", "webp", "tiff"):
            photos.save(image, io.BytesIO(), {"seed": "1"}, format=kind)
        return "photo"
    except PhotoError as error:
        if "\n" in str(error):
            raise ValueError(f"two lines: {error}") from error
        return "sentence"


def run_batch(start: int, count: int) -> None:
    """Tries the files of these numbers; prints each number before and its outcome after."""
    warnings.simplefilter("ignore")
    wholes = sorted(seeds().items())
    for number in range(start, start + count):
        kind, whole = wholes[number % len(wholes)]
        print(f"{number}\t{kind}", end="\t", flush=True)
        try:
            print(attempt(damaged(whole, np.random.default_rng(number)), kind), flush=True)
        except Exception as error:
            print(f"{type(error).__name__}: {' '.join(str(error).split())[:200]}", flush=True)


def run(files: int) -> tuple[Counter[str], list[str]]:
    """Outcomes, and a line for each file that gave neither a photo nor a sentence."""
    outcomes: Counter[str] = Counter()
    faults = []
    start = 0
    while start < files:
        count = min(BATCH, files - start)
        command = [sys.executable, "-m", "benchmarks.fuzz", "--batch", str(start), str(count)]
        try:
            done = subprocess.run(
                command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=SECONDS
            )
            output, ending = done.stdout.decode(), f"the process ended with {done.returncode}"
        except subprocess.TimeoutExpired as error:
            output, ending = (error.stdout or b"").decode(), f"not done after {SECONDS} s"
        lines = [line.split("\t") for line in output.splitlines()]
        for line in lines:
            outcome = line[2] if len(line) == 3 and line[2] else ending
            known = outcome in ("photo", "sentence")
            outcomes[outcome if known else "fault"] += 1
            if not known:
                faults.append(f"file {line[0]} ({line[1]}): {outcome}")
        if not lines:
            raise SystemExit(f"A batch could not start: {ending}.")
        start += len(lines)  # after a crash, the next batch begins behind the file that caused it
    return outcomes, faults


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--batch", type=int, nargs=2, metavar=("START", "COUNT"))
    options = parser.parse_args()
    if options.batch:
        run_batch(*options.batch)
        return
    outcomes, faults = run(options.files)
    print(*faults, sep="\n")
    print(", ".join(f"{name} {count}" for name, count in sorted(outcomes.items())))
    sys.exit(bool(faults))


if __name__ == "__main__":
    main()
