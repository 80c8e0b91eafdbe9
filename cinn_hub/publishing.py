"""Publishing: a model folder, or the app as a Space, on the Hugging Face Hub."""

from __future__ import annotations

import re
from json import JSONDecodeError
from pathlib import Path

from huggingface_hub import CommitOperationAdd, HfApi, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.utils import httpx

from cinn_hub.cards import CARD_FILE, card_text, check_card
from cinn_hub.errors import CheckpointError, CinnHubError, OfflineError
from cinn_hub.hub import FILES, PACKAGE, list_models
from cinn_hub.loading import load

# where the app's own files are: beside the package in a clone, inside of it once installed
APP_PLACES = (PACKAGE.parent, PACKAGE / "space")
APP_FILES = ("app.py", "requirements.txt", "README.md", "LICENSE")
README_LINK = re.compile(r"\]\(([^)#:]+)\)")  # to a picture or a page of the repository
MODEL_FILES = (*FILES, "training.json", "LICENSE.md")
PICTURES = (".png", ".jpg")  # of a model's card
SOURCE_SUFFIXES = (".py", ".css", ".js", ".html")

Bundle = dict[str, Path]
"""Paths in a repository -> the files to be put there."""


def model_bundle(folder: Path) -> Bundle:
    """The files of a model folder, once the model has been read and its card checked.

    Raises:
        CheckpointError: the folder lacks a part of the model, or a card with the metadata that the
            Hub asks for.
    """
    if not folder.is_dir():
        raise CheckpointError(f"{folder} is not a folder; give the folder of a model.")
    load(folder, device="cpu")
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
