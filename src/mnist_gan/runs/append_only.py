"""A file that is only ever added to, in whole pieces."""

from __future__ import annotations

import os
from pathlib import Path

from mnist_gan.storage import storage_errors


class AppendOnlyFile:
    """A file open for adding. Each piece goes out in one write: a killed process leaves at most the last one torn."""

    def __init__(self, path: Path) -> None:
        """Open `path`, made if it is not there.

        Raises:
            StorageError: the operating system refused.
        """
        self.path = path
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)

    def write(self, piece: bytes) -> None:
        """Add one piece.

        Raises:
            StorageError: the operating system refused.
        """
        rest = memoryview(piece)
        with storage_errors(self.path, needed_bytes=len(rest)):
            while rest:  # more than once only where the disk is full or a signal came
                rest = rest[os.write(self._descriptor, rest) :]

    def sync(self) -> None:
        """Make what was added durable.

        Raises:
            StorageError: the operating system refused.
        """
        with storage_errors(self.path):
            os.fsync(self._descriptor)

    def close(self) -> None:
        """Make what was added durable and close the file; closing again does nothing."""
        if self._descriptor >= 0:
            self.sync()
            os.close(self._descriptor)
            self._descriptor = -1
