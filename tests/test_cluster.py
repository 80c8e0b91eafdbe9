"""Two machines by Ray, and an object store, on this one: what dies costs nothing but time."""

import logging
import os
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from clusters import running_cluster
from helpers import ROOT, color_picture

from cinn_hub.batch.manifest import NAME
from cinn_hub.cli import main

ray = pytest.importorskip("ray")
pytest.importorskip("s3fs")
moto = pytest.importorskip("moto.server")

PHOTOS, FEW = 60, 6
BUCKET = "archive"
TABLES = (
    "SELECT stem, state, sha256, error FROM photos ORDER BY stem",
    "SELECT file, latent, bits_per_dim, plausibility, distance FROM results ORDER BY file",
)


@pytest.fixture
def bucket(monkeypatch):
    """An empty bucket of an object store on this machine, for all processes that begin now."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = moto.ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    host, port = server.get_host_and_port()
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    import s3fs

    system = s3fs.S3FileSystem(skip_instance_cache=True, use_listings_cache=False)
    system.mkdir(BUCKET)
    yield system
    server.stop()


@pytest.fixture
def folder(tmp_path, small_model, monkeypatch):
    small_model.save(tmp_path / "model")
    for name, count in (("album", PHOTOS), ("few", FEW)):
        for i in range(count):
            path = tmp_path / name / str(i % 3) / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            color_picture(60, 40, seed=i).convert("L").save(path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


COMMAND = ("colorize", "album", "-m", "model", "-n", "1", "-s", "1")


def started(*command):
    """A command in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-m", "cinn_hub", *command], env=environment, **pipes)


def tables(path):
    database = sqlite3.connect(path)
    found = [database.execute(query).fetchall() for query in TABLES]
    database.close()
    return found


def contents(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.png")
    }


def in_bucket(bucket, name):
    """The results that are kept in a folder of the bucket."""
    names = [path for path in bucket.find(f"{BUCKET}/{name}") if path.endswith(".png")]
    return {path.removeprefix(f"{BUCKET}/{name}/"): bucket.cat_file(path) for path in names}


def test_a_cluster_does_what_one_process_does_whatever_dies(folder, bucket, capsys):
    assert main([*COMMAND, "-o", "one", "--workers", "1"]) == 0
    expected = contents(folder / "one")
    assert len(expected) == PHOTOS
    there = f"s3://{BUCKET}/results"
    with running_cluster() as (address, machine):
        again = (*COMMAND, "-o", there, "--ray", address)
        with started(*again) as run, ThreadPoolExecutor() as reader:
            errors = reader.submit(run.stderr.read)
            lines = [run.stdout.readline() for _ in range(PHOTOS // 5)]
            machine.kill_worker("color")
            lines += [run.stdout.readline() for _ in range(PHOTOS // 5)]
            machine.stop()
            # not `communicate`, which loses what `readline` has read ahead
            lines += run.stdout.read().splitlines()  # some are of Ray, which tells what has died
        assert run.returncode == 0, errors.result()
        names = [line.split("  ")[0] for line in lines if line.startswith(there)]
        assert sorted(names) == sorted(f"{there}/{name}" for name in expected)
        assert in_bucket(bucket, "results") == expected
        bucket.get_file(f"{BUCKET}/results/{NAME}", "manifest")
        assert tables("manifest") == tables(f"one/{NAME}")

        with started(*again) as run:
            output, errors = run.communicate()
        assert run.returncode == 0 and output == "" and f"{PHOTOS} of {PHOTOS} photos" in errors

        few = ("colorize", "few", *COMMAND[2:], "-o", "shared", "--ray", address)
        with started(*few) as run:
            output, errors = run.communicate()
        assert run.returncode == 0, errors
        found = contents(folder / "shared")
        assert len(found) == FEW and found.items() <= expected.items()
