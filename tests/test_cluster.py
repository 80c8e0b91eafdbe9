"""Two machines by Ray, and an object store, on this one: what dies costs nothing but time."""

import logging
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest
from albums import contents, grey, rows
from clusters import running_cluster
from helpers import ROOT

from cinn_hub.batch.manifest import NAME

ray = pytest.importorskip("ray")
pytest.importorskip("s3fs")
moto = pytest.importorskip("moto.server")

PHOTOS, FEW = 60, 6
BUCKET = "archive"
THERE = f"s3://{BUCKET}/results"
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


def started(*command):
    """A command in a process of its own."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    command = [sys.executable, "-m", "cinn_hub", *map(str, command)]
    return subprocess.Popen(command, env=environment, **pipes)


def kept(bucket):
    """The results that are kept in the bucket."""
    names = [path for path in bucket.find(f"{BUCKET}/results") if path.endswith(".png")]
    return {path.removeprefix(f"{BUCKET}/results/"): bucket.cat_file(path) for path in names}


def test_a_cluster_does_what_one_process_does_whatever_dies(cinn, model_folder, bucket):
    for folder, count in (("album", PHOTOS), ("few", FEW)):
        grey(*(f"{folder}/{i % 3}/{i}.png" for i in range(count)))
    assert cinn("colorize", "album", "-n", 1, "-s", 1, "-o", "one", "--workers", 1).code == 0
    expected = contents("one")
    assert len(expected) == PHOTOS
    with running_cluster() as (address, machine):
        options = ("-m", model_folder, "-n", 1, "-s", 1, "--ray", address)
        again = ("colorize", "album", "-o", THERE, *options)
        with started(*again) as run, ThreadPoolExecutor() as reader:
            errors = reader.submit(run.stderr.read)
            lines = [run.stdout.readline() for _ in range(PHOTOS // 5)]
            machine.kill_worker("color")
            lines += [run.stdout.readline() for _ in range(PHOTOS // 5)]
            machine.stop()
            # not `communicate`, which loses what `readline` has read ahead
            lines += run.stdout.read().splitlines()  # some are of Ray, which tells what has died
        assert run.returncode == 0, errors.result()
        names = [line.split("  ")[0] for line in lines if line.startswith(THERE)]
        assert sorted(names) == sorted(f"{THERE}/{name}" for name in expected)
        assert kept(bucket) == expected
        bucket.get_file(f"{BUCKET}/results/{NAME}", NAME)
        assert [rows(query, ".") for query in TABLES] == [rows(query, "one") for query in TABLES]

        with started(*again) as run:
            output, errors = run.communicate()
        assert run.returncode == 0 and output == "" and f"{PHOTOS} of {PHOTOS} photos" in errors

        with started("colorize", "few", "-o", "shared", *options) as run:
            output, errors = run.communicate()
        assert run.returncode == 0, errors
        found = contents("shared")
        assert len(found) == FEW and found.items() <= expected.items()
