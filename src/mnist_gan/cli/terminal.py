"""Program name, and properties of the terminal that the program writes to."""

from __future__ import annotations

import errno
import os
import shutil
from typing import IO, TYPE_CHECKING, Final, Literal, Protocol, cast, runtime_checkable

if TYPE_CHECKING:
    from rich.console import Console

PROGRAM: Final = "mnist-gan"
MAX_WIDTH: Final = 100
MIN_WIDTH: Final = 24


@runtime_checkable
class Output(Protocol):
    """Text stream, as far as it is used here."""

    def write(self, text: str, /) -> int:
        """Write text."""

    def flush(self) -> None:
        """Write buffered text."""

    def isatty(self) -> bool:
        """True for a terminal."""


def terminal_width() -> int:
    """Return the columns of the terminal (or COLUMNS), limited to `MIN_WIDTH` and `MAX_WIDTH`."""
    return max(MIN_WIDTH, min(MAX_WIDTH, shutil.get_terminal_size().columns))


def wants_style(stream: Output) -> bool:
    """True if bold and colours may be written: on a terminal, unless NO_COLOR is set."""
    return stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"


def moves_cursor(stream: Output) -> bool:
    """True if a line may be redrawn: on a terminal, but not in the cell of a notebook (`!mnist-gan train`)."""
    in_notebook = "JPY_PARENT_PID" in os.environ or "COLAB_RELEASE_TAG" in os.environ
    return stream.isatty() and not in_notebook and os.environ.get("TERM") != "dumb"


def make_console(stream: Output, *, width: int | None = None) -> Console:
    """Make a rich console that prints text as it is: no markup, no highlighting.

    A closed pipe is a `BrokenPipeError`, as in `print`.
    """
    from rich.console import Console

    class PipeConsole(Console):
        def on_broken_pipe(self) -> None:
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    styled = wants_style(stream)
    file = cast(IO[str], stream)
    colours: Literal["auto"] | None = "auto" if styled else None  # None also omits bold
    return PipeConsole(file=file, width=width, color_system=colours, no_color=not styled, highlight=False, markup=False)
