"""The app's bundle alone, in an environment made of its own requirements: it starts and colours.

Installs PyTorch and Gradio anew, so it is not among the quick tests: `make test-space`.
"""

import shutil
import subprocess
import sys
import venv

import pytest
from gradio_client import handle_file
from helpers import ROOT, api_client, check_strangers_choice, running_app
from PIL import Image

pytestmark = pytest.mark.space


@pytest.fixture
def bundle(tmp_path):
    """What `cinn-hub space --dry-run` lists, copied."""
    command = [sys.executable, "-m", "cinn_hub.cli", "space", "user/demo", "--dry-run"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for line in listed.splitlines()[:-1]:
        name = line.split(maxsplit=1)[1]
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    return tmp_path


def test_the_bundle_starts_and_colours(bundle):
    venv.create(bundle / ".venv", with_pip=True)
    python = bundle / ".venv" / "bin" / "python"
    install = [python, "-m", "pip", "install", "-q", "-r", "requirements.txt"]
    subprocess.run(install, cwd=bundle, check=True, timeout=1500)
    with running_app(python, bundle, PYTHONPATH="", SPACE_ID="user/demo") as app:
        client = api_client(app.address)
        photo = handle_file(str(bundle / "examples" / "cat.jpg"))
        answers = client.predict(photo, n=2, api_name="/colorize")[0]
        assert len(answers["rows"][0]["items"]) == 2
        result = Image.open(client.predict(index=1, api_name="/save"))
        assert result.size == Image.open(bundle / "examples" / "cat.jpg").size
        check_strangers_choice(client)
