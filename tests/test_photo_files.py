"""One picture in every way that files store it: one answer; and what files say is kept."""

import io
import os
import struct

import numpy as np
import pytest
import tifffile
from helpers import color_picture
from PIL import Image, ImageCms, PngImagePlugin, TiffImagePlugin

from cinn_hub import photos
from cinn_hub.errors import PhotoError

GREY = np.asarray(color_picture(96, 64, seed=4).convert("L"))
EXPECTED = photos.read(GREY).lightness


def tiff(values, **options):
    buffer = io.BytesIO()
    options.setdefault("photometric", "minisblack")
    tifffile.imwrite(buffer, values, metadata=None, **options)
    return buffer.getvalue()


def packed(bits, white_is_zero=False, tags=()):
    """An uncompressed TIFF whose samples of so many bits lie one behind the other."""
    height, width = GREY.shape
    values = np.round(GREY / 255 * (2**bits - 1)).astype(np.uint32)
    values = 2**bits - 1 - values if white_is_zero else values
    places = np.arange(bits - 1, -1, -1)
    data = np.packbits((values[..., None] >> places & 1).astype(np.uint8).reshape(height, -1), 1)
    directory = TiffImagePlugin.ImageFileDirectory_v2()
    directory.update({256: width, 257: height, 258: (bits,), 259: 1, 262: int(not white_is_zero)})
    directory.update({277: 1, 278: height, 273: (0,), 279: (data.size,)})
    directory.update(dict(tags))
    return b"II*\0\x08\0\0\0" + directory.tobytes(8) + data.tobytes()


def encoded(image, kind, **options):
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png(gamma):
    """A PNG with a gAMA chunk; its values make it the same picture."""
    values = np.round((GREY / 255) ** (2.2 * gamma) * 65535).astype(np.uint16)
    plain = encoded(Image.fromarray(values), "PNG")
    buffer = io.BytesIO()
    PngImagePlugin.putchunk(buffer, b"gAMA", struct.pack(">I", round(gamma * 100_000)))
    return plain[:33] + buffer.getvalue() + plain[33:]


def profile(space, gamma):
    """An ICC profile of greys or colours with this gamma."""
    curve = b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256)) + b"\0\0"
    name = b"kTRC" if space == b"GRAY" else b"gTRC"
    head = bytearray(128)
    head[12:24], head[36:40] = b"mntr" + space + b"XYZ ", b"acsp"
    return bytes(head) + struct.pack(">I4sII", 1, name, 144, len(curve)) + curve


def light_coded(values, gamma):
    """sRGB-coded values as a profile of this gamma codes them."""
    light = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return light ** (1 / gamma)


UNIT = (GREY / 255).astype(np.float32)
WIDE = GREY.astype(np.uint16) * 257
IN_GAMMA = np.round(light_coded(UNIT, 1.8) * 65535).astype(np.uint16)
GREY_PROFILE, RGB_PROFILE = profile(b"GRAY", 1.8), profile(b"RGB ", 1.8)
LAB = np.dstack([EXPECTED, np.zeros((*EXPECTED.shape, 2))])
ALPHA = np.full_like(GREY, 200)

FILES = {
    "8 bits": tiff(GREY),
    "8 bits, white is zero": tiff(255 - GREY, photometric="miniswhite"),
    "16 bits": tiff(WIDE),
    "16 bits, big endian": tiff(WIDE.astype(">u2"), byteorder=">"),
    "16 bits, white is zero": tiff(65535 - WIDE, photometric="miniswhite"),
    "16 bits, deflate": tiff(WIDE, compression="zlib"),
    "16 bits, lzw": encoded(Image.fromarray(WIDE), "TIFF", compression="tiff_lzw"),
    "12 bits in 16": tiff(WIDE // 16, extratags=[(281, "H", 1, 4095, True)]),
    "32 bits": tiff(WIDE.astype(np.uint32) * 65537),
    "32 bits, white is zero": tiff(2**32 - 1 - WIDE.astype(np.uint32) * 65537,
                                  photometric="miniswhite"),
    "floats": tiff(UNIT),
    "floats, white is zero": tiff(1 - UNIT, photometric="miniswhite"),
    "floats of 16 bits": tiff(UNIT.astype(np.float16)),
    "floats of 64 bits": tiff(UNIT.astype(np.float64)),
    "floats of a declared scale": tiff(UNIT * 255, extratags=[(341, "f", 1, 255.0, True)]),
    **{f"{bits} bits, packed": packed(bits) for bits in (4, 10, 12, 14)},
    **{f"{bits} bits, packed, white is zero": packed(bits, True) for bits in (4, 10, 12)},
    "grey and alpha, 8 bits": tiff(np.dstack([GREY, ALPHA]), extrasamples=["unassalpha"]),
    "grey and alpha, 16 bits": tiff(np.dstack([WIDE, ALPHA * np.uint16(257)]),
                                   extrasamples=["unassalpha"]),
    "RGB, 16 bits": tiff(np.dstack([WIDE] * 3), photometric="rgb"),
    "RGB, 32 bits": tiff(np.dstack([WIDE.astype(np.uint32) * 65537] * 3), photometric="rgb"),
    "RGB, planes": tiff(np.stack([WIDE] * 3), photometric="rgb", planarconfig="separate"),
    "RGB, floats": tiff(np.dstack([UNIT] * 3), photometric="rgb"),
    "Lab, 8 bits": tiff(np.round(LAB * 2.55).astype(np.uint8), photometric="cielab"),
    "Lab, 16 bits": tiff(np.round(LAB * 655.35).astype(np.uint16), photometric="cielab"),
    "palette": encoded(Image.fromarray(GREY).convert("P"), "PNG"),
    "CMYK": encoded(Image.fromarray(GREY).convert("CMYK"), "TIFF"),
    "PNG, 16 bits": encoded(Image.fromarray(WIDE), "PNG"),
    **{f"PNG, gamma {gamma}": png(gamma) for gamma in (1.0, 0.45455, 0.625)},
    "profile, 8 bits": encoded(Image.fromarray((IN_GAMMA / 257).round().astype(np.uint8)), "PNG",
                               icc_profile=GREY_PROFILE),
    "profile, 16 bits": encoded(Image.fromarray(IN_GAMMA), "PNG", icc_profile=GREY_PROFILE),
    "profile, 16 bits, TIFF": tiff(IN_GAMMA, iccprofile=GREY_PROFILE),
    "profile of colours": encoded(Image.fromarray(IN_GAMMA), "PNG", icc_profile=RGB_PROFILE),
    "profile, palette": encoded(
        Image.fromarray((IN_GAMMA / 257).round().astype(np.uint8)).convert("P"), "PNG",
        icc_profile=GREY_PROFILE),
    "profile, alpha": encoded(
        Image.merge("LA", [Image.fromarray((IN_GAMMA / 257).round().astype(np.uint8)),
                           Image.fromarray(ALPHA)]), "PNG", icc_profile=GREY_PROFILE),
    "profile, floats": tiff((IN_GAMMA / 65535).astype(np.float32), iccprofile=GREY_PROFILE),
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_one_picture_in_every_way_that_files_store_it(kind):
    photo = photos.read(FILES[kind])
    rounding = 4 if kind.startswith("4 bits") else 1.2
    assert np.abs(photo.lightness - EXPECTED).max() < rounding
    assert photo.rgb is None
    if "alpha" in kind:
        assert photo.alpha.min() == photo.alpha.max() == 200


def test_floats_beyond_white_are_white():
    values = UNIT.copy()
    values[0, 0] = 1.02
    assert np.abs(photos.read(tiff(values)).lightness - EXPECTED)[1:].max() < 0.1


def test_floats_of_no_declared_scale_are_refused():
    with pytest.raises(PhotoError, match="does not say which value is white"):
        photos.read(tiff(UNIT * 255))


def test_a_preview_is_not_the_photo():
    buffer = io.BytesIO()
    with tifffile.TiffWriter(buffer) as file:
        file.write(GREY[::4, ::4], subfiletype=1, photometric="minisblack", metadata=None)
        file.write(WIDE, photometric="minisblack", metadata=None)
    photo = photos.read(buffer.getvalue())
    assert photo.size == (96, 64) and np.abs(photo.lightness - EXPECTED).max() < 0.1


def test_raw_files_say_what_to_do():
    with pytest.raises(PhotoError, match="holds the raw data of a camera"):
        photos.read(tiff(WIDE, extratags=[(50706, "B", 4, (1, 4, 0, 0), True)]))


def test_pages():
    pages = [Image.fromarray(GREY), Image.fromarray(255 - GREY)]
    data = encoded(pages[0], "TIFF", save_all=True, append_images=pages[1:])
    first, second = photos.read(data), photos.read(data, page=1)
    assert first.pages == second.pages == 2
    assert np.array_equal(second.lightness, photos.read(255 - GREY).lightness)
    with pytest.raises(PhotoError, match="has no page 3"):
        photos.read(data, page=2)


def test_what_a_caller_hands_over_is_not_changed():
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("JPEG", "PNG", "WEBP"):
        image = Image.open(io.BytesIO(encoded(Image.fromarray(GREY), kind, exif=exif)))
        sizes = [photos.read(image).size for _ in range(2)]
        assert sizes == [(64, 96)] * 2 and image.size == (96, 64)
        assert image.getexif()[0x0112] == 6


def test_streams_that_cannot_go_back(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(GREY).save(path)
    source, sink = os.pipe()
    with os.fdopen(source, "rb") as file:
        os.write(sink, path.read_bytes()[:60_000])
        os.close(sink)
        assert np.array_equal(photos.read(file).lightness, EXPECTED)
    with open(path, encoding="latin-1") as file, pytest.raises(PhotoError, match="as text"):
        photos.read(file)


def test_heic():
    pillow_heif = pytest.importorskip("pillow_heif")
    buffer = io.BytesIO()
    pillow_heif.from_pillow(Image.fromarray(GREY)).save(buffer, quality=95)
    photo = photos.read(buffer.getvalue())
    assert np.abs(photo.lightness - EXPECTED).mean() < 2


XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>Grandma</dc:title>'
    b"</rdf:Description></rdf:RDF></x:xmpmeta>"
)
IPTC = b"\x1c\x02\x78\0\x07Grandma"
COLORS = np.zeros((16, 16, 2), np.float32)


def saved(photo, kind):
    buffer = io.BytesIO()
    photos.save(photos.render(photo, COLORS), buffer, {"seed": "7"}, format=kind)
    return buffer.getvalue()


def test_what_a_file_says_is_kept_from_format_to_format():
    exif = Image.Exif()
    exif[0x010E] = "Grandma 1944"
    exif[0x8769] = {37500: b"note" * 20_000, 36867: "1944:05:01 12:00:00", 40962: 7, 40963: 9}
    exif[0x8825] = {1: "N", 2: (48.0, 1.0, 2.0)}
    photo = photos.read(encoded(Image.fromarray(GREY), "PNG", exif=exif))
    image = photos.render(photo, COLORS)
    image.info |= {"xmp": XMP, "iptc": IPTC}
    for kind in ("tiff", "png", "jpeg", "webp", "tiff"):
        buffer = io.BytesIO()
        if kind == "jpeg":
            with pytest.warns(UserWarning, match="the maker's note was left out"):
                photos.save(image, buffer, format=kind)
        else:
            photos.save(image, buffer, format=kind)
        kept = photos.read(buffer.getvalue()).metadata
        assert kept.xmp == XMP
        assert kept.iptc == (None if kind == "webp" else IPTC)
        again = Image.Exif()
        again.load(kept.exif)
        details = again.get_ifd(0x8769)
        assert again[0x010E] == "Grandma 1944" and details[36867].startswith("1944")
        assert (details[40962], details[40963]) == (96, 64)
        assert again.get_ifd(0x8825)[2] == (48.0, 1.0, 2.0)


@pytest.mark.parametrize("bits", [10, 12])
def test_what_a_tiff_says_is_kept_whoever_reads_its_pixels(bits):
    """Pillow those of 12 bits, tifffile those of 10."""
    tags = {270: "Grandma 1944", 315: "Oskar", 274: 6, 282: 300.0, 283: 150.0, 296: 2}
    photo = photos.read(packed(bits, tags={**tags, 700: XMP, 33723: IPTC}))
    assert photo.size == (64, 96)
    assert np.abs(photo.lightness - np.rot90(EXPECTED, -1)).max() < 0.5
    exif = Image.Exif()
    exif.load(photo.metadata.exif)
    assert exif[270] == "Grandma 1944" and exif[315] == "Oskar"
    assert photo.metadata.xmp == XMP and photo.metadata.iptc == IPTC
    assert photo.metadata.dpi == (150, 300)


def test_packed_samples_of_a_compression_that_is_missing_say_what_is_needed():
    with pytest.raises(PhotoError, match="a TIFF that cannot be read .*imagecodecs"):
        photos.read(packed(10, tags={259: 5}))


def test_words_that_do_not_fit_into_a_jpeg_are_named():
    image = Image.fromarray(np.dstack([GREY] * 3))
    image.info["xmp"] = XMP.replace(b"</", b"<!--" + b"x" * 70_000 + b"--></", 1)
    with pytest.warns(UserWarning, match="The XMP .* too long"):
        photos.save(image, io.BytesIO(), format="jpeg")


@pytest.mark.parametrize("kind", ["tiff", "png", "jpeg", "webp"])
@pytest.mark.parametrize("dpi", [(float("nan"),) * 2, (float("inf"), 1), (1e-9, 1e12), (0, 0)])
def test_absurd_resolutions_lose_no_picture(kind, dpi):
    image = Image.fromarray(np.dstack([GREY] * 3))
    image.info["dpi"] = dpi
    buffer = io.BytesIO()
    photos.save(image, buffer, format=kind)
    assert photos.read(buffer.getvalue()).metadata.dpi is None


def toned(kind):
    grey = np.asarray(Image.fromarray(GREY).resize((256, 256)))[..., None] / 255
    mix = [(50, 30, 15), (240, 220, 185)] if kind != "blue" else [(10, 30, 70), (225, 240, 250)]
    picture = (1 - grey) * np.array(mix[0]) + grey * np.array(mix[1])
    if kind == "yellowed on one side":
        share = np.linspace(0, 1, 256)[None, :, None] ** 2
        picture = share * picture + (1 - share) * 255 * grey
    if kind != "yellowed on one side":
        picture[:14] = picture[-14:] = picture[:, :14] = picture[:, -14:] = (245, 235, 215)
    return picture.astype(np.uint8)


@pytest.mark.parametrize("kind", ["brown", "blue", "yellowed on one side"])
def test_toned_is_not_coloured(kind):
    assert not photos.is_colored(photos.read(toned(kind)))
    assert photos.is_colored(photos.read(color_picture(256, 256)))


def test_formats_that_are_not_read_start_nothing():
    with pytest.raises(PhotoError, match="is not a picture that can be read"):
        photos.read(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 64 64\nshowpage\n")


def test_profiles_without_curves_are_left_out():
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    data = encoded(Image.fromarray(WIDE), "PNG", icc_profile=lab)
    assert np.abs(photos.read(data).lightness - EXPECTED).max() < 0.1
