"""The steps of the Containerfile: as they stand, and by Docker or Podman where one of them runs."""

import json
import shlex
import shutil
import signal
import subprocess
import sys
import venv

import pytest
from gradio_client import handle_file
from helpers import ROOT, api_client, check_strangers_choice, color_picture, running_app

FILE = ROOT / "Containerfile"
STOP_SECONDS = 10  # that `docker stop` waits before it kills


def steps():
    """[(instruction, arguments)] of the file, lines joined."""
    text = FILE.read_text("utf-8").replace("\\\n", " ")
    lines = [line.strip() for line in text.splitlines()]
    return [tuple(line.split(maxsplit=1)) for line in lines if line and not line.startswith("#")]


def arguments_of(instruction):
    return [arguments for name, arguments in steps() if name == instruction]


def exec_form(text):
    return json.loads(text[text.index("[") :])


@pytest.fixture
def image(tmp_path):
    """A folder with what COPY copies, and no more."""
    place = tmp_path / "app"
    place.mkdir()
    for arguments in arguments_of("COPY"):
        *sources, target = arguments.split()
        for source in sources:
            end = place / target / source if target == "." else place / target
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, end, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(ROOT / source, end)
    return place


def check(place, python):
    """What CMD starts with what ENV sets becomes healthy, answers, and ends in time without
    leaving a photo; a port that is free takes the place of 7860."""
    photo = place.parent / "grandma.png"
    color_picture(96, 64).convert("L").save(photo)
    pairs = (pair.split("=", 1) for line in arguments_of("ENV") for pair in shlex.split(line))
    environment = {**dict(pairs), "PYTHONPATH": "", "TMPDIR": str(place.parent)}
    environment.pop("GRADIO_SERVER_PORT", None)
    command = exec_form(arguments_of("CMD")[0])[1:]
    with running_app(python, place, command, **environment) as (address, process):
        _, *probe = exec_form(arguments_of("HEALTHCHECK")[0])
        probe = [part.replace("7860", address.rpartition(":")[2]) for part in probe]
        assert subprocess.run([python, *probe], capture_output=True, timeout=60).returncode == 0
        client = api_client(address)
        check_strangers_choice(client)
        client.predict(handle_file(str(photo)), n=2, api_name="/colorize")
        assert list(place.parent.glob("cinn-hub-app-*"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(STOP_SECONDS) == 0
        assert not list(place.parent.glob("cinn-hub-app-*"))
    assert subprocess.run([python, *probe], capture_output=True, timeout=60).returncode != 0


def test_the_files_of_the_container_start_and_stop(image):
    check(image, sys.executable)


def test_strangers_reach_it_and_pip_installs_what_is_pinned():
    assert any("GRADIO_SERVER_NAME=0.0.0.0" in line for line in arguments_of("ENV"))
    assert [line for line in arguments_of("RUN") if "pip" in line] == [
        "pip install --no-cache-dir --quiet -r requirements.txt"
    ]
    assert arguments_of("USER") and arguments_of("USER") != ["root"]


@pytest.mark.space
def test_the_container_runs_with_what_its_steps_install(image):
    """As `make test-space`: gigabytes, minutes."""
    venv.create(image / ".venv", with_pip=True)
    python = image / ".venv" / "bin" / "python"
    for line in arguments_of("RUN"):
        if line.startswith("pip "):
            command = [str(python), "-m", *shlex.split(line)]
            subprocess.run(command, cwd=image, check=True, timeout=1500)
    check(image, python)


def engine():
    """Docker or Podman, where it runs and not only is installed."""
    for name in ("docker", "podman"):
        if (
            shutil.which(name)
            and not subprocess.run([name, "info"], capture_output=True).returncode
        ):
            return name
    return None


@pytest.mark.space
@pytest.mark.skipif(engine() is None, reason="neither Docker nor Podman runs here")
def test_an_engine_builds_the_container():
    build = [engine(), "build", "-q", "-f", str(FILE), "-t", "cinn-hub-test", str(ROOT)]
    subprocess.run(build, check=True, timeout=3000)
    run = [engine(), "run", "--rm", "--entrypoint", "python", "cinn-hub-test"]
    subprocess.run([*run, "-c", "import cinn_hub; cinn_hub.load('mnist')"], check=True, timeout=300)
