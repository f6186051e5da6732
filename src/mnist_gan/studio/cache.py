"""The cache of the studio: values read from files, loaded again when the file changes."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Generic, NamedTuple, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Version(NamedTuple):
    """Identifies the content of a file without reading it."""

    mtime_ns: int
    size: int
    inode: int


def file_version(path: Path) -> Version | None:
    """Version of a file; None if there is none. Of a symlink, that of the link: readers refuse it."""
    try:
        status = path.lstat()
    except OSError:
        return None
    return Version(status.st_mtime_ns, status.st_size, status.st_ino)


class Cache(Generic[K, V]):
    """Least-recently-used cache with one value per key, valid for one version of its source.

    `functools.lru_cache` would keep every version of a growing file. Safe to use from several threads.
    """

    def __init__(self, size: int) -> None:
        """Keep at most `size` values."""
        self._size, self._lock = size, threading.Lock()
        self._values: OrderedDict[K, tuple[Hashable, V]] = OrderedDict()

    def __len__(self) -> int:
        """Number of values."""
        return len(self._values)

    def get(self, key: K, version: Hashable, load: Callable[[], V]) -> V:
        """Return the value of `key`, loaded unless the cache has it at this version.

        Two threads that miss at once both load, outside the lock; both get the value of the first that finishes.
        """
        hit = self._lookup(key, version)
        if hit is not None:
            return hit[1]
        value = load()
        hit = self._lookup(key, version)
        if hit is not None:
            return hit[1]
        with self._lock:
            self._values[key] = (version, value)
            self._values.move_to_end(key)
            while len(self._values) > self._size:
                self._values.popitem(last=False)
        return value

    def _lookup(self, key: K, version: Hashable) -> tuple[Hashable, V] | None:
        with self._lock:
            found = self._values.get(key)
            if found is None or found[0] != version:
                return None
            self._values.move_to_end(key)
            return found
