"""Reading films with PyAV: their pictures, upright, one after the other, as L with their times."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Self

import numpy as np

from cinn_hub.color import to_lab
from cinn_hub.errors import CinnHubError, PhotoError
from cinn_hub.files import open_plain, reason_of

try:
    import av
except ModuleNotFoundError as error:
    raise CinnHubError('Films need PyAV: pip install "cinn-hub[film]".') from error

USUAL_RATE = Fraction(25)  # pictures a second, of a film that does not tell its own
HDR = {16: "PQ", 18: "HLG"}  # transfer functions, as ITU-T H.273 numbers them
ONLY_FILES = {"protocol_whitelist": "file"}  # a playlist cannot make us read from the network


@dataclass(frozen=True, eq=False)
class Picture:
    """One picture of a film: its L (H, W) float32 in [0, 100], and when it is shown, in units of
    the film's `time_base`."""

    lightness: np.ndarray
    time: int


class FilmFile:
    """A film that is read; a context manager.

    Attributes:
        time_base: seconds of one unit of time.
        rate: pictures a second, on average.
        step: the usual time from one picture to the next.
        length: in seconds, as far as the file tells; 0 if it does not.

    Raises:
        PhotoError: it cannot be read, or has no pictures that move, or is HDR.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.open()
        stream = self.stream
        self.time_base = stream.time_base
        self.rate = stream.average_rate or stream.guessed_rate or USUAL_RATE
        self.step = max(1, round(1 / (self.rate * self.time_base)))
        self.aspect = stream.sample_aspect_ratio
        self.length = (self.container.duration or 0) / av.time_base

    def open(self) -> None:
        try:
            open_plain(self.path).close()
            self.container = av.open(str(self.path), options=ONLY_FILES)
        except (OSError, av.FFmpegError) as error:
            raise PhotoError(
                f"{self.path.name} cannot be read as a film: {reason_of(error)}."
            ) from error
        still = av.stream.Disposition.attached_pic  # the cover of a piece of music
        streams = [s for s in self.container.streams.video if not s.disposition & still]
        if not streams:
            self.container.close()
            raise PhotoError(f"{self.path.name} has no pictures that move; give a film.")
        self.stream = streams[0]
        self.stream.thread_type = "AUTO"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.container.close()

    def seconds(self, time: int) -> float:
        return round(float(time * self.time_base), 6)

    def time_at(self, seconds: float) -> int:
        return round(seconds / self.time_base)

    def pictures(self, start: int | None = None, end: int | None = None) -> Iterator[Picture]:
        """Those from the time `start` on, up to `end`, which is left out; by default all.

        What is shown no later than the picture before it is left out, too.
        """
        last, size = -math.inf, None
        for frame in self.frames_before(start):
            time = max(0, last + self.step) if frame.pts is None else frame.pts
            if time <= last:
                continue
            last = time
            if end is not None and time >= end:
                return
            if start is None or time >= start:
                if frame.color_trc in HDR:
                    raise PhotoError(
                        f"{self.path.name} is an HDR film ({HDR[frame.color_trc]}); convert it to "
                        "SDR first."
                    )
                size = size or (frame.width, frame.height)
                yield Picture(lightness_of(frame, size), time)

    def frames_before(self, start: int | None) -> Iterator[av.VideoFrame]:
        """All frames from a place on that is not later than `start`."""
        if start is not None:
            with suppress(av.FFmpegError):
                self.container.seek(start, stream=self.stream)
            frames = self.frames()
            first = next(frames, None)
            if first and first.pts is not None and first.pts <= start:
                yield first
                yield from frames
                return
            self.container.close()  # it cannot be sought in
            self.open()
        yield from self.frames()

    def frames(self) -> Iterator[av.VideoFrame]:
        """All that can be read."""
        packets = self.container.demux(self.stream)
        while True:
            try:
                frames = next(packets).decode()
            except StopIteration:
                return
            except av.FFmpegError:
                continue
            yield from frames


def lightness_of(frame: av.VideoFrame, size: tuple[int, int]) -> np.ndarray:
    """L (H, W) float32 of a frame, upright; size: (width, height) before it is turned."""
    # By the way of full chroma, which rounds better. With more than one thread, swscale does not
    # always give the same picture.
    full = frame.reformat(format="yuv444p10le", width=size[0], height=size[1], threads=1)
    lab = to_lab(full.to_ndarray(format="rgb24", threads=1))
    return np.ascontiguousarray(np.rot90(lab[..., 0], frame.rotation // 90))
