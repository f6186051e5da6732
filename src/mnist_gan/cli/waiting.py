"""What is to be seen on standard error while something takes a minute: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import IO, Final, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from mnist_gan.cli.messages import show_messages
from mnist_gan.cli.terminal import Output, wants_style

LINE_SECONDS: Final = 5.0
"""Lines come no closer together than this where there is no terminal."""


class Waiting:
    """Shows steps for the length of a `with` block; `progress` takes (what is done, how much of it, of how much)."""

    def __init__(self, stream: Output | None = None) -> None:
        self._stream = stream or sys.stderr
        self._console = Console(
            file=cast(IO[str], self._stream), no_color=not wants_style(self._stream), highlight=False, markup=False
        )
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeElapsedColumn(),
            console=self._console,
            transient=True,
            disable=not self._stream.isatty(),
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._task = self._bar.add_task("", total=None, visible=False)
        self._messages = show_messages(self.show_message)
        self._last = time.monotonic()
        self._shown = ""

    def __enter__(self) -> Waiting:
        """Start the bar; log messages appear above it."""
        self._messages.__enter__()
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave the terminal as it was."""
        self._bar.stop()
        self._messages.__exit__(kind, error, traceback)

    def show_message(self, message: str) -> None:
        """Print a message, above the bar."""
        self._console.print(message, soft_wrap=True)

    def progress(self, what: str, done: int, total: int) -> None:
        """Show how far a step is."""
        self._bar.update(self._task, description=what, completed=done, total=total, visible=True)
        if self._bar.disable and what != self._shown and time.monotonic() - self._last >= LINE_SECONDS:
            self._last, self._shown = time.monotonic(), what
            self.show_message(f"{what} ...")
