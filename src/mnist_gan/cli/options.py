"""Options dataclasses of the commands: filled from arguments, and documented on the help page, by tyro."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import os
import re
import sys
import textwrap
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, TypeVar, cast

import tyro

from mnist_gan.cli import arguments as cli_arguments
from mnist_gan.cli.arguments import Option, ParsedArguments
from mnist_gan.cli.terminal import PROGRAM, terminal_width, wants_style
from mnist_gan.errors import EXIT_OK, ConfigError
from mnist_gan.settings import help_texts

T = TypeVar("T")

MIN_WIDTH: Final = 44
"""Columns of a help page at least; with fewer, tyro's text column is one letter wide or less."""
FRAME: Final = re.compile(r"[╭╮╰╯│─\s]+")
REGISTRY: Final = tyro.constructors.ConstructorRegistry()


@REGISTRY.struct_rule
def _document_fields(info: tyro.constructors.StructTypeInfo) -> tyro.constructors.StructConstructorSpec | None:
    """Give tyro the text under each field as one paragraph; by itself, it keeps the line breaks of indented text."""
    cls: type[Any] = info.type
    if not dataclasses.is_dataclass(info.type):
        return None
    default = info.default if isinstance(info.default, cls) else cls()
    hints, texts = typing.get_type_hints(cls, include_extras=True), help_texts(cls)
    fields = tuple(
        tyro.constructors.StructFieldSpec(
            name=field.name,
            type=hints[field.name],
            default=getattr(default, field.name),
            helptext=texts.get(field.name),
        )
        for field in dataclasses.fields(cls)
    )
    return tyro.constructors.StructConstructorSpec(instantiate=cls, fields=fields)


def read(
    arguments: Sequence[str], table: Mapping[str, Option], *, command: str, short: Mapping[str, str] | None = None
) -> ParsedArguments:
    """Split and check the arguments of a command; see `arguments.parse`.

    Raises:
        ConfigError: unknown option, or a value of the wrong type; the message names the command's help.
    """
    try:
        return cli_arguments.parse(arguments, table, short=short or {})
    except ConfigError as error:
        raise _with_hint(error, command) from error


def build(cls: type[T], tokens: Sequence[str], *, command: str, default: T | None = None) -> T:
    """Build an options dataclass from checked tokens; fields without a token keep their default.

    Raises:
        ConfigError: the config refuses a value, or a combination of values.
    """
    complaint = io.StringIO()
    with contextlib.redirect_stderr(complaint):
        try:
            return _tyro(cls, tokens, command=command, default=default)
        except SystemExit as refusal:
            cause = _config_error(refusal) or ConfigError(FRAME.sub(" ", complaint.getvalue()).strip())
            raise _with_hint(cause, command) from cause


def parse(cls: type[T], arguments: Sequence[str], *, command: str, aliases: Mapping[str, str] | None = None) -> T:
    """Return the arguments of a command as its options dataclass.

    The field marked `tyro.conf.Positional` takes the positional arguments: all of them if it is a tuple, else one,
    which may also stand after its flag, as in `--run NAME`.

    Args:
        cls: the dataclass.
        arguments: after the command's name.
        command: its name.
        aliases: further flags -> the flags of the dataclass.

    Raises:
        ConfigError: unknown option, wrong value, or an unexpected argument.
    """
    table = cli_arguments.options_of(cls)
    field = _positional_field(cls)
    flag = f"--{field}"
    many = field is not None and typing.get_origin(table[flag].hint) is tuple
    if many:
        del table[flag]
    parsed = read(arguments, table, command=command, short=aliases)
    named = parsed.value(flag)
    given = [*([] if named is None else [named]), *parsed.positionals]
    surplus = [] if many else given[int(field is not None) :]
    if surplus:
        raise _with_hint(ConfigError(f"unexpected argument {surplus[0]!r}"), command)
    options = build(cls, parsed.tokens(without=flag), command=command)
    if field is None or not given:
        return options
    return cast(T, dataclasses.replace(cast(Any, options), **{field: tuple(given) if many else given[0]}))


def command(
    name: str, cls: type[T], *, aliases: Mapping[str, str] | None = None
) -> Callable[[Callable[[T], int]], Callable[[list[str]], int]]:
    """Decorate a function of options: the result takes the arguments of the command, and prints the help if asked."""

    def decorate(run: Callable[[T], int]) -> Callable[[list[str]], int]:
        def main(arguments: list[str]) -> int:
            if wants_help(arguments):
                print_help(cls, command=name)
                return EXIT_OK
            return run(parse(cls, arguments, command=name, aliases=aliases))

        return main

    return decorate


def print_help(cls: type[Any], *, command: str, default: Any = None) -> None:
    """Print the help page of a command, as wide as the terminal, but at least `MIN_WIDTH` columns."""
    width = max(MIN_WIDTH, terminal_width())
    # tyro wraps no description, but keeps the breaks of indented lines
    text = " ".join((cls.__doc__ or "").split())
    description = textwrap.fill(text, width, initial_indent="  ", subsequent_indent="  ", break_on_hyphens=False)
    tyro._experimental_options["ansi_codes"] = wants_style(sys.stdout)
    tyro._experimental_options["utf8_boxes"] = (sys.stdout.encoding or "").lower() == "utf-8"
    with _columns(width), contextlib.suppress(SystemExit):
        _tyro(cls, ["--help"], command=command, default=default, description=description)


@contextlib.contextmanager
def _columns(width: int) -> Iterator[None]:
    """Set COLUMNS, from which tyro takes the width of its page, inside the block."""
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(width)
    try:
        yield
    finally:
        del os.environ["COLUMNS"]
        if before is not None:
            os.environ["COLUMNS"] = before


def wants_help(arguments: Sequence[str]) -> bool:
    """True if the arguments ask for the help page."""
    return "--help" in arguments or "-h" in arguments


def _tyro(cls: type[T], tokens: Sequence[str], *, command: str, default: T | None, description: str = "") -> T:
    prog = f"{PROGRAM} {command}"
    return cast(
        T, tyro.cli(cls, args=list(tokens), prog=prog, default=default, description=description, registry=REGISTRY)
    )


def _positional_field(cls: type[Any]) -> str | None:
    hints = typing.get_type_hints(cls, include_extras=True)
    return next(
        (name for name, hint in hints.items() if tyro.conf.Positional in getattr(hint, "__metadata__", ())), None
    )


def _with_hint(error: Exception, command: str) -> ConfigError:
    return ConfigError(f"{error} (`{PROGRAM} {command} --help` lists the options)")


def _config_error(error: Any) -> ConfigError | None:
    """Find the ConfigError behind tyro's parsing error."""
    while error is not None:
        if isinstance(error, ConfigError):
            return error
        error = error.__cause__ or error.__context__
    return None
