"""Progress of a task of some minutes on standard error: a bar on a terminal, lines elsewhere."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

from mnist_gan.cli.messages import show_messages
from mnist_gan.cli.terminal import Output, make_console, moves_cursor

LINE_SECONDS: Final = 5.0
"""Least seconds between two lines."""


@contextlib.contextmanager
def show_steps(stream: Output | None = None) -> Iterator[Callable[[str, int, int], None]]:
    """Show steps inside the block; yield the callback, which takes a step's name, the count done and the total.

    Log messages appear above the bar.
    """
    stream = stream or sys.stderr
    console = make_console(stream)
    print_line = partial(console.print, soft_wrap=True)
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        console=console,
        transient=True,
        disable=not moves_cursor(stream),
        redirect_stdout=False,
        redirect_stderr=False,
    )
    task = bar.add_task("", total=None, visible=False)
    last_line, last_step = time.monotonic(), ""

    def show(step: str, done: int, total: int) -> None:
        nonlocal last_line, last_step
        bar.update(task, description=step, completed=done, total=total, visible=True)
        if bar.disable and step != last_step and time.monotonic() - last_line >= LINE_SECONDS:
            last_line, last_step = time.monotonic(), step
            print_line(f"{step} ...")

    with show_messages(print_line), bar:
        yield show
