"""The options of `cinn-hub`: what each command takes, and its help."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import cinn_hub
from cinn_hub.conversion import DTYPES
from cinn_hub.storage import storage_at

BOLDNESS = "0: the most typical colours; 1: the model's own boldness (default); more: bolder"
MODEL = "name, folder, or user/repo of the Hugging Face Hub (default imagenet)"


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cinn-hub", description="Several believable colourings of each grey photo."
    )
    parser.add_argument("--version", action="version", version=cinn_hub.__version__)
    commands = parser.add_subparsers(dest="command", required=True)

    add_colorize(commands)
    add_transfer(commands)
    add_interpolate(commands)

    commands.add_parser("list", help="list the models that are known by name")

    add_manifest(commands)
    add_app(commands)

    convert = commands.add_parser(
        "convert", help="make a model from a checkpoint of the paper's code"
    )
    convert.add_argument(
        "file", type=Path, help="what the paper's training code wrote, such as a .pt file"
    )
    convert.add_argument("-o", "--out", type=Path, required=True, help="a new or empty folder")
    convert.add_argument(
        "--dtype", choices=DTYPES, default=DTYPES[0], help="of the weights (default float32)"
    )

    push = commands.add_parser("push", help="publish a model folder on the Hugging Face Hub")
    push.add_argument(
        "folder", type=Path, help="a folder with config.json, model.safetensors, README.md"
    )
    add_publishing(push)

    space = commands.add_parser("space", help="publish the app as a Hugging Face Space")
    add_publishing(space)
    return parser


def add_colorize(commands: argparse._SubParsersAction) -> None:
    colorize = commands.add_parser("colorize", help="colour photos, with several answers for each")
    add_photos(colorize)
    colorize.add_argument(
        "-n", type=int, help="answers for each photo (default 8; 1 where --out is a file)"
    )
    colorize.add_argument("-b", "--boldness", type=float, default=1.0, help=BOLDNESS)
    colorize.add_argument(
        "--pool", type=int, help="of so many draws, write the N that differ most and are believable"
    )
    colorize.add_argument(
        "--hint",
        action="append",
        default=[],
        type=hint,
        metavar="X,Y,#RRGGBB[,REACH]",
        help="the colour of a pixel of the photo, and how far the rest may follow; may be repeated",
    )
    add_looks(colorize)


def add_transfer(commands: argparse._SubParsersAction) -> None:
    transfer = commands.add_parser("transfer", help="put the colours of one photo on others")
    transfer.add_argument("reference", type=Path, help="the photo whose colours are taken")
    add_photos(transfer)
    transfer.add_argument(
        "--keep",
        type=float,
        help="how much of the reference counts, 0 to 1 (default: 0.9 of the tint, 0.4 of the rest)",
    )
    add_looks(transfer)


def add_interpolate(commands: argparse._SubParsersAction) -> None:
    interpolate = commands.add_parser(
        "interpolate", help="make a film from one colouring to another"
    )
    add_photos(interpolate, formats=("webp", "gif", "mp4", "png", "jpg"))
    interpolate.add_argument("-b", "--boldness", type=float, default=1.0, help=BOLDNESS)
    interpolate.add_argument("--steps", type=int, default=24, help="frames (default 24)")
    interpolate.add_argument(
        "--from", dest="a", type=int, default=1, help="begin with answer A (default 1)"
    )
    interpolate.add_argument(
        "--to", dest="b", type=int, default=2, help="end with answer B (default 2)"
    )
    interpolate.add_argument(
        "--size", type=int, default=1280, help="longer side of a film in pixels (default 1280)"
    )


def add_manifest(commands: argparse._SubParsersAction) -> None:
    manifest = commands.add_parser("manifest", help="read what was done in a folder of results")
    manifest.add_argument("folder", type=storage_at, help="what was given as --out")
    views = manifest.add_mutually_exclusive_group()
    views.add_argument("--errors", action="store_true", help="list the photos that failed, and why")
    views.add_argument(
        "--oddest", type=positive, metavar="N", help="list the N colourings that came out oddest"
    )
    views.add_argument(
        "--parquet", type=Path, metavar="FILE", help="write it all into a Parquet file"
    )


def add_app(commands: argparse._SubParsersAction) -> None:
    app = commands.add_parser("app", help="start the app, a local web page")
    app.add_argument("-m", "--model", help=MODEL)
    app.add_argument("--host", help="default 127.0.0.1; 0.0.0.0 lets other machines in")
    app.add_argument("--port", type=int, help="default 7860, or the next that is free")
    app.add_argument("--root-path", help="where a proxy serves the app, such as /colours")
    app.add_argument(
        "--share", action="store_true", help="make a public link through Gradio's servers"
    )
    app.add_argument("--open", action="store_true", help="open it in a browser")
    app.add_argument("--memory", type=int, help="MB for all photos and answers (default 200)")
    app.add_argument("--disk", type=int, help="MB for all visitors' files (default 2000)")
    app.add_argument("--waiting", type=int, help="how many may wait for colours (default 32)")
    app.add_argument(
        "--loading",
        choices=("bundled", "published", "anything"),
        help="models that visitors may load (default: anything; once others can reach the app, "
        "who never load folders, those that come with it)",
    )


def add_photos(
    parser: argparse.ArgumentParser, formats: Sequence[str] = ("png", "jpg", "tif", "webp")
) -> None:
    """Options of all commands that take photos."""
    parser.add_argument("photos", nargs="+", type=Path, help="photos, folders or ZIP archives")
    parser.add_argument(
        "-o",
        "--out",
        type=storage_at,
        default=".",
        help="folder (default .) or file to write, or an address such as s3://bucket/folder",
    )
    parser.add_argument("-s", "--seed", type=int, help="the same seed gives the same colours")
    parser.add_argument("-m", "--model", default="imagenet", help=MODEL)
    parser.add_argument("--device", help="cpu, cuda or mps (default: the best there is)")
    parser.add_argument(
        "--format", choices=formats, default=formats[0], help="of the files (default %(default)s)"
    )
    parser.add_argument(
        "--overwrite", action="store_true", help="in folders, do finished photos again"
    )
    parser.add_argument(
        "--recolor", action="store_true", help="in folders, also do photos that have colours"
    )
    where = parser.add_mutually_exclusive_group()
    where.add_argument(
        "--workers",
        type=int,
        help="number of processes, one core each (default: as many as are fastest)",
    )
    where.add_argument(
        "--ray", metavar="ADDRESS", help="a Ray cluster that does the work, such as head:6379"
    )
    parser.add_argument("--pages", action="store_true", help="do all pages and frames of a file")


def add_looks(parser: argparse.ArgumentParser) -> None:
    """Options of all commands that write single pictures."""
    parser.add_argument(
        "--intensity", type=float, default=1.0, help="0 to 3; below 1 paler, above 1 stronger"
    )
    parser.add_argument(
        "--enlargement",
        choices=("guided", "joint-bilateral"),
        default="guided",
        help="of the colours: guided (default), or as in Ardizzone et al. 2019, which is slow",
    )
    parser.add_argument("--quality", type=int, default=95, help="of JPEG and WebP (default 95)")


def add_publishing(parser: argparse.ArgumentParser) -> None:
    """Options of all commands that publish."""
    parser.add_argument("repo", help="user/name")
    parser.add_argument(
        "--private", action="store_true", help="make it visible to you and your organisation only"
    )
    parser.add_argument("--dry-run", action="store_true", help="list the files and send nothing")


def hint(text: str) -> tuple[float, float, str] | tuple[float, float, str, float]:
    try:
        x, y, color, *reach = text.split(",")
        return (float(x), float(y), color, *map(float, reach))
    except ValueError:
        message = f"{text!r} is not a hint; give X,Y,#RRGGBB[,REACH], such as 310,420,#aa3311"
        raise argparse.ArgumentTypeError(message) from None


def positive(text: str) -> int:
    if not text.isdecimal() or int(text) == 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number, 1 or more")
    return int(text)
