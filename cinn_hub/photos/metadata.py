"""Metadata of a photo: EXIF, XMP, IPTC, resolution, read from a file and written anew.

Nothing is handed on as it came: each entry is read, checked and written again, so that damaged
metadata cannot reach an encoder. What cannot be read is left out; the picture is worth more.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from xml.etree import ElementTree

from PIL import ExifTags, Image, IptcImagePlugin

TAG, IFD = ExifTags.Base, ExifTags.IFD
MAIN_TAGS = frozenset(  # those that speak of the photo, not of how its file was laid out
    (TAG.ImageDescription, TAG.Make, TAG.Model, TAG.Software, TAG.DateTime, TAG.Artist)
    + (TAG.HostComputer, TAG.Copyright, TAG.DocumentName, TAG.PageName, TAG.Rating)
    + (TAG.XPTitle, TAG.XPComment, TAG.XPAuthor, TAG.XPKeywords, TAG.XPSubject)
)
FOLDER_TAGS = {
    IFD.Exif: {tag for tag in ExifTags.TAGS if tag >= TAG.ExposureTime}
    - {IFD.Exif, IFD.GPSInfo, IFD.Interop},
    IFD.GPSInfo: ExifTags.GPSTAGS.keys(),
}
XMP_ORIENTATION = re.compile(
    rb"""\s+tiff:Orientation=(["'])[0-9]*\1|<tiff:Orientation>[0-9]*</tiff:Orientation>"""
)
LONGEST_IPTC = 60_000  # bytes
PHOTOSHOP_IPTC = 0x0404  # the number of IPTC among the resources of Photoshop
LEAST_DPI, MOST_DPI = 2, 12_000
INCHES = {2: 1.0, 3: 2.54}  # times dots a unit of a TIFF are dots an inch
MARKER_ROOM = 65_533  # bytes in a segment of a JPEG


@dataclass(frozen=True)
class Metadata:
    """EXIF (with its header, without the orientation), XMP, IPTC records, dots an inch."""

    exif: bytes | None = None
    xmp: bytes | None = None
    iptc: bytes | None = None
    dpi: tuple[float, float] | None = None


class Latin1(str):
    """Text of EXIF, read by Pillow, which would write each byte beyond ASCII as a question mark."""

    def encode(self, *_: str) -> bytes:
        return super().encode("latin-1")


def metadata_of(image: Image.Image) -> Metadata:
    """All that a Pillow image, opened or made by `render`, says of its photo."""
    exif, info = exif_of(image), image.info
    if image.format == "TIFF":
        return replace(metadata_of_tiff(exif), iptc=iptc_of_tiff(image))
    xmp = clean_xmp(info.get("xmp") or info.get("XML:com.adobe.xmp"))
    return Metadata(as_bytes(exif), xmp, clean_iptc(raw_iptc(info)), clean_dpi(info.get("dpi")))


def metadata_of_tiff(tags: Image.Exif) -> Metadata:
    """All that the first directory of a TIFF, and those below it, say of its photo."""
    iptc = clean_iptc(tags.get(TAG.IPTCNAA))
    unit = INCHES.get(tags.get(TAG.ResolutionUnit, 2))
    dpi = clean_dpi([tags.get(TAG.XResolution), tags.get(TAG.YResolution)], unit)
    return Metadata(as_bytes(tags), clean_xmp(tags.get(TAG.XMLPacket)), iptc, dpi)


def exif_of(photo: Image.Image | bytes) -> Image.Exif:
    """The EXIF of an image, which stays as it is, or all tags of a TIFF; empty if it is damaged."""
    exif = Image.Exif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            if isinstance(photo, bytes):
                exif.load_from_fp(io.BytesIO(photo))
            elif data := photo.info.get("exif"):
                exif.load(data)
            elif photo.format is not None:
                exif = photo.getexif()
            dict(exif)  # reads all entries
            return exif
        except Exception:  # Pillow raises errors of many kinds on damaged EXIF
            return Image.Exif()


def orientation(exif: Image.Exif) -> int:
    """How the camera was held, 1 to 8; 1 where nothing can be read."""
    value = exif.get(TAG.Orientation)
    return value if value in range(1, 9) else 1


def as_bytes(exif: Image.Exif) -> bytes | None:
    clean = clean_exif(exif)
    return clean.tobytes() if clean else None


def clean_exif(exif: Image.Exif) -> Image.Exif:
    """EXIF with those entries alone that speak of the photo and can be written again."""
    clean = Image.Exif()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        clean.update(writable(exif, MAIN_TAGS))
        for folder, tags in FOLDER_TAGS.items():
            with suppress(Exception):
                if entries := writable(exif.get_ifd(folder), tags, folder):
                    clean[folder] = entries
    return clean


def writable(
    entries: Mapping[int, object], tags: Iterable[int], folder: int | None = None
) -> dict[int, object]:
    """Those of the entries that Pillow writes, and then reads as they were."""
    good = {}
    for tag in tags:
        with suppress(Exception):  # Pillow raises errors of many kinds on what it cannot write
            value = entries[tag]
            value = Latin1(value.rstrip("\0")) if isinstance(value, str) else value
            written, read = Image.Exif(), Image.Exif()
            (written.get_ifd(folder) if folder else written)[tag] = value
            read.load(written.tobytes())
            if (read.get_ifd(folder) if folder else read)[tag] == value:
                good[tag] = value
    return good


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


def raw_iptc(info: Mapping[str, object]) -> object:
    """The IPTC records of a JPEG, a PNG of ImageMagick's, or a picture made by `render`."""
    if isinstance(info.get("photoshop"), dict):
        return info["photoshop"].get(PHOTOSHOP_IPTC)
    if isinstance(profile := info.get("Raw profile type iptc"), str):
        with suppress(ValueError):
            data = bytes.fromhex("".join(profile.split()[2:]))
            place = data.find(b"8BIM\x04\x04")
            return data[place + 12 :] if place >= 0 else data
    return info.get("iptc")


def iptc_of_tiff(image: Image.Image) -> bytes | None:
    """The IPTC records of a TIFF, which Photoshop stores as whole numbers."""
    with suppress(Exception):
        records = b""
        for number, values in (IptcImagePlugin.getiptcinfo(image) or {}).items():
            for value in [values] if isinstance(values, bytes) else values:
                records += b"\x1c" + bytes(number) + len(value).to_bytes(2, "big") + value
        return clean_iptc(records)
    return None


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
    return records if 0 < len(records) <= LONGEST_IPTC else None


def clean_dpi(dots: object, inches: float | None = 1.0) -> tuple[float, float] | None:
    """Dots an inch, across and down, where they are numbers that a scanner may have."""
    try:
        across, down = (float(value) * inches for value in dots)  # type: ignore
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
    own = {TAG.Software: software} if software else {}
    clean.update(own)
    if room is None or len(clean.tobytes()) <= room:
        return clean
    lost = "the maker's note"
    if details:
        details.pop(TAG.MakerNote, None)
    if len(clean.tobytes()) > room:
        lost, clean = "all of it", Image.Exif()
        clean.update(own)
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
