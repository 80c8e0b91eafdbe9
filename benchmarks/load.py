"""Many visitors at once: what they get, how long they wait, and what memory the app takes.

    python -m benchmarks.load --visitors 50 --minutes 5
    python -m benchmarks.load --sessions 500

Starts the app of this folder on the loopback and visits it over HTTP, as pages do: photos of 1 to
12 megapixels are uploaded, coloured, varied and saved, digits are written, and ten seconds pass
between what one visitor does. The visitors run on the same cores as the app.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import random
import secrets
import socket
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import psutil
from PIL import Image

ROOT = Path(__file__).parent.parent
THINK_SECONDS = 10.0
PATIENCE = 600.0  # seconds until an answer that does not come counts as none
MEGAPIXELS = (1, 2, 4, 6, 8, 12)
SAMPLE_SECONDS = 2.0
SIDE_BY_SIDE = 8  # of many fresh sessions, so many are there at once
# What visitors who have colours do next, and how often; the first thing is always `colorize`.
ACTIONS = {"colorize": 5, "colorize_similar": 3, "hints": 2, "save": 5, "digits_sample": 5}
KINDS = {"save": "saves", "digits_sample": "digits"}  # the others are colours


@dataclass
class Record:
    """What the visitors met."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refusals: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    failures: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    memory: list[tuple[float, float]] = field(default_factory=list)  # seconds, megabytes
    cpu_seconds: float = 0.0  # of the app


class Refusal(Exception):
    """The app said no, in a sentence."""


class Failure(Exception):
    """Neither an answer nor a sentence came."""


class Visitor:
    """One browser tab."""

    def __init__(self, client: httpx.AsyncClient, parameters: dict, photos: list[bytes]) -> None:
        self.client, self.parameters, self.photos = client, parameters, photos
        self.session = secrets.token_hex(6)
        self.dice = random.Random(self.session)
        self.photo: dict | None = None

    async def act(self, action: str) -> None:
        values = {}
        if action == "colorize":
            self.photo = await self.upload()
        if action in ("colorize", "hints"):
            values = {"photo": self.photo}
        if action == "hints":
            values |= {"hints": "200 200 #aa3311", "n": 4}
        output = await self.call(action, values)
        await self.fetch_files(output)

    async def upload(self) -> dict:
        """A photo that nobody else has: some bytes are put behind its end."""
        photo = self.dice.choice(self.photos) + secrets.token_bytes(8)
        files = {"files": ("photo.jpg", photo, "image/jpeg")}
        answer = await self.client.post("/gradio_api/upload", files=files)
        if answer.status_code != 200:
            raise Failure(f"upload: {answer.status_code}")
        return {"path": answer.json()[0], "meta": {"_type": "gradio.FileData"}}

    async def call(self, action: str, values: dict) -> list:
        data = [
            values.get(p["parameter_name"], p.get("parameter_default"))
            for p in self.parameters[f"/{action}"]["parameters"]
        ]
        body = {"data": data, "session_hash": self.session}
        answer = await self.client.post(f"/gradio_api/call/{action}", json=body)
        if answer.status_code in (400, 422):
            raise Refusal(answer.json()["error"])
        if answer.status_code != 200:
            raise Failure(f"call: {answer.status_code}")
        place = f"/gradio_api/call/{action}/{answer.json()['event_id']}"
        async with self.client.stream("GET", place) as events:
            return await outcome(events)

    async def fetch_files(self, output: list) -> None:
        for url in urls_in(output):
            answer = await self.client.get(url)
            if answer.status_code != 200:
                raise Failure(f"file: {answer.status_code}")


async def outcome(events: httpx.Response) -> list:
    """The values in a stream of events."""
    event = None
    async for line in events.aiter_lines():
        name, _, text = line.partition(": ")
        if name == "event":
            event = text
        elif name == "data" and event == "complete":
            return json.loads(text)
        elif name == "data" and event == "error":
            found = json.loads(text)
            sentence = found.get("error") if isinstance(found, dict) else found
            raise Refusal(sentence) if sentence else Failure("error: null")
    raise Failure("the stream ended")


def urls_in(value: object) -> Iterator[str]:
    """The files that a page would ask for."""
    if isinstance(value, dict) and value.get("url"):
        yield httpx.URL(value["url"]).raw_path.decode()
    elif isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from urls_in(part)


async def visit(visitor: Visitor, record: Record, until: float) -> None:
    """One visitor's stay: actions with ten seconds between them."""
    await asyncio.sleep(visitor.dice.uniform(0, THINK_SECONDS))
    has_colors = False
    while time.monotonic() < until:
        names, weights = list(ACTIONS), list(ACTIONS.values())
        action = visitor.dice.choices(names, weights)[0] if has_colors else "colorize"
        done = await attempt(visitor, action, record)
        has_colors = has_colors or (done and action == "colorize")
        pause = min(THINK_SECONDS, max(0.0, until - time.monotonic()))
        await asyncio.sleep(pause)


async def attempt(visitor: Visitor, action: str, record: Record) -> bool:
    """Whether an answer came; what came is recorded."""
    kind, start = KINDS.get(action, "colours"), time.monotonic()
    try:
        async with asyncio.timeout(PATIENCE):
            await visitor.act(action)
        record.seconds[kind].append(time.monotonic() - start)
        return True
    except Refusal as refusal:
        record.refusals[kind].append(str(refusal))
    except (Failure, TimeoutError, httpx.HTTPError) as failure:
        record.failures[kind].append(f"{type(failure).__name__} {failure}")
    return False


async def watch(process: psutil.Process, record: Record) -> None:
    start = time.monotonic()
    while True:
        used = process.memory_info().rss / 1e6
        record.memory.append((time.monotonic() - start, used))
        await asyncio.sleep(SAMPLE_SECONDS)


async def stay(options: argparse.Namespace, visitors: list[Visitor], record: Record) -> None:
    """A crowd that stays."""
    until = time.monotonic() + 60 * options.minutes
    await asyncio.gather(*(visit(visitor, record, until) for visitor in visitors))


async def come_and_go(visitors: list[Visitor], record: Record) -> None:
    """Visitors who come once, colour a photo and save a picture, a few at a time."""
    waiting = iter(visitors)

    async def door() -> None:
        for visitor in waiting:
            while not await attempt(visitor, "colorize", record):
                await asyncio.sleep(1)
            await attempt(visitor, "save", record)

    await asyncio.gather(*(door() for _ in range(SIDE_BY_SIDE)))


async def run(options: argparse.Namespace, address: str, process: psutil.Process) -> Record:
    record, photos = Record(), make_photos()
    limits = httpx.Limits(max_connections=None)
    async with httpx.AsyncClient(
        base_url=address, timeout=PATIENCE, limits=limits, trust_env=False
    ) as client:
        endpoints = (await client.get("/gradio_api/info")).json()["named_endpoints"]
        before = sum(process.cpu_times()[:2])
        watcher = asyncio.create_task(watch(process, record))
        count = options.sessions or options.visitors
        visitors = [Visitor(client, endpoints, photos) for _ in range(count)]
        if options.sessions:
            await come_and_go(visitors, record)
        else:
            await stay(options, visitors, record)
        watcher.cancel()
        record.cpu_seconds = sum(process.cpu_times()[:2]) - before
    return record


def make_photos() -> list[bytes]:
    """Grey JPEGs of several sizes, with grain."""
    example = Image.open(ROOT / "examples" / "photographer.jpg").convert("L")
    rng, made = np.random.default_rng(0), []
    for millions in MEGAPIXELS:
        scale = (millions * 1e6 / (example.width * example.height)) ** 0.5
        large = example.resize((round(example.width * scale), round(example.height * scale)))
        grain = rng.normal(0, 3, (large.height, large.width)).astype(np.float32)
        grey = Image.fromarray((np.asarray(large) + grain).clip(0, 255).astype(np.uint8))
        packed = io.BytesIO()
        grey.save(packed, "JPEG", quality=90)
        made.append(packed.getvalue())
    return made


@contextmanager
def running_app(folder: Path, **settings: str) -> Iterator[tuple[str, psutil.Process]]:
    """`python app.py` in that folder, with these environment variables: its address and process."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = psutil.Process().environ() | {"GRADIO_SERVER_PORT": str(port)} | settings
    app = subprocess.Popen([sys.executable, "app.py"], cwd=folder, env=environment)
    try:
        address = f"http://127.0.0.1:{port}"
        wait_for(address, app)
        yield address, psutil.Process(app.pid)
    finally:
        app.terminate()
        app.wait(30)


def wait_for(address: str, app: subprocess.Popen) -> None:
    for _ in range(600):
        try:
            httpx.get(f"{address}/gradio_api/queue/status", timeout=2, trust_env=False)
            return
        except httpx.HTTPError:
            if app.poll() is not None:
                raise SystemExit("The app stopped.") from None
            time.sleep(0.5)
    raise SystemExit("The app did not start in 300 seconds.")


def report(record: Record) -> None:
    print("kind      answers  refusals  failures  median s  95 % s  most s")
    for kind in ("colours", "saves", "digits"):
        seconds = record.seconds[kind]
        middle, high, most = np.percentile(seconds, (50, 95, 100)) if seconds else (np.nan,) * 3
        print(
            f"{kind:8} {len(seconds):8} {len(record.refusals[kind]):9} "
            f"{len(record.failures[kind]):9} {middle:9.1f} {high:7.1f} {most:7.1f}"
        )
    for title, found in (("refusal", record.refusals), ("failure", record.failures)):
        for kind, texts in found.items():
            for text in sorted(set(texts))[:3]:
                print(f"{title} ({kind}): {text}")
    print(f"the app's processor time: {record.cpu_seconds:.0f} s")
    for minute, used in enumerate(by_minutes(record.memory), 1):
        print(f"minute {minute}: memory {np.median(used):.0f} MB, at most {max(used):.0f}")


def by_minutes(memory: list[tuple[float, float]]) -> list[list[float]]:
    """Megabytes of the measures of each minute."""
    minutes: dict[int, list[float]] = defaultdict(list)
    for second, used in memory:
        minutes[int(second // 60)].append(used)
    return list(minutes.values())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--visitors", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=5)
    parser.add_argument("--sessions", type=int, help="so many who come once, instead")
    parser.add_argument("--app", type=Path, default=ROOT, help="folder of the app.py to measure")
    options = parser.parse_args()
    with running_app(options.app) as (address, process):
        record = asyncio.run(run(options, address, process))
    report(record)


if __name__ == "__main__":
    main()
