"""A Hub on the loopback with a model on it, and a process that loads from there."""

import pytest
from hub_client import CARD, Client
from hub_server import Hub, Repo


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
            "value = [model.name, type(model).__name__, float(next(model.parameters()).sum())]"
        )

    return load
