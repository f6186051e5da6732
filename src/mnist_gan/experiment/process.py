"""Trainings as child processes with a log, for the studio and for studies."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from mnist_gan.storage import storage_errors

NEW_GROUP: Final = getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)
"""On Windows, in place of a new session."""
MAX_LOG_BYTES: Final = 4000
"""End of a log in which its last line is looked for."""


def start_program(
    module: str, arguments: Sequence[str], *, log: Path, stdin: int = subprocess.DEVNULL
) -> subprocess.Popen[bytes]:
    """Start `python -m module arguments`, with its output in a log, out of reach of the terminal's Ctrl-C.

    Raises:
        StorageError: the log or the process cannot be created.
    """
    with storage_errors(log):
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as file:
            return subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                stdin=stdin,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                creationflags=NEW_GROUP,
                close_fds=True,
            )


def last_line(log: Path) -> str:
    """Last line of a log, without the program's name."""
    try:
        text = log.read_bytes()[-MAX_LOG_BYTES:].decode(errors="replace")
    except OSError:
        text = ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1].removeprefix("mnist-gan: ") if lines else "the training ended without a message"
