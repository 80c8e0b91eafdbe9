"""Pictures one after the other, written as a film."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from cinn_hub.errors import CinnHubError
from cinn_hub.files import local_path, reason_of, whole_file
from cinn_hub.formats import FILMS, format_of, suffixes_of

MOST_PIXELS = 2**28  # of all frames together, which are held in memory: 0.8 GB


def write_animation(
    frames: Sequence[Image.Image], path: str | Path, seconds: float = 3.0, back: bool = True
) -> None:
    """Writes an animated WebP or GIF that repeats, or an MP4, by the suffix; see `formats`.

    Arguments:
        frames: RGB pictures of one size, 2 or more.
        seconds: from the first to the last.
        back: whether the frames run back, too, so that the repetition has no jump.

    Raises:
        CinnHubError: another suffix, too few frames, or no codec or place to write to.
    """
    path = local_path(path)
    if (kind := format_of(path, FILMS)) is None:
        raise CinnHubError(
            f"{path.name} is not the name of a film; it must end in "
            f"{', '.join(suffixes_of(FILMS))}."
        )
    if len(frames) < 2:
        raise CinnHubError(f"The film has too few frames ({len(frames)}); it needs 2 or more.")
    pictures = [frame.convert("RGB") for frame in frames]
    if back:
        pictures += pictures[-2:0:-1]
    each = max(20, round(1000 * seconds / (len(frames) - 1)))  # milliseconds
    try:
        with whole_file(path) as unfinished:
            if kind.name == "MP4":
                write_mp4(pictures, unfinished, 1000 / each)
            else:
                first, *others = pictures
                film = {"save_all": True, "append_images": others, "duration": each, "loop": 0}
                first.save(unfinished, kind.pillow, **film, **(kind.film or {}))
    except (OSError, ValueError) as error:
        raise CinnHubError(f"{path} cannot be written: {reason_of(error)}.") from error


def check_length(frames: int, size: tuple[int, int]) -> None:
    """Refuses a film of so many frames of (width, height) that they would fill the memory."""
    if (pixels := frames * size[0] * size[1]) > MOST_PIXELS:
        most = MOST_PIXELS // (size[0] * size[1])
        raise CinnHubError(
            f"A film of {frames} frames of {size[0]} x {size[1]} has {pixels / 1e6:.0f} million "
            f"pixels, too many for the memory; take up to {most} frames, or a smaller size."
        )


def write_mp4(pictures: Sequence[Image.Image], path: Path, rate: float) -> None:
    """MPEG-4, at even sizes, as the codec wants them.

    OpenCV does not say that a disk is full, so the film is read back.
    """
    width, height = (side // 2 * 2 for side in pictures[0].size)
    if not width or not height:
        raise CinnHubError("An MP4 needs 2 pixels or more on each side; choose a larger size.")
    path.write_bytes(bytes(1))  # what fails here is the disk, not the codec
    video = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), rate, (width, height))
    if not video.isOpened():
        raise CinnHubError("OpenCV has no codec for MP4 here; choose WebP or GIF.")
    for picture in pictures:
        video.write(np.ascontiguousarray(np.asarray(picture)[:height, :width, ::-1]))
    video.release()
    if (found := frames_in(path)) < len(pictures):
        raise OSError(f"only {found} of {len(pictures)} frames are there, perhaps the disk is full")


def frames_in(path: Path) -> int:
    """How many pictures of a film can be read."""
    video, found = cv2.VideoCapture(str(path)), 0
    while video.read()[0]:
        found += 1
    video.release()
    return found
