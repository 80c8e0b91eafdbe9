"""Writing films with PyAV: segments of H.264, and one file of many segments and the sound."""

from __future__ import annotations

import heapq
import io
import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
from av.bitstream import BitStreamFilterContext

from cinn_hub.errors import CinnHubError
from cinn_hub.files import reason_of, whole_file
from cinn_hub.film.reading import ONLY_FILES, FilmFile

CONTAINERS = {".mp4": "mp4", ".mov": "mov", ".mkv": "matroska"}
LONGEST = 96  # pictures of a segment: what a kill can cost
# Without B-frames, pictures are stored in the order in which they are shown, so that segments can
# follow each other; `crf` is the quality, at which no difference is seen
ENCODING = {"crf": "17", "preset": "veryfast", "bf": "0", "g": str(LONGEST)}
SEGMENT = ".nut"  # a container that keeps times exactly
ROUNDING = 1 / 1500  # seconds: Matroska knows milliseconds
BT709, LIMITED = 1, 1  # colours and range of what is written, as ITU-T H.273 numbers them


class Segment:
    """A few pictures that are encoded into a file of their own, from its first to `close`."""

    def __init__(self, path: Path, film: FilmFile, size: tuple[int, int]) -> None:
        self.path, self.pictures = path, 0
        self.container = av.open(str(path), "w", format=SEGMENT[1:])
        self.stream = self.container.add_stream("libx264", rate=film.rate, options=ENCODING)
        self.stream.width, self.stream.height = size
        odd = any(side % 2 for side in size)
        self.stream.pix_fmt = "yuv444p" if odd else "yuv420p"
        context = self.stream.codec_context
        context.time_base = film.time_base
        context.colorspace = context.color_primaries = context.color_trc = BT709
        context.color_range = LIMITED
        if film.aspect:
            context.sample_aspect_ratio = film.aspect

    def add(self, rgb: np.ndarray, time: int) -> None:
        frame = av.VideoFrame.from_ndarray(rgb, format="rgb24").reformat(
            format=self.stream.pix_fmt, dst_colorspace=BT709, dst_color_range=LIMITED, threads=1
        )
        frame.pts, frame.time_base = time, self.stream.codec_context.time_base
        self.container.mux(self.stream.encode(frame))
        self.pictures += 1

    def close(self) -> None:
        self.container.mux(self.stream.encode(None))
        self.container.close()


@dataclass(frozen=True)
class Piece:
    """The pictures of a file from `start` to `end`, which is left out, in seconds of the film that
    is read; None: from its beginning, to its end. They are shown `shift` seconds later there."""

    path: Path
    start: float | None = None
    end: float | None = None
    shift: float = 0.0

    def packets(self) -> Iterator[av.Packet]:
        with av.open(str(self.path)) as container:
            stream = container.streams.video[0]
            plain = BitStreamFilterContext("h264_mp4toannexb", stream)
            for packet in container.demux(stream):
                if packet.pts is None:
                    continue
                time = float(packet.pts * packet.time_base) + self.shift
                if self.end is not None and time >= self.end - ROUNDING:
                    return
                if self.start is None or time >= self.start - ROUNDING:
                    packet.pts = packet.dts = packet.pts + round(self.shift / packet.time_base)
                    for changed in plain.filter(packet):
                        changed.stream = stream
                        yield changed


def join(
    pieces: Sequence[Piece], film: FilmFile, out: Path, about: Mapping[str, str], whole: bool
) -> None:
    """Writes the pieces one after the other, with all sound of the film that was read.

    Arguments:
        about: what the file says of itself, by name, beside what the film says.
        whole: whether that is all of the film; else the sound ends with the pictures.

    Raises:
        CinnHubError: the file cannot be written.
    """
    try:
        with whole_file(out) as unfinished, ExitStack() as stack:
            source = stack.enter_context(av.open(str(film.path), options=ONLY_FILES))
            options = {} if out.suffix.lower() == ".mkv" else {"movflags": "faststart"}
            target = av.open(str(unfinished), "w", options=options)
            stack.enter_context(target)
            target.metadata.update({**source.metadata, **about})
            segment = next(piece.path for piece in pieces if piece.path.suffix == SEGMENT)
            encoded = stack.enter_context(av.open(str(segment)))
            video = target.add_stream_from_template(encoded.streams.video[0])
            sounds = {s.index: target.add_stream_from_template(s) for s in source.streams.audio}
            pictures = (packet for piece in pieces for packet in piece.packets())
            heard = source.demux(source.streams.audio) if sounds else ()
            heard = (packet for packet in heard if packet.dts is not None)
            ends = math.inf
            for packet in heapq.merge(pictures, heard, key=time_of):
                if is_picture := packet.stream.type == "video":
                    ends = time_of(packet) + film.seconds(film.step)
                elif not whole and time_of(packet) >= ends:
                    continue
                packet.stream = video if is_picture else sounds[packet.stream.index]
                target.mux(packet)
    except (OSError, ValueError, av.FFmpegError) as error:
        raise CinnHubError(f"{out} cannot be written: {reason_of(error)}.") from error


def check_sound(film: FilmFile, suffix: str) -> None:
    """Refuses a format that cannot hold the film's sound, before there is any work."""
    target = av.open(io.BytesIO(), "w", format=CONTAINERS[suffix])
    for stream in film.container.streams.audio:
        try:
            target.add_stream_from_template(stream)
        except ValueError as error:
            raise CinnHubError(
                f"{suffix} files cannot hold the sound of {film.path.name} "
                f"({stream.codec.canonical_name}); write to .mkv, or convert the sound first."
            ) from error


def time_of(packet: av.Packet) -> float:
    return float(packet.dts * packet.time_base)
