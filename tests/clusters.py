"""A Ray cluster and an object store on this machine, and ways for their parts to die."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from helpers import ROOT

START = 120  # seconds; generous, for slow machines
HEAD, OTHER = "127.0.0.2", "127.0.0.3"
SMALL = ("--num-cpus", "1", "--object-store-memory", "80000000")
ALONE = ("--include-dashboard", "false", "--disable-usage-stats")


def free_port() -> int:
    with socket.socket() as free:
        free.bind((HEAD, 0))
        return free.getsockname()[1]


class Node:
    """A machine of a cluster, as far as one machine can be several: a session of processes."""

    def __init__(self, environment: dict[str, str], *options: str) -> None:
        command = [Path(sys.executable).with_name("ray"), "start", "--block", *SMALL, *options]
        self.log = tempfile.TemporaryFile()  # noqa: SIM115 - closed by `stop`
        output = {"stdout": self.log, "stderr": subprocess.STDOUT}
        self.process = subprocess.Popen(command, env=environment, start_new_session=True, **output)
        deadline = time.monotonic() + START
        while b"will now block" not in self.output():
            assert self.process.poll() is None and time.monotonic() < deadline, self.output()
            time.sleep(0.1)

    def output(self) -> bytes:
        return os.pread(self.log.fileno(), 1 << 20, 0)

    def processes(self, name: str = "") -> list[int]:
        """The processes of this machine whose command line begins so."""
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                session = (folder / "stat").read_text().rsplit(")", 1)[1].split()[3]
                command = (folder / "cmdline").read_bytes()
            except OSError:
                continue
            if int(session) == self.process.pid and command.startswith(name.encode()):
                found.append(int(folder.name))
        return found

    def kill_worker(self, task: str) -> None:
        """Kills a process that works on a task."""
        deadline = time.monotonic() + START
        while not (found := self.processes(f"ray::{task}")):
            assert time.monotonic() < deadline, "No process works on a task."
            time.sleep(0.01)
        os.kill(found[0], signal.SIGKILL)

    def stop(self) -> None:
        """Kills all processes at once, as a power cut would."""
        for process in self.processes():
            os.kill(process, signal.SIGKILL)
        self.process.wait()
        self.log.close()


@contextmanager
def running_cluster(**more: str) -> Iterator[tuple[str, Node]]:
    """A cluster of two machines with one core each; gives its address, and the machine that is not
    its head."""
    environment = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "RAY_worker_niceness": "0",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_raylet_start_wait_time_s": str(START),  # 30 by itself: too short on a busy machine
        **more,
    }
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="ray", dir="/tmp"))
        port = free_port()
        place = ("--head", "--port", str(port), "--temp-dir", folder, *ALONE)
        head = Node(environment, "--node-ip-address", HEAD, *place)
        stack.callback(head.stop)
        address = f"{HEAD}:{port}"
        other = Node(environment, "--node-ip-address", OTHER, "--address", address)
        stack.callback(other.stop)
        yield address, other
