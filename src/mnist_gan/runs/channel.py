"""The channel between a training and whoever watches it: small files in the run's folder, each whole or absent.

The training alone writes `live/status.json` and `live/look.*`; the others put commands into `live/commands` and touch
`live/watched`. No side waits for the other, and a file that cannot be written is left out: a full disk ends no training
here. What must outlast the power is written by others.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from mnist_gan.runs.directory import RunDirectory
from mnist_gan.storage import TEMPORARY_PREFIX, storage_errors

MAX_FACTS_BYTES: Final = 1 << 20
WATCHED_SECONDS: Final = 15.0
"""How long after the last touch a run counts as watched."""


def publish(path: Path, content: bytes) -> None:
    """Write a whole file where a reader sees the old one or the new one; without syncing, and without complaint."""
    with contextlib.suppress(OSError):
        _replace(path, content)


def publish_json(path: Path, value: Mapping[str, Any]) -> None:
    """`publish` a JSON object."""
    publish(path, json.dumps(value, allow_nan=False).encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object that another process publishes; None where there is none that can be read."""
    value: Any = None
    with contextlib.suppress(OSError, ValueError, RecursionError):
        if path.stat().st_size <= MAX_FACTS_BYTES:
            value = json.loads(path.read_bytes())
    return value if isinstance(value, dict) else None


def send(directory: RunDirectory, command: Mapping[str, Any]) -> None:
    """Tell the training of a run to do something; it takes commands in the order in which they were sent.

    Raises:
        StorageError: the operating system refused.
    """
    name = f"{time.time_ns():020d}-{secrets.token_hex(4)}.json"
    with storage_errors(directory.commands):
        _replace(directory.commands / name, json.dumps(dict(command)).encode())


def receive(directory: RunDirectory) -> list[dict[str, Any]]:
    """Take the commands that wait, the oldest first; what is no command is thrown away."""
    try:
        with os.scandir(directory.commands) as entries:
            waiting = sorted(entry.name for entry in entries if not entry.name.startswith(TEMPORARY_PREFIX))
    except OSError:
        return []
    found = [_take(directory.commands / name) for name in waiting]
    return [command for command in found if command is not None]


def watch(directory: RunDirectory) -> None:
    """Let the training know that somebody watches."""
    with contextlib.suppress(OSError):
        directory.live.mkdir(exist_ok=True)
        directory.watched.touch()


def is_watched(directory: RunDirectory) -> bool:
    """Whether somebody watched a moment ago."""
    try:
        return time.time() - directory.watched.stat().st_mtime < WATCHED_SECONDS
    except OSError:
        return False


def _take(path: Path) -> dict[str, Any] | None:
    command = read_json(path)
    try:
        path.unlink()
    except OSError:
        return None  # it would come again and again
    return command


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}-{path.name}")
    try:
        with temporary.open("xb") as file:  # never through a link that lies there
            file.write(content)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
