"""What the words of a command line may be, read from the dataclasses that they fill.

tyro prints the help and builds the values; it refuses a word in several lines of its own. The checks here come before
it, so that whatever is wrong is one sentence, and find the words that belong to no option.
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

NUMBER: Final = re.compile(r"-\.?\d")
KINDS: Final = {int: "a whole number", float: "a number", str: "a word", Path: "a path"}


class Option(NamedTuple):
    """One option: its flag, and the type of what follows it."""

    flag: str
    hint: Any


class Words(NamedTuple):
    """A command line, taken apart."""

    options: list[tuple[Option, list[str]]]
    """Each option as often as it was given, with its words."""
    positionals: list[str]

    def given(self, flag: str) -> str | None:
        """The last word given to an option."""
        return next((words[-1] for option, words in reversed(self.options) if option.flag == flag and words), None)

    def tokens(self) -> list[str]:
        """The options again as a command line."""
        return [token for option, words in self.options for token in (option.flag, *words)]


def options_of(cls: type, *, prefix: str = "") -> dict[str, Option]:
    """The options that fill a dataclass, nested ones under `--group.field`, by flag.

    A field that is true or false has two flags without a value, `--field` and `--no-field`.
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


def read(arguments: Sequence[str], table: Mapping[str, Option], *, short: Mapping[str, str]) -> Words:
    """Take a command line apart and check every word of it.

    Args:
        arguments: what follows the verb.
        table: the options there are.
        short: shorter flags for some of them.

    Raises:
        ConfigError: an option that there is not, or a word that it cannot take.
    """
    result, pending = Words([], []), list(_split_values(arguments))
    while pending:
        token = pending.pop(0)
        if not _is_flag(token):
            result.positionals.append(token)
            continue
        option = _look_up(token, table, short)
        count = sum(1 for _ in _words_ahead(pending, option.hint))
        words, pending = pending[:count], pending[count:]
        _check(option, words, ahead=pending[:1])
        result.options.append((option, words))
    return result


def _split_values(arguments: Sequence[str]) -> Iterator[str]:
    """`--flag=value` as two tokens."""
    for argument in arguments:
        if _is_flag(argument) and "=" in argument:
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
    raise ConfigError(f"there is no option {token}" + (f"; did you mean {near[0]}?" if near else ""))


def _words_ahead(pending: Sequence[str], hint: Any) -> Iterator[str]:
    """The tokens that an option takes: one, none (true or false), or as many as fit (a tuple)."""
    item, most = _arity(hint)
    for token in pending[:most]:
        if _is_flag(token) or (most != 1 and not _fits(item, token)):
            return
        yield token


def _arity(hint: Any) -> tuple[Any, int | None]:
    """The type of each word of an option, and how many it takes at most (None: any number)."""
    if hint is bool:
        return bool, 0
    if typing.get_origin(hint) is tuple:
        first, *rest = typing.get_args(hint)
        return first, None if rest == [Ellipsis] else 1 + len(rest)
    return hint, 1


def _check(option: Option, words: Sequence[str], *, ahead: Sequence[str]) -> None:
    item, most = _arity(option.hint)
    if option.hint is bool:
        if ahead and ahead[0].lower() in {"true", "false", "yes", "no", "0", "1"}:
            head, _, field = option.flag.removeprefix("--").rpartition(".")
            yes, no = (f"--{head}{'.' if head else ''}{start}{field.removeprefix('no-')}" for start in ("", "no-"))
            raise ConfigError(f"{option.flag} takes no value; write {yes} or {no}")
        return
    if not words or (most not in {None, 1} and len(words) < (most or 0)):
        found = f", not {ahead[0]!r}" if ahead and not _is_flag(ahead[0]) else ""
        raise ConfigError(f"{option.flag} needs {_describe(item, most)}{found}")
    if most == 1 and not _fits(item, words[0]):
        raise ConfigError(f"{option.flag} is {words[0]!r}; it must be {_describe(item, most)}")


def _fits(hint: Any, word: str) -> bool:
    origin, choices = typing.get_origin(hint), typing.get_args(hint)
    if origin in {typing.Union, types.UnionType}:
        return any(_fits(choice, word) for choice in choices)
    if origin is Literal:
        return word in choices
    if hint is type(None):
        return word == "None"
    try:
        return hint not in {int, float} or hint(word) is not None
    except ValueError:
        return False


def _describe(hint: Any, most: int | None) -> str:
    """What an option takes, in words."""
    if most != 1:
        return f"{'one or more' if most is None else most} {KINDS[hint].removeprefix('a ')}s"
    origin, choices = typing.get_origin(hint), typing.get_args(hint)
    if origin is Literal:
        return f"one of {', '.join(choices)}"
    if origin in {typing.Union, types.UnionType}:
        return " or ".join("None" if choice is type(None) else _describe(choice, 1) for choice in choices)
    return KINDS.get(hint, "a value")
