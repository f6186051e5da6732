"""Tables and JSON on standard output; tables adapt to the width of the terminal."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import IO, Any, Final, cast

from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from mnist_gan.cli.terminal import Output, make_console

GAP: Final = 2
"""Columns between two cells."""
MIN_WIDTH: Final = 20
MIN_FOLDED: Final = 24
"""Least width that the last column is folded to."""
MIN_VALUE: Final = 8
"""Least width of the values in a block; beside a longer header, lines are wider than the terminal."""
UNBOUNDED: Final = 10_000
STYLES: Final[Mapping[str, str]] = {"REAL": "green", "FAKE": "red", "ok": "green", "warn": "yellow", "FAIL": "bold red"}
"""Style of a cell by its text."""


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, stream: Output | None = None) -> None:
    """Print rows under headers; omit empty columns.

    If the terminal is too narrow, the last column is folded; if that is not enough, each row becomes a block of lines.
    A file or pipe gets each row on one line.
    """
    if not rows:
        return
    stream = stream or sys.stdout
    width = output_width(stream)
    console = make_console(stream, width=width)
    columns = [[header, *cells] for header, cells in zip(headers, zip(*rows, strict=True), strict=True) if any(cells)]
    widths = [max(map(cell_len, column)) for column in columns]
    room = width - sum(widths[:-1]) - GAP * (len(widths) - 1)
    header, *body = zip(*columns, strict=True)
    if room >= min(widths[-1], MIN_FOLDED):
        for row in (header, *body):
            _print_row(console, row, [*widths[:-1], room], bold=row is header)
        return
    for index, row in enumerate(body):
        if index > 0:
            console.print()
        _print_block(console, header, row)


def print_json(value: Any, *, stream: Output | None = None) -> None:
    """Print a value as JSON."""
    print(json.dumps(value, indent=2, ensure_ascii=False), file=cast(IO[str], stream or sys.stdout))


def output_width(stream: Output) -> int:
    """Return the columns of the terminal, or COLUMNS; unbounded for a file or pipe without COLUMNS."""
    if stream.isatty() or os.environ.get("COLUMNS", "").isdecimal():
        return max(MIN_WIDTH, shutil.get_terminal_size().columns)
    return UNBOUNDED


def _print_row(console: Console, cells: Sequence[str], widths: Sequence[int], *, bold: bool) -> None:
    """Print one row; the last cell is folded under its own beginning."""
    line = Text(style="bold" if bold else "")
    for cell, width in zip(cells[:-1], widths[:-1], strict=True):
        line.append(cell, STYLES.get(cell)).append(" " * (width - cell_len(cell) + GAP))
    indent = line.cell_len
    for number, part in enumerate(Text(cells[-1], STYLES.get(cells[-1], "")).wrap(console, widths[-1])):
        whole = Text.assemble(line if number == 0 else " " * indent, part)
        whole.rstrip()
        console.print(whole, soft_wrap=True)


def _print_block(console: Console, headers: Sequence[str], cells: Sequence[str]) -> None:
    """Print a row as one line per header; omit empty cells."""
    width = max(map(cell_len, headers))
    room = max(MIN_VALUE, console.width - width - GAP)
    for header, cell in zip(headers, cells, strict=True):
        if cell:
            _print_row(console, (header, cell), (width, room), bold=False)
