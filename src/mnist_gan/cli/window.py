"""Opens a picture in the system's viewer."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def viewer() -> list[str] | None:
    """Return the command that opens a file; None without a display, without a terminal, or over SSH."""
    if not sys.stdout.isatty() or os.environ.get("SSH_CONNECTION"):
        return None
    match sys.platform:
        case "darwin":
            return ["open"]
        case "win32":
            return ["cmd", "/c", "start", ""]
        case _:
            display = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
            program = shutil.which("xdg-open")
            return [program] if display and program else None


def show(path: Path) -> bool:
    """Open a picture without waiting for the viewer; return False if there is no viewer."""
    command = viewer()
    if command is None:
        return False
    quiet = subprocess.DEVNULL
    try:
        subprocess.Popen([*command, str(path)], stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    except OSError:
        return False
    return True
