"""Metadata of a photo: EXIF, XMP, IPTC, resolution, read from a file and written anew.

Nothing is handed on as it came: each entry is read, checked and written again, so that damaged
metadata cannot reach an encoder. What cannot be read is left out; the picture is worth more.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from numbers import Rational
from typing import BinaryIO
from xml.etree import ElementTree

from PIL import ExifTags, Image, TiffTags

TAG, IFD = ExifTags.Base, ExifTags.IFD
MAIN_TAGS = frozenset(  # those that speak of the photo, not of how its file was laid out
    (TAG.ImageDescription, TAG.Make, TAG.Model, TAG.Software, TAG.DateTime, TAG.Artist)
    + (TAG.HostComputer, TAG.Copyright, TAG.DocumentName, TAG.PageName, TAG.Rating)
    + (TAG.XPTitle, TAG.XPComment, TAG.XPAuthor, TAG.XPKeywords, TAG.XPSubject)
)
EXIF_TAGS = {  # of the camera's directory; Pillow does not know their types
    TiffTags.ASCII: (36867, 36868, 36880, 36881, 36882, 37520, 37521, 37522, 42016, 42032, 42033)
    + (42035, 42036, 42037),
    TiffTags.SIGNED_RATIONAL: (33434, 33437, *range(37377, 37383), 37386, 41483, 41486, 41487)
    + (41493, 41988, 42034),
    TiffTags.LONG: (34850, 34855, *range(34864, 34870), 37383, 37384, 37385, 37396, 40961, 40962)
    + (40963, 41488, 41492, 41495, 41985, 41986, 41987, *range(41989, 41995), 41996),
    TiffTags.UNDEFINED: (36864, 37121, 37500, 37510, 40960, 41728, 41729),
}
EXIF_TYPES = {tag: kind for kind, tags in EXIF_TAGS.items() for tag in tags}
XMP_ORIENTATION = re.compile(
    rb"""\s+tiff:Orientation=(["'])[0-9]*\1|<tiff:Orientation>[0-9]*</tiff:Orientation>"""
)
LONGEST_TEXT = 60_000  # bytes of one entry of EXIF, XMP or IPTC
PHOTOSHOP_IPTC = 0x0404  # the number of IPTC among the resources of Photoshop
LEAST_DPI, MOST_DPI = 2, 12_000
MARKER_ROOM = 65_533  # bytes in a segment of a JPEG


@dataclass(frozen=True)
class Metadata:
    """EXIF (with its header, without the orientation), XMP, IPTC records, dots an inch."""

    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None


def metadata_of(image: Image.Image) -> Metadata:
    """All that a Pillow image, opened or made by `render`, says of its photo."""
    exif = clean_exif(raw_exif(image))
    return Metadata(
        exif.tobytes() if exif else None, clean_xmp(raw_xmp(image)), clean_iptc(raw_iptc(image)),
        clean_dpi(image.info.get("dpi")),
    )  # fmt: skip


def orientation(image: Image.Image) -> int:
    """How the camera was held, 1 to 8; 1 where nothing can be read."""
    try:
        value = raw_exif(image).get(TAG.Orientation, 1)
        return value if isinstance(value, int) and 1 <= value <= 8 else 1
    except Exception:  # Pillow raises errors of many kinds on damaged EXIF
        return 1


def raw_exif(image: Image.Image) -> Image.Exif:
    """The EXIF as Pillow reads it; the image stays as it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exif = Image.Exif()
            if data := image.info.get("exif"):
                exif.load(data)
            elif image.format is not None:
                exif = image.getexif()
            return exif
        except Exception:
            return Image.Exif()


def exif_of_tiff(source: BinaryIO) -> bytes | None:
    """The EXIF of a TIFF that Pillow does not open, in its first directory and those below."""
    exif = Image.Exif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            source.seek(0)
            exif.load_from_fp(source)
            clean = clean_exif(exif)
        except Exception:  # Pillow raises errors of many kinds on damaged files
            return None
    return clean.tobytes() if clean else None


def clean_exif(exif: Image.Exif) -> Image.Exif:
    """EXIF with those entries alone whose values are of the types that their tags have."""
    clean = Image.Exif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            clean.update({t: v for t, v in checked(exif) if t in MAIN_TAGS})
            for folder in (IFD.Exif, IFD.GPSInfo):
                if entries := dict(checked(exif.get_ifd(folder), folder)):
                    clean[folder] = entries
            clean.tobytes()
        except Exception:
            return Image.Exif()
    return clean


def checked(entries: Mapping[int, object], folder: int | None = None) -> Iterator[tuple]:
    """(tag, value) of the entries that can be written again."""
    for tag, value in entries.items():
        known = TiffTags.lookup(tag, folder)
        kind = EXIF_TYPES.get(tag) if folder == IFD.Exif else known.type
        if tag in (IFD.Interop, IFD.Exif, IFD.GPSInfo) or kind is None:
            continue
        if kind == TiffTags.ASCII:
            value = value.rstrip("\0") if isinstance(value, str) else value
            good = isinstance(value, str) and len(value) <= LONGEST_TEXT
        elif kind in (TiffTags.BYTE, TiffTags.UNDEFINED):
            good = isinstance(value, bytes) or (kind == TiffTags.BYTE and is_byte(value))
        else:
            numbers = value if isinstance(value, tuple) else (value,)
            good = 0 < len(numbers) <= 64 and all(is_number(n, kind) for n in numbers)
            good = good and (folder == IFD.Exif or known.length in (0, len(numbers)))
        if good:
            yield tag, value


def is_byte(value: object) -> bool:
    return isinstance(value, int) and 0 <= value <= 255


def is_number(value: object, kind: int) -> bool:
    """Whether a value fits into the type of a TIFF."""
    if kind in (TiffTags.RATIONAL, TiffTags.SIGNED_RATIONAL):
        least = 0 if kind == TiffTags.RATIONAL else -(2**31)
        return (
            isinstance(value, Rational | float)
            and math.isfinite(float(value))
            and least <= float(value) < 2**31
        )
    bits = {TiffTags.SHORT: 16, TiffTags.LONG: 32}.get(kind, 0)
    return isinstance(value, int) and 0 <= value < 2**bits


def raw_xmp(image: Image.Image) -> object:
    return image.info.get("xmp") or image.info.get("XML:com.adobe.xmp")


def clean_xmp(xmp: object) -> bytes | None:
    """XMP that is well-formed XML, without the orientation, which has been applied."""
    if isinstance(xmp, str):
        xmp = xmp.encode("utf-8", "replace")
    if not isinstance(xmp, bytes):
        return None
    xmp = XMP_ORIENTATION.sub(b"", xmp.strip(b"\0 \n\r\t"))
    if b"<!DOCTYPE" in xmp or b"<!ENTITY" in xmp:
        return None
    try:
        ElementTree.fromstring(xmp.decode("utf-8"))
    except (ElementTree.ParseError, ValueError):
        return None
    return xmp


def raw_iptc(image: Image.Image) -> object:
    """The IPTC records of a JPEG, a TIFF, a PNG of ImageMagick's, or a picture made by `render`."""
    info = image.info
    if "iptc" in info:
        return info["iptc"]
    if isinstance(info.get("photoshop"), dict):
        return info["photoshop"].get(PHOTOSHOP_IPTC)
    if isinstance(profile := info.get("Raw profile type iptc"), str):
        try:
            data = bytes.fromhex("".join(profile.split()[2:]))
        except ValueError:
            return None
        place = data.find(b"8BIM\x04\x04")
        return data[place + 12 :] if place >= 0 else data
    tags = getattr(image, "tag_v2", {})
    return tags.get(TAG.IPTCNAA) if image.format == "TIFF" else None


def clean_iptc(data: object) -> bytes | None:
    """The records of IPTC (IIM 4.2, 1.5) that are whole."""
    if not isinstance(data, bytes):
        return None
    records, place = b"", 0
    while data[place : place + 1] == b"\x1c" and place + 5 <= len(data):
        length = int.from_bytes(data[place + 3 : place + 5], "big")
        end = place + 5 + length
        if length >= 0x8000 or end > len(data):
            break
        records += data[place:end]
        place = end
    return records if 0 < len(records) <= LONGEST_TEXT else None


def clean_dpi(dpi: object) -> tuple[float, float] | None:
    """Dots an inch, across and down, where they are numbers that a scanner may have."""
    try:
        across, down = (float(value) for value in dpi)  # type: ignore[union-attr]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    likely = all(LEAST_DPI <= value <= MOST_DPI for value in (across, down))
    return (across, down) if likely else None


def exif_to_write(
    exif: bytes | None, size: tuple[int, int], software: str | None, room: int | None
) -> Image.Exif:
    """The EXIF with true dimensions and colour space, and what fits in `room` bytes.

    What does not fit is left out, the maker's note first; a warning says so.
    """
    whole = Image.Exif()
    whole.load(exif or b"")
    clean = clean_exif(whole)
    if details := clean.get(IFD.Exif):
        if TAG.ExifImageWidth in details or TAG.ExifImageHeight in details:
            details[TAG.ExifImageWidth], details[TAG.ExifImageHeight] = size
        if TAG.ColorSpace in details:
            details[TAG.ColorSpace] = 1  # sRGB
    if software:
        clean[TAG.Software] = software
    if room is None or len(clean.tobytes()) <= room:
        return clean
    lost = "the maker's note"
    if details:
        details.pop(TAG.MakerNote, None)
    if len(clean.tobytes()) > room:
        lost, clean = "all of it", Image.Exif()
        if software:
            clean[TAG.Software] = software
    warnings.warn(f"The EXIF is too long for the file; {lost} was left out.", stacklevel=2)
    return clean


def photoshop_segment(iptc: bytes) -> bytes:
    """IPTC as the segment APP13 of a JPEG."""
    resource = b"8BIM" + PHOTOSHOP_IPTC.to_bytes(2, "big") + b"\0\0"
    resource += len(iptc).to_bytes(4, "big") + iptc + b"\0" * (len(iptc) % 2)
    body = b"Photoshop 3.0\0" + resource
    return b"\xff\xed" + (len(body) + 2).to_bytes(2, "big") + body


def png_profile(iptc: bytes) -> str:
    """IPTC as text of a PNG, as ImageMagick and ExifTool write it."""
    lines = re.findall(".{1,72}", iptc.hex())
    return "\n".join(["", "iptc", f"{len(iptc):8d}", *lines, ""])
