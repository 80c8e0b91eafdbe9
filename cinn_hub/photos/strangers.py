"""Files that people take for photos: what they are, by their first bytes, and what to do."""

from __future__ import annotations

ARCHIVE = "is an archive; unpack it and give the folder"
FILM = "is a film; save one of its frames as a picture"
RAW = "holds the raw data of a camera; develop it to a TIFF or JPEG first"
POSTSCRIPT = "is PostScript; save it as PNG or TIFF"
JPEG_XL = "is a JPEG XL; save it as JPEG or PNG"
# Where the bytes begin, which they are, and what the file is
KNOWN = (
    (0, b"PK\3\4", "is a ZIP archive; unpack it and give the folder"),
    (0, b"Rar!", ARCHIVE),
    (0, b"7z\xbc\xaf", ARCHIVE),
    (0, b"\x1f\x8b", ARCHIVE),
    (0, b"%PDF", "is a PDF; save its pages as PNG or TIFF"),
    (0, b"%!PS", POSTSCRIPT),
    (0, b"\xc5\xd0\xd3\xc6", POSTSCRIPT),
    (0, b"FUJIFILMCCD-RAW", RAW),
    (0, b"IIRO", RAW),
    (0, b"IIRS", RAW),
    (0, b"MMOR", RAW),
    (0, b"IIU\0", RAW),
    (8, b"CR\2\0", RAW),
    (4, b"ftypcrx", RAW),
    (0, b"\xff\x0a", JPEG_XL),
    (4, b"JXL ", JPEG_XL),
    (0, b"\x1aE\xdf\xa3", FILM),
    (8, b"AVI ", FILM),
    (4, b"moov", FILM),
    *((4, b"ftyp" + brand, FILM) for brand in (b"iso", b"mp4", b"M4V", b"qt", b"3gp", b"avc1")),
    (0, b"8BPS\0\2", "is a large Photoshop document; save it as TIFF"),
    (0, b"gimp xcf", "is a document of GIMP; export it as PNG or TIFF"),
)


def stranger(head: bytes) -> str | None:
    """What a file that begins so is, and what to do with it; None if it may be a photo."""
    return next((text for at, known, text in KNOWN if head[at:].startswith(known)), None)
