"""Colours a film: segment by segment, so that a run that was stopped goes on where it was."""

from __future__ import annotations

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
from cinn_hub.film.writing import CONTAINERS, LONGEST, SEGMENT, Piece, Segment, check_sound, join
from cinn_hub.hints import HintLike
from cinn_hub.latent import Latent, Temperature, check_count, check_seed, fresh_seed

SETTINGS = "comment"  # the metadata of a film that say how its colours were made
WORK = ".{}.cinn-film{}"  # the folder of finished segments, beside the film that is written

OnPicture = Callable[[float, float], object]
"""Is called after each picture with its time and the film's length, in seconds; 0: not known."""


@dataclass(frozen=True)
class Shot:
    """A shot of a coloured film: its number, from 1, when it begins, in seconds of the film that
    was read, and what its latent was made of."""

    number: int
    start: float
    settings: dict[str, str]


@dataclass(frozen=True, eq=False)
class Wish:
    """The colours that somebody wants for a film.

    Attributes:
        temperature, seed: as in `ColorModel.colorize`, for the most plausible answer to the first
            picture of each shot. By default a fresh seed, or that of the run that goes on.
        latent: of one row, such as an answer to a picture of the film, in place of draws.
        shot: number of the one to colour anew, from 1; the file is there and keeps the others.
        hints: colours of spots of the first picture of shot 1, or of `shot`.
    """

    temperature: Temperature | None = None
    seed: int | None = None
    latent: Latent | None = None
    shot: int | None = None
    hints: Sequence[HintLike] = ()

    def choose(self, model: Colorer, prepared: PreparedPhoto, number: int) -> Latent:
        """The latent of a shot with that first picture."""
        if self.latent is not None:
            return model.fitted(self.latent, rows=1)
        hints = self.hints if number == (self.shot or 1) else ()
        wanted = {"temperature": self.temperature, "seed": self.seed, "hints": hints}
        return model.colorize(prepared, n=1, **wanted)[0].latent

    def __str__(self) -> str:
        """All of it but the seed."""
        latent = None if self.latent is None else self.latent.flatten().tolist()
        return repr((self.temperature, latent, self.shot, list(self.hints)))


class Workshop:
    """A hidden folder with the finished segments of a film, and what is known after the last.

    Attributes:
        seed: of this run: that of the run that it goes on with, if none was chosen.
        track, shots: after the last finished segment; None and [] before.
        segment: that is being written.
    """

    def __init__(self, folder: Path, about: Sequence[object], seed: int | None) -> None:
        """about: what the pictures depend on; what was made of anything else is removed."""
        self.folder, self.track, self.shots = folder, None, []
        self.segment: Segment | None = None
        note = folder / "about.json"
        self.seed, *earlier = json.loads(note.read_text("utf-8")) if note.exists() else [None]
        if earlier != about or seed not in (None, self.seed):
            shutil.rmtree(folder, ignore_errors=True)
            self.seed = fresh_seed() if seed is None else seed
            make_folder(folder)
            write_whole(note, json.dumps([self.seed, *about]))
        elif finished := self.finished():
            self.read(finished[-1].with_suffix(".npz"))

    def finished(self) -> list[Path]:
        return sorted(self.folder.glob(f"[0-9]*{SEGMENT}"))

    def begin_shot(self, track: Track, start: float) -> None:
        self.shots = [*self.shots, Shot(track.shot, start, track.noise.settings)]
        track.noise.save(self.folder / f"shot-{track.shot}.safetensors")

    def add(self, film: FilmFile, rgb: np.ndarray, time: int) -> None:
        """A picture, in the segment that is being written, or in a new one."""
        if self.segment is None:
            path = self.folder / f"unfinished{SEGMENT}"
            self.segment = Segment(path, film, rgb.shape[1::-1])
        self.segment.add(rgb, time)

    def keep(self, track: Track) -> None:
        """Ends the segment; a run that is killed from here on goes on after it."""
        self.segment.close()
        place = self.folder / f"{len(self.finished()):06}{SEGMENT}"
        known = {name: value for name, value in vars(track).items() if name != "noise"}
        with whole_file(place.with_suffix(".npz")) as unfinished:
            np.savez(unfinished, shots=json.dumps([asdict(shot) for shot in self.shots]), **known)
        os.replace(self.segment.path, place)
        self.segment = None
        for state in self.folder.glob("[0-9]*.npz"):
            if state.stem < place.stem:
                state.unlink()

    def read(self, state: Path) -> None:
        with np.load(state) as file:
            known = {name: value if value.shape else value.item() for name, value in file.items()}
        self.shots = [Shot(**shot) for shot in json.loads(known.pop("shots"))]
        noise = Latent.load(self.folder / f"shot-{known['shot']}.safetensors")
        self.track = Track(noise=noise, **known)


def color_film(
    model: Colorer,
    path: str | os.PathLike[str],
    out: str | os.PathLike[str],
    wish: Wish,
    on_picture: OnPicture | None = None,
) -> list[Shot]:
    """Colours a film; see `ColorModel.film`."""
    path, out = Path(path), Path(out)
    if (suffix := out.suffix.lower()) not in CONTAINERS:
        suffixes = ", ".join(CONTAINERS)
        raise CinnHubError(f"{out} is not the name of a film; it must end in {suffixes}.")
    if out.exists() and path.exists() and out.samefile(path):
        raise CinnHubError(f"{out} is the film that is read; give another name to write to.")
    if wish.seed is not None:
        check_seed(wish.seed)
    with FilmFile(path) as film:
        check_sound(film, suffix)
        known = [] if wish.shot is None else shots_of(out, wish.shot)
        folder = out.with_name(WORK.format(out.name, f"-{wish.shot}" if known else ""))
        file = path.stat()
        about = [path.name, file.st_size, file.st_mtime_ns, model.fingerprint, str(wish)]
        work = Workshop(folder, about, wish.seed)
        wish = replace(wish, seed=work.seed)
        painter = Painter(model, lambda *shot: wish.choose(model, *shot))
        try:
            make_segments(film, painter, work, known[(wish.shot or 1) - 1 :][:2], on_picture)
        except KeyboardInterrupt:
            if not known:
                leave_playable(film, work, out)
            raise
        finally:
            if not (pieces := [Piece(segment) for segment in work.finished()]):
                shutil.rmtree(folder, ignore_errors=True)
        if not pieces:
            raise PhotoError(f"{path.name} has no pictures that can be read; get the file again.")
        shots = work.shots
        if known:
            shots = [*known[: wish.shot - 1], *shots, *known[wish.shot :]]
            pieces = around(pieces, out, known, wish.shot)
        join(pieces, film, out, described(shots), whole=True)
    shutil.rmtree(folder, ignore_errors=True)
    return shots


def make_segments(
    film: FilmFile,
    painter: Painter,
    work: Workshop,
    span: Sequence[Shot],
    on_picture: OnPicture | None,
) -> None:
    """Colours the pictures that are in no finished segment.

    span: the shot to colour and the one that follows; none for all of the film.
    """
    track, number = work.track, span[0].number if span else 1
    start, end = [*(film.time_at(shot.start) for shot in span), None, None][:2]
    for picture in film.pictures(track.time + 1 if track else start, end):
        guide = guide_of(picture.lightness)
        motion = Motion.between(track.guide, guide) if track else None
        goes_on = motion is not None and not motion.is_cut
        if work.segment and (not goes_on or work.segment.pictures >= LONGEST):
            work.keep(track)
        if goes_on:
            track = painter.follow(track, picture, guide, motion)
        else:
            track = painter.begin(picture, guide, track.shot + 1 if track else number)
            work.begin_shot(track, film.seconds(picture.time))
        work.add(film, paint(picture.lightness, track.mean), picture.time)
        if on_picture:
            on_picture(film.seconds(picture.time), film.length)
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
    """The shots of a film that was coloured before, which must have that one."""
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


def around(pieces: Sequence[Piece], out: Path, known: Sequence[Shot], shot: int) -> list[Piece]:
    """The pieces of a shot between what the film has before and after it."""
    with FilmFile(out) as old:
        shift = known[0].start - old.seconds(next(old.pictures()).time)
    before = Piece(out, end=known[shot - 1].start, shift=shift)
    after = [Piece(out, start=one.start, shift=shift) for one in known[shot : shot + 1]]
    return [before, *pieces, *after]
