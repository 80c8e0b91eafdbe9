"""Memory: what the photos and answers of all visitors may take together, and what is given back."""

from __future__ import annotations

import ctypes
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable
from functools import partial
from itertools import count
from typing import Generic, TypeVar

from cinn_hub.ui.bounds import MEMORY_MEGABYTES

T = TypeVar("T")

M_ARENA_MAX, HEAPS = -8, 2  # of glibc's mallopt


class Memory:
    """Holds values up to a number of bytes; those that nobody used for longest go first.

    Values that can be made again go before those that cannot.
    """

    def __init__(self, megabytes: float = MEMORY_MEGABYTES) -> None:
        self.limit = int(megabytes * 1e6)
        self.used = 0
        self.values: OrderedDict[int, tuple[object, int, bool]] = OrderedDict()
        self.keys = count()
        self.lock = threading.RLock()  # a `Kept` may end inside of any call

    def put(self, key: int, value: object, size: int, lasting: bool) -> None:
        with self.lock:
            self.drop(key)
            self.values[key] = value, size, lasting
            self.used += size
            while self.used > self.limit and len(self.values) > 1:
                self.drop(self.first_to_go(newest=key))

    def first_to_go(self, newest: int) -> int:
        others = [key for key in self.values if key != newest]
        return next((key for key in others if not self.values[key][2]), others[0])

    def get(self, key: int) -> object | None:
        with self.lock:
            if key not in self.values:
                return None
            self.values.move_to_end(key)
            return self.values[key][0]

    def drop(self, key: int) -> None:
        with self.lock:
            _, size, _ = self.values.pop(key, (None, 0, False))
            self.used -= size


class Kept(Generic[T]):
    """A value of `size` bytes for as long as the memory has room for it, and while this exists.

    lasting: whether it cannot be made again.
    """

    def __init__(self, memory: Memory, value: T, size: int, lasting: bool = False) -> None:
        self.memory, self.key, self.lasting = memory, next(memory.keys), lasting
        self.put(value, size)

    def put(self, value: T, size: int) -> None:
        self.memory.put(self.key, value, size, self.lasting)

    def get(self) -> T | None:
        """The value, or None where it had to make room."""
        return self.memory.get(self.key)

    def __del__(self) -> None:
        self.memory.drop(self.key)


def returner() -> Callable[[], object]:
    """What returns to Linux, each time that it is called, what jobs have freed.

    By itself glibc keeps it: for each thread a heap as large as its largest photo needed.
    (mallopt's M_MMAP_THRESHOLD would do the same, and makes previews take twice as long.)
    """
    glibc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if not hasattr(glibc, "malloc_trim"):  # musl has none
        return lambda: None
    glibc.mallopt(M_ARENA_MAX, HEAPS)
    return partial(glibc.malloc_trim, 0)
