"""What the tests share: a small configuration, random weights, and pictures made on the spot."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import time
import urllib.request
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image
from torch import nn

from cinn_hub.flow import InvertibleConv1x1
from cinn_hub.models.colorization_cinn import ColorizationConfig

ROOT = Path(__file__).parent.parent
WAIT = 120_000  # ms for a browser; generous, for slow machines
START_SECONDS = 180  # until the app answers

SMALL = ColorizationConfig(
    image_size=64,
    ab_size=16,
    channels=(8, 16, 32),
    attention_blocks=1,
    conv_blocks=1,
    features=32,
    feature_blocks=1,
    attentions=3,
    couplings=(2, 2, 2),
    hidden=(12, 10, 8),
)


@torch.no_grad()
def randomize(module: nn.Module, seed: int = 0, scale: float = 1.0) -> None:
    """Non-zero random weights everywhere: layers that start as the identity pass any test.

    Rotations are only turned and stretched a little: most random matrices are nearly singular.
    """
    generator = torch.Generator().manual_seed(seed)
    rotations = {m.weight for m in module.modules() if isinstance(m, InvertibleConv1x1)}
    for parameter in module.parameters():
        fan_in = max(1, parameter[0].numel()) if parameter.dim() > 1 else 4
        noise = torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
        noise *= scale * fan_in**-0.5
        parameter.copy_(parameter + 0.3 * noise if parameter in rotations else noise)


def color_picture(width: int = 96, height: int = 64, seed: int = 0) -> Image.Image:
    """A smooth colourful picture."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8))
    return small.resize((width, height), Image.Resampling.BICUBIC)


def same(path: Path | str, expected: object, limit: int = 2) -> bool:
    """Whether the picture in the file is the expected one, up to so many steps of 8 bits."""
    return np.abs(np.asarray(Image.open(path)).astype(int) - np.asarray(expected)).max() <= limit


def run_async(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """What the coroutine returns; it runs in a thread of its own.

    A test of the app may have come before, and its browser has an event loop in this thread.
    """
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, coroutine).result()


class App(NamedTuple):
    """An app that runs, and the process in which it does."""

    address: str
    process: subprocess.Popen


@contextmanager
def running_app(
    python: Path | str,
    folder: Path,
    arguments: Sequence[str] = ("app.py",),
    host: str = "127.0.0.1",
    **environment: str,
) -> Iterator[App]:
    """`python app.py` in that folder, from its first answer at this host on; SIGTERM ends it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "GRADIO_SERVER_PORT": str(port), **environment}
    process = subprocess.Popen([python, *arguments], cwd=folder, env=environment)
    app = App(f"http://{host}:{port}", process)
    try:
        deadline = time.monotonic() + START_SECONDS
        while not answers(app.address):
            assert process.poll() is None, "the app stopped"
            assert time.monotonic() < deadline, "the app does not answer"
            time.sleep(0.2)
        yield app
    finally:
        process.terminate()
        process.wait(60)


def api_client(address: str) -> Any:
    """A client of the app's API that is patient: by itself it gives up after 5 seconds."""
    from gradio_client import Client  # takes long, and few tests need it

    return Client(address, verbose=False, httpx_kwargs={"timeout": WAIT / 1000})


def check_strangers_choice(client: Any) -> None:
    """They choose among the models that come with the app: no folder, nothing of the Hub."""
    import pytest
    from gradio_client.exceptions import ValidationError

    assert "**imagenet**" in client.predict("imagenet", api_name="/load_model")[0]
    for name in ("/etc", "weights/imagenet", "somebody/else"):
        with pytest.raises(ValidationError, match="it must be one of imagenet"):
            client.predict(name, api_name="/load_model")


def answers(address: str) -> bool:
    """Whether a server is there."""
    directly = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        directly.open(address, timeout=10).close()
    except OSError:
        return False
    return True
