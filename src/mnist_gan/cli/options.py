"""From arguments to a dataclass by tyro."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import itertools
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

import tyro
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from mnist_gan.cli import arguments as words_of
from mnist_gan.cli.terminal import PROGRAM, Output, terminal_width, wants_style
from mnist_gan.errors import ConfigError

T = TypeVar("T")

SENTENCE: Final = re.compile(r"[A-Za-z]")
OPTION_TEXT: Final = re.compile(r"[│| ] {5,}\S.*[│| ]")
"""A line of what an option is for, in its frame."""
FRAME: Final = re.compile(r"[╭╮╰╯│─\s]+")


def read(
    arguments: Sequence[str], table: Mapping[str, words_of.Option], *, verb: str, short: Mapping[str, str] | None = None
) -> words_of.Words:
    """Take a verb's arguments apart and check them; what is wrong is said with where to look it up.

    Raises:
        ConfigError: an option that there is not, or a word that it cannot take.
    """
    try:
        return words_of.read(arguments, table, short=short or {})
    except ConfigError as error:
        raise _with_hint(error, verb) from error


def build(cls: type[T], tokens: Sequence[str], *, verb: str, default: T | None = None) -> T:
    """Build a `cls`, an options dataclass, from checked tokens, over a default.

    Raises:
        ConfigError: a value, or a combination of values, that a config refuses.
    """
    complaint = io.StringIO()
    with contextlib.redirect_stderr(complaint):
        try:
            return cast(T, tyro.cli(cls, args=list(tokens), prog=f"{PROGRAM} {verb}", default=default))
        except SystemExit as refusal:
            cause = _config_error(refusal) or ConfigError(_plain(complaint.getvalue()))
            raise _with_hint(cause, verb) from cause


def parse(
    cls: type[T], arguments: Sequence[str], *, verb: str, positional: str | None = None, most: int | None = 1
) -> T | None:
    """A verb's arguments as its options dataclass, or None where its help was asked for, and printed.

    Args:
        cls: the dataclass.
        arguments: what follows the verb.
        verb: its name.
        positional: the field that takes the words which belong to no option: a tuple of them, or one or None where
            `most` is 1.
        most: how many such words there may be; None is any number.

    Raises:
        ConfigError: what is asked for cannot be.
    """
    if wants_help(arguments):
        print_help(cls, verb=verb)
        return None
    table = words_of.options_of(cls)
    table.pop(f"--{positional}", None)
    words = read(arguments, table, verb=verb)
    room = 0 if positional is None else most
    if room is not None and len(words.positionals) > room:
        raise _with_hint(ConfigError(f"{words.positionals[room]!r} is one word too many"), verb)
    chosen = build(cls, words.tokens(), verb=verb)
    if positional is None or not words.positionals:
        return chosen
    value = words.positionals[0] if most == 1 else tuple(words.positionals)
    return cast(T, dataclasses.replace(cast(Any, chosen), **{positional: value}))


class _Page(io.StringIO):
    """Takes a help page that is written to `stream` later: what that can show, tyro puts in."""

    def __init__(self, stream: Output) -> None:
        super().__init__()
        self._stream, self._styled = stream, wants_style(stream)

    @property
    def encoding(self) -> str:  # type: ignore[override]
        return getattr(self._stream, "encoding", None) or "ascii"

    def isatty(self) -> bool:
        return self._styled


def print_help(cls: type[T], *, verb: str, default: T | None = None) -> None:
    """Write a verb's help on standard output."""
    page = _Page(sys.stdout)
    with contextlib.redirect_stdout(page), contextlib.suppress(SystemExit):
        tyro.cli(cls, args=["--help"], prog=f"{PROGRAM} {verb}", default=default)
    width = terminal_width()
    # tyro leaves the sentences above the options as long as they are
    lines = (textwrap.fill(line, width) if SENTENCE.match(line) else line for line in page.getvalue().splitlines())
    sys.stdout.write("\n".join(_flowing(lines)) + "\n")


def _flowing(lines: Iterable[str]) -> Iterator[str]:
    """The lines of a page, the text of each option as one paragraph: tyro breaks it where its source does."""
    for of_text, group in itertools.groupby(lines, key=lambda line: OPTION_TEXT.fullmatch(_unstyled(line)) is not None):
        if not of_text:
            yield from group
            continue
        boxed = list(group)
        plain = [_unstyled(line) for line in boxed]
        left, right = Text.from_ansi(boxed[0])[:1], Text.from_ansi(boxed[0])[-1:]
        indent = len(plain[0]) - len(plain[0][1:].lstrip()) - 1
        room = max(cell_len(line) for line in plain) - indent - 3  # a border, and a column at each side
        inner = [Text.from_ansi(line)[1:-1] for line in boxed]
        for part in inner:
            part.rstrip()
        text = Text(" ").join(part[len(part.plain) - len(part.plain.lstrip()) :] for part in inner)
        for part in text.wrap(Console(width=room), room):
            part.rstrip()
            padded = Text.assemble(left, " " * indent, part, " " * (room - part.cell_len), " ", right)
            yield _ansi(padded) if any("\x1b" in line for line in boxed) else padded.plain


def _ansi(text: Text) -> str:
    stream = io.StringIO()
    Console(file=stream, force_terminal=True, width=text.cell_len + 1, highlight=False).print(text, end="")
    return stream.getvalue()


def _unstyled(line: str) -> str:
    return Text.from_ansi(line).plain


def wants_help(arguments: Sequence[str]) -> bool:
    """Whether a verb was asked for its help."""
    return "--help" in arguments or "-h" in arguments


def _with_hint(error: Exception, verb: str) -> ConfigError:
    return ConfigError(f"{error} (`{PROGRAM} {verb} --help` lists the options)")


def _plain(box: str) -> str:
    """A framed message of tyro's as one line."""
    return FRAME.sub(" ", box).strip()


def _config_error(error: Any) -> ConfigError | None:
    """The refusal of a config's own check, which tyro takes for a parsing error."""
    while error is not None:
        if isinstance(error, ConfigError):
            return error
        error = error.__cause__ or error.__context__
    return None
