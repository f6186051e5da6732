"""Tables on standard output that stay readable in a narrow terminal, and the same facts as JSON."""

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

from mnist_gan.cli.terminal import Output, wants_style

GAP: Final = 2
MIN_WIDTH: Final = 20
MIN_FOLDED: Final = 24
"""The last column is not folded to fewer columns than these."""
UNBOUNDED: Final = 10_000
STYLES: Final[Mapping[str, str]] = {"REAL": "green", "FAKE": "red", "ok": "green", "warn": "yellow", "FAIL": "bold red"}
"""Words that a terminal shows in colour, where a cell holds nothing else."""


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, stream: Output | None = None) -> None:
    """Write rows under headers, without the columns in which nothing stands.

    In a terminal that is too narrow, the last column is folded; where that does not help either, each row becomes a
    block of lines. What is no terminal gets every row on one line, whatever its length.
    """
    stream = stream or sys.stdout
    width = output_width(stream)
    console = _console(stream, width)
    if not rows:
        return
    columns = [[header, *cells] for header, cells in zip(headers, zip(*rows, strict=True), strict=True) if any(cells)]
    widths = [max(map(cell_len, column)) for column in columns]
    room = width - sum(widths[:-1]) - GAP * (len(widths) - 1)
    if room >= min(widths[-1], MIN_FOLDED):
        for index, row in enumerate(zip(*columns, strict=True)):
            _print_row(console, row, [*widths[:-1], room], bold=index == 0)
        return
    for index, row in enumerate(zip(*columns, strict=True)):
        if index > 1:
            console.print()
        if index > 0:
            _print_block(console, [column[0] for column in columns], row)


def print_json(value: Any, *, stream: Output | None = None) -> None:
    """Write one JSON document."""
    print(json.dumps(value, indent=2, ensure_ascii=False), file=cast(IO[str], stream or sys.stdout))


def output_width(stream: Output) -> int:
    """Columns to write in: the terminal's, or COLUMNS; unbounded where there is neither."""
    if stream.isatty() or os.environ.get("COLUMNS", "").isdecimal():
        return max(MIN_WIDTH, shutil.get_terminal_size().columns)
    return UNBOUNDED


def _console(stream: Output, width: int) -> Console:
    styled = wants_style(stream)
    return Console(file=cast(IO[str], stream), width=width, no_color=not styled, highlight=False, markup=False)


def _print_row(console: Console, cells: Sequence[str], widths: Sequence[int], *, bold: bool) -> None:
    """One row; what does not fit into the last column goes on below, under its beginning."""
    line = Text(style="bold" if bold else "")
    for cell, width in zip(cells[:-1], widths[:-1], strict=True):
        line.append(cell, STYLES.get(cell)).append(" " * (width - cell_len(cell) + GAP))
    indent = line.cell_len
    for number, part in enumerate(Text(cells[-1], STYLES.get(cells[-1], "")).wrap(console, widths[-1])):
        whole = Text.assemble(line if number == 0 else " " * indent, part)
        whole.rstrip()
        console.print(whole, soft_wrap=True)


def _print_block(console: Console, headers: Sequence[str], cells: Sequence[str]) -> None:
    """A row as lines of a name and a value, without those that are empty."""
    width = max(map(cell_len, headers))
    for header, cell in zip(headers, cells, strict=True):
        if cell:
            _print_row(console, (header, cell), (width, console.width - width - GAP), bold=False)
