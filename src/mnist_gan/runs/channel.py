"""The live channel between a training and its clients: small files in the run folder, each whole or absent.

The training writes `live/status.json` and `live/preview.*`. Clients write commands into `live/commands` and touch
`live/heartbeat`. Neither side waits for the other. The files are not synced, and a failed write is ignored, so that a
full disk does not end a training here. Readers expect hostile files: any size, type or content.
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
from mnist_gan.storage import TEMPORARY_PREFIX, read_regular, rename, storage_errors
from mnist_gan.text import parse_json

MAX_JSON_BYTES: Final = 1 << 20
CLIENT_SECONDS: Final = 15.0
"""A client counts as connected for this long after its last heartbeat."""
STATUS_FIELDS: Final[dict[str, tuple[type, ...]]] = {
    "state": (str,),
    "activity": (str,),
    "message": (str,),
    "cur_nimg": (int,),
    "total_nimg": (int,),
    "step": (int,),
    "epoch": (int, float),
    "speed_limit": (int, float),
    "g_lr": (int, float),
    "d_lr": (int, float),
    "factor": (int, float),
    "floor": (int, float),
    "rollbacks": (int,),
    "time": (int, float),
    "stats": (dict,),
    "img_per_sec": (int, float),
}
"""Fields of live/status.json and their types."""


def publish(path: Path, content: bytes) -> None:
    """Replace a file, so that a reader sees the old content or the new one. Not synced; errors are ignored."""
    with contextlib.suppress(OSError):
        _replace(path, content)


def publish_json(path: Path, value: Mapping[str, Any]) -> None:
    """Publish a JSON object."""
    publish(path, json.dumps(value, allow_nan=False).encode())


def read_json(path: Path) -> dict[str, Any] | None:
    """Read a JSON object that another process published; None without a valid one. Its numbers are finite."""
    value: Any = None
    with contextlib.suppress(OSError, ValueError, RecursionError):
        content = read_regular(path, most=MAX_JSON_BYTES)
        value = parse_json(content)
    return value if isinstance(value, dict) else None


def read_live_status(run: RunDirectory) -> dict[str, Any]:
    """Read live/status.json: fields of `STATUS_FIELDS` with a valid value; empty if there is no such file."""
    content = read_json(run.live_status) or {}
    return {
        name: content[name]
        for name, types in STATUS_FIELDS.items()
        if isinstance(content.get(name), types) and not isinstance(content[name], bool)
    }


def send_command(run: RunDirectory, command: Mapping[str, Any]) -> None:
    """Send a command to the training of a run; commands are executed in the order in which they were sent.

    Raises:
        StorageError: the command cannot be written.
    """
    name = f"{time.time_ns():020d}-{secrets.token_hex(4)}.json"
    with storage_errors(run.commands):
        run.live.mkdir(exist_ok=True)
        _replace(run.commands / name, json.dumps(dict(command)).encode())


def receive_commands(run: RunDirectory) -> list[dict[str, Any]]:
    """Take the waiting commands, the oldest first; invalid files are deleted."""
    try:
        with os.scandir(run.commands) as entries:
            waiting = sorted(entry.name for entry in entries if not entry.name.startswith(TEMPORARY_PREFIX))
    except OSError:
        return []
    commands = [_take(run.commands / name) for name in waiting]
    return [command for command in commands if command is not None]


def send_heartbeat(run: RunDirectory) -> None:
    """Tell the training that a client is connected."""
    with contextlib.suppress(OSError):
        run.live.mkdir(exist_ok=True)
        if not run.heartbeat.is_symlink():  # touching follows a link
            run.heartbeat.touch()


def has_client(run: RunDirectory) -> bool:
    """Return True if a client sent a heartbeat in the last `CLIENT_SECONDS`."""
    try:
        return time.time() - run.heartbeat.lstat().st_mtime < CLIENT_SECONDS
    except OSError:
        return False


def _take(path: Path) -> dict[str, Any] | None:
    command = read_json(path)
    try:
        path.unlink()
    except OSError:
        return None  # a command that cannot be deleted would be executed again and again
    return command


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(exist_ok=True)  # without parents: a deleted run is not created anew
    temporary = path.with_name(f"{TEMPORARY_PREFIX}{secrets.token_hex(4)}-{path.name}")
    try:
        with temporary.open("xb") as file:  # "x": never writes through a link
            file.write(content)
        rename(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
