"""Values from requests: JSON bodies and queries, each value checked as it is read."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request

from mnist_gan.errors import ConfigError
from mnist_gan.text import pluralize

MAX_JSON_BYTES: Final = 64 << 10

_INTEGER: Final = re.compile(r"-?[0-9]{1,16}")
_DECIMAL: Final = re.compile(r"[+-]?[0-9]{1,6}(\.[0-9]{0,12})?|[+-]?\.[0-9]{1,12}")


async def read_json(request: Request, *, limit: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """Read a JSON object from a request's body.

    Args:
        request: one that passed the guard.
        limit: maximum size of the body in bytes.

    Raises:
        HTTPException: 413 for a larger body.
        ConfigError: anything but a JSON object.
    """
    content = bytearray()
    async for chunk in request.stream():
        content += chunk
        if len(content) > limit:
            raise HTTPException(413, f"The body is larger than {limit:,} bytes.", {"connection": "close"})
    try:
        value = json.loads(bytes(content))
    except (ValueError, RecursionError) as error:
        raise ConfigError("The body is not valid JSON.") from error
    if not isinstance(value, dict):
        raise ConfigError("The body must be a JSON object.")
    return value


def check_fields(body: Mapping[str, Any], *allowed: str) -> None:
    """Refuse a body with other fields than `allowed`.

    Raises:
        ConfigError: there is an unknown field; the message names the first.
    """
    unknown = next((name for name in body if name not in allowed), None)
    if unknown is not None:
        raise ConfigError(f"Unknown field {unknown[:40]!r}; the fields are {', '.join(allowed)}.")


def number(value: Any, name: str, *, low: float, high: float) -> float:
    """Check a JSON number.

    Raises:
        ConfigError: any other value.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ConfigError(f"{name} must be a number.")
    if not low <= value <= high:  # False for NaN, too
        raise ConfigError(f"{name} is out of range; it must be from {low:g} to {high:g}.")
    return float(value)


def whole_number(value: Any, name: str, *, low: int, high: int) -> int:
    """Check a JSON integer.

    Raises:
        ConfigError: any other value.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise ConfigError(f"{name} must be a whole number.")
    if not low <= value <= high:
        raise ConfigError(f"{name} is out of range; it must be from {low} to {high}.")
    return value


class Query:
    """Parameters of a query. Each method raises `ConfigError` for a value that it cannot take."""

    def __init__(self, values: Mapping[str, str]) -> None:
        """Read from `values`, the decoded parameters."""
        self._values = values

    def text(self, name: str) -> str | None:
        """The parameter as it is; None if it is missing."""
        return self._values.get(name)

    def whole(self, name: str, *, low: int = 0, high: int) -> int | None:
        """An integer in [low, high]; None if it is missing."""
        text = self._values.get(name)
        if text is None:
            return None
        if not _INTEGER.fullmatch(text) or not low <= int(text) <= high:
            raise ConfigError(f"{name} must be a whole number from {low} to {high}.")
        return int(text)

    def number(self, name: str, *, low: float, high: float) -> float | None:
        """A decimal number in [low, high]; None if it is missing."""
        text = self._values.get(name)
        return None if text is None else _decimal(text, name, low=low, high=high)

    def numbers(self, name: str, *, low: float, high: float, most: int) -> tuple[float, ...]:
        """At most `most` comma-separated decimal numbers in [low, high]; an empty item is 0."""
        texts = self._values.get(name, "").split(",")
        if len(texts) > most:
            raise ConfigError(f"{name} has {pluralize(len(texts), 'number')}; the maximum is {most}.")
        return tuple(_decimal(text, name, low=low, high=high) if text else 0.0 for text in texts)

    def choice(self, name: str, choices: Sequence[str]) -> str:
        """One of `choices`; the first if the parameter is missing."""
        text = self._values.get(name, choices[0])
        if text not in choices:
            raise ConfigError(f"{name} must be {' or '.join(choices)}.")
        return text


def _decimal(text: str, name: str, *, low: float, high: float) -> float:
    if not _DECIMAL.fullmatch(text) or not low <= float(text) <= high:
        raise ConfigError(f"{name} must be a number from {low:g} to {high:g}.")
    return float(text)
