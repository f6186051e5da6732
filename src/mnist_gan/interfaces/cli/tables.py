"""Tables on standard output that stay readable in a narrow terminal, and the same facts as JSON."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from typing import IO, Any, Final, cast

from rich.console import Console
from rich.table import Table
from rich.text import Text

from mnist_gan.interfaces.cli.verbs import Output, wants_style

GAP: Final = 2
MIN_WIDTH: Final = 20
UNBOUNDED: Final = 10_000
STYLES: Final[Mapping[str, str]] = {"REAL": "green", "FAKE": "red", "ok": "green", "warn": "yellow", "FAIL": "bold red"}
"""Words that a terminal shows in colour, where a cell holds nothing else."""


def print_table(headers: Sequence[str], rows: Sequence[Sequence[str]], *, stream: Output | None = None) -> None:
    """Write rows under headers; where the terminal is too narrow for that, each row as a block of lines.

    What is no terminal gets every row on one line, whatever its length.
    """
    stream = stream or sys.stdout
    width = output_width(stream)
    texts = [[_styled(cell) for cell in row] for row in rows]
    needed = [max(len(header), *(text.cell_len for text in column)) for header, column in zip(headers, zip(*texts, strict=True), strict=True)] if rows else []
    console = _console(stream, width)
    if sum(needed) + GAP * (len(headers) - 1) <= width:
        console.print(_as_table(headers, texts))
        return
    for number, row in enumerate(texts):
        if number:
            console.print()
        console.print(_as_block(headers, row))


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


def _styled(cell: str) -> Text:
    return Text(cell, style=STYLES.get(cell, ""))


def _as_table(headers: Sequence[str], rows: Sequence[Sequence[Text]]) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, GAP, 0, 0), header_style="bold")
    for header in headers:
        table.add_column(header, no_wrap=True)
    for row in rows:
        table.add_row(*row)
    return table


def _as_block(headers: Sequence[str], row: Sequence[Text]) -> Table:
    """A row as lines of a name and a value, without those that are empty."""
    block = Table.grid(padding=(0, GAP, 0, 0))
    block.add_column(no_wrap=True, style="bold")
    block.add_column(overflow="fold")
    for header, cell in zip(headers, row, strict=True):
        if cell.plain:
            block.add_row(header, cell)
    return block
