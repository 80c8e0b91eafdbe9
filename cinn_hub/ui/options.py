"""What the operator decides: options of the command line, which reach the app as environment
variables."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from cinn_hub.errors import CinnHubError
from cinn_hub.ui.bounds import DISK_MEGABYTES, MEMORY_MEGABYTES, WAITING_FOR_COLORS

LOOPBACK = ("127.0.0.1", "localhost", "::1")
NO = ("", "0", "false", "no")
SPACES = "https://huggingface.co https://*.hf.space"  # show the Spaces in frames


class Loading(StrEnum):
    """Which models visitors may load, from the fewest to the most."""

    BUNDLED = "bundled"
    PUBLISHED = "published"
    ANYTHING = "anything"


@dataclass(frozen=True)
class AppOptions:
    """What the operator of an app decides.

    Attributes:
        model: a name, a folder, or user/repo of the Hub; of colours, or of digits.
        memory: megabytes for the photos and answers of all visitors together.
        disk: megabytes for all uploads, previews and downloads together.
        waiting: how many may wait for colours.
        loading: which models visitors may load; folders of this machine only where all visitors
            are its users.
        hosts: the names under which the app is served, so that no page of another name can ask
            it from a browser here; without any, all names, where strangers may come.
        frames: which pages may show the app in a frame, for Content-Security-Policy.
        open: whether a browser is opened, where there is one.
    """

    model: str = "imagenet"
    memory: int = MEMORY_MEGABYTES
    disk: int = DISK_MEGABYTES
    waiting: int = WAITING_FOR_COLORS
    loading: Loading = Loading.ANYTHING
    hosts: tuple[str, ...] = LOOPBACK
    frames: str = "'self'"
    open: bool = False

    @classmethod
    def of(cls, environment: Mapping[str, str] = os.environ) -> AppOptions:
        """The options in environment variables: CINN_HUB_MODEL, _MEMORY, _DISK, _WAITING,
        _LOADING, _HOSTS and _OPEN; Gradio's own say where the app listens.

        Raises:
            CinnHubError: one of them has a value that is not understood.
        """
        return cls(
            model=environment.get("CINN_HUB_MODEL", cls.model),
            memory=whole_number(environment, "CINN_HUB_MEMORY", cls.memory, least=16),
            disk=whole_number(environment, "CINN_HUB_DISK", cls.disk, least=16),
            waiting=whole_number(environment, "CINN_HUB_WAITING", cls.waiting, least=1),
            loading=loading_of(environment),
            hosts=hosts_of(environment),
            frames=SPACES if "SPACE_ID" in environment else cls.frames,
            open=environment.get("CINN_HUB_OPEN", "").lower() not in NO,
        )


def whole_number(environment: Mapping[str, str], name: str, default: int, least: int) -> int:
    text = environment.get(name, str(default))
    if not text.isdecimal() or int(text) < least:
        raise CinnHubError(f"{name} is {text!r}; it must be a whole number, {least} or more.")
    return int(text)


def loading_of(environment: Mapping[str, str]) -> Loading:
    """What was chosen; if nothing was, anything for users of this machine, and for others the
    models that come with the app.

    Strangers may ask for published models where that was chosen, and never for a folder.
    """
    chosen = environment.get("CINN_HUB_LOADING")
    if chosen is not None and chosen not in list(Loading):
        raise CinnHubError(
            f"CINN_HUB_LOADING is {chosen!r}; it must be one of {', '.join(Loading)}."
        )
    if strangers_may_come(environment):
        published = chosen in (Loading.PUBLISHED, Loading.ANYTHING)
        return Loading.PUBLISHED if published else Loading.BUNDLED
    return Loading(chosen or Loading.ANYTHING)


def hosts_of(environment: Mapping[str, str]) -> tuple[str, ...]:
    """This machine's own names, and those that were chosen, with commas between them."""
    chosen = [name.strip().lower() for name in environment.get("CINN_HUB_HOSTS", "").split(",")]
    if any(chosen) or not strangers_may_come(environment):
        return (*LOOPBACK, *filter(None, chosen))
    return ()


def strangers_may_come(environment: Mapping[str, str]) -> bool:
    """Whether others than the users of this machine can reach the app."""
    return (
        environment.get("GRADIO_SERVER_NAME", LOOPBACK[0]) not in LOOPBACK
        or environment.get("GRADIO_SHARE", "").lower() not in NO
        or bool(environment.get("GRADIO_ROOT_PATH"))  # a reverse proxy asks in their place
        or "SPACE_ID" in environment
    )
