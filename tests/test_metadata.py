"""What a file says of its photo is kept from format to format; damage reaches no encoder."""

import io
import struct

import numpy as np
import pytest
from helpers import color_picture
from made_files import encoded, packed, tiff, with_segment
from PIL import Image, ImageCms

from cinn_hub import photos

PICTURE = color_picture(96, 64, seed=4)
GREY = np.asarray(PICTURE.convert("L"))
XMP = (
    b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF '
    b'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description '
    b'xmlns:tiff="http://ns.adobe.com/tiff/1.0/"%s xmlns:dc="http://purl.org/dc/elements/1.1/">'
    b"<dc:title>Grandma</dc:title></rdf:Description></rdf:RDF></x:xmpmeta>"
)
TURNED_XMP, XMP = XMP % b' tiff:Orientation="6"', XMP % b""
IPTC = b"\x1c\x02\x78\0\x07Grandma"
GRANDMA = "Großmutter, 1944"
KINDS = ("png", "jpeg", "webp", "tiff")


def exif_of(metadata):
    exif = Image.Exif()
    exif.load(metadata.exif or b"")
    return exif


def saved(image, kind, **options):
    """The file, read again."""
    buffer = io.BytesIO()
    photos.save(image, buffer, format=kind, **options)
    return photos.read(buffer.getvalue())


def test_all_is_kept_from_format_to_format():
    exif = Image.Exif()
    exif[0x010E], exif[0x0112], exif[40094] = GRANDMA.encode(), 1, b"G\0r\0a\0"
    exif[0x8769] = {37500: b"note" * 20_000, 36867: "1944:05:01 12:00:00", 40962: 7, 40963: 9}
    exif[0x8769] |= {40961: 65535}  # another colour space
    exif[0x8825] = {1: "N", 2: (48.0, 1.0, 2.0)}
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    photo = photos.read(encoded(PICTURE, "PNG", exif=exif, icc_profile=srgb, dpi=(600, 600)))
    image = photos.render(photo)
    image.info |= {"xmp": TURNED_XMP, "iptc": IPTC}
    for kind in ("tiff", "png", "jpeg", "webp", "tiff"):
        if kind == "jpeg":
            with pytest.warns(UserWarning, match="the maker's note was left out"):
                again = saved(image, kind)
        else:
            again = saved(image, kind)
        kept = again.metadata
        assert kept.xmp == XMP  # without the orientation, which has been applied
        assert kept.iptc == (None if kind == "webp" else IPTC)
        assert kind == "webp" or kept.dpi == pytest.approx((600, 600), abs=0.01)
        assert again.has_profile
        exif = exif_of(kept)
        details = exif.get_ifd(0x8769)
        assert exif[0x010E].encode("latin-1").decode() == GRANDMA and exif[40094] == b"G\0r\0a\0"
        assert 0x0112 not in exif and details[36867].startswith("1944")
        assert (details[40961], details[40962], details[40963]) == (1, 96, 64)
        assert (37500 in details) == (kind != "jpeg")
        assert exif.get_ifd(0x8825) == {1: "N", 2: (48.0, 1.0, 2.0)}


@pytest.mark.parametrize("bits", [10, 12])
def test_what_a_tiff_says_is_kept_whoever_reads_its_pixels(bits):
    """Pillow those of 12 bits, tifffile those of 10."""
    tags = {270: "Grandma 1944", 315: "Oskar", 274: 6, 282: 300.0, 283: 150.0, 296: 2}
    photo = photos.read(packed(GREY, bits, tags={**tags, 700: XMP, 33723: IPTC}))
    assert photo.size == (64, 96)
    assert np.abs(photo.lightness - np.rot90(photos.read(GREY).lightness, -1)).max() < 0.5
    exif = exif_of(photo.metadata)
    assert dict(exif) == {270: "Grandma 1944", 315: "Oskar"}
    assert photo.metadata.xmp == XMP and photo.metadata.iptc == IPTC
    assert photo.metadata.dpi == (150, 300)


def test_iptc_as_photoshop_stores_it():
    """As whole numbers of 32 bits."""
    numbers = (33723, "I", len(IPTC) // 4, struct.unpack("<3I", IPTC), True)
    assert photos.read(tiff(GREY, extratags=[numbers])).metadata.iptc == IPTC


@pytest.mark.parametrize("kind", KINDS)
def test_every_file_says_that_its_colours_are_made(tmp_path, kind):
    path = tmp_path / f"out.{kind}"
    photos.save(PICTURE, path, {"model": "imagenet", "seed": "7"})
    with Image.open(path) as image:
        if kind == "png":
            assert image.text == {"cinn_hub:model": "imagenet", "cinn_hub:seed": "7"}
        else:
            software = "cinn_hub; generated colours: model imagenet, seed 7"
            assert image.getexif()[0x0131] == software


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dpi", [(float("nan"),) * 2, (float("inf"), 1), (1e-9, 1e12), (0, 0)])
def test_absurd_resolutions_lose_no_picture(kind, dpi):
    image = PICTURE.copy()
    image.info["dpi"] = dpi
    assert saved(image, kind).metadata.dpi is None


@pytest.mark.parametrize(
    "exif", [b"", b"no TIFF", b"II*\0\xff\xff\xff\xff", b"MM\0*\0\0\0\x08\0\x09\1"]
)
def test_exif_that_cannot_be_read_loses_no_photo(exif):
    photo = photos.read(with_segment(encoded(PICTURE, "JPEG"), 0xE1, b"Exif\0\0" + exif))
    assert photo.size == (96, 64) and not photo.metadata.exif


@pytest.mark.parametrize("kind", KINDS)
def test_an_entry_that_cannot_be_written_is_left_out_alone(kind):
    exif = Image.Exif()
    exif[0x010F] = "Zeiss"
    exif[0x8825] = {1: "N", 2: (48.0, 1.0, 2.0)}
    damaged = exif.tobytes().replace(struct.pack(">6I", 48, 1, 1, 1, 2, 1), bytes(24))  # 0/0
    image = photos.render(photos.read(encoded(PICTURE, "PNG", exif=damaged)))
    exif = exif_of(saved(image, kind).metadata)
    assert exif[0x010F] == "Zeiss" and exif.get_ifd(0x8825) == {1: "N"}


def test_metadata_that_does_not_fit_into_a_jpeg_is_named():
    image = PICTURE.copy()
    image.info["xmp"] = XMP.replace(b"</", b"<!--" + b"x" * 70_000 + b"--></", 1)
    with pytest.warns(UserWarning, match="The XMP .* too long"):
        assert saved(image, "jpeg").metadata.xmp is None


def test_what_a_caller_hands_over_is_not_changed():
    exif = Image.Exif()
    exif[0x0112] = 6
    for kind in ("JPEG", "PNG", "WEBP"):
        image = Image.open(io.BytesIO(encoded(PICTURE, kind, exif=exif)))
        sizes = [photos.read(image).size for _ in range(2)]
        assert sizes == [(64, 96)] * 2 and image.size == (96, 64)
        assert image.getexif()[0x0112] == 6
