"""Pictures one after the other, written as a film."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from cinn_hub.errors import CinnHubError
from cinn_hub.files import reason_of, whole_file

SUFFIXES = (".webp", ".gif", ".mp4")


def write_animation(
    frames: Sequence[Image.Image], path: str | Path, seconds: float = 3.0, back: bool = True
) -> None:
    """Writes an animated WebP or GIF that repeats, or an MP4, by the suffix.

    Arguments:
        frames: RGB pictures of one size, 2 or more.
        seconds: from the first to the last.
        back: whether the frames run back, too, so that the repetition has no jump.

    Raises:
        CinnHubError: another suffix, too few frames, or no codec or place to write to.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise CinnHubError(
            f"{path.name} is not the name of a film; it must end in {', '.join(SUFFIXES)}."
        )
    if len(frames) < 2:
        raise CinnHubError(f"The film has too few frames ({len(frames)}); it needs 2 or more.")
    pictures = [frame.convert("RGB") for frame in frames]
    if back:
        pictures += pictures[-2:0:-1]
    each = max(20, round(1000 * seconds / (len(frames) - 1)))  # milliseconds
    try:
        with whole_file(path) as unfinished:
            if path.suffix.lower() == ".mp4":
                write_mp4(pictures, unfinished, 1000 / each)
            else:
                write_repeating(pictures, unfinished, each)
    except (OSError, ValueError) as error:
        raise CinnHubError(f"{path} cannot be written: {reason_of(error)}.") from error


def write_repeating(pictures: Sequence[Image.Image], path: Path, milliseconds: int) -> None:
    options = {"quality": 85} if path.suffix.lower() == ".webp" else {}
    pictures[0].save(
        path, save_all=True, append_images=pictures[1:], duration=milliseconds, loop=0, **options
    )


def write_mp4(pictures: Sequence[Image.Image], path: Path, rate: float) -> None:
    """MPEG-4, at even sizes, as the codec wants them."""
    width, height = (side // 2 * 2 for side in pictures[0].size)
    if not width or not height:
        raise CinnHubError("An MP4 needs 2 pixels or more on each side; choose a larger size.")
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, (width, height))
    if not video.isOpened():
        raise CinnHubError("OpenCV has no codec for MP4 here; choose WebP or GIF.")
    for picture in pictures:
        video.write(np.ascontiguousarray(np.asarray(picture)[:height, :width, ::-1]))
    video.release()
