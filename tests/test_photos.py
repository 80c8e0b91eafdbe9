"""Any photo in, its own size and lightness out."""

import cv2
import numpy as np
import pytest
from helpers import color_picture
from made_files import encoded
from PIL import Image, ImageCms

from cinn_hub import color, photos
from cinn_hub.errors import PhotoError

SIZE = (96, 64)


def lightness_of(image):
    return color.to_lab(np.asarray(image.convert("RGB")))[..., 0]


@pytest.fixture
def picture():
    return color_picture(*SIZE)


MODES = {
    "PNG": ("RGB", "RGBA", "L", "LA"),
    "TIFF": ("RGB", "RGBA", "L", "CMYK"),
    "BMP": ("RGB", "L"),
    "JPEG": ("RGB", "L", "CMYK", "YCbCr"),
    "WEBP": ("RGB",),
}


@pytest.mark.parametrize("kind, mode", [(kind, mode) for kind in MODES for mode in MODES[kind]])
def test_formats_and_modes(picture, kind, mode):
    image = picture.convert(mode)
    photo = photos.read(encoded(image, kind))
    assert photo.size == SIZE
    assert photo.lightness.dtype == np.float32
    if kind in ("JPEG", "WEBP"):
        limit = 4 if mode == "CMYK" else 3
    else:
        limit = {"RGB": 0.1, "RGBA": 0.1, "CMYK": 1}.get(mode, 0.4)
    assert np.abs(photo.lightness - lightness_of(image)).mean() < limit
    assert (photo.alpha is not None) == mode.endswith("A")
    assert (photo.rgb is None) == mode.startswith("L")


def test_palettes_and_bitmaps(picture):
    palette = picture.quantize(64)
    photo = photos.read(encoded(palette, "PNG"))
    assert np.abs(photo.lightness - lightness_of(palette)).max() < 0.1
    photo = photos.read(encoded(palette, "GIF", transparency=3))
    assert photo.alpha is not None and photo.alpha.min() == 0
    photo = photos.read(encoded(picture.convert("1"), "PNG"))
    assert set(np.unique(photo.lightness.round())) == {0, 100}


def test_16_bits_are_more_than_8():
    ramp = np.tile(np.arange(20_000, 24_096, dtype=np.uint16)[None, ::16], (32, 1))
    for source in (ramp, encoded(Image.fromarray(ramp), "PNG")):
        assert len(np.unique(photos.read(source).lightness)) == ramp.shape[1]


def test_sources(tmp_path, picture):
    path = tmp_path / "grandma.png"
    picture.save(path)
    with open(path, "rb") as file:
        for source in (str(path), path, path.read_bytes(), file, Image.open(path)):
            assert np.array_equal(photos.read(source).rgb, np.asarray(picture))
    assert photos.read(path).name == "grandma.png"


@pytest.mark.parametrize("channels", [None, 1, 3, 4])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32, np.float64])
def test_arrays(channels, dtype):
    shape = (20, 30) if channels is None else (20, 30, channels)
    unit = np.random.default_rng(0).random(shape)
    scale = {np.uint8: 255, np.uint16: 65535}.get(dtype, 1)
    photo = photos.read((unit * scale).astype(dtype))
    assert photo.size == (30, 20)
    grey = unit.reshape(20, 30, -1)[..., :3]
    expected = color.to_lab(np.broadcast_to(grey, (20, 30, 3)).astype(np.float32))[..., 0]
    assert np.abs(photo.lightness - expected).max() < 0.8
    assert (photo.alpha is not None) == (channels == 4)


def test_orientation_is_applied(picture):
    exif = Image.Exif()
    exif[0x0112] = 6
    photo = photos.read(encoded(picture, "PNG", exif=exif))
    assert photo.size == SIZE[::-1]
    assert np.array_equal(photo.rgb, np.rot90(np.asarray(picture), -1))


def test_profiles_are_converted_to_srgb(picture):
    swapped = ImageCms.createProfile("LAB")
    assert photos.read(encoded(picture, "PNG")).has_profile is False
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    same = photos.read(encoded(picture, "PNG", icc_profile=srgb))
    assert same.has_profile and np.abs(same.rgb.astype(int) - np.asarray(picture)).max() <= 1
    # a profile of another kind of picture, and one that is no profile, are ignored
    for profile in (ImageCms.ImageCmsProfile(swapped).tobytes(), b"no profile at all"):
        photo = photos.read(encoded(picture, "PNG", icc_profile=profile))
        assert np.array_equal(photo.rgb, np.asarray(picture))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (b"", "photo is not a picture that can be read"),
        (b"<!doctype html><title>404</title>", "photo is not a picture that can be read"),
        ("nowhere.jpg", "The photo nowhere.jpg does not exist"),
        (".", ". is a folder"),
        (np.zeros((20, 20, 2)), r"The array has the shape \(20, 20, 2\)"),
        (np.zeros((0, 20)), "has no pixels"),
        (np.full((20, 20), 255.0), r"has floats outside of \[0, 1\]; scale them"),
        (np.full((20, 20), np.nan), r"has floats outside of \[0, 1\]"),
        (np.zeros((20, 20), np.int64), "The array holds int64"),
        (np.zeros((1, 1), np.uint8), "photo is 1 x 1 pixels; it must have at least 16"),
        (Image.new("L", (500, 1)), "photo is 500 x 1 pixels"),
        (None, "of type NoneType"),
        (7, "of type int"),
    ],
)
def test_what_is_no_photo_gets_one_sentence(source, message):
    with pytest.raises(PhotoError, match=message) as caught:
        photos.read(source)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF"])
def test_truncated_files(tmp_path, picture, kind):
    path = tmp_path / f"half.{kind.lower()}"
    whole = encoded(picture, kind)
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(PhotoError, match=f"^{path.name} is"):
        photos.read(path)


def test_bombs_are_refused_before_they_are_decoded(picture):
    with pytest.raises(PhotoError, match="photo has 400 megapixels; shrink it to at most 100"):
        photos.read(Image.new("1", (20_000, 20_000)))
    bomb = encoded(Image.new("1", (20_000, 20_000)), "PNG")
    with pytest.raises(PhotoError, match="photo has more than 100 megapixels"):
        photos.read(bomb)
    with pytest.raises(PhotoError, match="shrink it to at most 0"):
        photos.read(encoded(picture, "PNG"), max_pixels=100)


def test_greys_of_32_bits_in_the_range_of_8():
    ramp = np.linspace(0, 255, 32 * 32).reshape(32, 32).round().astype(np.uint8)
    photo = photos.read(Image.fromarray(ramp).convert("I"))
    np.testing.assert_allclose(photo.lightness, photos.read(ramp).lightness, atol=0.01)


@pytest.mark.parametrize("size", [(640, 480), (1, 50), (33, 200), (16, 16)])
def test_squeeze_keeps_the_mean(size):
    picture = np.random.default_rng(0).random(size[::-1]).astype(np.float32)
    square = photos.squeeze(picture, 32)
    assert square.shape == (32, 32)
    assert square.mean() == pytest.approx(picture.mean(), abs=0.02)


@pytest.fixture
def small_ab():
    return 40 * np.random.default_rng(3).standard_normal((4, 4, 2)).astype(np.float32)


def enlarged(ab, lightness):
    way = photos.GuidedEnlargement.of(ab, lightness)
    return way.rows(lightness, slice(0, len(lightness)))


def ab_for(small):
    return np.clip(cv2.resize(small, (64, 64), interpolation=cv2.INTER_CUBIC), -80, 80)


@pytest.mark.parametrize("size", [(96, 64), (64, 900), (700, 500), (16, 16)])
def test_lightness_is_kept_at_the_photos_own_size(small_ab, size):
    photo = photos.read(color_picture(*size))
    image = photos.render(photo, ab_for(small_ab))
    assert image.size == size
    painted = color.to_lab(np.asarray(image))
    assert np.abs(painted[..., 0] - photo.lightness).max() < 0.6  # 8-bit rounding
    assert np.hypot(painted[..., 1], painted[..., 2]).mean() > 5


def test_colors_stop_at_edges():
    """A bright half and a dark half: the colour of one does not bleed into the other."""
    grey = np.full((512, 512), 60, np.uint8)
    edge = 259  # inside a cell of the small ab
    grey[:, edge:] = 190
    photo = photos.read(grey)
    true = np.zeros((512, 512, 2), np.float32)
    true[:, :edge], true[:, edge:] = (30, 10), (-30, -10)
    small = photos.squeeze(true, 64)
    guided = enlarged(small, photo.lightness)
    plain = cv2.resize(small, (512, 512), interpolation=cv2.INTER_LINEAR)
    near = slice(edge - 12, edge + 12)
    error = np.abs(guided - true)[:, near].mean()
    assert error < 0.6 * np.abs(plain - true)[:, near].mean()
    jump = (guided[:, edge - 1] - guided[:, edge]) / (true[0, edge - 1] - true[0, edge])
    assert (jump > 0.45).all()
    assert np.abs(guided - true)[:, : edge - 40].max() < 1


def test_enlarging_a_constant_gives_the_constant():
    photo = photos.read(color_picture(300, 200))
    ab = np.full((64, 64, 2), [12.0, -7.0], np.float32)
    big = enlarged(ab, photo.lightness)
    np.testing.assert_allclose(big, np.broadcast_to([12.0, -7.0], big.shape), atol=1e-3)


def test_strips_leave_no_seams(small_ab, monkeypatch):
    photo = photos.read(color_picture(120, 333))
    whole = photos.paint(photo.lightness, ab_for(small_ab))
    monkeypatch.setattr(color, "STRIP", 120 * 7)
    in_strips = photos.paint(photo.lightness, ab_for(small_ab))
    assert np.abs(whole.astype(int) - in_strips).max() <= 1


def test_previews(small_ab):
    picture = color_picture(900, 600).convert("RGBA")
    picture.putalpha(Image.linear_gradient("L").resize(picture.size))
    photo = photos.read(picture)
    preview = photos.render(photos.shrunk(photo, 300), ab_for(small_ab))
    assert preview.size == (300, 200) and preview.mode == "RGBA"
    full = photos.render(photo, ab_for(small_ab)).resize((300, 200), Image.Resampling.BOX)
    assert np.abs(np.asarray(preview).astype(int) - np.asarray(full)).mean() < 2
    assert photos.render(photos.shrunk(photo, 5000), ab_for(small_ab)).size == (900, 600)
    grey = np.asarray(photos.render(photos.shrunk(photo, 300)).convert("RGB")).astype(int)
    assert np.abs(grey - grey[..., :1]).max() <= 1


def test_saving_transparency(tmp_path, small_ab):
    picture = color_picture(*SIZE)
    picture.putalpha(0)
    image = photos.render(photos.read(picture), ab_for(small_ab))
    photos.save(image, tmp_path / "a.png")
    assert Image.open(tmp_path / "a.png").getchannel("A").getextrema() == (0, 0)
    photos.save(image, tmp_path / "a.jpg")
    assert np.asarray(Image.open(tmp_path / "a.jpg")).min() > 250  # on white


@pytest.mark.parametrize(
    ("name", "message"),
    [("a.xyz", "a.xyz has an unknown suffix"), ("no/a.png", "cannot be written")],
)
def test_saving_to_a_wrong_place(tmp_path, picture, name, message):
    with pytest.raises(PhotoError, match=message):
        photos.save(picture, tmp_path / name)
