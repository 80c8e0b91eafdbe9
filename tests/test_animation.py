"""Films: their frames, their times, and what cannot be written."""

import cv2
import numpy as np
import pytest
from helpers import color_picture
from PIL import Image

from cinn_hub.animation import write_animation
from cinn_hub.errors import CinnHubError


@pytest.fixture
def frames():
    return [color_picture(61, 40, seed) for seed in range(4)]


@pytest.mark.parametrize("suffix", [".webp", ".gif"])
def test_repeating_films_go_there_and_back(frames, tmp_path, suffix):
    write_animation(frames, tmp_path / f"film{suffix}", seconds=0.6)
    film = Image.open(tmp_path / f"film{suffix}")
    assert film.n_frames == 6 and film.size == (61, 40) and film.info["loop"] == 0
    for place, frame in enumerate((0, 1, 2, 3, 2, 1)):
        film.seek(place)
        film.load()
        assert film.info["duration"] == 200
        difference = np.asarray(film.convert("RGB")).astype(int) - np.asarray(frames[frame])
        assert np.abs(difference).mean() < 12
    assert [p.name for p in tmp_path.iterdir()] == [f"film{suffix}"]


def test_mp4(frames, tmp_path):
    write_animation(frames, tmp_path / "film.mp4", seconds=0.3, back=False)
    film = cv2.VideoCapture(str(tmp_path / "film.mp4"))
    assert film.get(cv2.CAP_PROP_FRAME_COUNT) == 4
    assert (film.get(cv2.CAP_PROP_FRAME_WIDTH), film.get(cv2.CAP_PROP_FRAME_HEIGHT)) == (60, 40)
    _, first = film.read()
    difference = first[..., ::-1].astype(int) - np.asarray(frames[0])[:, :60]
    assert np.abs(difference).mean() < 12


def test_what_cannot_be_written(frames, tmp_path):
    with pytest.raises(
        CinnHubError, match=r"film.avi is not the name of a film; it must end in .webp"
    ):
        write_animation(frames, tmp_path / "film.avi")
    with pytest.raises(CinnHubError, match=r"too few frames \(1\)"):
        write_animation(frames[:1], tmp_path / "film.gif")
    with pytest.raises(CinnHubError, match="cannot be written"):
        write_animation(frames, tmp_path / "nowhere" / "film.gif")
    assert list(tmp_path.iterdir()) == []
