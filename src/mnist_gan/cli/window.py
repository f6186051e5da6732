"""A picture in a window of its own, where there is a screen."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path


def viewer() -> list[str] | None:
    """The command that opens a file in the system's viewer; None where there is no screen, or nobody at it."""
    if not sys.stdout.isatty() or os.environ.get("SSH_CONNECTION"):
        return None
    match sys.platform:
        case "darwin":
            return ["open"]
        case "win32":
            return ["cmd", "/c", "start", ""]
        case _:
            screen = os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")
            found = shutil.which("xdg-open")
            return [found] if screen and found else None


def show(path: Path) -> bool:
    """Open the picture in the system's viewer and go on without waiting; False if there is none."""
    command = viewer()
    if command is None:
        return False
    quiet = subprocess.DEVNULL
    try:
        subprocess.Popen([*command, str(path)], stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)
    except OSError:
        return False
    return True
