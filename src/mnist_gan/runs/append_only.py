"""Append-only file."""

from __future__ import annotations

import os
from pathlib import Path

from mnist_gan.storage import storage_errors


class AppendOnlyFile:
    """A file open for appending. Each record is one write, so a killed process leaves at most the last one torn."""

    def __init__(self, path: Path) -> None:
        """Open `path`; create it and its folder if necessary.

        Raises:
            StorageError: the file cannot be opened.
        """
        self.path = path
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)

    def write(self, record: bytes) -> None:
        """Append one record.

        Raises:
            StorageError: the write failed.
        """
        rest = memoryview(record)
        with storage_errors(self.path, needed_bytes=len(rest)):
            while rest:  # repeats only on a full disk or after a signal
                rest = rest[os.write(self._descriptor, rest) :]

    def sync(self) -> None:
        """Make all records durable (fsync).

        Raises:
            StorageError: the sync failed.
        """
        with storage_errors(self.path):
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Sync and close the file; a second call does nothing."""
        if self._descriptor >= 0:
            self.sync()
            os.close(self._descriptor)
            self._descriptor = -1
