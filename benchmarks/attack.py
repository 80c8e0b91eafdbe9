"""Attacks on the app, as strangers would try them: what it says, and what others notice of it.

    python -m benchmarks.attack

Starts the app of this folder on the loopback, with 300 MB of disk, and ends by itself, after ten
minutes at most. Meanwhile a bystander opens the page and writes a digit, over and over again.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import secrets
import socket
import struct
import tempfile
import threading
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
from PIL import Image

from benchmarks.load import ROOT, running_app

LONGEST = 600.0  # seconds, of all attacks together
SAMPLE_SECONDS = 0.5
DISK_MEGABYTES = 300
PATIENCE = 240.0
HOSTILE: list[tuple[str, bytes]] = []  # files, and their names
FILE = {"_type": "gradio.FileData"}
EXAMPLE = ROOT / "examples" / "cat.jpg"


@dataclass
class Row:
    """What one attack came to: tries, those that were answered, refused in a sentence, or neither;
    the app's memory at most in megabytes, the bystander's longest wait in seconds, files left."""

    name: str
    tries: int = 0
    answered: int = 0
    refused: int = 0
    bare: list[str] = field(default_factory=list)
    memory: float = 0.0
    wait: float = 0.0
    disk: float = 0.0
    seconds: float = 0.0


class Attacker:
    """A client who counts what becomes of each try."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.client = httpx.Client(base_url=address, timeout=PATIENCE, trust_env=False)
        self.row = Row("")
        self.config = self.client.get("/config").json()
        info = self.client.get("/gradio_api/info").json()["named_endpoints"]
        self.defaults = {
            name.strip("/"): [p.get("parameter_default") for p in endpoint["parameters"]]
            for name, endpoint in info.items()
        }

    def count(self, status: int, said: object) -> None:
        text = said if isinstance(said, str) else str(said)
        self.row.tries += 1
        if status < 400:
            self.row.answered += 1
        elif text.rstrip().endswith((".", ".)")) and 20 < len(text) < 600:
            self.row.refused += 1
        else:
            self.row.bare.append(f"{status} {text[:80]}")

    def ask(self, method: str, path: str, **options: object) -> httpx.Response | None:
        try:
            answer = self.client.request(method, path, **options)
        except httpx.HTTPError as error:  # it hung up while much was still being sent
            self.count(400, f"{type(error).__name__}: the connection was closed.")
            return None
        said = answer.text
        with suppress(ValueError, LookupError, TypeError):
            said = answer.json()["error"]
        self.count(answer.status_code, said)
        return answer

    def raw(self, head: str, parts: Iterator[bytes]) -> None:
        """A request as no client of HTTP would send it."""
        host, port = self.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            with suppress(OSError):
                connection.sendall(f"{head}\r\nHost: localhost\r\n\r\n".encode())
                for part in parts:
                    connection.sendall(part)
            answer = b""
            with suppress(OSError):
                while part := connection.recv(65536):
                    answer += part
        status = answer.split(b" ")[1:2]
        body = answer.partition(b"\r\n\r\n")[2].decode("utf-8", "replace")
        with suppress(ValueError):
            body = json.loads(body)["error"]
        self.count(int(status[0]) if status else 400, body or "The connection was closed.")

    def upload(self, name: str, data: bytes) -> dict | None:
        answer = self.client.post("/gradio_api/upload", files={"files": (name, data)})
        if answer.status_code != 200:
            self.count(answer.status_code, answer.json()["error"])
            return None
        return {"path": answer.json()[0], "meta": FILE}

    def call(self, name: str, values: dict[int, object], visitor: str | None = None) -> None:
        data = [values.get(i, default) for i, default in enumerate(self.defaults[name])]
        body = {"data": data, "session_hash": visitor or secrets.token_hex(6)}
        sent = {"content": json.dumps(body), "headers": {"Content-Type": "application/json"}}
        answer = self.client.post(f"/gradio_api/call/{name}", **sent)
        if answer.status_code != 200:
            self.count(answer.status_code, answer.json()["error"])
            return
        place = f"/gradio_api/call/{name}/{answer.json()['event_id']}"
        with self.client.stream("GET", place) as events:
            kind, said = "", "the stream ended"
            for line in events.iter_lines():
                name, _, text = line.partition(": ")
                kind = text if name == "event" else kind
                said = json.loads(text) if name == "data" else said
        said = said.get("error") if isinstance(said, dict) else said
        self.count(200 if kind == "complete" else 400, said)

    def join(self, body: dict) -> None:
        """An event of the page."""
        answer = self.client.post("/gradio_api/queue/join", json=body)
        if answer.status_code != 200:
            self.count(answer.status_code, answer.json()["error"])
            return
        place = f"/gradio_api/queue/data?session_hash={body['session_hash']}"
        with self.client.stream("GET", place) as events:
            for line in events.iter_lines():
                said = json.loads(line[6:]) if line.startswith("data: ") else {}
                if said.get("msg") == "process_completed":
                    self.count(200 if said["success"] else 400, said["output"].get("error"))

    def colour(self, name: str, data: bytes, visitor: str | None = None) -> None:
        if photo := self.upload(name, data):
            self.call("colorize", {0: photo, 1: 1}, visitor)


def bodies(by: Attacker) -> None:
    """Requests that are longer than they say, or than anybody reads."""
    both = "POST /gradio_api/{} HTTP/1.1\r\nContent-Length: 20\r\nTransfer-Encoding: chunked"
    json_type = "\r\nContent-Type: application/json"
    chunk = b"[]," * 20_000
    chunks = [f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n"] * 340
    for path in ("queue/join", "call/colorize", "upload"):
        by.raw(both.format(path) + json_type, iter(chunks))
    large = b'{"data": [' + b"[]," * 10_000_000 + b"[]]}"
    for path in ("call/upload", "run/upload", "call/v2/upload", "queue/join", "run/predict"):
        by.ask("POST", f"/gradio_api/{path}", content=large)
    for text in (b"[" * 990_000, b'{"data":' * 100_000, b'{"data": [' + b"[]," * 300_000 + b"1]}"):
        by.ask("POST", "/gradio_api/queue/join", content=text)
    huge = "POST /gradio_api/upload HTTP/1.1\r\nContent-Length: 960000000"
    by.raw(huge + "\r\nContent-Type: multipart/form-data; boundary=x", iter([bytes(10**6)] * 50))
    by.ask("POST", "/gradio_api/upload", files={"files": (None, bytes(100_000_000))})


def addresses(by: Attacker) -> None:
    """The app as a proxy, under other names, and what no page asks for."""
    for text in ("http://example.org/", "HTTPS://example.org/a", "ftp://example.org/", "//a.org/x"):
        for kind in ("file=", "proxy=", "file/", "stream/"):
            by.ask("GET", f"/gradio_api/{kind}{text}")
    for header in ("Host", "X-Forwarded-Host", "X-Gradio-Server"):
        by.ask("GET", "/config", headers={header: "evil.example"})
    for path in ("/monitoring", "/gradio_api/deep_link", "/docs", "/gradio_api/vibe-code"):
        by.ask("GET", path)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">L", len(data)) + kind + data + struct.pack(">L", zlib.crc32(kind + data))


def png(width: int, height: int, depth: int, color: int, *extra: bytes) -> bytes:
    """A PNG of zeros; its rows are compressed piece by piece, so that making it takes no memory."""
    row = bytes(1 + (width * depth * {0: 1, 2: 3, 6: 4}[color] + 7) // 8)
    packer = zlib.compressobj(9)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    header = struct.pack(">LLBBBBB", width, height, depth, color, 0, 0, 0)
    chunks = [chunk(b"IHDR", header), *extra, chunk(b"IDAT", pixels), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunks)


def scans() -> bytes:
    data = io.BytesIO()
    Image.new("L", (4000, 4000)).save(data, "JPEG", progressive=True)
    head, mark, rest = data.getvalue().partition(b"\xff\xda")
    return head + (mark + rest[:-2]) * 900 + b"\xff\xd9"


def many_pages(count: int) -> bytes:
    """A TIFF of 16 x 16 pixels, again and again."""
    tags = [(256, 16), (257, 16), (258, 8), (259, 1), (262, 1), (273, 8), (277, 1), (279, 256)]
    entries = b"".join(struct.pack("<HHLL", tag, 4, 1, value) for tag, value in tags)
    size = 2 + len(entries) + 4
    data, place = [b"II*\0" + struct.pack("<L", 264), bytes(256)], 264
    for i in range(count):
        place += size
        after = struct.pack("<L", place if i < count - 1 else 0)
        data.append(struct.pack("<H", len(tags)) + entries + after)
    return b"".join(data)


def encoded(kind: str, width: int, height: int, **options: object) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (width, height)).save(data, kind, **options)
    return data.getvalue()


def hostile_files() -> Iterator[tuple[str, bytes]]:
    """Small files that take much to decode."""
    yield "deep.png", png(9000, 7100, 16, 6)
    yield "wide.png", png(7000, 7000, 8, 2)
    text = zlib.compress(bytes(60_000_000), 9)
    yield "text.png", png(64, 64, 8, 0, *[chunk(b"zTXt", b"a\0\0" + text)] * 20)
    yield "profile.png", png(64, 64, 8, 0, chunk(b"iCCP", b"a\0\0" + text))
    yield "scans.jpg", scans()
    yield "redrawn.jpg", scans().replace(b"\xff\xda", b"\xff\xda", 1) * 2
    yield "pages.tif", many_pages(300_000)
    yield "large.jp2", encoded("JPEG2000", 7000, 7000)
    yield "large.webp", encoded("WEBP", 12_000, 4000, lossless=True)
    yield "large.avif", encoded("AVIF", 7000, 7000, speed=10)
    yield "large.ppm", b"P6 40000 40000 255\n" + bytes(1000)
    yield "large.psd", b"8BPS\0\1" + bytes(6) + struct.pack(">HLLHH", 3, 30000, 30000, 8, 3)
    frames = [Image.new("L", (64, 64), i % 256) for i in range(2000)]
    data = io.BytesIO()
    frames[0].save(data, "GIF", save_all=True, append_images=frames[1:])
    yield "frames.gif", data.getvalue()
    yield "cut.heic", bytes(4) + b"ftypheic" + bytes(5000)


def files(by: Attacker) -> None:
    """Small files, large work: two at a time."""
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda made: by.colour(*made), HOSTILE))


def archives(by: Attacker) -> None:
    """Archives whose directory or content is a bomb, dropped on the page."""
    many, bomb = io.BytesIO(), io.BytesIO()
    with zipfile.ZipFile(many, "w") as archive:
        for i in range(60_000):
            archive.writestr(f"{i}.jpg", b"")
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        for i in range(12):
            archive.writestr(f"{i}.bmp", bytes(60_000_000))
    drop = next(c["id"] for c in by.config["components"] if c["props"].get("elem_id") == "drop")
    event = next(e for e in by.config["dependencies"] if [drop, "upload"] in e["targets"])
    for name, data in (("many.zip", many.getvalue()), ("bomb.zip", bomb.getvalue())):
        if photo := by.upload(name, data):
            values = [None] * len(event["inputs"])
            values[event["inputs"].index(drop)] = [photo]
            sent = {"data": values, "fn_index": event["id"], "session_hash": secrets.token_hex(6)}
            by.join(fill(by, event, sent))


def fill(by: Attacker, event: dict, sent: dict) -> dict:
    """With the page's own values where none are given."""
    own = {c["id"]: c["props"].get("value") for c in by.config["components"]}
    for i, number in enumerate(event["inputs"]):
        if sent["data"][i] is None and isinstance(own[number], int | float | str):
            sent["data"][i] = own[number]
    return sent


def disk(by: Attacker) -> None:
    """Names that are not swept, many small files, uploads that break off."""
    for _ in range(10):
        file = (".in-use", secrets.token_bytes(8) + bytes(40_000_000))
        by.ask("POST", "/gradio_api/upload", files={"files": file})
    for i in range(5):
        small = [("files", (f"{i}-{j}", secrets.token_bytes(8))) for j in range(900)]
        by.ask("POST", "/gradio_api/upload", files=small)
    head = "POST /gradio_api/upload HTTP/1.1\r\nContent-Length: 100000000\r\nContent-Type: "
    head += "multipart/form-data; boundary=x\r\nConnection: close"
    start = b'--x\r\nContent-Disposition: form-data; name="files"; filename="a"\r\n\r\n'
    for _ in range(4):
        host, port = by.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port))) as connection, suppress(OSError):
            connection.sendall(f"{head}\r\nHost: localhost\r\n\r\n".encode() + start)
            connection.sendall(bytes(20_000_000))


def sessions(by: Attacker) -> None:
    """Cheap calls under ever new names, then a visitor who had photos before them."""
    me = secrets.token_hex(6)
    by.colour("mine.jpg", EXAMPLE.read_bytes(), me)
    events = [e for e in by.config["dependencies"] if e["backend_fn"] and not e["queue"]]
    for i in range(450):
        event = events[i % len(events)]
        sent = {"data": [None] * len(event["inputs"]), "fn_index": event["id"]}
        sent["session_hash"] = secrets.token_hex(6)
        by.ask("POST", "/gradio_api/run/predict", json=fill(by, event, sent))
    before = by.row.answered
    by.call("save", {}, me)
    if by.row.answered == before:
        by.row.bare.append("the visitor's colours were pushed out")
    for name in ("x" * 500_000, "", ["a"], {"a": 1}):
        body = {"data": [], "fn_index": 0, "session_hash": name}
        by.ask("POST", "/gradio_api/queue/join", json=body)


def absent(by: Attacker) -> None:
    """Calls to which nobody listens, then a visitor who does."""
    photo = by.upload("photo.jpg", EXAMPLE.read_bytes())
    for _ in range(60):
        body = {"data": [photo, *by.defaults["colorize"][1:]]}
        by.ask("POST", "/gradio_api/call/colorize", json=body)
    time.sleep(10)
    by.colour("mine.jpg", EXAMPLE.read_bytes())


def half_headers(by: Attacker) -> None:
    """Connections that never say what they want."""
    host, port = by.address.removeprefix("http://").split(":")
    held = [socket.create_connection((host, int(port))) for _ in range(300)]
    for connection in held:
        connection.sendall(b"GET / HTTP/1.1\r\nHost: loc")
        connection.settimeout(60)
    for connection in held:
        with suppress(OSError):
            by.count(400 if connection.recv(10) == b"" else 0, "The connection was closed.")
        connection.close()


ATTACKS = (bodies, addresses, files, archives, disk, sessions, absent, half_headers)


def visit(address: str, longest: Any) -> None:
    """A bystander, in a process of their own, who opens the page and writes a digit."""
    bystander = Attacker(address)
    while True:
        start = time.monotonic()
        with suppress(httpx.HTTPError):  # the app ends
            bystander.ask("GET", "/")
            bystander.call("digits_style", {})
        longest.value = max(longest.value, time.monotonic() - start)
        time.sleep(SAMPLE_SECONDS)


class Watch:
    """What the app takes and leaves, and how long a bystander waits."""

    def __init__(self, address: str, process: psutil.Process, folder: Path) -> None:
        self.address, self.process, self.folder = address, process, folder
        self.memory, self.ended = 0.0, threading.Event()
        threading.Thread(target=self.look, daemon=True).start()
        self.longest = multiprocessing.get_context("spawn").Value(
            "d"
        )  # that the bystander waited, in seconds
        self.bystander = multiprocessing.get_context("spawn").Process(
            target=visit, args=(address, self.longest), daemon=True
        )
        self.bystander.start()

    def look(self) -> None:
        while not self.ended.wait(SAMPLE_SECONDS):
            with suppress(psutil.Error):  # processes that end meanwhile
                used = self.process.memory_info().rss
                for child in self.process.children(recursive=True):
                    used += child.memory_full_info().uss
                self.memory = max(self.memory, used / 1e6)

    def end(self) -> None:
        self.ended.set()
        self.bystander.kill()

    def disk(self) -> float:
        files = [path for path in self.folder.rglob("*") if path.is_file()]
        return sum(512 * path.stat().st_blocks for path in files if path.exists()) / 1e6


@contextmanager
def measured(attacker: Attacker, watch: Watch, name: str) -> Iterator[None]:
    attacker.row = row = Row(name)
    watch.memory, watch.longest.value, start = 0.0, 0.0, time.monotonic()
    yield
    row.seconds = time.monotonic() - start
    time.sleep(2 * SAMPLE_SECONDS)
    row.memory, row.wait, row.disk = watch.memory, watch.longest.value, watch.disk()
    report(row)


HEAD = "attack        seconds  tries  answered  in a sentence  otherwise"
HEAD += "  memory MB  wait s  disk MB"


def report(row: Row) -> None:
    print(
        f"{row.name:12} {row.seconds:8.0f} {row.tries:6} {row.answered:9} {row.refused:14} "
        f"{len(row.bare):10} {row.memory:10.0f} {row.wait:7.1f} {row.disk:8.1f}",
        flush=True,
    )
    for text in sorted(set(row.bare))[:5]:
        print(f"{row.name}: {text}")


def run(attacks: Sequence[Callable[[Attacker], None]], app: Path) -> None:
    end = time.monotonic() + LONGEST
    HOSTILE.extend(hostile_files() if files in attacks else ())  # before anything is measured
    with tempfile.TemporaryDirectory() as name:
        settings = {"CINN_HUB_DISK": str(DISK_MEGABYTES), "TMPDIR": name}
        with running_app(app, **settings) as (address, process):
            attacker = Attacker(address)
            watch = Watch(address, process, Path(name))
            with measured(attacker, watch, "nothing"):
                time.sleep(10)
            for attack in attacks:
                if time.monotonic() < end:
                    with measured(attacker, watch, attack.__name__):
                        attack(attacker)
            with measured(attacker, watch, "afterwards"):
                time.sleep(40)
            watch.end()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--app", type=Path, default=ROOT, help="folder of the app.py to attack")
    names = [attack.__name__ for attack in ATTACKS]
    parser.add_argument("--only", nargs="+", choices=names, default=names, help="these attacks")
    options = parser.parse_args()
    print(HEAD)
    run([attack for attack in ATTACKS if attack.__name__ in options.only], options.app)


if __name__ == "__main__":
    main()
