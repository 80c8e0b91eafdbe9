"""What the commands make of one photo: colourings, transfers and films, written to files."""

from __future__ import annotations

import argparse
import os
import socket
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import cinn_hub
from cinn_hub.batch.album import Job
from cinn_hub.batch.cluster import in_cluster
from cinn_hub.batch.manifest import NAME, Outcome, Result
from cinn_hub.batch.running import Engine, Work, Worker
from cinn_hub.errors import CinnHubError
from cinn_hub.formats import FILMS, format_of

if TYPE_CHECKING:
    from cinn_hub.color_model import ColorModel
    from cinn_hub.colorization import Colorization
    from cinn_hub.latent import Latent
    from cinn_hub.photos import Enlargement, Photo

# Options that say what is done where. All others decide how the results look.
PLACES = {"photos", "out", "device", "overwrite", "workers", "ray", "run", "noted", "yes"}


@dataclass(frozen=True)
class Task:
    """What a command makes of every photo.

    Attributes:
        name: what the names of its files end with, without their numbers.
        endings: what they end with.
        work: makes them of one photo.
    """

    name: str
    endings: list[str]
    work: Work


Make = Callable[[argparse.Namespace, "ColorModel"], Task]


def colorize(options: argparse.Namespace, model: ColorModel) -> Task:
    from cinn_hub.choosing import POOL
    from cinn_hub.latent import AT_ONCE

    endings = [f"color{i}.{options.format}" for i in range(1, options.n + 1)]
    temperature = model.temperature(options.boldness)
    pool = POOL if options.pool is None else options.pool
    mood = mood_of(options.mood, model)

    def work(job: Job, photo: Photo) -> Iterator[Result]:
        prepared = model.prepare(photo)
        latents = model.draws(prepared.condition, options.n, temperature, options.seed, pool, mood)
        parts = (latents[i : i + AT_ONCE] for i in range(0, len(latents), AT_ONCE))
        results = (
            result
            for part in parts
            for result in model.colorize(prepared, latent=part, hints=options.hint)
        )
        typical = model.typical(prepared) if options.noted else None
        for ending, result in zip(endings, results, strict=True):
            distance = result.distance(typical) if typical else None
            yield replace(written(result, job.target(ending), options), distance=distance)

    return Task(f"color.{options.format}", endings, work)


def mood_of(path: Path | None, model: ColorModel) -> Latent | None:
    """That of an answer, from the file of its latent, or of a colour photo."""
    from cinn_hub.latent import Latent

    if path is None:
        return None
    return Latent.load(path) if path.suffix == ".safetensors" else model.latent_of(path)


def transfer(options: argparse.Namespace, model: ColorModel) -> Task:
    colors = model.latent_of(options.reference)
    ending = f"{options.reference.stem}.{options.format}"
    seed = 0 if options.seed is None else options.seed

    def work(job: Job, photo: Photo) -> Iterator[Result]:
        result = model.transfer(colors, onto=photo, keep=options.keep, seed=seed)
        yield written(result, job.target(ending), options)

    return Task(ending, [ending], work)


def interpolate(options: argparse.Namespace, model: ColorModel) -> Task:
    from cinn_hub.animation import check_length, write_animation

    film = format_of(f"film.{options.format}", FILMS)
    name = f"{options.a}_to_{options.b}"
    endings = [f"{name}.{options.format}"]
    if not film:
        endings = [f"{name}_{i:03d}.{options.format}" for i in range(1, options.steps + 1)]
    temperature = model.temperature(options.boldness)

    def work(job: Job, photo: Photo) -> Iterator[Result]:
        prepared = model.prepare(photo)
        count = max(options.a, options.b)
        latents = model.draws(prepared.condition, count, temperature, options.seed)
        a, b = latents[options.a - 1], latents[options.b - 1]
        way = model.interpolate(prepared, a, b, options.steps)
        paths = [job.target(ending) for ending in endings]
        if film:
            check_length(options.steps, way[0].preview(options.size).size)
            write_animation([frame.preview(options.size) for frame in way], paths[0])
        else:
            for path, frame in zip(paths, way, strict=True):
                frame.save(path)
        settings = way[0].settings
        yield Result(paths[0], f"seed {a.settings['seed']}", settings)
        yield from (Result(path, latent=settings) for path in paths[1:])

    return Task(f"{name}.{options.format}", endings, work)


def written(result: Colorization, target: Path, options: argparse.Namespace) -> Result:
    """Writes the picture."""
    if options.intensity != 1:
        result = result.with_intensity(options.intensity)
    result.save(target, options.quality, enlargement_of(options.enlargement))
    seed = f"  seed {result.settings['seed']}" if "seed" in result.settings else ""
    about = f"{result.bits_per_dim:.3f} bits/dim{seed}"
    return Result(target, about, result.settings, result.bits_per_dim, result.plausibility)


def enlargement_of(name: str) -> type[Enlargement]:
    from cinn_hub.originals.bilateral import JointBilateralEnlargement
    from cinn_hub.photos import GuidedEnlargement

    return GuidedEnlargement if name == "guided" else JointBilateralEnlargement


def load_model(options: argparse.Namespace) -> ColorModel:
    from cinn_hub.color_model import ColorModel

    model = cinn_hub.load(options.model, options.device)
    if not isinstance(model, ColorModel):
        raise CinnHubError(
            f"The model {options.model} does not colour photos; choose another, such as imagenet."
        )
    return model


def worker_of(options: argparse.Namespace, work: Work) -> Worker:
    return Worker(work, options.out, options.recolor, options.pages)


def begin_elsewhere(
    make: Make, options: argparse.Namespace, version: str, weights: str
) -> Callable[[Job], Outcome]:
    """Begins the work of a command in another process, perhaps of another machine.

    version, weights: of cinn_hub and of the model; with others the results would differ.
    """
    model = load_model(options)
    if (cinn_hub.__version__, model.fingerprint) != (version, weights):
        raise CinnHubError(
            f"The machine {socket.gethostname()} has cinn_hub {cinn_hub.__version__} with the "
            f"weights {model.fingerprint} of {options.model}, and here these are {version} and "
            f"{weights}; install the same on all machines."
        )
    return worker_of(options, make(options, model).work).do_elsewhere


def engine_of(
    options: argparse.Namespace, make: Make, model: ColorModel, jobs: Sequence[Job]
) -> Engine:
    """Where the work is done; all machines of a cluster must see the photos and the results."""
    start = partial(begin_elsewhere, make, options, cinn_hub.__version__, model.fingerprint)
    if not options.ray:
        return Engine(start, options.workers)
    shared = [next(job.photo for job in jobs if os.path.exists(job.photo))]
    if options.noted and not options.out.url:
        shared.append(options.out.folder / NAME)
    place = {"address": options.ray, "shared": shared, "gpu": model.device.type == "cuda"}
    return Engine(start, cluster=partial(in_cluster, **place))


def noted_options(options: argparse.Namespace, model: ColorModel) -> dict[str, object]:
    """What decides how the results look, for the manifest."""
    own = {key: value for key, value in vars(options).items() if key not in PLACES}
    for name in ("reference", "mood"):
        if own.get(name):
            own[name] = str(own[name].absolute())
    return {**own, "weights": model.fingerprint}
