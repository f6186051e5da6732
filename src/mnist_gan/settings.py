"""Fields of a config: texts for users, and one check of type and bounds for every field.

Imports neither torch nor numpy.
"""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import math
import threading
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any, Final, Literal, TypeVar, get_args, get_origin

from mnist_gan.errors import ConfigError
from mnist_gan.registry import is_plugin_name

T = TypeVar("T")

MAX_ITEMS: Final = 32
"""Items of a list without a fixed length."""
MAX_INTEGER: Final = 2**63 - 1
"""Largest integer of TOML."""
MAX_SHOWN: Final = 60
"""Characters of a value in an error message."""
KINDS: Final = {bool: "true or false", int: "a whole number", float: "a finite number", str: "text or a path"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Setting:
    """A config field: its texts, and the values that it takes."""

    name: str
    """Dotted name, such as `training.batch_size`."""
    hint: Any
    """Type annotation."""
    title: str = ""
    unit: str | None = None
    help: str = ""
    ge: float | None = None
    """Least value of a number, or of each number in a list."""
    gt: float | None = None
    """Bound that a number exceeds."""
    le: float | None = None
    """Greatest value of a number, or of each number in a list."""
    lt: float | None = None
    """Bound that a number stays below."""
    labels: Mapping[str, str] = field(default_factory=dict)
    """Names of the choices, for prose."""

    @property
    def choices(self) -> tuple[str, ...]:
        """Built-in values of a field that is a choice; empty for any other field."""
        return get_args(_choice(self.hint))

    @property
    def is_open(self) -> bool:
        """True for a choice that also takes the name of a part of a plug-in, such as `ideas.margin`."""
        return _is_open(self.hint)

    @property
    def expected(self) -> str:
        """Description of the values that the field takes, for an error message."""
        return self._describe(self.hint)

    def read(self, value: Any) -> Any:
        """Convert a value to the field's type, if the conversion is exact.

        NumPy and torch scalars become Python numbers, arrays and lists become tuples, and paths become text. A float
        without a fraction becomes an integer where the field is one.

        Raises:
            ConfigError: wrong type, or out of bounds; the message names the field, the value and the remedy.
        """
        plain = value.tolist() if hasattr(value, "tolist") else value
        try:
            return self._convert(self.hint, plain)
        except (ValueError, OverflowError):
            raise ConfigError(f"{self.name} is {shown(plain)}; it must be {self.expected}") from None

    def _convert(self, hint: Any, value: Any) -> Any:
        """Like `read`, but raises ValueError or OverflowError."""
        origin, arguments = get_origin(hint), get_args(hint)
        if _is_open(hint):
            return value if is_plugin_name(value) else self._convert(_choice(hint), value)
        if origin in {typing.Union, types.UnionType}:
            return None if value is None else self._convert(_without_none(hint), value)
        if origin is Literal:
            return arguments[arguments.index(value)]
        if origin is tuple:
            _check_length(hint, value)
            return tuple(self._convert(arguments[0], item) for item in value)
        if hint in {int, float}:
            return self._number(hint, value)
        if hint is str and isinstance(value, PurePath):
            return str(value)
        if not isinstance(value, hint):
            raise ValueError
        return value

    def _number(self, kind: type[int | float], value: Any) -> int | float:
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or (isinstance(value, int) and abs(value) > MAX_INTEGER)
        ):
            raise ValueError
        number = kind(value)
        if number != value or not self._in_bounds(number):
            raise ValueError
        return number

    def _in_bounds(self, number: float) -> bool:
        return (
            math.isfinite(number)
            and (self.ge is None or number >= self.ge)
            and (self.gt is None or number > self.gt)
            and (self.le is None or number <= self.le)
            and (self.lt is None or number < self.lt)
        )

    def _describe(self, hint: Any) -> str:
        origin, arguments = get_origin(hint), get_args(hint)
        if _is_open(hint):
            return f"{self._describe(_choice(hint))}, or the name of a plug-in's own, such as ideas.mine"
        if origin in {typing.Union, types.UnionType}:
            return f"{self._describe(_without_none(hint))}, or None"
        if origin is Literal:
            return f"one of {', '.join(arguments)}"
        if origin is tuple:
            count = f"1 to {MAX_ITEMS}" if Ellipsis in arguments else len(arguments)
            return f"a list of {count} {KINDS[arguments[0]].removeprefix('a ')}s{self._range()}"
        if hint not in KINDS:
            return f"an instance of {hint.__name__}"
        return KINDS[hint] + self._range()

    def _range(self) -> str:
        if self.ge is not None and self.le is not None:
            return f" from {_digits(self.ge)} to {_digits(self.le)}"
        bounds = {"at least": self.ge, "more than": self.gt, "at most": self.le, "less than": self.lt}
        parts = [f"{words} {_digits(bound)}" for words, bound in bounds.items() if bound is not None]
        return ", " + " and ".join(parts) if parts else ""


def setting(
    default: T,
    title: str,
    *,
    unit: str | None = None,
    ge: float | None = None,
    gt: float | None = None,
    le: float | None = None,
    lt: float | None = None,
    labels: Mapping[str, str] | None = None,
) -> T:
    """Declare a field of a `Section`; the arguments are the attributes of `Setting`. The help text stands under it."""
    texts = {"title": title, "unit": unit, "labels": labels or {}}
    return field(default=default, metadata={**texts, "ge": ge, "gt": gt, "le": le, "lt": lt})


class Section:
    """Base of a config dataclass: converts and checks every field when an instance is made, also by `replace`."""

    __slots__ = ()
    section = ""
    """Name of the field of `Config` that holds the dataclass."""

    def __post_init__(self) -> None:
        for name, each in settings_of(type(self)).items():
            object.__setattr__(self, name, each.read(getattr(self, name)))
        self._check_combinations()

    def _check_combinations(self) -> None:
        """Refuse values that do not work together."""


def build_section(cls: type[T], values: Any, *, name: str, path: str = "") -> T:
    """Build a `Section`, and the sections in it, from nested plain values. Absent fields keep their defaults.

    Args:
        cls: the section.
        values: a table of fields.
        name: of the whole, for the error message.
        path: dotted path of the table in the whole, with a dot at its end.

    Raises:
        ConfigError: an unknown field, a value of the wrong type or out of bounds, or values that do not work together.
    """
    hints = typing.get_type_hints(cls)
    require(isinstance(values, Mapping), f"{path[:-1] or name} is {shown(values)}; it must be a table of fields")
    unknown = next((field for field in values if field not in hints), None)
    if unknown is not None:
        field = unknown if unknown.isidentifier() and len(unknown) <= MAX_SHOWN else shown(unknown)
        raise ConfigError(f"unknown field {path}{field}; the fields here are {', '.join(sorted(hints))}")
    sections = {field: hint for field, hint in ((field, _section_in(hints[field])) for field in values) if hint}
    nested = {
        field: build_section(hint, values[field], name=name, path=f"{path}{field}.") for field, hint in sections.items()
    }
    return cls(**{**values, **nested})


def _section_in(hint: Any) -> type[Any] | None:
    """The section that a field holds, also beside None; None for any other field."""
    candidates = (hint, *get_args(hint)) if get_origin(hint) in {typing.Union, types.UnionType} else (hint,)
    return next((each for each in candidates if isinstance(each, type) and issubclass(each, Section)), None)


def settings_of(cls: Any) -> dict[str, Setting]:
    """Return the settings of a subclass of `Section` by field name, without help texts."""
    return _settings_of(cls)


@functools.cache
def _settings_of(cls: Any) -> dict[str, Setting]:
    hints, prefix = typing.get_type_hints(cls), f"{cls.section}." if cls.section else ""
    return {
        each.name: Setting(name=prefix + each.name, hint=hints[each.name], **each.metadata)
        for each in dataclasses.fields(cls)
    }


_PARSING: Final = threading.Lock()
"""Two threads that parse at once confuse the parser of CPython 3.11: `SystemError`, now and then."""


def help_texts(cls: type[Any]) -> dict[str, str]:
    """Return the string under each field of a dataclass, by field name."""
    with _PARSING:
        (definition,) = ast.parse(inspect.getsource(cls)).body
    assert isinstance(definition, ast.ClassDef)
    return {
        node.target.id: " ".join(text.value.value.split())
        for node, text in zip(definition.body, definition.body[1:], strict=False)
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
        if isinstance(text, ast.Expr) and isinstance(text.value, ast.Constant) and isinstance(text.value.value, str)
    }


def require(condition: bool, message: str) -> None:
    """Raise a `ConfigError` unless a condition holds."""
    if not condition:
        raise ConfigError(message)


def shown(value: object) -> str:
    """Return the representation of an untrusted value, cut to `MAX_SHOWN` characters."""
    text = repr(value)
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."


def _choice(hint: Any) -> Any:
    """The Literal of a choice, open or not; None for any other type."""
    return next((each for each in (hint, *get_args(hint)) if get_origin(each) is Literal), None)


def _is_open(hint: Any) -> bool:
    return get_origin(hint) in {typing.Union, types.UnionType} and _choice(hint) is not None and str in get_args(hint)


def _without_none(hint: Any) -> Any:
    return next(each for each in get_args(hint) if each is not types.NoneType)


def _check_length(hint: Any, value: Any) -> None:
    lengths = range(1, MAX_ITEMS + 1) if Ellipsis in get_args(hint) else [len(get_args(hint))]
    if not isinstance(value, Sequence) or isinstance(value, str | bytes) or len(value) not in lengths:
        raise ValueError


def _digits(number: float) -> str:
    return f"{number:,}" if isinstance(number, int) else f"{number:g}"
