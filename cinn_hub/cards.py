"""Model cards: reading and checking them, and drafts for models that have none."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import ModelCard, ModelCardData
from yaml import YAMLError

from cinn_hub.errors import CheckpointError, CinnHubError, quoted
from cinn_hub.files import MOST_CARD, read_plain, reason_of, write_whole

CARD_FILE = "README.md"
UNREADABLE = (ValueError, TypeError, KeyError, RecursionError, YAMLError)  # of bad metadata
WANTED_METADATA = ("library_name", "pipeline_tag", "license", "tags")
DRAFT = "(Draft: what it was trained on, and what people may use it for.)"


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
        return read_plain(path, MOST_CARD).decode("utf-8")
    except FileNotFoundError as error:
        raise CheckpointError(
            f"{folder} has no {CARD_FILE}; write the model's card: data, terms, figures, failures."
        ) from error
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read: {reason_of(error)}.") from error


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
        data = ModelCard(text).data.to_dict()
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
