"""`cinn-hub ...`: colourings and films from the command line; the app, here or on the Hub."""

from __future__ import annotations

import argparse
import io
import os
import re
import runpy
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import cinn_hub
from cinn_hub.album import ENDING, Job, SomeFailed, find_jobs, is_file_name, run_all
from cinn_hub.conversion import DTYPES
from cinn_hub.errors import CinnHubError
from cinn_hub.files import reason_of

if TYPE_CHECKING:
    from cinn_hub.colorization import Colorization
    from cinn_hub.colorizing import ColorModel
    from cinn_hub.latent import Latent
    from cinn_hub.photos import Photo
    from cinn_hub.publishing import Bundle

BOLDNESS = "0: the most typical colours; 1: as the model has learned (default); more: bolder"


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="cinn-hub", description="Several believable colourings of each grey photo."
    )
    parser.add_argument("--version", action="version", version=cinn_hub.__version__)
    commands = parser.add_subparsers(dest="command", required=True)

    add_colorize(commands)
    add_transfer(commands)
    add_interpolate(commands)

    models = commands.add_parser("list", help="list the models that have a name")
    models.set_defaults(run=run_list)

    add_app(commands)

    convert = commands.add_parser("convert", help="make a model of an original's checkpoint")
    convert.add_argument("file", type=Path, help="what the original training wrote, such as a .pt")
    convert.add_argument("-o", "--out", type=Path, required=True, help="a new folder")
    convert.add_argument("--dtype", choices=DTYPES, default=DTYPES[0], help="of the weights")
    convert.set_defaults(run=run_convert)

    push = commands.add_parser("push", help="publish a model folder on the Hugging Face Hub")
    push.add_argument("folder", type=Path, help="with config.json, model.safetensors and README.md")
    add_publishing(push)
    push.set_defaults(run=run_push)

    space = commands.add_parser("space", help="publish the app as a Hugging Face Space")
    add_publishing(space)
    space.set_defaults(run=run_space)
    return parser


def add_colorize(commands: argparse._SubParsersAction) -> None:
    colorize = commands.add_parser("colorize", help="colour photos, with several answers for each")
    add_photos(colorize)
    colorize.add_argument(
        "-n", type=int, help="answers for each photo (default 8; 1 where --out is a file)"
    )
    colorize.add_argument("-b", "--boldness", type=float, default=1.0, help=BOLDNESS)
    colorize.add_argument(
        "--pool", type=int, help="draw so many, and write the n that differ most and are believable"
    )
    colorize.add_argument(
        "--hint",
        action="append",
        default=[],
        type=hint,
        metavar="X,Y,#RRGGBB[,REACH]",
        help="give the colour at a pixel of the photo; may be repeated",
    )
    add_looks(colorize)
    colorize.set_defaults(run=run_colorize)


def add_transfer(commands: argparse._SubParsersAction) -> None:
    transfer = commands.add_parser("transfer", help="put the colours of one photo on others")
    transfer.add_argument("reference", type=Path, help="the photo whose colours are taken")
    add_photos(transfer)
    transfer.add_argument(
        "--keep",
        type=float,
        help="how much of its colours counts, 0 to 1 (default: 0.9 of the tint, 0.4 of the rest)",
    )
    add_looks(transfer)
    transfer.set_defaults(run=run_transfer)


def add_interpolate(commands: argparse._SubParsersAction) -> None:
    interpolate = commands.add_parser(
        "interpolate", help="make a film from one colouring to another"
    )
    add_photos(interpolate, formats=("webp", "gif", "mp4", "png", "jpg"))
    interpolate.add_argument("-b", "--boldness", type=float, default=1.0, help=BOLDNESS)
    interpolate.add_argument("--steps", type=int, default=24, help="frames (default 24)")
    interpolate.add_argument("--from", dest="a", type=int, default=1, help="answer A (default 1)")
    interpolate.add_argument("--to", dest="b", type=int, default=2, help="answer B (default 2)")
    interpolate.add_argument(
        "--size", type=int, default=1280, help="longer side of a film in pixels (default 1280)"
    )
    interpolate.set_defaults(run=run_interpolate)


def add_app(commands: argparse._SubParsersAction) -> None:
    app = commands.add_parser("app", help="start the app, a local web page")
    app.add_argument("-m", "--model", default="imagenet", help="name, folder or user/repo")
    app.add_argument("--host", help="default 127.0.0.1; 0.0.0.0 lets other machines in")
    app.add_argument("--port", type=int, help="default 7860, or the next that is free")
    app.add_argument("--root-path", help="where a reverse proxy has the app, such as /colours")
    app.add_argument("--share", action="store_true", help="a public link, by way of Gradio")
    app.add_argument("--open", action="store_true", help="open it in a browser")
    app.add_argument("--memory", type=int, help="MB for all visitors' photos and answers")
    app.add_argument("--disk", type=int, help="MB for all visitors' files")
    app.add_argument("--waiting", type=int, help="how many visitors may wait for colours")
    app.add_argument(
        "--loading",
        choices=("nothing", "published", "anything"),
        help="models that visitors may load (default: anything, and nothing for other machines)",
    )
    app.set_defaults(run=run_app)


def add_photos(
    parser: argparse.ArgumentParser, formats: Sequence[str] = ("png", "jpg", "tif", "webp")
) -> None:
    """Options of all commands that take photos."""
    parser.add_argument("photos", nargs="+", type=Path, help="photos or folders of photos")
    parser.add_argument(
        "-o", "--out", type=Path, default=Path("."), help="folder to write to, or a file"
    )
    parser.add_argument("-s", "--seed", type=int, help="the same seed gives the same colours")
    parser.add_argument("-m", "--model", default="imagenet", help="name, folder or user/repo")
    parser.add_argument("--device", help="cpu, cuda or mps (default: the best there is)")
    parser.add_argument("--format", choices=formats, default=formats[0], help="format of the files")
    parser.add_argument(
        "--overwrite", action="store_true", help="in folders, do photos again that are done"
    )
    parser.add_argument(
        "--recolor", action="store_true", help="in folders, do photos that have colours, too"
    )
    parser.add_argument("--pages", action="store_true", help="do all pages and frames of a file")


def add_looks(parser: argparse.ArgumentParser) -> None:
    """Options of all commands that write single pictures."""
    parser.add_argument(
        "--intensity", type=float, default=1.0, help="below 1 paler, above 1 stronger, up to 3"
    )
    parser.add_argument(
        "--enlargement",
        choices=("guided", "joint-bilateral"),
        default="guided",
        help="of colours: ours (default), or that of Ardizzone et al. 2019, which is slow",
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
        message = f"{text!r} is not a hint; give X,Y,#RRGGBB, such as 310,420,#aa3311"
        raise argparse.ArgumentTypeError(message) from None


def run_colorize(options: argparse.Namespace) -> None:
    from tqdm import tqdm

    from cinn_hub.latent import AT_ONCE, check_count

    is_file = is_file_name(options.out)
    options.n = options.n if options.n is not None else 1 if is_file else 8
    model = load(options)
    check_count(options.n)
    endings = [f"color{i}.{options.format}" for i in range(1, options.n + 1)]

    temperature = model.temperature(options.boldness)

    def work(job: Job, photo: Photo) -> Iterable[str]:
        results = model.colorings(
            photo, options.n, temperature, options.seed, hints=options.hint, pool=options.pool
        )
        few = options.n <= AT_ONCE
        bar = tqdm(endings, unit="answer", leave=False, disable=True if few else None)
        for ending, result in zip(bar, results, strict=True):
            yield written(result, job.target(ending), options)

    run(options, endings, work)


def run_transfer(options: argparse.Namespace) -> None:
    model = load(options, re.escape(options.reference.stem))
    colors = model.latent_of(options.reference)
    ending = f"{options.reference.stem}.{options.format}"
    seed = 0 if options.seed is None else options.seed

    def work(job: Job, photo: Photo) -> Iterable[str]:
        result = model.transfer(colors, onto=photo, keep=options.keep, seed=seed)
        yield written(result, job.target(ending), options)

    run(options, [ending], work)


def run_interpolate(options: argparse.Namespace) -> None:
    from cinn_hub.animation import check_length, write_animation
    from cinn_hub.latent import check_count

    check_count(options.a, "--from")
    check_count(options.b, "--to")
    check_count(options.steps, "--steps", least=2)
    model = load(options)
    film = options.format in ("webp", "gif", "mp4")
    name = f"{options.a}_to_{options.b}"
    endings = [f"{name}.{options.format}"]
    if not film:
        endings = [f"{name}_{i:03d}.{options.format}" for i in range(1, options.steps + 1)]

    temperature = model.temperature(options.boldness)

    def work(job: Job, photo: Photo) -> Iterable[str]:
        prepared = model.prepare(photo)
        latents = model.draw(max(options.a, options.b), temperature, options.seed)
        a, b = (numbered(latents, number - 1) for number in (options.a, options.b))
        way = model.interpolate(prepared, a, b, options.steps)
        if film:
            check_length(options.steps, way[0].preview(options.size).size)
            write_animation([frame.preview(options.size) for frame in way], job.target(endings[0]))
        else:
            for ending, frame in zip(endings, way, strict=True):
                frame.save(job.target(ending))
        yield f"{job.target(endings[0])}  seed {latents.settings['seed']}"

    run(options, endings, work)


def run(
    options: argparse.Namespace,
    endings: Sequence[str],
    work: Callable[[Job, Photo], Iterable[str]],
) -> None:
    """Does the work on all photos; see `run_all`."""
    if is_file_name(options.out) and (len(endings) > 1 or options.pages):
        raise CinnHubError(
            f"{options.out} is one file; give a folder to write several pictures to."
        )
    run_all(options.jobs, endings, work, options.overwrite, options.recolor, options.pages)


def numbered(latents: Latent, index: int) -> Latent:
    """One of several latents, with its number in its settings."""
    return replace(latents[index], settings={**latents.settings, "sample": str(index)})


def run_list(options: argparse.Namespace) -> None:
    for entry in cinn_hub.list_models():
        print(f"{entry.name}: {entry.summary}")
        print(f"    {entry.task}, {entry.size / 1e6:.1f} MB, {entry.source}, {entry.license}")


def run_convert(options: argparse.Namespace) -> None:
    print(cinn_hub.convert(options.file, options.out, options.dtype))


def run_app(options: argparse.Namespace) -> None:
    from cinn_hub.publishing import app_folder

    if find_spec("gradio") is None:
        raise CinnHubError('The app needs gradio: pip install "cinn-hub[app]".')
    chosen = {
        "CINN_HUB_MODEL": options.model,
        "CINN_HUB_OPEN": options.open and "1",
        "CINN_HUB_MEMORY": options.memory,
        "CINN_HUB_DISK": options.disk,
        "CINN_HUB_WAITING": options.waiting,
        "CINN_HUB_LOADING": options.loading,
        "GRADIO_ROOT_PATH": options.root_path,
        "GRADIO_SERVER_NAME": options.host,
        "GRADIO_SERVER_PORT": options.port,
        "GRADIO_SHARE": options.share and "true",
    }
    for name, value in chosen.items():
        if value is not None and value is not False:
            os.environ[name] = str(value)
    runpy.run_path(str(app_folder() / "app.py"), run_name="__main__")


def run_push(options: argparse.Namespace) -> None:
    from cinn_hub.publishing import model_bundle

    message = f"{options.folder.resolve().name}, a cinn_hub model"
    send(options, model_bundle(options.folder), "model", message)


def run_space(options: argparse.Namespace) -> None:
    from cinn_hub.publishing import space_bundle

    send(options, space_bundle(), "space", f"The app of cinn_hub {cinn_hub.__version__}")


def send(options: argparse.Namespace, bundle: Bundle, repo_type: str, message: str) -> None:
    """Publishes the files, or lists them."""
    from cinn_hub.publishing import listing, publish

    if options.dry_run:
        print(listing(bundle))
    else:
        print(publish(bundle, options.repo, repo_type, options.private, message))


def load(options: argparse.Namespace, ending: str = ENDING) -> ColorModel:
    """The model, once it is clear that there are photos; one seed for all of them."""
    from cinn_hub.colorizing import ColorModel
    from cinn_hub.latent import fresh_seed

    if is_file_name(options.out):
        options.format = options.out.suffix.lower().lstrip(".")
    options.jobs = find_jobs(options.photos, options.out, ending)
    if options.seed is None and options.command != "transfer":
        options.seed = (
            fresh_seed()
        )  # all photos get the same noise, so that frames of a film look alike
    model = cinn_hub.load(options.model, options.device)
    if not isinstance(model, ColorModel):
        raise CinnHubError(
            f"The model {options.model} does not colour photos; choose another, such as imagenet."
        )
    return model


def written(result: Colorization, target: Path, options: argparse.Namespace) -> str:
    """Writes the picture; returns the line that says so."""
    if options.intensity != 1:
        result = result.with_intensity(options.intensity)
    result.save(target, options.quality, options.enlargement)
    seed = f"  seed {result.settings['seed']}" if "seed" in result.settings else ""
    return f"{target}  {result.bits_per_dim:.3f} bits/dim{seed}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        0; 1 if some of many photos failed; 2 after one sentence on stderr, if nothing could be
        done; 130 if it was interrupted.
    """
    options = build_parser().parse_args(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # some names cannot be printed
    try:
        options.run(options)
        sys.stdout.flush()
    except CinnHubError as error:
        print(f"cinn-hub: {error}", file=sys.stderr)
        return 2
    except SomeFailed:
        return 1
    except BrokenPipeError:  # the reader of the lines has stopped, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as error:  # what is printed cannot be written
        print(f"cinn-hub: The output cannot be written: {reason_of(error)}.", file=sys.stderr)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 2
    except KeyboardInterrupt:
        print("cinn-hub: stopped; finished files are kept.", file=sys.stderr)
        return 130
    return 0


if __name__ == "__main__":
    sys.exit(main())
