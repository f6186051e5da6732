"""From arguments to a dataclass by tyro."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import re
import sys
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeVar, cast

import tyro

from mnist_gan.errors import ConfigError
from mnist_gan.interfaces.cli import arguments as words_of
from mnist_gan.interfaces.cli.verbs import PROGRAM, Output, terminal_width, wants_style

T = TypeVar("T")

SENTENCE: Final = re.compile(r"[A-Za-z]")
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
    sys.stdout.write("\n".join(lines) + "\n")


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
