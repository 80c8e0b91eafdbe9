"""What the app asks of the machine: cores shared by jobs, and memory given back after use."""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import time

import torch

M_ARENA_MAX = -8  # of glibc's mallopt
HEAPS = 2
TRIM_SECONDS = 10


def share_cores(jobs: int) -> None:
    """Lets so many jobs at once use all cores together, and none of them more than its share."""
    torch.set_num_threads(max(1, (os.cpu_count() or 1) // jobs))


def keep_giving_memory_back() -> None:
    """Returns to Linux, every ten seconds, what jobs have freed.

    By itself glibc keeps it: for each thread a heap as large as its largest photo needed.
    (mallopt's M_MMAP_THRESHOLD would do the same, and makes previews take twice as long.)
    """
    glibc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(glibc, "malloc_trim"):  # musl has none
        return
    glibc.mallopt(M_ARENA_MAX, HEAPS)

    def run() -> None:
        while True:
            time.sleep(TRIM_SECONDS)
            glibc.malloc_trim(0)

    threading.Thread(target=run, name="trimmer", daemon=True).start()
