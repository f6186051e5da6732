"""Page of `mnist-gan --help`."""

from __future__ import annotations

import functools
import sys
import textwrap
from collections.abc import Sequence
from typing import Final

from mnist_gan.cli import commands
from mnist_gan.cli.terminal import PROGRAM, Output, terminal_width, wants_style

OPTIONS: Final = (
    ("--help", "show this page; after a command, the options of the command"),
    ("--version", "show the version"),
    ("--debug", "show the traceback of an error; works with every command"),
)
EXAMPLES: Final = (
    ("mnist-gan train quick", "about six minutes on two CPU cores"),
    ("mnist-gan sample --classes 0123456789", "draw digits with the newest model"),
)


def help_page(*, width: int, styled: bool) -> str:
    """Return the page, at most `width` columns wide; bold headings if `styled`."""
    tables = {
        heading: [(command.name, command.summary) for command in group] for heading, group in commands.GROUPS.items()
    }
    tables |= {"Options": list(OPTIONS), "Examples": list(EXAMPLES)}
    table = functools.partial(_table, width=width, align=max(map(len, commands.names())))
    blocks = [
        _wrap(f"usage: {PROGRAM} COMMAND [OPTIONS]", width=width),
        _wrap("Train generative adversarial networks on handwritten digits, and use them.", width=width),
        *(_heading(heading, styled=styled) + "\n" + table(rows) for heading, rows in tables.items()),
        _wrap(f"`{PROGRAM} COMMAND --help` lists the options of a command, with units and defaults.", width=width),
    ]
    return "\n\n".join(blocks) + "\n"


def print_help(stream: Output | None = None) -> None:
    """Print the page, as wide as the terminal."""
    stream = stream or sys.stdout
    stream.write(help_page(width=terminal_width(), styled=wants_style(stream)))


def _heading(text: str, *, styled: bool) -> str:
    return f"\x1b[1m{text}\x1b[0m" if styled else text


def _wrap(text: str, *, width: int, indent: str = "") -> str:
    return textwrap.fill(
        text, width, initial_indent=indent, subsequent_indent=indent, break_on_hyphens=False, break_long_words=False
    )


def _table(rows: Sequence[tuple[str, str]], *, width: int, align: int) -> str:
    """Return two columns, the second at `align` or further right; in a narrow terminal, the text below the name."""
    name_width = max(align, *(len(name) for name, _ in rows))
    if width - name_width - 4 < 30:
        return "\n".join(f"  {name}\n{_wrap(text, width=width, indent='      ')}" for name, text in rows)
    indent = " " * (name_width + 4)
    return "\n".join(
        f"  {name:<{name_width}}  {_wrap(text, width=width, indent=indent).lstrip()}" for name, text in rows
    )
