"""Names -> model folders: the models known by name, the Hugging Face Hub and its cache."""

from __future__ import annotations

import difflib
import errno
import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from cinn_hub.errors import CheckpointError, CinnHubError, OfflineError, UnknownModelError
from cinn_hub.files import MOST_CARD, MOST_CONFIG, MOST_TENSORS

FILES = {"config.json": MOST_CONFIG, "model.safetensors": MOST_TENSORS, "README.md": MOST_CARD}
"""The files of a model, the last of which is optional, and how many bytes each may have."""
NEEDED = ("config.json", "model.safetensors")
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
REPO_ID = re.compile(r"[\w.-]+/[\w.-]+")
DISK_FAULTS = (
    *(errno.ENOSPC, errno.EDQUOT, errno.EROFS),
    *(errno.EACCES, errno.EPERM, errno.ENOTDIR),
)
COMMIT = re.compile(r"[0-9a-f]{40}")
ANSWER_SECONDS = 3.0  # the Hub has this long to say what is new; then the cache is used

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
        sha256="416f00c03e5b757cdcc2175a514d8aaf09f30d2c887c9b1a8b472bc1a8fd6694",
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
    entry = find_entry(text)
    if entry and revision is None:
        if entry.folder:
            return entry.folder
        folder = download(entry.repo, entry.revision, token, cache_dir)
        check_hash(folder / "model.safetensors", entry.sha256, "the registry")
        return folder
    if entry:
        return download(entry.repo, revision, token, cache_dir)
    if os.path.isdir(text):  # pathlib raises where a name is too long
        return Path(text)
    repo, _, at = text.partition("@")
    if REPO_ID.fullmatch(repo):
        if at and revision and at != revision:
            raise UnknownModelError(
                f"{text!r} and revision={revision!r} name two revisions; give one of them."
            )
        return download(repo, at or revision, token, cache_dir)
    known = [entry.name for entry in list_models()]
    near = difflib.get_close_matches(text, known, n=1)
    names = f"use {', '.join(known)}, a folder, or user/repo of the Hugging Face Hub."
    hint = f"did you mean {near[0]!r}?" if near else names
    raise UnknownModelError(f"There is no model called {text!r}; {hint}")


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
    from huggingface_hub.constants import HF_HUB_OFFLINE
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError
    from huggingface_hub.utils import httpx

    revision = revision or "main"
    cached = None
    try:
        cached = cached_folder(repo, revision, cache_dir)
        if cached and (COMMIT.fullmatch(revision) or HF_HUB_OFFLINE):
            return cached
        if HF_HUB_OFFLINE:
            raise unreachable(repo, revision, cache_dir)
        return newest_folder(repo, revision, cached, token, cache_dir)
    except HFValidationError as error:
        raise UnknownModelError(
            f"{repo!r} is neither a folder nor a possible name of a repository on the Hub; check "
            "the name."
        ) from error
    except (HfHubHTTPError, httpx.HTTPError, OSError) as error:
        if refusal := refusal_of(error, repo, revision):
            raise refusal from error
        if cached:
            return cached
        if getattr(error, "errno", None) in DISK_FAULTS:
            place = cache_place(cache_dir)
            raise CinnHubError(
                f"The cache {place} cannot be written to: {error.strerror}."
            ) from error
        raise unreachable(repo, revision, cache_dir) from error


def newest_folder(
    repo: str,
    revision: str,
    cached: Path | None,
    token: str | bool | None,
    cache_dir: str | os.PathLike[str] | None,
) -> Path:
    """The folder of the commit that the revision is at now: the cached one, or a download."""
    from huggingface_hub import HfApi

    api = HfApi(token=token)
    info = api.model_info(repo, revision=revision, timeout=ANSWER_SECONDS, files_metadata=True)
    files = {file.rfilename: file for file in info.siblings or []}
    check_files(repo, list(files))
    if cached and cached.name == info.sha:
        return cached
    check_sizes(repo, {name: files[name].size for name in FILES if name in files})
    lfs = files["model.safetensors"].lfs
    return fetch(repo, revision, info.sha, lfs and lfs.sha256, token, cache_dir)


def refusal_of(error: Exception, repo: str, revision: str) -> UnknownModelError | None:
    """The Hub's refusal as one sentence; None if the error is of another kind."""
    from huggingface_hub.errors import (
        GatedRepoError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    if isinstance(error, GatedRepoError):
        sentence = f"{repo} is gated; ask for access on its page, then log in with `hf auth login`."
    elif isinstance(error, RepositoryNotFoundError):
        sentence = (
            f"The Hub has no repository {repo}, or it is private; check the name, "
            "pass token=... or log in with `hf auth login`."
        )
    elif isinstance(error, RevisionNotFoundError):
        sentence = f"{repo} has no revision {revision!r} on the Hub; check its page."
    else:
        return None
    return UnknownModelError(sentence)


def unreachable(repo: str, revision: str, cache_dir: str | os.PathLike[str] | None) -> OfflineError:
    return OfflineError(
        f"{repo}@{revision} is not in the cache {cache_place(cache_dir)}, and the Hub cannot be "
        "reached; try again later, or load a folder with its config.json and model.safetensors."
    )


def cache_place(cache_dir: str | os.PathLike[str] | None) -> Path:
    from huggingface_hub.constants import HF_HUB_CACHE

    return Path(cache_dir or HF_HUB_CACHE)


def fetch(
    repo: str,
    revision: str,
    commit: str,
    sha256: str | None,
    token: str | bool | None,
    cache_dir: str | os.PathLike[str] | None,
) -> Path:
    """Downloads a commit's model; weights without the hash that the Hub names are not kept.

    Only once they are whole does the revision lead to them in the cache.
    """
    from huggingface_hub import snapshot_download

    options = {"token": token, "cache_dir": cache_dir, "allow_patterns": list(FILES)}
    folder = Path(snapshot_download(repo, revision=commit, **options))
    if sha256:
        check_hash(folder / "model.safetensors", sha256, "the Hub")
    if revision != commit:
        snapshot_download(repo, revision=revision, **options)
    return folder


def cached_folder(
    repo: str, revision: str, cache_dir: str | os.PathLike[str] | None
) -> Path | None:
    """The snapshot in the cache, if it is whole."""
    from huggingface_hub import try_to_load_from_cache

    places = [
        try_to_load_from_cache(repo, file, cache_dir=cache_dir, revision=revision)
        for file in NEEDED
    ]
    whole = all(isinstance(place, str) and Path(place).exists() for place in places)
    return Path(places[0]).parent if whole else None


def check_files(repo: str, files: list[str]) -> None:
    """Refuses a repository whose weights are missing or pickles."""
    if "model.safetensors" not in files:
        if pickles := [file for file in files if file.endswith(PICKLES)]:
            raise CheckpointError(
                f"{repo} has its weights only as a pickle ({pickles[0]}), which can run any code; "
                "convert it at https://huggingface.co/spaces/safetensors/convert."
            )
        raise CheckpointError(f"{repo} has no model.safetensors; choose a model of cinn_hub.")
    if "config.json" not in files:
        raise CheckpointError(f"{repo} has no config.json; choose a model of cinn_hub.")


def check_sizes(repo: str, sizes: dict[str, int | None]) -> None:
    """Refuses a repository with a file of a model that is too large to be read, or of no known
    size, before anything of it is downloaded."""
    for name, size in sizes.items():
        if size is None:
            raise CheckpointError(f"The Hub does not say how large {name} of {repo} is; try later.")
        if size > FILES[name]:
            raise CheckpointError(
                f"{name} of {repo} has {size / 2**20:,.1f} MB, more than the "
                f"{FILES[name] / 2**20:g} MB that are read; nothing was downloaded."
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
