"""`cinn-hub ...`: colourings and films from the command line; the app, here or on the Hub."""

from __future__ import annotations

import argparse
import io
import math
import os
import re
import runpy
import socket
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from tqdm import tqdm

import cinn_hub
from cinn_hub.batch import audit, tasks
from cinn_hub.batch.album import ENDING, Album, is_file_name
from cinn_hub.batch.archives import is_zip
from cinn_hub.batch.manifest import NAME, Manifest
from cinn_hub.batch.running import SomeFailed, run_all
from cinn_hub.batch.storage import Storage
from cinn_hub.errors import CinnHubError
from cinn_hub.files import make_folder, reason_of
from cinn_hub.formats import FILMS, FORMATS, STILLS, Format, format_of
from cinn_hub.originals import DTYPES

if TYPE_CHECKING:
    from cinn_hub.color_model import ColorModel
    from cinn_hub.publishing import Bundle
    from cinn_hub.questions import Question

MOST = 10_000  # answers or frames
MANY = 100  # answers for each photo, from which on --yes is asked for
BOLDNESS = "0: the expected colours; 1: the model's own boldness (default); more: bolder"
OUT = "folder (default .) or file to write, or an address such as s3://bucket/folder"
MODEL = "name, folder, or user/repo of the Hugging Face Hub (default imagenet)"


class Command(argparse.ArgumentParser):
    """A parser whose errors are ours: one sentence, before anything is loaded."""

    def error(self, message: str) -> NoReturn:
        raise CinnHubError(f"{message}; see {self.prog} --help.")


def build_parser() -> Command:
    """All commands; each sets `run` to the function that does it."""
    parser = Command(
        prog="cinn-hub", description="Several believable colourings of each grey photo."
    )
    parser.add_argument("--version", action="version", version=cinn_hub.__version__)
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, run: Callable[[argparse.Namespace], None], help: str) -> Command:
        added = commands.add_parser(name, help=help)
        added.set_defaults(run=run)
        return added

    add_colorize(command("colorize", run_colorize, "colour photos, with several answers for each"))
    add_transfer(command("transfer", run_transfer, "put the colours of one photo on others"))
    add_interpolate(command("interpolate", run_interpolate, "make a film between two colourings"))
    add_film(command("film", run_film, "colour a film, one colouring for each of its shots"))
    add_ask(command("ask", run_ask, "ask what is known of a photo's colours, and colour it so"))
    command("list", run_list, "list the models that are known by name")
    add_manifest(command("manifest", run_manifest, "read what was done in a folder of results"))
    add_app(command("app", run_app, "start the app, a local web page"))
    add_convert(command("convert", run_convert, "make a model of the paper's own checkpoint"))
    push = command("push", run_push, "publish a model folder on the Hugging Face Hub")
    push.add_argument("folder", type=Path, help="with config.json, model.safetensors, README.md")
    add_publishing(push)
    add_publishing(command("space", run_space, "publish the app as a Hugging Face Space"))
    return parser


def add_colorize(parser: Command) -> None:
    add_photos(parser)
    add = parser.add_argument
    answers = whole(1, MOST)
    add("-n", type=answers, help="answers for each photo (default 8; 1 where --out is a file)")
    add("--yes", action="store_true", help=f"make more than {MANY} answers for each photo")
    add("-b", "--boldness", type=number(0, 10), default=1.0, help=BOLDNESS)
    add("--pool", type=answers, help="choose the answers among so many draws (default 48)")
    add("--mood", type=Path, help="an answer's latent, or a colour photo, whose mood all get")
    add_hints(parser, "a pixel of the photo")
    add_looks(parser)


def add_transfer(parser: Command) -> None:
    parser.add_argument("reference", type=Path, help="the photo whose colours are taken")
    add_photos(parser)
    parser.add_argument(
        "--keep",
        type=number(0, 1),
        help="how much of the reference counts, 0 to 1 (default: 0.9 of the tint, 0.4 of the rest)",
    )
    add_looks(parser)


def add_interpolate(parser: Command) -> None:
    add_photos(parser, FILMS + STILLS)
    add = parser.add_argument
    answer, size = whole(1, MOST), whole(16, 16_383)
    add("-b", "--boldness", type=number(0, 10), default=1.0, help=BOLDNESS)
    add("--steps", type=whole(2, MOST), default=24, help="frames (default 24)")
    add("--from", dest="a", type=answer, default=1, help="begin with answer A (default 1)")
    add("--to", dest="b", type=answer, default=2, help="end with answer B (default 2)")
    add("--size", type=size, default=1280, help="longer side of a film in pixels (default 1280)")


def add_film(parser: Command) -> None:
    add = parser.add_argument
    add("film", type=Path, help="the film to colour")
    add("-o", "--out", type=Path, required=True, help="the film to write: .mp4, .mov or .mkv")
    add("-s", "--seed", type=whole(0), help="the same seed gives the same colours")
    add("-b", "--boldness", type=number(0, 10), default=1.0, help=BOLDNESS)
    add(
        "--shot",
        type=whole(1),
        metavar="N",
        help="colour shot N of --out anew and leave the others",
    )
    add("--from-answer", type=Path, metavar="FILE", help="a latent, for all shots or for --shot")
    add_hints(parser, "a pixel of the first picture of shot 1 or of --shot")
    add_model(parser)


def add_ask(parser: Command) -> None:
    add = parser.add_argument
    add("photo", type=Path)
    add("-o", "--out", type=Path, default=Path(), help="folder to write to (default .)")
    add("-n", type=whole(1, MOST), default=8, help="answers (default 8)")
    add("-q", "--questions", type=whole(1, 64), default=3, help="how many (default 3)")
    add("-s", "--seed", type=whole(0), help="the same seed gives the same colours")
    add_model(parser)


def add_manifest(parser: Command) -> None:
    parser.add_argument("folder", type=Storage, help="what was given as --out")
    add = parser.add_mutually_exclusive_group().add_argument
    add("--errors", action="store_true", help="list the photos that failed, and why")
    add("--oddest", type=whole(1), metavar="N", help="list the N colourings that came out oddest")
    add("--parquet", type=Path, metavar="FILE", help="write it all into a Parquet file")


def add_app(parser: Command) -> None:
    """The app reads environment variables; an option is stored under the name of its variable."""
    parser.add_argument("-m", "--model", dest="CINN_HUB_MODEL", metavar="MODEL", help=MODEL)
    for option, variable, kind, text in (
        ("host", "GRADIO_SERVER_NAME", str, "default 127.0.0.1; 0.0.0.0 lets other machines in"),
        ("port", "GRADIO_SERVER_PORT", whole(1, 65_535), "default 7860, or the next that is free"),
        ("root-path", "GRADIO_ROOT_PATH", str, "where a proxy serves the app, such as /colours"),
        ("hosts", "CINN_HUB_HOSTS", str, "names that it is reached by, with commas between them"),
        ("memory", "CINN_HUB_MEMORY", int, "MB for all photos and answers (default 200)"),
        ("disk", "CINN_HUB_DISK", int, "MB for all visitors' files (default 2000)"),
        ("waiting", "CINN_HUB_WAITING", int, "how many may wait for colours (default 32)"),
    ):
        name = option.upper()
        parser.add_argument(f"--{option}", dest=variable, metavar=name, type=kind, help=text)
    switch = partial(parser.add_argument, action="store_const", const="true")
    switch("--share", dest="GRADIO_SHARE", help="make a public link through Gradio's servers")
    switch("--open", dest="CINN_HUB_OPEN", help="open it in a browser")
    parser.add_argument(
        "--loading",
        dest="CINN_HUB_LOADING",
        choices=("bundled", "published", "anything"),
        help="models that visitors may load (default: anything; once others can reach the app, "
        "who never load folders, those that come with it)",
    )


def add_convert(parser: Command) -> None:
    add = parser.add_argument
    add("file", type=Path, help="what the paper's training code wrote, such as a .pt file")
    add("-o", "--out", type=Path, required=True, help="a new or empty folder")
    add("--dtype", choices=DTYPES, default=DTYPES[0], help="of the weights (default float32)")


def add_photos(parser: Command, formats: Sequence[Format] = STILLS) -> None:
    """Options of all commands that take photos."""
    names = list(dict.fromkeys(format.suffix[1:] for format in formats))
    add = parser.add_argument
    add("photos", nargs="+", type=Path, help="photos, folders or ZIP archives")
    add("-o", "--out", type=Storage, default=".", help=OUT)
    add("-s", "--seed", type=whole(0), help="the same seed gives the same colours")
    add_model(parser)
    add("--format", choices=names, default=names[0], help="of the files (default %(default)s)")
    add("--overwrite", action="store_true", help="replace results that are there")
    add("--recolor", action="store_true", help="in folders, also do photos that have colours")
    add("--pages", action="store_true", help="do all pages and frames of a file")
    add = parser.add_mutually_exclusive_group().add_argument
    add("--workers", type=whole(1), help="processes, one core each (default: what is fastest)")
    add("--ray", metavar="ADDRESS", help="a Ray cluster that does the work, such as head:6379")


def add_model(parser: Command) -> None:
    parser.add_argument("-m", "--model", default="imagenet", help=MODEL)
    parser.add_argument(
        "--device", type=device, help="cpu, cuda or mps (default: the best there is)"
    )


def add_hints(parser: Command, place: str) -> None:
    parser.add_argument(
        "--hint",
        action="append",
        default=[],
        type=hint,
        metavar="X,Y,#RRGGBB[,REACH]",
        help=f"the colour of {place}, and how far the rest may follow; may be repeated",
    )


def add_looks(parser: Command) -> None:
    """Options of all commands that write single pictures."""
    lossy = " and ".join(format.name for format in STILLS if format.lossy)
    add = parser.add_argument
    intensity = number(0, 3)
    add("--intensity", type=intensity, default=1.0, help="0 to 3; below 1 paler, above 1 stronger")
    add(
        "--enlargement",
        choices=("guided", "joint-bilateral"),
        default="guided",
        help="of the colours: guided (default), or as in Ardizzone et al. 2019, which is slow",
    )
    add("--quality", type=whole(1, 100), default=95, help=f"of {lossy} (default 95)")


def add_publishing(parser: Command) -> None:
    """Options of all commands that publish."""
    add = parser.add_argument
    add("repo", help="user/name")
    add("--private", action="store_true", help="make it visible to you and your organisation only")
    add("--dry-run", action="store_true", help="list the files and send nothing")


def hint(text: str) -> tuple[float, float, str] | tuple[float, float, str, float]:
    try:
        x, y, color, *reach = text.split(",")
        return (float(x), float(y), color, *map(float, reach))
    except ValueError:
        message = f"{text!r} is not a hint; give X,Y,#RRGGBB[,REACH], such as 310,420,#aa3311"
        raise argparse.ArgumentTypeError(message) from None


def number(least: float, most: float) -> Callable[[str], float]:
    """Reads numbers in this range."""
    return partial(in_range, float, "number", least, most)


def whole(least: int, most: float = math.inf) -> Callable[[str], int]:
    """Reads whole numbers in this range."""
    return partial(in_range, int, "whole number", least, most)


def in_range(kind: type, name: str, least: float, most: float, text: str) -> float | int:
    try:
        value = kind(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        limits = f"{least} or more" if most == math.inf else f"from {least} to {most}"
        raise argparse.ArgumentTypeError(f"{text!r} is not a {name}, {limits}")
    return value


def device(text: str) -> str:
    if not re.fullmatch(r"cpu|mps|cuda(:\d+)?", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not cpu, cuda, cuda:N or mps")
    return text


def run_colorize(options: argparse.Namespace) -> None:
    if options.n is None:
        options.n = 1 if is_file_name(options.out.folder) else 8
    if options.n > MANY and not options.yes:
        raise CinnHubError(
            f"-n {options.n} makes {options.n} files of each photo; add --yes to make so many."
        )
    run_task(options, tasks.colorize, several=options.n > 1)


def run_transfer(options: argparse.Namespace) -> None:
    run_task(options, tasks.transfer, re.escape(options.reference.stem), kept=[options.reference])


def run_interpolate(options: argparse.Namespace) -> None:
    suffix = options.out.folder if is_file_name(options.out.folder) else f".{options.format}"
    run_task(options, tasks.interpolate, several=format_of(f"film{suffix}", FILMS) is None)


def run_film(options: argparse.Namespace) -> None:
    from cinn_hub.latent import Latent

    latent = Latent.load(options.from_answer) if options.from_answer else None
    model = tasks.load_model(options)
    with tqdm(total=0, unit="s", disable=None) as bar:

        def show(seconds: float, length: float) -> None:
            bar.total = round(length, 1)
            bar.update(round(seconds, 1) - bar.n)

        wanted = {"temperature": model.temperature(options.boldness), "seed": options.seed}
        wanted |= {"latent": latent, "shot": options.shot, "hints": options.hint}
        shots = model.film(options.film, options.out, **wanted, on_picture=show)
    for shot in shots:
        seed = shot.settings.get("seed", "of another answer")
        print(f"{options.out}  shot {shot.number} from {shot.start:.2f} s, seed {seed}")


def run_ask(options: argparse.Namespace) -> None:
    model = tasks.load_model(options)
    prepared = model.prepare(options.photo)
    hints, unknown = [], []
    for _ in range(options.questions):
        (question,) = model.questions(prepared, 1, hints, unknown)
        if color := asked(question):
            hints.append((question.x, question.y, color))
        else:
            unknown.append((question.x, question.y))
    make_folder(options.out)
    results = model.colorize(prepared, options.n, seed=options.seed, hints=hints)
    for i, result in enumerate(results, 1):
        path = options.out / f"{options.photo.stem}_color{i}.png"
        result.save(path)
        print(path)


def asked(question: Question) -> str | None:
    """The colour that somebody at the terminal knows, "#rrggbb"."""
    place = f"{question.x} pixels from the left and {question.y} from the top"
    print(f"What colour is the spot {place}? It settles {question.share:.0%} of what is open.")
    for i, possible in enumerate(question.colors, 1):
        red, green, blue = bytes.fromhex(possible.color[1:])
        swatch = f"\x1b[48;2;{red};{green};{blue}m   \x1b[0m " if sys.stdout.isatty() else ""
        print(f"  {i}: {swatch}{possible.color}, {possible.probability:.0%}")
    while True:
        try:
            text = input('A number, a colour such as "#aa3311", or Enter if nobody knows: ').strip()
        except EOFError:
            return None
        if not text or re.fullmatch("#[0-9a-fA-F]{6}", text):
            return text or None
        if text.isdecimal() and 1 <= int(text) <= len(question.colors):
            return question.colors[int(text) - 1].color


def run_task(
    options: argparse.Namespace,
    make: tasks.Make,
    ending: str = ENDING,
    several: bool = False,
    kept: Sequence[Path] = (),
) -> None:
    """Does what a command makes of photos on all of them; see `run_all`.

    Arguments:
        ending: pattern of what the command adds to names.
        several: whether several files are made of each photo.
        kept: files that no result may replace.
    """
    out = options.out.folder
    check_out(out, several or options.pages)
    if is_file_name(out):
        options.format = out.suffix.lower().lstrip(".")
    if options.ray and (archive := next(filter(is_zip, options.photos), None)):
        raise CinnHubError(
            f"{archive} is an archive; unpack it into a folder that all machines share."
        )
    album = Album.of(options.photos, out, ending)
    album.kept = kept
    options.noted = any(job.found for job in album.jobs) or (out / NAME).is_file()
    model = tasks.load_model(options)
    if model.device.type != "cpu" and options.workers is None:
        options.workers = 1
    task = make(options, model)
    with ExitStack() as stack:
        manifest = None
        if options.noted:
            make_folder(out)
            manifest = stack.enter_context(closing(Manifest(options.out, task.name)))
        if options.seed is None and options.command != "transfer":
            options.seed = seed_of(options, model, manifest)
        if manifest:
            manifest.begin(cinn_hub.__version__, tasks.noted_options(options, model))
        engine = tasks.engine_of(options, make, model, album.jobs)
        worker = tasks.worker_of(options, task.work)
        run_all(album, task.endings, worker, engine, manifest, options.overwrite)


def check_out(out: Path, several: bool) -> None:
    """Refuses a file where several are made, or of a format that is not written."""
    if is_file_name(out) and several:
        raise CinnHubError(f"{out} is one file; give a folder to write several pictures to.")
    known = format_of(out, FORMATS)
    if known and not is_file_name(out) and not out.is_dir():
        suffixes = ", ".join(format.suffix for format in STILLS)
        raise CinnHubError(f"{out} would be {known.name}, which is not written; use {suffixes}.")


def seed_of(options: argparse.Namespace, model: ColorModel, manifest: Manifest | None) -> int:
    """One for all photos, so that frames of a film look alike: that of the run that this one goes
    on with, or a fresh one."""
    from cinn_hub.latent import fresh_seed

    goes_on = manifest is not None and not options.overwrite
    earlier = manifest.seed(tasks.noted_options(options, model)) if goes_on else None
    return fresh_seed() if earlier is None else earlier


def run_manifest(options: argparse.Namespace) -> None:
    with closing(Manifest.read(options.folder)) as manifest:
        if options.errors:
            lines = audit.errors(manifest)
        elif options.oddest:
            lines = audit.oddest(manifest, options.oddest)
        elif options.parquet:
            lines = [audit.write_parquet(manifest, options.parquet)]
        else:
            lines = audit.summary(manifest)
        for line in lines:
            print(line)


def run_list(options: argparse.Namespace) -> None:
    for entry in cinn_hub.list_models():
        print(f"{entry.name}: {entry.summary}")
        print(f"    {entry.task}, {entry.size / 1e6:.1f} MB, {entry.source}, {entry.license}")


def run_convert(options: argparse.Namespace) -> None:
    print(cinn_hub.convert(options.file, options.out, options.dtype))


def run_app(options: argparse.Namespace) -> None:
    from cinn_hub.publishing import app_folder

    if options.GRADIO_SERVER_PORT:
        check_port(options.GRADIO_SERVER_NAME or "127.0.0.1", options.GRADIO_SERVER_PORT)
    if find_spec("gradio") is None:
        raise CinnHubError('The app needs gradio: pip install ".[app]" in a clone.')
    chosen = {name: value for name, value in vars(options).items() if name.isupper()}
    os.environ.update({name: str(value) for name, value in chosen.items() if value is not None})
    runpy.run_path(str(app_folder() / "app.py"), run_name="__main__")


def check_port(host: str, port: int) -> None:
    """Refuses a port that cannot be listened at: Gradio would silently take another one."""
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise CinnHubError(
            f"The port {port} of {host} cannot be used ({reason_of(error)}); give another --port."
        ) from error


def run_push(options: argparse.Namespace) -> None:
    from cinn_hub.publishing import model_bundle

    if not options.folder.is_dir():
        raise CinnHubError(f"{options.folder} is not a folder; give the folder of a model.")
    cinn_hub.load(options.folder, device="cpu")  # what cannot be read is not sent
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command.

    Returns:
        0; 1 if some of many photos failed; 2 after one sentence on stderr, if nothing could be
        done; 130 if it was interrupted.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # some names cannot be printed
    try:
        options = build_parser().parse_args(arguments)
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
