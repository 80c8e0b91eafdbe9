"""Publishing: a model folder, or the app as a Space, on the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from huggingface_hub import HfApi, ModelCard, ModelCardData, get_token
from huggingface_hub.errors import HfHubHTTPError, HFValidationError
from huggingface_hub.utils import httpx
from yaml import YAMLError

from cinn_hub.errors import CheckpointError, CinnHubError, OfflineError
from cinn_hub.hub import FILES, PACKAGE, list_models

if TYPE_CHECKING:
    from cinn_hub.model import ConditionalINN

# where the app's own files are: beside the package in a clone, inside of it once installed
APP_PLACES = (PACKAGE.parent, PACKAGE / "space")
APP_FILES = ("app.py", "requirements.txt", "README.md", "LICENSE")
APP_FILES += ("CHANGELOG.md", "CITATION.cff", "CONTRIBUTING.md")  # the README leads to them
APP_FOLDERS = ("examples", "docs")  # docs: the README's pictures
MODEL_FILES = (*FILES, "training.json", "LICENSE.md")
PICTURES = (".png", ".jpg")  # of a model's card
SOURCE_SUFFIXES = (".py", ".css", ".js")
WANTED_METADATA = ("library_name", "pipeline_tag", "license", "tags")
DRAFT = "(Draft: what it was trained on, and what people may use it for.)"

Bundle = dict[str, Path]
"""Paths in a repository -> the files to be put there."""


def model_bundle(folder: Path) -> Bundle:
    """The files of a model folder, once the model has been read and its card checked.

    Raises:
        CheckpointError: the folder holds no whole model, or no card with the metadata that the Hub
            asks for.
    """
    from cinn_hub.checkpoints import read_model

    read_model(folder)
    card_path = folder / "README.md"
    if not card_path.exists():
        raise CheckpointError(
            f"{folder} has no README.md; write the model's card: data, terms, figures, failures."
        )
    text = card_path.read_text("utf-8")
    if not text.startswith("---\n"):
        raise CheckpointError(f"{card_path} lacks metadata: YAML between two lines of ---.")
    try:
        data = ModelCard(text).data.to_dict()
    except (ValueError, YAMLError) as error:
        said = str(error).splitlines()[0]
        raise CheckpointError(f"{card_path} has metadata that is no YAML ({said}).") from error
    if DRAFT in text:
        raise CheckpointError(f"{card_path} is still a draft; write what people should know.")
    if missing := [key for key in WANTED_METADATA if not data.get(key)]:
        raise CheckpointError(f"{card_path} lacks {', '.join(missing)} in its metadata.")
    return model_files(folder)


def model_files(folder: Path) -> Bundle:
    """A model with its card, the card's pictures, its terms and the course of its training."""
    pictures = [path.name for path in sorted(folder.iterdir()) if path.suffix in PICTURES]
    return {name: folder / name for name in (*MODEL_FILES, *pictures) if (folder / name).exists()}


def app_folder() -> Path:
    """Where app.py, the examples and the README are.

    Raises:
        CinnHubError: this installation lacks them.
    """
    root = next((place for place in APP_PLACES if (place / "app.py").exists()), None)
    if root is None:
        raise CinnHubError("This installation has no app.py; use a clone of the repository.")
    return root


def space_bundle() -> Bundle:
    """The files that the app needs as a Space, and no others.

    Raises:
        CinnHubError: this installation lacks them.
    """
    root = app_folder()
    bundle = {name: root / name for name in APP_FILES if (root / name).exists()}
    for path in sorted(PACKAGE.rglob("*")):
        if path.suffix in SOURCE_SUFFIXES and "space" not in path.relative_to(PACKAGE).parts:
            bundle[f"cinn_hub/{path.relative_to(PACKAGE).as_posix()}"] = path
    for folder in APP_FOLDERS:
        for path in sorted((root / folder).rglob("*")):
            if path.is_file():
                bundle[path.relative_to(root).as_posix()] = path
    for entry in list_models():
        if entry.folder:
            files = model_files(entry.folder)
            bundle |= {f"weights/{entry.name}/{name}": path for name, path in files.items()}
    return bundle


def listing(bundle: Bundle) -> str:
    """What would be sent, a line a file, and the sum."""
    lines = [f"{path.stat().st_size:>12,}  {name}" for name, path in bundle.items()]
    total = sum(path.stat().st_size for path in bundle.values())
    return "\n".join([*lines, f"{total:>12,}  bytes in {len(bundle)} files"])


def publish(bundle: Bundle, repo: str, repo_type: str, private: bool, message: str) -> str:
    """Makes the repository if there is none and sends the files as one commit; returns its URL.

    Raises:
        CinnHubError: there is no token, the Hub refuses, or it cannot be reached.
    """
    from huggingface_hub import CommitOperationAdd

    if not get_token():
        raise CinnHubError(
            "Publishing needs a token: log in with `hf auth login`, or set HF_TOKEN."
        )
    api = HfApi()
    sdk = "gradio" if repo_type == "space" else None
    files = [CommitOperationAdd(name, str(path)) for name, path in bundle.items()]
    try:
        api.create_repo(repo, private=private, repo_type=repo_type, exist_ok=True, space_sdk=sdk)
        if private and not api.repo_info(repo, repo_type=repo_type).private:
            raise CinnHubError(f"{repo} is there already, and public; choose another name.")
        commit = api.create_commit(repo, files, commit_message=message, repo_type=repo_type)
    except HFValidationError as error:
        raise CinnHubError(f"{repo!r} is no name of a repository; expected user/name.") from error
    except HfHubHTTPError as error:
        said = error.server_message or str(error).splitlines()[0]
        raise CinnHubError(f"The Hub refused {repo}: {said}") from error
    except ValueError as error:  # metadata that the Hub does not take
        raise CheckpointError(
            f"The Hub refused the card: {' '.join(str(error).split())}"
        ) from error
    except (httpx.HTTPError, OSError) as error:
        raise OfflineError(f"The Hub cannot be reached to publish {repo}; try again.") from error
    return str(commit.repo_url)


def new_card(model: ConditionalINN) -> ModelCard:
    """The card of a model that has none: its metadata, and what its author should write."""
    data = ModelCardData(
        library_name="cinn_hub",
        pipeline_tag="image-to-image",
        license="other",
        license_name="see-below",
        tags=["normalizing-flow", "conditional-invertible-neural-network"],
    )
    millions = sum(parameter.numel() for parameter in model.parameters()) / 1e6
    origin = f"It goes on from {model.name}, whose terms hold for it, too.\n\n"
    text = f"""---
{data.to_yaml()}
---

# A {type(model).__name__}

A conditional invertible neural network of {millions:.1f} million parameters, for
`cinn_hub.load("user/repo")`.

## Data and terms

{origin if model.folder else ""}{DRAFT}

## Training

Commands, hours, hardware.

## Figures and limits

What was measured, on what; what fails.
"""
    return ModelCard(text)
