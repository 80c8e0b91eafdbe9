"""Model cards, and publishing: a model folder, or the app as a Space, on the Hugging Face Hub."""

from __future__ import annotations

import re
from json import JSONDecodeError
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, ModelCard, ModelCardData, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.utils import httpx
from yaml import YAMLError

from cinn_hub.errors import CheckpointError, CinnHubError, OfflineError, quoted
from cinn_hub.files import MOST_CARD, read_plain, reason_of, write_whole
from cinn_hub.hub import FILES, PACKAGE, list_models

CARD_FILE = "README.md"
UNREADABLE = (ValueError, TypeError, KeyError, RecursionError, YAMLError)  # of bad metadata
WANTED_METADATA = ("library_name", "pipeline_tag", "license", "tags")
LICENSE_ID = re.compile(r"[a-z0-9][a-z0-9.+-]*")  # as the Hub names them
DRAFT = "(Draft: what it was trained on, and what people may use it for.)"

# where the app's own files are: beside the package in a clone, inside of it once installed
APP_PLACES = (PACKAGE.parent, PACKAGE / "space")
APP_FILES = ("app.py", "requirements.txt", "README.md", "LICENSE")
README_LINK = re.compile(r"\]\(([^)#:]+)\)")  # to a picture or a page of the repository
MODEL_FILES = (*FILES, "training.json", "LICENSE.md")
PICTURES = (".png", ".jpg")  # of a model's card
SOURCE_SUFFIXES = (".py", ".css", ".js", ".html")

Bundle = dict[str, Path]
"""Paths in a repository -> the files to be put there."""


def read_card(folder: Path) -> ModelCard | None:
    """The card of a model folder; None if it is missing or its metadata cannot be read."""
    try:
        return ModelCard(card_text(folder))
    except (CheckpointError, *UNREADABLE):
        return None


def card_text(folder: Path) -> str:
    """The text of a model folder's card.

    Raises:
        CheckpointError: there is none, or it is not a text of reasonable length.
    """
    path = folder / CARD_FILE
    try:
        return unix_text(read_plain(path, MOST_CARD).decode("utf-8"))
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{folder} has no {CARD_FILE}; write the model's card: data, terms, figures, failures."
        ) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {reason_of(error)}.") from error


def unix_text(text: str) -> str:
    """A text without the mark of its order of bytes and the line ends that Windows writes."""
    return text.removeprefix("\ufeff").replace("\r\n", "\n")


def write_card(card: ModelCard, folder: Path) -> None:
    """Writes the card of a model folder that has none.

    Raises:
        CinnHubError: the folder cannot be written to.
    """
    path = folder / CARD_FILE
    if not path.exists():
        try:
            write_whole(path, str(card))
        except OSError as error:
            raise CinnHubError(f"{path} cannot be written: {reason_of(error)}.") from error


def check_card(text: str, source: str) -> None:
    """Refuses a card without the metadata that the Hub asks for, and a draft.

    source: what messages call the card.

    Raises:
        CheckpointError: what is missing.
    """
    try:
        data = ModelCard(unix_text(text)).data.to_dict()
    except UNREADABLE as error:
        reason = quoted(str(error).partition("\n")[0], text=True)
        raise CheckpointError(
            f"{source} has metadata that is not YAML ({reason}); correct what is between the "
            "lines of ---."
        ) from error
    if missing := [key for key in WANTED_METADATA if not data.get(key)]:
        raise CheckpointError(
            f"The metadata of {source}, YAML between two lines of --- at its beginning, lacks "
            f"{', '.join(missing)}; add it."
        )
    if not LICENSE_ID.fullmatch(str(data["license"])):
        raise CheckpointError(
            f"{source} has the license {quoted(data['license'])}; the Hub takes names such as "
            "apache-2.0, mit, cc-by-4.0 or other."
        )
    if DRAFT in text:
        raise CheckpointError(
            f"{source} is still a draft; replace the line {DRAFT!r}, then publish the folder with "
            "`cinn-hub push`."
        )


def draft_card(class_name: str, millions: float, origin: str | None) -> ModelCard:
    """A card for a model that has none: metadata, and headings for its author.

    Arguments:
        millions: of parameters.
        origin: sentences on what it was made from, if there is anything to say.
    """
    data = ModelCardData(
        library_name="cinn_hub",
        pipeline_tag="image-to-image",
        license="other",
        license_name="see-below",
        tags=["normalizing-flow", "conditional-invertible-neural-network"],
    )
    terms = f"{origin}\n\n" if origin else ""
    return ModelCard(f"""---
{data.to_yaml()}
---

# {class_name}

A conditional invertible neural network of {millions:.1f} million parameters, for
`cinn_hub.load("user/repo")`.

## Data and terms

{terms}{DRAFT}

## Training

Commands, hours, hardware.

## Figures and limits

What was measured, on what; what fails.
""")


def model_bundle(folder: Path) -> Bundle:
    """The files of a model folder, once its card has been checked.

    Raises:
        CheckpointError: the folder lacks a card with the metadata that the Hub asks for.
    """
    check_card(card_text(folder), str(folder / CARD_FILE))
    return model_files(folder)


def model_files(folder: Path) -> Bundle:
    """A model with its card, the card's pictures, its terms and the history of its training."""
    pictures = [path.name for path in sorted(folder.iterdir()) if path.suffix in PICTURES]
    names = (*MODEL_FILES, *pictures)
    return {name: folder / name for name in names if (folder / name).is_file()}


def app_folder() -> Path:
    """Where app.py, the examples and the README are.

    Raises:
        CinnHubError: this installation lacks them.
    """
    root = next((place for place in APP_PLACES if (place / "app.py").exists()), None)
    if root is None:
        raise CinnHubError("This installation has no app.py; install cinn_hub again.")
    return root


def space_bundle() -> Bundle:
    """The files that the app needs as a Space, and what its README shows and leads to.

    Raises:
        CinnHubError: this installation lacks them.
    """
    root = app_folder()
    links = README_LINK.findall((root / "README.md").read_text("utf-8"))
    paths = [root / name for name in (*APP_FILES, *links)] + sorted((root / "examples").rglob("*"))
    bundle = {path.relative_to(root).as_posix(): path for path in paths if path.is_file()}
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix in SOURCE_SUFFIXES and "space" not in path.relative_to(PACKAGE).parts:
            bundle[f"cinn_hub/{path.relative_to(PACKAGE).as_posix()}"] = path
    for entry in list_models():
        if entry.folder:
            files = model_files(entry.folder)
            bundle |= {f"weights/{entry.name}/{name}": path for name, path in files.items()}
    return bundle


def listing(bundle: Bundle) -> str:
    """What would be sent, one line per file, and the sum."""
    lines = [f"{path.stat().st_size:>12,}  {name}" for name, path in bundle.items()]
    total = sum(path.stat().st_size for path in bundle.values())
    return "\n".join([*lines, f"{total:>12,}  bytes in {len(bundle)} files"])


def publish(bundle: Bundle, repo: str, repo_type: str, private: bool, message: str) -> str:
    """Makes the repository if there is none and sends the files as one commit; returns its URL.

    Raises:
        CinnHubError: there is no token, the Hub refuses, or it cannot be reached.
    """
    if not get_token():
        raise CinnHubError(
            "Publishing needs a token; log in with `hf auth login`, or set HF_TOKEN."
        )
    api = HfApi()
    sdk = "gradio" if repo_type == "space" else None
    files = [CommitOperationAdd(name, str(path)) for name, path in bundle.items()]
    try:
        api.create_repo(repo, private=private, repo_type=repo_type, exist_ok=True, space_sdk=sdk)
        if private and not api.repo_info(repo, repo_type=repo_type).private:
            raise CinnHubError(
                f"{repo} exists already and is public, not private; choose another name."
            )
        commit = api.create_commit(repo, files, commit_message=message, repo_type=repo_type)
    except HFValidationError as error:
        raise CinnHubError(f"{repo!r} is not the name of a repository; give user/name.") from error
    except HfHubHTTPError as error:
        reason = error.server_message or str(error).splitlines()[0]
        raise CinnHubError(f"The Hub refused {repo}: {reason}") from error
    except (httpx.HTTPError, OSError, JSONDecodeError) as error:  # a page to log in is no JSON
        raise OfflineError(
            f"The Hub cannot be reached, so {repo} was not published; try again."
        ) from error
    except ValueError as error:  # metadata that the Hub does not take
        raise CheckpointError(
            f"The Hub refused the card: {' '.join(str(error).split())}"
        ) from error
    return str(commit.repo_url)
