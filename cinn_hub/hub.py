"""Names -> model folders: the models known by name, the Hugging Face Hub and its cache."""

from __future__ import annotations

import difflib
import hashlib
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cinn_hub.errors import CheckpointError, CinnHubError, OfflineError, UnknownModelError
from cinn_hub.files import MOST_CARD, MOST_CONFIG, MOST_TENSORS

FILES = {"config.json": MOST_CONFIG, "model.safetensors": MOST_TENSORS, "README.md": MOST_CARD}
"""The files of a model, the last of which is optional, and how many bytes each may have."""
NEEDED = ("config.json", "model.safetensors")
REPO_ID = re.compile(r"[\w.-]+/[\w.-]+")
COMMIT = re.compile(r"[0-9a-f]{40}")
ANSWER_SECONDS = 3.0  # the Hub has this long to say what is new; then the cache is used

REFUSALS = {
    "GatedRepoError": (
        "{repo} is gated; ask for access on its page, then log in with `hf auth login`."
    ),
    "RepositoryNotFoundError": (
        "The Hub has no repository {repo}, or it is private; check the name, pass token=... or log "
        "in with `hf auth login`."
    ),
    "RevisionNotFoundError": "{repo} has no revision {revision!r} on the Hub; check its page.",
    "HFValidationError": (
        "{repo!r} is neither a folder nor a possible name of a repository on the Hub; check the "
        "name."
    ),
}
"""What errors of the Hub's client mean, by the names of their classes."""

PACKAGE = Path(__file__).resolve().parent
BUNDLES = (PACKAGE / "weights", PACKAGE.parent / "weights")  # installed; a clone


@dataclass(frozen=True)
class RegistryEntry:
    """A model that has a name.

    repo, revision: where it is on the Hub; sha256: of its weights, wherever they come from.
    """

    name: str
    task: str
    summary: str
    license: str
    repo: str
    revision: str
    sha256: str
    size: int  # of the weights, in bytes

    @property
    def folder(self) -> Path | None:
        """The bundled model folder, None if it is not bundled."""
        folders = (bundle / self.name for bundle in BUNDLES)
        return next((f for f in folders if (f / "config.json").exists()), None)

    @property
    def source(self) -> str:
        """Where `load` takes it from."""
        return "bundled" if self.folder else f"{self.repo}@{self.revision}"


REGISTRY = (
    RegistryEntry(
        name="imagenet",
        task="colorization",
        summary="colours for any photo: things, animals, people, food, rooms, landscapes",
        license="research and your own pictures",
        repo="cinn-hub/imagenet",
        revision="v0.1.0",
        sha256="ed337474ccf1c2b14c3178e5341243b28b81e43bf78b97709c50658632ffb7c4",
        size=19_694_757,
    ),
    RegistryEntry(
        name="bedroom",
        task="colorization",
        summary="colours for bedrooms and other rooms, a smaller model",
        license="research and your own pictures",
        repo="cinn-hub/bedroom",
        revision="v0.1.0",
        sha256="729983717ddc3eb8ab5ff13130cf0eade584503ba6bc2ae95ab61930601c10ce",
        size=7_914_757,
    ),
    RegistryEntry(
        name="mnist",
        task="digits",
        summary="handwritten digits of a chosen label, and any handwriting as all ten digits",
        license="CC BY-SA 3.0, as MNIST",
        repo="cinn-hub/mnist",
        revision="v0.1.0",
        sha256="80570e2c7a5a01e01a2df89885948dcbc00aed6435bbeab943e560a02bc8a489",
        size=12_986_320,
    ),
)


def list_models() -> list[RegistryEntry]:
    """The models that `load` knows by name."""
    return list(REGISTRY)


def find_entry(name: str) -> RegistryEntry | None:
    """The entry with that name, or None."""
    return next((entry for entry in REGISTRY if entry.name == name), None)


def find_folder(
    name: str | os.PathLike[str],
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Path:
    """The folder of a model, downloaded if it has to be; arguments as those of `cinn_hub.load`.

    A name of the registry is its bundled folder, or else the pinned revision of its repository,
    whose weights must have the hash that the registry knows.

    Raises:
        UnknownModelError: the name is not known, and neither a folder nor a repository has it.
        CheckpointError: the repository is not a model of this package, or a download is damaged.
        OfflineError: it has to be downloaded, and the Hub cannot be reached.
    """
    text = os.fspath(name)
    text = os.path.expanduser(text.removeprefix("hf://"))
    if entry := find_entry(text):
        if entry.folder and revision is None:
            return entry.folder
        folder = download(entry.repo, revision or entry.revision, token, cache_dir)
        if revision is None:
            check_hash(folder / "model.safetensors", entry.sha256, "the registry")
        return folder
    if os.path.isdir(text):  # pathlib raises where a name is too long
        return Path(text)
    repo, _, at = text.partition("@")
    if not REPO_ID.fullmatch(repo):
        known = [entry.name for entry in REGISTRY]
        near = difflib.get_close_matches(text, known, n=1)
        names = f"use {', '.join(known)}, a folder, or user/repo of the Hugging Face Hub."
        hint = f"did you mean {near[0]!r}?" if near else names
        raise UnknownModelError(f"There is no model called {text!r}; {hint}")
    if at and revision and at != revision:
        raise UnknownModelError(
            f"{text!r} and revision={revision!r} name two revisions; give one of them."
        )
    return download(repo, at or revision, token, cache_dir)


def download(
    repo: str,
    revision: str | None = None,
    token: str | bool | None = None,
    cache_dir: str | os.PathLike[str] | None = None,
) -> Path:
    """The folder of a repository's model in the cache, brought up to date if the Hub answers.

    A commit that is in the cache is taken from there without asking.

    Raises:
        UnknownModelError: the Hub knows no such repository or revision, or wants a token for it.
        CheckpointError: the repository is not a model of this package, or a download is damaged.
        OfflineError: it is not in the cache, and the Hub cannot be reached.
    """
    from huggingface_hub import HfApi, snapshot_download
    from huggingface_hub.constants import HF_HUB_CACHE
    from huggingface_hub.errors import LocalEntryNotFoundError
    from huggingface_hub.utils import httpx

    revision, cached = revision or "main", None
    options = {"token": token, "cache_dir": cache_dir, "allow_patterns": list(FILES)}
    fetch = partial(snapshot_download, repo, **options)
    try:
        with suppress(LocalEntryNotFoundError):
            found = Path(fetch(revision=revision, local_files_only=True))
            cached = found if all((found / name).exists() for name in NEEDED) else None
        if cached and COMMIT.fullmatch(revision):
            return cached
        info = HfApi(token=token).model_info(
            repo, revision=revision, timeout=ANSWER_SECONDS, files_metadata=True
        )
        files = {file.rfilename: file for file in info.siblings or []}
        check_files(repo, {name: file.size for name, file in files.items()})
        if cached and cached.name == info.sha:
            return cached
        folder = Path(fetch(revision=info.sha))
        if lfs := files["model.safetensors"].lfs:
            check_hash(folder / "model.safetensors", lfs.sha256, "the Hub")
        # only now, when it is whole, does the revision lead to it in the cache
        return Path(fetch(revision=revision))
    except (ValueError, httpx.HTTPError, OSError) as error:  # a page to log in is no JSON
        if refusal := REFUSALS.get(type(error).__name__):
            raise UnknownModelError(refusal.format(repo=repo, revision=revision)) from error
        if cached:
            return cached
        place = Path(cache_dir or HF_HUB_CACHE)
        if getattr(error, "errno", None):  # of the disk: the client's own errors have none
            raise CinnHubError(
                f"The cache {place} cannot be written to: {error.strerror}."
            ) from error
        raise OfflineError(
            f"{repo}@{revision} is not in the cache {place}, and the Hub cannot be reached; try "
            "again later, or load a folder with its config.json and model.safetensors."
        ) from error


def check_files(repo: str, sizes: Mapping[str, int | None]) -> None:
    """Refuses a repository of other files than those of a model, before any is downloaded.

    sizes: in bytes, of all its files; None where the Hub does not say.
    """
    if missing := [name for name in NEEDED if name not in sizes]:
        raise CheckpointError(
            f"{repo} has no {missing[0]}; choose a model of cinn_hub (pickles are not read)."
        )
    for name, most in FILES.items():
        size = sizes.get(name, 0)
        if size is None or size > most:
            found = "an unknown number of" if size is None else f"{size:,}"
            raise CheckpointError(
                f"{name} of {repo} has {found} bytes; up to {most:,} are read, so nothing was "
                "downloaded."
            )


def check_hash(path: Path, sha256: str, source: str) -> None:
    """Refuses and deletes downloaded weights that are not those that the source names."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != sha256:
        path.resolve().unlink()  # in the Hub's cache the path is a link
        path.unlink(missing_ok=True)
        raise CheckpointError(
            f"The downloaded {path.name} has the SHA-256 {found[:12]}..., but {source} expects "
            f"{sha256[:12]}...; the download was deleted: load it again, or update cinn_hub."
        )
