"""The app as operators run it: ended, killed, behind a proxy, open to strangers, and its log.

docs/operations.md promises what is tested here.
"""

import http.server
import os
import sys
import threading
import time

import httpx
import pytest
from gradio_client import handle_file
from gradio_client.exceptions import AppError, ValidationError
from helpers import ROOT, WAIT, api_client, color_picture, running_app

from cinn_hub.ui.files import LOCK, PREFIX

HEALTH = "/gradio_api/queue/status"
NO_PROXY_ANSWERS = "http://127.0.0.1:9"
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")
LOST = dict.fromkeys(PROXIES, NO_PROXY_ANSWERS) | {"NO_PROXY": "", "no_proxy": ""}


def running(folder, **options):
    """The app with temporary files in this folder, and a proxy that does not know this machine."""
    folder.mkdir(exist_ok=True)
    place = {"HF_HUB_OFFLINE": "1", "TMPDIR": str(folder), **LOST}
    return running_app(sys.executable, ROOT, **place, **options)


def get(url):
    return httpx.get(url, trust_env=False, timeout=WAIT / 1000)


def files_in(folder):
    return sorted(path for path in folder.glob(f"{PREFIX}*/**/*") if path.is_file())


def colored(address, photo):
    client = api_client(address)
    client.predict(handle_file(str(photo)), n=1, api_name="/colorize")
    client.predict(index=0, api_name="/save")
    return client


@pytest.fixture(scope="module")
def photo(tmp_path_factory):
    path = tmp_path_factory.mktemp("photos") / "grandma-secret.png"
    color_picture(96, 64).convert("L").save(path)
    return path


def test_a_killed_app_leaves_photos_until_the_next_one_which_leaves_none(tmp_path, photo, capfd):
    place, broken = tmp_path / "files", tmp_path / "grandpa-secret.jpg"
    broken.write_bytes(b"\xff\xd8\xff" + bytes(100))
    with running(place) as app:
        colored(app.address, photo)
        killed = list(place.glob(f"{PREFIX}*"))
        app.process.kill()
        app.process.wait()
    assert any("grandma-secret" in path.name for path in files_in(place))
    for folder in killed:
        os.utime(folder / LOCK, (time.time() - 60,) * 2)
    options = {"arguments": ("-m", "cinn_hub", "app", "--host", "127.0.0.2"), "host": "127.0.0.2"}
    with running(place, **options if sys.platform == "linux" else {}) as app:
        assert not any(folder.exists() for folder in killed)
        assert not any("grandma-secret" in path.name for path in files_in(place))
        client = colored(app.address, photo)
        for bad, values in ((broken, {}), (photo, {"n": 99}), (photo, {"seed": "secret"})):
            with pytest.raises((AppError, ValidationError)):
                client.predict(handle_file(str(bad)), **values, api_name="/colorize")
        assert any("grandma-secret" in path.name for path in files_in(place))
    assert files_in(place) == []  # `running_app` has sent SIGTERM
    log = "".join(capfd.readouterr())
    assert log.count("Running on") == 2
    assert "secret" not in log and "grandma" not in log and "Traceback" not in log


@pytest.fixture(scope="module")
def shared_app(tmp_path_factory):
    """Below a path, and open to strangers, who may load published models; one of them may wait."""
    options = {"GRADIO_SERVER_NAME": "0.0.0.0", "GRADIO_ROOT_PATH": "/colours"}
    options |= {"CINN_HUB_LOADING": "published", "CINN_HUB_MEMORY": "16", "CINN_HUB_WAITING": "1"}
    with running(tmp_path_factory.mktemp("files"), **options) as app:
        yield app.address


class Proxy(http.server.BaseHTTPRequestHandler):
    """A reverse proxy that has the app below /colours."""

    target = ""

    def do_GET(self):
        self.forward()

    def do_POST(self):
        self.forward()

    def forward(self):
        assert self.path.startswith("/colours")
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        headers = {k: v for k, v in self.headers.items() if k.lower() not in ("host", "connection")}
        headers |= {"Host": self.headers["Host"], "X-Forwarded-For": "203.0.113.9"}
        url = self.target + self.path.removeprefix("/colours")
        with httpx.stream(
            self.command, url, content=body, headers=headers, timeout=120, trust_env=False
        ) as answer:
            self.send_response(answer.status_code)
            for name, value in answer.headers.items():
                if name.lower() not in ("transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.end_headers()
            for part in answer.iter_raw():
                self.wfile.write(part)
                self.wfile.flush()

    def log_message(self, *rest):
        pass


@pytest.fixture
def outside(shared_app):
    """The address of the reverse proxy."""
    Proxy.target = shared_app
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/colours"
    server.shutdown()


def test_behind_a_reverse_proxy_under_a_path(outside, photo):
    config = get(f"{outside}/config").json()
    assert config["root"].endswith("/colours")
    colored(outside + "/", photo)
    answer = get(outside + HEALTH)
    assert answer.status_code == 200 and answer.json()["queue_size"] == 0


def test_strangers_load_published_models_alone_and_lines_are_as_set(
    outside, tmp_path, small_model, photo
):
    clients = [api_client(outside + "/") for _ in range(8)]
    jobs = [c.submit(handle_file(str(photo)), n=4, api_name="/colorize") for c in clients]
    refused = [str(job.exception(120)) for job in jobs if job.exception(120)]
    assert 0 < len(refused) < 8
    assert all("people already wait for colours; please come back in" in r for r in refused)
    small_model.save(tmp_path / "tiny")
    assert "**imagenet**" in clients[0].predict("imagenet", api_name="/load_model")[0]
    for name in (str(tmp_path / "tiny"), "/etc", "weights/imagenet"):
        with pytest.raises(AppError, match="No published model is called|Hub"):
            clients[0].predict(name, api_name="/load_model")
