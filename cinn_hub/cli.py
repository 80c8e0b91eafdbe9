"""`cinn-hub ...`: colourings and films from the command line; the app, here or on the Hub."""

from __future__ import annotations

import argparse
import io
import os
import re
import runpy
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager, nullcontext
from importlib.util import find_spec
from typing import TYPE_CHECKING

import cinn_hub
from cinn_hub import audit, tasks
from cinn_hub.album import ENDING, find_jobs, is_file_name
from cinn_hub.archives import is_zip
from cinn_hub.errors import CinnHubError
from cinn_hub.files import make_folder, reason_of
from cinn_hub.manifest import Manifest
from cinn_hub.options import build_parser
from cinn_hub.running import SomeFailed, run_all

if TYPE_CHECKING:
    from cinn_hub.colorizing import ColorModel
    from cinn_hub.publishing import Bundle


def run_colorize(options: argparse.Namespace) -> None:
    from cinn_hub.latent import check_count

    is_file = is_file_name(options.out.folder)
    options.n = options.n if options.n is not None else 1 if is_file else 8
    check_count(options.n)
    run_task(options, tasks.colorize)


def run_transfer(options: argparse.Namespace) -> None:
    run_task(options, tasks.transfer, re.escape(options.reference.stem))


def run_interpolate(options: argparse.Namespace) -> None:
    from cinn_hub.latent import check_count

    check_count(options.a, "--from")
    check_count(options.b, "--to")
    check_count(options.steps, "--steps", least=2)
    run_task(options, tasks.interpolate)


def run_task(options: argparse.Namespace, make: tasks.Make, ending: str = ENDING) -> None:
    """Does what a command makes of photos on all of them; see `run_all`.

    ending: pattern of what the command adds to names.
    """
    out = options.out.folder
    is_file = is_file_name(out)
    if is_file:
        options.format = out.suffix.lower().lstrip(".")
    if options.workers is not None and options.workers < 1:
        raise CinnHubError(f"--workers is {options.workers}; it must be 1 or more.")
    if options.ray and (archive := next(filter(is_zip, options.photos), None)):
        raise CinnHubError(
            f"{archive} is an archive; unpack it into a folder that all machines share."
        )
    jobs = find_jobs(options.photos, out, ending)
    model = tasks.load_model(options)
    if model.device.type != "cpu" and options.workers is None:
        options.workers = 1
    task = make(options, model)
    if is_file and (len(task.endings) > 1 or options.pages):
        raise CinnHubError(f"{out} is one file; give a folder to write several pictures to.")
    options.judge = any(job.found for job in jobs)
    with open_manifest(options, task, model) if options.judge else nullcontext() as manifest:
        draw_seed(options)
        engine = tasks.engine_of(options, make, model, jobs)
        kept = (options.overwrite, options.recolor, options.pages)
        run_all(jobs, task.endings, task.work, *kept, manifest, options.out, engine)


@contextmanager
def open_manifest(
    options: argparse.Namespace, task: tasks.Task, model: ColorModel
) -> Iterator[Manifest]:
    """The manifest of a run over folders; its seed is that of the run that it goes on with."""
    make_folder(options.out.folder)
    with closing(Manifest(options.out, task.name, tasks.settings_of(options, model))) as manifest:
        draw_seed(options, None if options.overwrite else manifest.seed())
        manifest.settings["seed"] = options.seed
        manifest.begin(cinn_hub.__version__)
        yield manifest


def draw_seed(options: argparse.Namespace, earlier: int | None = None) -> None:
    """One seed for all photos where none is chosen, so that frames of a film look alike."""
    from cinn_hub.latent import fresh_seed

    if options.seed is None and options.command != "transfer":
        options.seed = fresh_seed() if earlier is None else earlier


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


COMMANDS = {
    "list": run_list,
    "convert": run_convert,
    "push": run_push,
    "space": run_space,
    "colorize": run_colorize,
    "transfer": run_transfer,
    "interpolate": run_interpolate,
    "manifest": run_manifest,
    "app": run_app,
}


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
        COMMANDS[options.command](options)
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
