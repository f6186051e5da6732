"""Splits and checks a command line against the fields of an options dataclass.

tyro prints the help and builds the values. The checks here run before it, so that every mistake is one sentence instead
of a box of several lines, and so that positional arguments may stand anywhere.
"""

from __future__ import annotations

import dataclasses
import difflib
import re
import types
import typing
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal, NamedTuple

from mnist_gan.errors import ConfigError
from mnist_gan.paths import user_path

NUMBER: Final = re.compile(r"-\.?\d")
KINDS: Final = {int: "a whole number", float: "a number", str: "a value", Path: "a path"}


class Option(NamedTuple):
    """An option: its flag, and the type of its value."""

    flag: str
    hint: Any


class ParsedArguments(NamedTuple):
    """A command line, split into options and positional arguments."""

    options: list[tuple[Option, list[str]]]
    """Options in the given order, each with its values; one entry per occurrence."""
    positionals: list[str]

    def value(self, flag: str) -> str | None:
        """Return the value of an option's last occurrence; None if the option is absent."""
        return next((values[-1] for option, values in reversed(self.options) if option.flag == flag and values), None)

    def tokens(self, *, without: str = "") -> list[str]:
        """Return the options as a command line, without the positional arguments and the option of one flag."""
        return [token for option, values in self.options if option.flag != without for token in (option.flag, *values)]


def options_of(cls: type, *, prefix: str = "") -> dict[str, Option]:
    """Return the options of a dataclass by flag; a nested dataclass gives `--group.field`.

    A boolean field gives two flags without a value, `--field` and `--no-field`.
    """
    table: dict[str, Option] = {}
    for name, hint in typing.get_type_hints(cls).items():
        field = name.replace("_", "-")
        if dataclasses.is_dataclass(hint) and isinstance(hint, type):
            table |= options_of(hint, prefix=f"{prefix}{field}.")
            continue
        for flag in [f"--{prefix}{field}", *([f"--{prefix}no-{field}"] if hint is bool else [])]:
            table[flag] = Option(flag, hint)
    return table


def parse(arguments: Sequence[str], table: Mapping[str, Option], *, short: Mapping[str, str]) -> ParsedArguments:
    """Split a command line and check every option and its values.

    Args:
        arguments: the arguments after the command's name.
        table: the command's options.
        short: shorter flags for some of them.

    Raises:
        ConfigError: unknown option, or a value of the wrong type.
    """
    result, pending = ParsedArguments([], []), list(_split_values(arguments))
    while pending:
        token = pending.pop(0)
        if token == "--":  # the rest are positional, also names that begin with a dash
            result.positionals.extend(map(_expand_home, pending))
            break
        if not _is_flag(token):
            result.positionals.append(_expand_home(token))
            continue
        option = _look_up(token, table, short)
        count = sum(1 for _ in _values_ahead(pending, option.hint))
        values, pending = pending[:count], pending[count:]
        _check(option, values, ahead=pending[:1])
        result.options.append((option, [_expand_home(value) for value in values]))
    return result


def _expand_home(token: str) -> str:
    """Expand a leading ~, which a shell leaves in `--out=~/x`. No value but a path begins with it."""
    return str(user_path(token)) if token.startswith("~") else token


def _split_values(arguments: Sequence[str]) -> Iterator[str]:
    """Yield the arguments, `--flag=value` as two."""
    rest = iter(arguments)
    for argument in rest:
        if argument == "--":
            yield from (argument, *rest)
        elif _is_flag(argument) and "=" in argument:
            yield from argument.split("=", 1)
        else:
            yield argument


def _is_flag(token: str) -> bool:
    return token.startswith("-") and token != "-" and not NUMBER.match(token)


def _look_up(token: str, table: Mapping[str, Option], short: Mapping[str, str]) -> Option:
    flag = token.replace("_", "-")
    flag = short.get(flag, flag)
    if flag in table:
        return table[flag]
    same_field = [known for known in table if known.rpartition(".")[2] == flag.lstrip("-")]
    near = same_field or difflib.get_close_matches(flag, [*table, *short], n=1)
    raise ConfigError(f"unknown option {token}" + (f"; did you mean {near[0]}?" if near else ""))


def _values_ahead(pending: Sequence[str], hint: Any) -> Iterator[str]:
    """Yield the tokens that an option takes: none (boolean), one, or all that fit (tuple)."""
    item, most = _arity(hint)
    for token in pending[:most]:
        if _is_flag(token) or (most != 1 and not _fits(item, token)):
            return
        yield token


def _arity(hint: Any) -> tuple[Any, int | None]:
    """Return the type of each value of an option and the greatest number of values; None is unlimited."""
    if hint is bool:
        return bool, 0
    if typing.get_origin(hint) is tuple:
        first, *rest = typing.get_args(hint)
        return first, None if rest == [Ellipsis] else 1 + len(rest)
    return hint, 1


def _check(option: Option, values: Sequence[str], *, ahead: Sequence[str]) -> None:
    item, most = _arity(option.hint)
    if option.hint is bool:
        if ahead and ahead[0].lower() in {"true", "false", "yes", "no", "0", "1"}:
            head, _, field = option.flag.removeprefix("--").rpartition(".")
            yes, no = (f"--{head}{'.' if head else ''}{start}{field.removeprefix('no-')}" for start in ("", "no-"))
            raise ConfigError(f"{option.flag} takes no value; write {yes} or {no}")
        return
    if not values or (most not in {None, 1} and len(values) < (most or 0)):
        instead = f", not {ahead[0]!r}" if ahead and not _is_flag(ahead[0]) else ""
        raise ConfigError(f"{option.flag} needs {_describe(item, most)}{instead}")
    if most == 1 and not _fits(item, values[0]):
        raise ConfigError(f"{option.flag} is {values[0]!r}; it must be {_describe(item, most)}")


def _fits(hint: Any, token: str) -> bool:
    origin, choices = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        return any(_fits(choice, token) for choice in choices)
    if origin is Literal:
        return token in choices
    if hint is type(None):
        return token == "None"
    try:
        return hint not in {int, float} or hint(token) is not None
    except ValueError:
        return False


def _describe(hint: Any, most: int | None) -> str:
    """Describe the values of an option, such as "2 numbers"."""
    if most != 1:
        return f"{'one or more' if most is None else most} {KINDS[hint].removeprefix('a ')}s"
    origin, choices = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return f"one of {', '.join(choices)}"
    if origin in {typing.Union, types.UnionType}:
        return " or ".join("None" if choice is type(None) else _describe(choice, 1) for choice in choices)
    return KINDS.get(hint, "a value")
