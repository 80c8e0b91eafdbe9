"""The app as operators run it: ended, killed, behind a proxy, open to strangers, and its log.

docs/operations.md promises what is tested here.
"""

import http.server
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from helpers import ROOT, color_picture, running_app

from cinn_hub.ui.folder import LOCK, PREFIX

HEALTH = "/gradio_api/queue/status"


@contextmanager
def app(folder, **options):
    """The app with temporary files in this folder: its address."""
    folder.mkdir(exist_ok=True)
    with running_app(
        sys.executable, ROOT, HF_HUB_OFFLINE="1", TMPDIR=str(folder), **options
    ) as address:
        yield address


def files_in(folder):
    return sorted(path for path in folder.glob(f"{PREFIX}*/**/*") if path.is_file())


def colored(address, photo):
    client = Client(address, verbose=False)
    client.predict(handle_file(str(photo)), n=1, api_name="/colorize")
    client.predict(index=0, api_name="/save")
    return client


@pytest.fixture
def photo(tmp_path):
    path = tmp_path / "grandma-secret.png"
    color_picture(96, 64).convert("L").save(path)
    return path


def test_sigterm_leaves_no_photo(tmp_path, photo):
    with app(tmp_path / "files") as address:
        colored(address, photo)
        assert any("grandma-secret" in path.name for path in files_in(tmp_path / "files"))
    assert files_in(tmp_path / "files") == []  # `running_app` has sent SIGTERM


def test_what_a_killed_app_left_is_deleted_by_the_next_one(tmp_path, photo):
    place = tmp_path / "files"
    with app(place) as address:
        colored(address, photo)
        killed = {path for path in place.glob(f"{PREFIX}*")}
        end_all(place, signal.SIGKILL)
        assert any("grandma-secret" in path.name for path in files_in(place))
        for folder in killed:
            os.utime(folder / LOCK, (time.time() - 60,) * 2)
        with app(place):
            assert not any(folder.exists() for folder in killed)
            assert not any("grandma-secret" in path.name for path in files_in(place))


def end_all(place, number):
    """Sends a signal to the app whose temporary files are there."""
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes().split(b"\0")
            is_app = b"app.py" in (process / "cmdline").read_bytes()
        except OSError:
            continue
        if is_app and f"TMPDIR={place}".encode() in environment:
            os.kill(int(process.name), number)
    time.sleep(1)


def test_the_log_has_no_names_of_photos(tmp_path, photo, capfd):
    broken = tmp_path / "grandpa-secret.jpg"
    broken.write_bytes(b"\xff\xd8\xff" + bytes(100))
    with app(tmp_path / "files") as address:
        client = colored(address, photo)
        for bad, values in ((broken, {}), (photo, {"n": 99}), (photo, {"seed": "secret"})):
            with pytest.raises(AppError):
                client.predict(handle_file(str(bad)), **values, api_name="/colorize")
    said = "".join(capfd.readouterr())
    assert "Running on" in said
    assert "secret" not in said and "grandma" not in said and "Traceback" not in said


def test_strangers_load_no_model_unless_it_is_published(tmp_path, small_model):
    with app(tmp_path / "files", GRADIO_SERVER_NAME="0.0.0.0") as address:
        endpoints = Client(address, verbose=False).view_api(return_format="dict")
        assert "/load_model" not in endpoints["named_endpoints"]
    small_model.save(tmp_path / "tiny")
    options = {"GRADIO_SERVER_NAME": "0.0.0.0", "CINN_HUB_LOADING": "published"}
    with app(tmp_path / "files", **options) as address:
        client = Client(address, verbose=False)
        assert "**imagenet**" in client.predict("imagenet", api_name="/load_model")[0]
        for name in (str(tmp_path / "tiny"), "/etc", "weights/imagenet"):
            with pytest.raises(AppError, match="No published model is called|Hub"):
                client.predict(name, api_name="/load_model")


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


def test_behind_a_reverse_proxy_under_a_path(tmp_path, photo):
    with app(tmp_path / "files", GRADIO_ROOT_PATH="/colours") as address:
        Proxy.target = address
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            outside = f"http://127.0.0.1:{server.server_port}/colours"
            config = httpx.get(f"{outside}/config", trust_env=False).json()
            assert config["root"].endswith("/colours")
            client = colored(outside + "/", photo)
            assert "/load_model" not in client.view_api(return_format="dict")["named_endpoints"]
            assert httpx.get(outside + HEALTH, trust_env=False).status_code == 200
        finally:
            server.shutdown()


NO_PROXY_ANSWERS = "http://127.0.0.1:9"
PROXIES = ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


@pytest.mark.parametrize(
    ("arguments", "host"),
    [
        (("app.py",), "127.0.0.1"),
        (("-m", "cinn_hub", "app"), "127.0.0.1"),
        pytest.param(
            ("-m", "cinn_hub", "app", "--host", "127.0.0.2"),
            "127.0.0.2",
            marks=pytest.mark.skipif(sys.platform != "linux", reason="has one loopback address"),
        ),
    ],
)
def test_behind_a_proxy_that_does_not_know_this_machine(tmp_path, photo, arguments, host):
    proxies = dict.fromkeys(PROXIES, NO_PROXY_ANSWERS) | {"NO_PROXY": "", "no_proxy": ""}
    with app(tmp_path / "files", arguments=arguments, host=host, **proxies) as address:
        page = httpx.get(address, trust_env=False)
        assert page.status_code == 200 and "cinn_hub" in page.text
        colored(address, photo)


def test_memory_and_lines_are_as_set(tmp_path, photo):
    with app(tmp_path / "files", CINN_HUB_MEMORY="16", CINN_HUB_WAITING="1") as address:
        answer = httpx.get(address + HEALTH, trust_env=False)
        assert answer.status_code == 200 and answer.json()["queue_size"] == 0
        clients = [Client(address, verbose=False) for _ in range(8)]
        jobs = [
            c.submit(handle_file(str(ROOT / "examples" / "cat.jpg")), n=4, api_name="/colorize")
            for c in clients
        ]
        refused = [str(job.exception(120)) for job in jobs if job.exception(120)]
        assert 0 < len(refused) < 8
        assert all("people already wait for colours; please come back in" in r for r in refused)
