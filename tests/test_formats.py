"""The one table of formats: what is in it can be used everywhere, and a new line is enough."""

import re
import subprocess
import sys

import pytest
from helpers import ROOT
from PIL import Image, features

from cinn_hub.cli import build_parser
from cinn_hub.formats import FILMS, FORMATS, PHOTOS, STILLS, suffixes_of
from cinn_hub.photos import read, save

NEW = 'Format("AVIF", (".avif",), "AVIF", rb".{4}ftypavi[fs]")'
WRITABLE = NEW[:-1] + ", {}, lossy=True)"
USE_IT = """
import sys, types
source, module = sys.argv[1], types.ModuleType("cinn_hub.formats")
sys.modules["cinn_hub.formats"] = module
exec(compile(source, "formats.py", "exec"), module.__dict__)
from PIL import Image
from cinn_hub.batch.album import is_file_name
from cinn_hub.cli import build_parser
from cinn_hub.photos import save
from pathlib import Path
image = Image.new("RGB", (32, 32), "red")
image.info["xmp"] = b"<x:xmpmeta/>"
save(image, sys.argv[2], {"seed": "7"})
assert "generated colours: seed 7" in Image.open(sys.argv[2]).getexif()[305]
assert is_file_name(Path(sys.argv[2]))
assert build_parser().parse_args(["colorize", "a.jpg", "--format", "avif"]).format == "avif"
"""


def test_suffixes_are_told_apart():
    suffixes = suffixes_of(FORMATS)
    assert len(suffixes) == len(set(suffixes))
    assert all(re.fullmatch(r"\.[a-z0-9]+", suffix) for suffix in suffixes)


@pytest.mark.parametrize("suffix", suffixes_of(STILLS))
def test_what_is_written_can_be_read(tmp_path, suffix):
    save(Image.new("RGB", (30, 20), "red"), tmp_path / f"a{suffix}")
    assert read(tmp_path / f"a{suffix}").size == (30, 20)
    assert suffix in suffixes_of(PHOTOS)


@pytest.mark.parametrize("command, formats", [("colorize", STILLS), ("interpolate", FILMS)])
def test_the_command_line_offers_the_table(command, formats):
    for format in formats:
        arguments = [command, "photo.jpg", "--format", format.suffix[1:]]
        assert build_parser().parse_args(arguments).format == format.suffix[1:]


@pytest.mark.skipif(not features.check("avif"), reason="Pillow was built without AVIF")
def test_one_line_adds_a_format(tmp_path):
    source = (ROOT / "cinn_hub" / "formats.py").read_text("utf-8")
    assert source.count(NEW) == 1
    for name in ("saving", "explore"):  # what the app offers
        text = (ROOT / "cinn_hub" / "ui" / f"{name}.py").read_text("utf-8")
        assert "cinn_hub.formats" in text and not re.search(r"\.(jpg|tif|webp|gif|mp4)", text)
    arguments = [source.replace(NEW, WRITABLE), str(tmp_path / "a.avif")]
    subprocess.run([sys.executable, "-c", USE_IT, *arguments], check=True, cwd=ROOT)
