"""Comparison of JSON with the types of mnist_gan.studio.api."""

from __future__ import annotations

import types
import typing
from collections.abc import Iterator
from typing import Any

NUMBERS: dict[Any, Any] = {float: (int, float)}


def problems(value: Any, hint: Any, *, at: str = "$") -> Iterator[str]:
    """Yield a sentence for each part of a JSON value that its type does not allow."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if typing.is_typeddict(hint):
        yield from _problems_of_object(value, hint, at=at)
    elif origin in {types.UnionType, typing.Union}:
        found = [list(problems(value, argument, at=at)) for argument in arguments]
        yield from () if [] in found else min(found, key=len)
    elif origin is typing.Literal:
        if value not in arguments:
            yield f"{at} is {value!r} and not one of {arguments}"
    elif origin is dict and isinstance(value, dict):
        for name, part in value.items():
            yield from problems(part, arguments[1], at=f"{at}.{name}")
    elif origin is list and isinstance(value, list):
        for index, part in enumerate(value):
            yield from problems(part, arguments[0], at=f"{at}[{index}]")
    elif origin is tuple and isinstance(value, list) and len(value) == len(arguments):
        for index, (part, argument) in enumerate(zip(value, arguments, strict=True)):
            yield from problems(part, argument, at=f"{at}[{index}]")
    elif origin or not _is(value, hint):
        yield f"{at} is {value!r:.60} and no {hint}"


def check_event(events: Any, name: str, value: Any) -> None:
    """Compare the data of an event with its type; `events` has the types by name."""
    found = list(problems(value, typing.get_type_hints(events)[name]))
    assert found == [], f"event {name}: {found[:3]}"


def _problems_of_object(value: Any, hint: Any, *, at: str) -> Iterator[str]:
    if not isinstance(value, dict):
        yield f"{at} is {value!r:.60} and no {hint.__name__}"
        return
    fields = typing.get_type_hints(hint, include_extras=True)
    for name in value.keys() - fields.keys():
        yield f"{at}.{name} is not in {hint.__name__}"
    for name, field in fields.items():
        optional = typing.get_origin(field) is typing.NotRequired
        if name in value:
            yield from problems(value[name], typing.get_args(field)[0] if optional else field, at=f"{at}.{name}")
        elif not optional:
            yield f"{at}.{name} of {hint.__name__} is missing"


def _is(value: Any, hint: Any) -> bool:
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, NUMBERS.get(hint, hint))
