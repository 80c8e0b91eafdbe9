"""A Hub on the loopback with a model on it, and a process that loads from there."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import ROOT
from hub_server import Hub, Repo

CARD = """---
library_name: cinn_hub
pipeline_tag: image-to-image
license: mit
tags:
  - colorization
---

# tiny
"""


class Client:
    """A process of its own; `run(code)` gives {"value": ...} or {"error": ..., "message": ...}."""

    def __init__(self, endpoint: str, home: Path) -> None:
        kept = {key: value for key, value in os.environ.items() if not key.startswith("HF_")}
        environment = {
            **kept,
            "PYTHONPATH": str(ROOT),
            "HF_ENDPOINT": endpoint,
            "HF_HOME": str(home),
            "HF_HUB_DOWNLOAD_TIMEOUT": "60",
            "HF_HUB_DISABLE_PROGRESS_BARS": "1",
            "HF_HUB_DISABLE_XET": "1",  # plain HTTP, as every Hub has it
        }
        command = [sys.executable, str(Path(__file__).with_name("client.py"))]
        self.process = subprocess.Popen(
            command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout.readline() == "ready\n"

    def run(self, code: str) -> dict:
        self.process.stdin.write(json.dumps(code) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait(60)


@pytest.fixture(scope="session")
def server():
    hub = Hub()
    yield hub
    hub.shutdown()


@pytest.fixture(scope="session")
def client(server, tmp_path_factory):
    started = Client(server.address, tmp_path_factory.mktemp("home"))
    yield started
    started.close()


@pytest.fixture(scope="session")
def model_files(small_model, tmp_path_factory):
    """The files of a small model."""
    folder = tmp_path_factory.mktemp("model")
    small_model.save(folder)
    (folder / "README.md").write_text(CARD)
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.fixture
def hub(server, model_files):
    """The server with user/tiny on it, and a private copy."""
    server.reset()
    server.repos["user/tiny"] = Repo()
    server.repos["user/tiny"].commit(model_files)
    server.repos["user/secret"] = Repo(private=True)
    server.repos["user/secret"].commit(model_files)
    return server


@pytest.fixture
def load(client, tmp_path):
    """Loads a model in the other process, with a cache of this test; gives what it says."""

    def load(name, **options):
        options.setdefault("cache_dir", str(tmp_path / "cache"))
        written = ", ".join(f"{key}={value!r}" for key, value in options.items())
        return client.run(
            f"model = cinn_hub.load({name!r}, device='cpu', {written})\n"
            "value = [model.name, type(model).__name__, model.fingerprint]"
        )

    return load
