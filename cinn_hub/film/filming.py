"""Colours a film: segment by segment, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from cinn_hub.colorization import PreparedPhoto
from cinn_hub.errors import CinnHubError, PhotoError
from cinn_hub.files import make_folder, whole_file, write_whole
from cinn_hub.film.coloring import Colorer, Painter, Track, paint
from cinn_hub.film.motion import Motion, guide_of
from cinn_hub.film.reading import FilmFile
from cinn_hub.film.writing import LONGEST, SEGMENT, SUFFIXES, Piece, Segment, join
from cinn_hub.hints import HintLike
from cinn_hub.latent import Latent, Temperature, check_count, check_seed, fresh_seed

SETTINGS = "comment"  # the metadata of a film that say how its colours were made
WORK = ".{}.cinn-film{}"  # the folder of finished segments, beside the film that is written


@dataclass(frozen=True)
class Shot:
    """A shot of a coloured film: its number, from 1, when it begins, in seconds of the film that
    was read, and what its latent was made of."""

    number: int
    start: float
    settings: dict[str, str]


@dataclass(frozen=True)
class Progress:
    """How far a film is: seconds of it that are done, of how many (0 if that is not known), and the
    shots that have begun."""

    seconds: float
    length: float
    shots: Sequence[Shot]


@dataclass(frozen=True, eq=False)
class Wish:
    """The colours that somebody wants; see `color_film`."""

    model: Colorer
    temperature: Temperature | None
    seed: int | None
    latent: Latent | None
    shot: int | None
    hints: Sequence[HintLike]

    def latent_of(self, prepared: PreparedPhoto, number: int) -> Latent:
        """The latent of a shot with that first picture."""
        if self.latent is not None:
            return self.model.fitted(self.latent, rows=1)
        hints = self.hints if number == (self.shot or 1) else ()
        wanted = {"temperature": self.temperature, "seed": self.seed, "hints": hints}
        return self.model.colorize(prepared, n=1, **wanted)[0].latent

    def as_text(self, film: FilmFile) -> dict[str, object]:
        """All that the pictures depend on, so that a run goes on with its own alone."""
        file = film.path.stat()
        values = b"" if self.latent is None else self.latent.flatten().cpu().numpy().tobytes()
        return {
            "film": [film.path.name, file.st_size, file.st_mtime_ns],
            "weights": self.model.fingerprint,
            "latent": hashlib.sha256(values).hexdigest(),
            "wish": repr((self.temperature, self.shot, list(self.hints))),
        }


class Workshop:
    """A hidden folder with the finished segments of a film, and what is known after the last.

    Attributes:
        seed: of this run: that of the one that it goes on with, if none was chosen.
        track, shots: after the last finished segment; None and [] before.
        segment: that is being written.
    """

    def __init__(self, folder: Path, wish: Wish, film: FilmFile) -> None:
        """Removes what another wish left."""
        self.folder, self.track, self.shots = folder, None, []
        self.segment: Segment | None = None
        note, about = folder / "wish.json", wish.as_text(film)
        earlier = json.loads(note.read_text("utf-8")) if note.exists() else {}
        self.seed = earlier.pop("seed", None)
        if earlier != about or wish.seed not in (None, self.seed):
            shutil.rmtree(folder, ignore_errors=True)
            self.seed = fresh_seed() if wish.seed is None else wish.seed
            make_folder(folder)
            write_whole(note, json.dumps({**about, "seed": self.seed}))
        elif last := self.finished():
            self.read(last[-1].with_suffix(".npz"))

    def finished(self) -> list[Path]:
        return sorted(self.folder.glob(f"[0-9]*{SEGMENT}"))

    def begin_shot(self, track: Track, start: float) -> None:
        self.shots = [*self.shots, Shot(track.shot, start, track.noise.settings)]
        track.noise.save(self.folder / f"shot-{track.shot}.safetensors")

    def add(self, film: FilmFile, rgb: np.ndarray, time: int) -> None:
        """A picture, in the segment that is being written, or in a new one."""
        if self.segment is None:
            size = rgb.shape[1::-1]
            self.segment = Segment(self.folder / f"unfinished{SEGMENT}", film, size)
        self.segment.add(rgb, time)

    def keep(self, track: Track) -> None:
        """Ends the segment; a run that is killed from here on goes on after it."""
        self.segment.close()
        place = self.folder / f"{len(self.finished()):06}{SEGMENT}"
        arrays = {name: getattr(track, name) for name in ("guide", "small", "mean", "seen")}
        numbers = [track.time, track.shot, track.age]
        shots = json.dumps([asdict(shot) for shot in self.shots])
        with whole_file(place.with_suffix(".npz")) as unfinished:
            np.savez(unfinished, numbers=numbers, shots=shots, **arrays)
        os.replace(self.segment.path, place)
        self.segment, self.track = None, track
        for state in self.folder.glob("[0-9]*.npz"):
            if state.stem < place.stem:
                state.unlink()

    def read(self, state: Path) -> None:
        with np.load(state) as file:
            self.shots = [Shot(**shot) for shot in json.loads(str(file["shots"]))]
            time, shot, age = file["numbers"].tolist()
            noise = Latent.load(self.folder / f"shot-{shot}.safetensors")
            arrays = {name: file[name] for name in ("guide", "small", "mean", "seen")}
        self.track = Track(time=time, shot=shot, age=age, noise=noise, **arrays)


def color_film(
    model: Colorer,
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    temperature: Temperature | None = None,
    seed: int | None = None,
    latent: Latent | None = None,
    shot: int | None = None,
    hints: Sequence[HintLike] = (),
    on_picture: Callable[[Progress], object] | None = None,
) -> list[Shot]:
    """Colours a film: one latent a shot, the conditions of its pictures, and the running mean of
    ab along the motion. L, size, times and sound stay; pictures that are to be turned are written
    upright, and more than 8 bits are written as 8.

    A run that was killed goes on after its last finished segment, if all arguments are the same;
    after Ctrl-C, `out` has what was done. Memory does not grow with the length.

    Arguments:
        path: a film that PyAV reads.
        out: .mp4, .mov or .mkv; H.264. `shots` are noted in its metadata.
        temperature, seed: as in `ColorModel.colorize`, for the most plausible answer to the first
            picture of each shot. By default a fresh seed, or that of the run that goes on.
        latent: of one row, such as an answer to a picture of the film, instead of drawing.
        shot: number of the one to colour anew, from 1; `out` is there and keeps the others.
        hints: colours of spots of the first picture of shot 1, or of `shot`.
        on_picture: is called after each picture.

    Returns:
        All shots of the film.

    Raises:
        PhotoError: the film cannot be read, or is HDR.
        CinnHubError: an argument is out of range, or the film cannot be written.
    """
    path, out = Path(path), Path(out)
    check_out(out, path)
    if seed is not None:
        check_seed(seed)
    with FilmFile(path) as film:
        known = [] if shot is None else shots_of(out, shot)
        wish = Wish(model, temperature, seed, latent, shot, hints)
        folder = out.with_name(WORK.format(out.name, "" if shot is None else f"-{shot}"))
        work = Workshop(folder, wish, film)
        painter = Painter(model, replace(wish, seed=work.seed).latent_of)
        try:
            make_segments(film, painter, work, span_of(known, shot, film), shot or 1, on_picture)
        except KeyboardInterrupt:
            if shot is None:
                leave_playable(film, work, out)
            raise
        if not (pieces := [Piece(segment) for segment in work.finished()]):
            raise PhotoError(f"{path.name} has no pictures that can be read; get the file again.")
        shots = work.shots
        if shot is not None:
            shots = [*known[: shot - 1], *shots, *known[shot:]]
            pieces = around(pieces, out, known, shot)
        join(pieces, film, out, described(shots), whole=True)
    shutil.rmtree(folder, ignore_errors=True)
    return shots


def check_out(out: Path, path: Path) -> None:
    if out.suffix.lower() not in SUFFIXES:
        raise CinnHubError(
            f"{out} is not the name of a film; it must end in {', '.join(SUFFIXES)}."
        )
    if out.exists() and path.exists() and out.samefile(path):
        raise CinnHubError(f"{out} is the film that is read; give another name to write to.")


def make_segments(
    film: FilmFile,
    painter: Painter,
    work: Workshop,
    span: tuple[int | None, int | None],
    first: int,
    on_picture: Callable[[Progress], object] | None,
) -> None:
    """Colours the pictures from one time to another that are not in finished segments.

    first: the number of the shot that begins there.
    """
    track, (start, end) = work.track, span
    for picture in film.pictures(track.time + 1 if track else start, end):
        guide = guide_of(picture.lightness)
        motion = Motion.between(track.guide, guide) if track else None
        goes_on = motion is not None and not motion.is_cut
        if work.segment and (not goes_on or work.segment.pictures >= LONGEST):
            work.keep(track)
        if goes_on:
            track = painter.follow(track, picture, guide, motion)
        else:
            track = painter.begin(picture, guide, track.shot + 1 if track else first)
            work.begin_shot(track, film.seconds(picture.time))
        work.add(film, paint(picture.lightness, track.mean), picture.time)
        if on_picture:
            on_picture(Progress(film.seconds(picture.time), film.length, work.shots))
    if work.segment:
        work.keep(track)


def leave_playable(film: FilmFile, work: Workshop, out: Path) -> None:
    """Writes what there is of the film. The finished segments stay, so that a run goes on."""
    parts = work.finished()
    if work.segment:
        work.segment.close()
        parts.append(work.segment.path)
    if parts:
        join([Piece(part) for part in parts], film, out, described(work.shots), whole=False)


def described(shots: Sequence[Shot]) -> dict[str, str]:
    """What a film says of its colours."""
    made = {"colours": "generated by cinn_hub", "shots": [asdict(shot) for shot in shots]}
    return {SETTINGS: json.dumps(made)}


def shots_of(out: Path, shot: int) -> list[Shot]:
    """The shots of a film that was coloured before.

    Raises:
        CinnHubError: it is none, or has no such shot.
    """
    try:
        with FilmFile(out) as film:
            metadata = {key.lower(): text for key, text in film.container.metadata.items()}
            shots = [Shot(**entry) for entry in json.loads(metadata[SETTINGS])["shots"]]
    except (PhotoError, KeyError, TypeError, ValueError) as error:
        raise CinnHubError(
            f"{out} is not a film that was coloured before; colour all of it, then one shot anew."
        ) from error
    if check_count(shot, "The shot") > len(shots):
        raise CinnHubError(f"The shot is {shot}, but {out} has {len(shots)}; give one of them.")
    return shots


def span_of(
    known: Sequence[Shot], shot: int | None, film: FilmFile
) -> tuple[int | None, int | None]:
    """When the shot begins and ends, in the film's units; None: at the film's ends."""
    if shot is None:
        return None, None
    starts = [film.time_at(one.start) for one in known[shot - 1 : shot + 1]]
    return starts[0], starts[1] if len(starts) > 1 else None


def around(pieces: Sequence[Piece], out: Path, known: Sequence[Shot], shot: int) -> list[Piece]:
    """The pieces of a shot between what the film has before and after it."""
    with FilmFile(out) as old:
        shift = known[0].start - old.seconds(next(old.pictures()).time)
    before = Piece(out, end=known[shot - 1].start, shift=shift)
    after = [Piece(out, start=one.start, shift=shift) for one in known[shot : shot + 1]]
    return [before, *pieces, *after]
