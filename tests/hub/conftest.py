"""A Hub on the loopback with a model on it; this process takes it for the Hugging Face Hub."""

import pytest
from hub_server import Hub, Repo
from huggingface_hub import constants
from huggingface_hub.utils import disable_progress_bars

import cinn_hub
from cinn_hub import hub as hub_module
from cinn_hub.errors import CinnHubError

CARD = """---
library_name: cinn_hub
pipeline_tag: image-to-image
license: mit
tags:
  - colorization
---

# tiny
"""


@pytest.fixture(scope="module")
def server():
    """The Hub that `huggingface_hub` knows; its answers may take long on busy machines."""
    hub = Hub()
    template = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
    disable_progress_bars()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(constants, "ENDPOINT", hub.address)
        patch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        patch.setattr(constants, "HF_HUB_DOWNLOAD_TIMEOUT", 60)
        patch.setattr(constants, "HF_HUB_DISABLE_XET", True)  # plain HTTP, as every Hub has it
        patch.setattr(constants, "HF_TOKEN_PATH", "/nowhere")
        patch.setattr(hub_module, "ANSWER_SECONDS", 60)
        patch.delenv("HF_TOKEN", raising=False)
        yield hub
    hub.shutdown()


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
def load(server, tmp_path):
    """Loads a model with a cache of this test: its name, class and fingerprint, or the error."""

    def load(name, **options):
        options.setdefault("cache_dir", tmp_path / "cache")
        try:
            model = cinn_hub.load(name, device="cpu", **options)
        except CinnHubError as error:
            return {"error": type(error).__name__, "message": str(error)}
        return {"value": [model.name, type(model).__name__, model.fingerprint]}

    return load
