"""The program's name, and the terminal that it writes to."""

from __future__ import annotations

import os
import shutil
from typing import Final, Protocol, runtime_checkable

PROGRAM: Final = "mnist-gan"
MAX_WIDTH: Final = 100
MIN_WIDTH: Final = 24


@runtime_checkable
class Output(Protocol):
    """As much of a text stream as is used here."""

    def write(self, text: str, /) -> int:
        """Add text."""

    def flush(self) -> None:
        """Hold nothing back."""

    def isatty(self) -> bool:
        """Whether a person reads it on a terminal."""


def terminal_width() -> int:
    """Columns to write in: the terminal's (or COLUMNS), within reason."""
    return max(MIN_WIDTH, min(MAX_WIDTH, shutil.get_terminal_size().columns))


def wants_style(stream: Output) -> bool:
    """Whether to write bold and colours: on a terminal, unless NO_COLOR is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
