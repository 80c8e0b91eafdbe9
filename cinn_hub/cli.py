"""`cinn-hub colorize|list`: the four moves from the command line."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cinn_hub
from cinn_hub.errors import CinnHubError, PhotoError


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cinn-hub", description="Many believable colourings of one grey photo."
    )
    parser.add_argument("--version", action="version", version=cinn_hub.__version__)
    commands = parser.add_subparsers(dest="command", required=True)

    colorize = commands.add_parser("colorize", help="colour photos, several answers each")
    colorize.add_argument("photos", nargs="+", type=Path, help="photos of any common format")
    colorize.add_argument("-n", type=int, default=8, help="answers for each photo (default 8)")
    colorize.add_argument("-o", "--out", type=Path, default=Path("."), help="folder to write to")
    colorize.add_argument("-t", "--temperature", type=float, help="0: safest; 1: most diverse")
    colorize.add_argument("-s", "--seed", type=int, help="the same seed gives the same colours")
    colorize.add_argument("-m", "--model", default="imagenet", help="name or folder of a model")
    colorize.add_argument("--device", help="cpu, cuda or mps (default: the best there is)")
    colorize.add_argument("--format", choices=["png", "jpg"], default="png", help="of the pictures")
    colorize.set_defaults(run=run_colorize)

    models = commands.add_parser("list", help="the models that are known by name")
    models.set_defaults(run=run_list)
    return parser


def run_colorize(options: argparse.Namespace) -> None:
    missing = next((path for path in options.photos if not path.is_file()), None)
    if missing:
        raise PhotoError(f"There is no photo {missing}; check the path.")
    model = cinn_hub.load(options.model, options.device)
    make_folder(options.out)
    for path in options.photos:
        results = model.colorize(path, options.n, options.temperature, options.seed)
        for i, result in enumerate(results, 1):
            target = options.out / f"{path.stem}_color{i}.{options.format}"
            result.save(target)
            print(f"{target}  {result.bits_per_dim:.3f} bits/dim  seed {result.settings['seed']}")


def make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CinnHubError(f"The folder {folder} cannot be made: {error.strerror}.") from error


def run_list(options: argparse.Namespace) -> None:
    for entry in cinn_hub.list_models():
        where = "bundled" if entry.folder else "not bundled"
        print(f"{entry.name:<12}{entry.task:<14}{where:<13}{entry.summary} ({entry.license})")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command; a `CinnHubError` is one sentence on stderr and the exit code 2."""
    options = build_parser().parse_args(arguments)
    try:
        options.run(options)
    except CinnHubError as error:
        print(f"cinn-hub: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
