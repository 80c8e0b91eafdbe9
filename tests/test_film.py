"""Films: what is kept of them, their shots, colours that stay on what moves, runs that go on."""

import os
import resource
import struct
import sys
from fractions import Fraction
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest
import torch
from helpers import color_picture

from benchmarks.film import tracks
from cinn_hub.errors import CinnHubError, PhotoError
from cinn_hub.film import filming
from cinn_hub.film.coloring import Painter
from cinn_hub.film.reading import FilmFile, lightness_of
from cinn_hub.film.writing import Piece, join
from cinn_hub.latent import Latent
from cinn_hub.photos.photo import squeeze

SIZE = (96, 64)
RATE = 10
ON, BEHIND = np.float32([45, 25]), np.float32([-10, -35])  # ab of the disc, and of what is behind


def texture(size, seed, least=0, most=255):
    rng = np.random.default_rng(seed)
    coarse = rng.uniform(least, most, (size[1] // 6, size[0] // 6)).astype(np.float32)
    return cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC).clip(least, most)


def pan(seed, n, size=SIZE, step=2):
    """n grey pictures (H, W, 3) that move to the side."""
    wide = texture((size[0] + step * n + 6, size[1] + 6), seed).astype(np.uint8)
    for i in range(n):
        part = wide[: size[1], step * i : step * i + size[0]]
        yield np.ascontiguousarray(np.dstack([part] * 3))


def write(
    path,
    pictures,
    codec="libx264",
    pixels="yuv420p",
    times=None,
    sound="aac",
    options=None,
    **context,
):
    """A film of `RATE` pictures a second, with a tone of the same length."""
    pictures = list(pictures)
    with av.open(str(path), "w") as film:
        video = film.add_stream(codec, rate=RATE, options=options)
        video.height, video.width = pictures[0].shape[:2]
        video.pix_fmt = pixels
        for name, value in context.items():
            setattr(video.codec_context, name, value)
        if sound:
            tone = film.add_stream(sound, rate=8000, layout="mono")
        for time, picture in zip(times or range(len(pictures)), pictures, strict=True):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts = time
            film.mux(video.encode(frame))
        film.mux(video.encode(None))
        for start in range(0, 800 * len(pictures), 800) if sound else ():
            wave = 8000 * np.sin(np.arange(start, start + 800) / 3)
            frame = av.AudioFrame.from_ndarray(wave.astype(np.int16)[None], "s16", "mono")
            frame.sample_rate, frame.pts = 8000, start
            film.mux(tone.encode(frame))
        if sound:
            film.mux(tone.encode(None))
    return path


def times_of(path, kind):
    with av.open(str(path)) as film:
        return [float(frame.pts * frame.time_base) for frame in film.decode(**{kind: 0})]


def pictures_of(path):
    with av.open(str(path)) as film:
        return [frame.to_ndarray(format="rgb24").astype(int) for frame in film.decode(video=0)]


def turned(path):
    """The film with the matrix of its header that says: a quarter turn."""
    content = path.read_bytes()
    matrix, quarter = (
        struct.pack(">9i", *(65536 * n for n in numbers), 2**30)
        for numbers in ((1, 0, 0, 0, 1, 0, 0, 0), (0, 1, 0, -1, 0, 0, 0, 0))
    )
    place = content.index(matrix, content.index(b"tkhd"))
    path.write_bytes(content[:place] + quarter + content[place + len(matrix) :])
    return path


FILMS = {
    "usual": ("in.mp4", {}),
    "no sound": ("in.mp4", {"sound": None}),
    "odd size": ("in.mkv", {"codec": "ffv1", "size": (61, 45)}),
    "tiny": ("in.mkv", {"codec": "ffv1", "size": (15, 11)}),
    "variable rate": ("in.mkv", {"times": [0, 1, 2, 5, 6, 9]}),
    "10 bits": ("in.mkv", {"codec": "ffv1", "pixels": "yuv420p10le"}),
    "full range": ("in.mp4", {"pixels": "yuvj420p"}),
    "wide pixels": ("in.mp4", {"sample_aspect_ratio": Fraction(4, 3)}),
    "old codec": ("in.avi", {"codec": "mpeg4"}),
    "turned": ("in.mp4", {}),
}


@pytest.mark.parametrize("kind", FILMS)
def test_lightness_times_size_and_sound_stay(kind, small_model, tmp_path):
    name, options = FILMS[kind]
    size = options.pop("size", SIZE)
    film = write(tmp_path / name, pan(0, 6, size), **options)
    if kind == "turned":
        lying = next(FilmFile(film).pictures()).lightness
        turned(film)
        assert np.array_equal(next(FilmFile(film).pictures()).lightness, np.rot90(lying, -1))
    out = tmp_path / ("out.mkv" if kind == "no sound" else "out.mp4")
    assert [shot.number for shot in small_model.film(film, out, seed=1)] == [1]
    assert times_of(out, "video") == pytest.approx(times_of(film, "video"), abs=1e-3)
    if options.get("sound", "aac"):
        assert times_of(out, "audio") == pytest.approx(times_of(film, "audio"), abs=1e-3)
    with FilmFile(film) as before, FilmFile(out) as after:
        assert after.aspect == before.aspect
        pairs = list(zip(before.pictures(), after.pictures(), strict=True))
    for old, new in pairs:
        assert old.lightness.shape == (size if kind == "turned" else size[::-1])
        assert abs(old.lightness - new.lightness).mean() < 2
        assert abs((old.lightness - new.lightness).mean()) < 1
    assert np.ptp(pictures_of(out)[0], axis=-1).mean() > 3  # it has colours
    assert {path.name for path in tmp_path.iterdir()} == {name, out.name}


def test_a_picture_is_always_read_alike():
    """Its size is one at which swscale with several threads does not do so."""
    picture = next(pan(0, 1, (854, 480)))
    frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(format="yuv420p")
    first = lightness_of(frame, (854, 480))
    for i in range(20):
        held = np.empty(1000 * i**2)  # so that memory lies elsewhere each time
        assert np.array_equal(lightness_of(frame, (854, 480)), first), held.size


# ---------------------------------------------------------------- shots


def test_cuts_are_found_and_nothing_else(small_model, tmp_path):
    """Also of a film that gets darker, has grain, and fades out and in."""
    first, second, third = ([picture.astype(float) for picture in pan(i, 8)] for i in range(3))
    darker = [picture * (1 - i / 12) for i, picture in enumerate(second)]
    fades = [picture * (1 - i / 7) for i, picture in enumerate(first)]
    returns = [picture * (i / 7) for i, picture in enumerate(third)]
    rng = np.random.default_rng(0)
    made = [p + rng.normal(0, 4, p.shape[:2])[..., None] for p in [*first, *darker]]
    made = [picture.clip(0, 255).astype(np.uint8) for picture in [*made, *fades, *returns]]
    shots = small_model.film(write(tmp_path / "in.mp4", made), tmp_path / "out.mp4", seed=1)
    assert [shot.start for shot in shots[:3]] == [0, 0.8, 1.6]
    assert len(shots) == 4 and 2.4 < shots[3].start < 2.8


class DiscModel:
    """A model whose colours are known, but for a noise that is another for each picture."""

    fingerprint = "disc"

    def __init__(self, noise):
        self.noise, self.rng = noise, np.random.default_rng(0)

    def prepare(self, photo):
        small = squeeze(photo.lightness, 64)
        return SimpleNamespace(condition=photo.lightness, lightness=small)

    def center(self, condition):
        return None

    def fitted(self, latent, rows=None):
        return latent

    def decode(self, latent, lightness):
        ab = squeeze(np.where(lightness[..., None] > 50, ON, BEHIND), 64)
        noise = self.rng.normal(0, self.noise, (8, 8, 2)).astype(np.float32)
        ab = ab + cv2.resize(noise, (64, 64))
        return torch.from_numpy(np.ascontiguousarray(ab.transpose(2, 0, 1)))[None]


def disc_film(speed, n, radius=30, size=(240, 160)):
    """L of a light disc that crosses a dark ground, and how far each pixel is from its edge."""
    ground, disc = texture(size, 1, 10, 40), texture(size, 2, 60, 90)
    y, x = np.mgrid[: size[1], : size[0]]
    for i in range(n):
        distance = np.hypot(x - 45 - speed * i, y - size[1] / 2) - radius
        moved = cv2.warpAffine(disc, np.float32([[1, 0, speed * i], [0, 1, 0]]), size)
        share = np.clip(0.5 - distance, 0, 1)
        yield (share * moved + (1 - share) * ground).astype(np.float32), distance


def followed(model, film):
    return tracks(Painter(model, lambda prepared, shot: Latent({"z": torch.zeros(1, 1)})), film)


@pytest.mark.parametrize("speed", [1, 3, 10])
def test_colors_stay_on_a_moving_disc_and_not_behind_it(speed):
    film, distances = zip(*disc_film(speed, 140 // max(4, speed)), strict=True)
    for track, distance in zip(followed(DiscModel(0), film), distances, strict=True):
        error = np.linalg.norm(track.mean - np.where(distance[..., None] < 0, ON, BEHIND), axis=-1)
        assert error[distance < -4].mean() < 3
        assert error[distance > 4].mean() < 3
        left = np.arange(240) < 45 + speed * track.time  # where the disc was
        assert error[(distance > 4) & (distance < 24) & left].mean() < 3


def test_colors_flicker_less_than_what_the_network_sees():
    film = [lightness for lightness, _ in disc_film(0, 40)]
    found = list(followed(DiscModel(6), film))
    model = DiscModel(6)
    alone = [model.decode(None, lightness).numpy() for lightness in film]
    changes = [abs(b.mean - a.mean).mean() for a, b in zip(found, found[1:], strict=False)]
    before = [abs(b - a).mean() for a, b in zip(alone, alone[1:], strict=False)]
    assert np.mean(changes[8:]) < 0.15 * np.mean(before)


# ---------------------------------------------------------------- runs


@pytest.fixture
def cut_film(tmp_path, monkeypatch):
    """Two shots of 7 pictures each, in segments of 3."""
    monkeypatch.setattr(filming, "LONGEST", 3)
    return write(tmp_path / "in.mp4", [*pan(0, 7), *pan(1, 7)])


class Killed(BaseException):
    """Ends a run without a chance to tidy up."""


def stopping(after, error):
    """Called after each picture; ends the run after so many."""
    left = iter(range(after))

    def stop(seconds, length):
        assert 0 <= seconds < length < 2
        if next(left, None) is None:
            raise error

    return stop


def test_a_run_goes_on_where_it_was_killed(small_model, cut_film, tmp_path):
    whole, killed = tmp_path / "whole.mp4", tmp_path / "killed.mp4"
    shots = small_model.film(cut_film, whole, seed=3)
    for after in (1, 4, 5):  # in the first segment, in later ones, and at the cut
        with pytest.raises(Killed):
            small_model.film(cut_film, killed, seed=3, on_picture=stopping(after, Killed))
    seen = []
    assert small_model.film(cut_film, killed, on_picture=lambda *at: seen.append(at)) == shots
    assert len(seen) < 9
    assert killed.read_bytes() == whole.read_bytes()
    with pytest.raises(Killed):
        small_model.film(cut_film, killed, seed=3, on_picture=stopping(5, Killed))
    small_model.film(cut_film, killed, seed=4)  # another wish begins anew
    assert killed.read_bytes() != whole.read_bytes()
    assert {p.name for p in tmp_path.iterdir()} == {"in.mp4", "whole.mp4", "killed.mp4"}


def test_an_interrupted_film_plays(small_model, cut_film, tmp_path):
    whole, out = tmp_path / "whole.mp4", tmp_path / "out.mp4"
    small_model.film(cut_film, whole, seed=3)
    with pytest.raises(KeyboardInterrupt):
        small_model.film(cut_film, out, seed=3, on_picture=stopping(9, KeyboardInterrupt))
    assert times_of(out, "video") == times_of(whole, "video")[:10]
    assert times_of(out, "audio")[-1] == pytest.approx(1.0, abs=0.15)
    small_model.film(cut_film, out, seed=3)
    assert out.read_bytes() == whole.read_bytes()


def test_one_shot_is_colored_anew(small_model, cut_film, tmp_path):
    out = tmp_path / "out.mp4"
    small_model.film(cut_film, out, seed=3)
    before = pictures_of(out)
    answer = small_model.colorize(color_picture(*SIZE), n=1, seed=9)[0].latent
    for wanted in ({"seed": 8}, {"latent": answer}, {"hints": [(50, 30, "#ff0000")]}):
        shots = small_model.film(cut_film, out, shot=2, **wanted)
        assert [shot.start for shot in shots] == [0, 0.7]
        after = pictures_of(out)
        changes = [abs(a - b).mean() for a, b in zip(before, after, strict=True)]
        assert max(changes[:7]) == 0 and min(changes[7:]) > 0.1
        assert times_of(out, "video") == times_of(cut_film, "video")
        assert times_of(out, "audio") == times_of(cut_film, "audio")
        before = after
    with pytest.raises(CinnHubError, match=r"The shot is 3, but .*out.mp4 has 2"):
        small_model.film(cut_film, out, shot=3)
    with pytest.raises(CinnHubError, match=r"in.mp4 is not a film that was coloured before"):
        small_model.film(out, cut_film, shot=1)


def test_the_first_picture_has_the_colors_of_an_answer(small_model, tmp_path):
    film = write(tmp_path / "in.mp4", pan(0, 2))
    with FilmFile(film) as read:
        prepared = small_model.prepare(next(read.pictures()).lightness.astype(np.float32) / 100)
    answer = small_model.colorize(prepared, n=1, seed=5)[0]
    painter = Painter(small_model, lambda *_: answer.latent)
    noise = answer.latent.noise_of(small_model.center(prepared.condition))
    assert abs(painter.look(prepared, noise) - answer.ab).max() < 1e-3


def test_a_long_film_needs_few_open_files(tmp_path):
    part = write(tmp_path / "part.nut", pan(0, 2), options={"bf": "0"}, sound=None)
    limit, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 16, most))
    try:
        with FilmFile(part) as film:
            pieces = [Piece(part, shift=0.2 * i) for i in range(40)]
            join(pieces, film, tmp_path / "out.mp4", {}, whole=True)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (limit, most))
    assert len(times_of(tmp_path / "out.mp4", "video")) == 80


# ---------------------------------------------------------------- what cannot be done


def sound_alone(path):
    with av.open(str(path), "w") as film:
        tone = film.add_stream("aac", rate=8000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 800), np.int16), "s16", "mono")
        frame.sample_rate = 8000
        film.mux(tone.encode(frame))
        film.mux(tone.encode(None))


REFUSED = {
    "sound alone": (sound_alone, "in.mp4 has no pictures that move; give a film"),
    "no film": (lambda path: path.write_text("no film"), "in.mp4 cannot be read as a film"),
    "no file": (lambda path: None, "in.mp4 cannot be read as a film: No such file"),
    "a folder": (lambda path: path.mkdir(), "in.mp4 cannot be read as a film"),
    "HDR": (lambda path: write(path, pan(0, 2), color_trc=16), r"is an HDR film \(PQ\)"),
    "a film cut off": (
        lambda path: path.write_bytes(write(path, pan(0, 2)).read_bytes()[:300]),
        "in.mp4 cannot be read as a film",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_what_cannot_be_read(kind, small_model, tmp_path):
    make, message = REFUSED[kind]
    make(tmp_path / "in.mp4")
    with pytest.raises(PhotoError, match=message):
        small_model.film(tmp_path / "in.mp4", tmp_path / "out.mp4")
    assert {path.name for path in tmp_path.iterdir()} <= {"in.mp4"}


def test_what_can_be_read_of_a_broken_stream_is_colored(small_model, tmp_path):
    film = write(tmp_path / "in.mkv", pan(0, 12), options={"g": "1"})
    content = bytearray(film.read_bytes())
    middle = len(content) // 2
    content[middle : middle + 300] = bytes(300)
    film.write_bytes(content[: -len(content) // 8])
    small_model.film(film, tmp_path / "out.mp4", seed=1)
    assert 3 < len(pictures_of(tmp_path / "out.mp4")) <= 12


@pytest.mark.parametrize("out", ["out.avi", "in.mp4", "in.mp4/out.mp4"])
def test_what_cannot_be_written(out, small_model, cut_film, tmp_path):
    before = cut_film.read_bytes()
    with pytest.raises(CinnHubError, match="must end in .mp4|is the film that is read|created"):
        small_model.film(cut_film, tmp_path / out)
    assert cut_film.read_bytes() == before


def test_sound_that_a_format_cannot_hold_is_said_at_once(small_model, tmp_path):
    film = write(tmp_path / "in.avi", pan(0, 2), codec="mpeg4", sound="pcm_u8")
    with pytest.raises(
        CinnHubError, match=r".mp4 files cannot hold .* in.avi \(pcm_u8\); write to"
    ):
        small_model.film(film, tmp_path / "out.mp4", on_picture=stopping(0, AssertionError))
    small_model.film(film, tmp_path / "out.mkv", seed=1)
    assert times_of(tmp_path / "out.mkv", "audio") == pytest.approx(
        times_of(film, "audio"), abs=2e-3
    )


def test_without_pyav_one_sentence_says_what_to_install(small_model, monkeypatch):
    for name in [name for name in sys.modules if name.startswith("cinn_hub.film")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(CinnHubError, match=r'pip install "cinn-hub\[film\]"'):
        small_model.film("in.mp4", "out.mp4")


def test_the_command(cinn, tmp_path):
    write(tmp_path / "in.mp4", [*pan(0, 3), *pan(1, 3)])
    done = cinn("film", "in.mp4", "-o", "out.mp4", "--seed", "3")
    lines = ["out.mp4  shot 1 from 0.00 s, seed 3", "out.mp4  shot 2 from 0.30 s, seed 3"]
    assert done.code == 0 and done.out.splitlines() == lines
    done = cinn("film", "in.mp4", "-o", "out.mp4", "--shot", "2", "--seed", "8")
    assert done.out.splitlines() == [lines[0], lines[1].replace("seed 3", "seed 8")]
    done = cinn("film", "in.txt", "-o", "out.mp4")
    assert done.code == 2 and "in.txt cannot be read as a film" in done.err
