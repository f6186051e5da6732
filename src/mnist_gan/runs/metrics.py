"""metrics.jsonl: one JSON object per line and tick of a run.

A row is one write, so a killed process leaves at most the last line torn. On resume, rows logged after the checkpoint
are dropped, and the training writes them again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

from mnist_gan.errors import ArtifactError, DivergenceError
from mnist_gan.runs.append_only import AppendOnlyFile
from mnist_gan.storage import read_regular, write_bytes
from mnist_gan.text import is_moderate, parse_json

CLOCK: Final = "cur_nimg"
"""Field that every row has: images seen."""
MAX_BYTES: Final = 1 << 27
"""Largest file that is read: some 100,000 rows."""
Row: TypeAlias = Mapping[str, float]
"""A row: `cur_nimg`, `step`, `epoch`, and statistics by name."""


class MetricsFile:
    """Metrics of one run, open for appending rows."""

    def __init__(self, path: Path) -> None:
        """Open the file at `path`; create it if necessary.

        Raises:
            StorageError: the file cannot be opened.
        """
        self.path = path
        self._file = AppendOnlyFile(path)

    def append(self, row: Row) -> None:
        """Append one row.

        Raises:
            DivergenceError: a value is not finite; nothing is written.
            StorageError: the write failed.
        """
        _refuse_non_finite(row)
        self._file.write(json.dumps(dict(row), allow_nan=False).encode() + b"\n")

    def sync(self) -> None:
        """Make the rows durable (fsync). Call it before saving a checkpoint."""
        self._file.sync()

    def truncate_after(self, cur_nimg: int) -> int:
        """Drop the rows logged after `cur_nimg` images, and a torn last line; return the number of rows kept.

        The file is replaced atomically, or left unchanged if there is nothing to drop.

        Raises:
            ArtifactError: a line before the last is not a row.
            StorageError: the file cannot be written.
        """
        content = _read(self.path)
        lines, _torn = _whole_lines(content)
        kept = [line for line in lines if _parse(line, self.path)[CLOCK] <= cur_nimg]
        replacement = b"".join(kept)
        if replacement != content:
            self._file.close()  # its descriptor is of the file to be replaced
            write_bytes(self.path, replacement)
            self._file = AppendOnlyFile(self.path)
        return len(kept)

    def close(self) -> None:
        """Sync and close the file."""
        self._file.close()


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read the rows of a metrics file; a torn last line, of a run in progress, is ignored.

    Raises:
        ArtifactError: the file is missing, cannot be read, or has a line before the last that is not a row. A row is an
            object of finite numbers, with `cur_nimg`.
    """
    lines, _torn = _whole_lines(_read(path))
    return [_parse(line, path) for line in lines]


def _read(path: Path) -> bytes:
    try:
        return read_regular(path, most=MAX_BYTES)
    except FileNotFoundError as error:
        raise ArtifactError(f"{path} does not exist; is this the folder of a run that has begun to train?") from error
    except OSError as error:
        raise ArtifactError(f"{path} cannot be read: {error.strerror or error}") from error


def _whole_lines(content: bytes) -> tuple[list[bytes], bytes]:
    """Split off the last line if it lacks its newline."""
    *lines, torn = content.split(b"\n")
    return [line + b"\n" for line in lines], torn


def _parse(line: bytes, path: Path) -> dict[str, Any]:
    try:
        row = dict(parse_json(line))
        if type(row[CLOCK]) is int and all(type(value) in {int, float} for value in row.values()):
            return row
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    shown = line[:40].decode(errors="replace").strip()
    raise ArtifactError(f"{path} is damaged: the line that begins {shown!r} is not a row of metrics; remove that line")


def _refuse_non_finite(row: Row) -> None:
    if not isinstance(row.get(CLOCK), int):
        raise ValueError(f"a row needs {CLOCK}, the number of images seen, as an int")
    for name, value in row.items():
        if not is_moderate(value):
            raise DivergenceError(
                f"{name} is {value} after {row[CLOCK]:,} images, and only finite numbers are logged; "
                "resume from the last checkpoint with lower learning rates"
            )
