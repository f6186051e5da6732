"""Bodies of requests, and values in them and in queries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

from starlette.requests import Request

from mnist_gan.studio.problems import Problem

MAX_JSON_BYTES: Final = 64 << 10


async def read_json(request: Request, *, limit: int = MAX_JSON_BYTES) -> dict[str, Any]:
    """The JSON object in a request's body.

    Args:
        request: its token, type and pace were checked before.
        limit: bytes that the body may have.

    Raises:
        Problem: too large, or no JSON object.
    """
    content = bytearray()
    async for piece in request.stream():
        content += piece
        if len(content) > limit:
            raise Problem(413, f"this body may have {limit:,} bytes at most", {"connection": "close"})
    try:
        value = json.loads(bytes(content))
    except (ValueError, RecursionError) as error:
        raise Problem(400, "the body is not JSON") from error
    if not isinstance(value, dict):
        raise Problem(400, "the body must be a JSON object")
    return value


def only(body: Mapping[str, Any], *names: str) -> None:
    """Refuse a body that holds anything else.

    Raises:
        Problem: it does.
    """
    odd = [name for name in body if name not in names]
    if odd:
        raise Problem(400, f"{odd[0][:40]!r} is not known here; there are {', '.join(names)}")


def number(value: Any, name: str, *, low: float, high: float) -> float:
    """A value that must be a number from `low` to `high`.

    Raises:
        Problem: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise Problem(400, f"{name} must be a number")
    if not low <= value <= high:  # not a number, too
        raise Problem(400, f"{name} is out of range; it must be from {low:g} to {high:g}")
    return float(value)


def whole_number(value: Any, name: str, *, low: int, high: int) -> int:
    """A value that must be a whole number from `low` to `high`.

    Raises:
        Problem: it is not.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise Problem(400, f"{name} must be a whole number")
    if not low <= value <= high:
        raise Problem(400, f"{name} is out of range; it must be from {low} to {high}")
    return value


def whole_number_in_query(request: Request, name: str, *, low: int, high: int, default: int) -> int:
    """A whole number from the query.

    Raises:
        Problem: it is none, or not from `low` to `high`.
    """
    text = request.query_params.get(name)
    if text is None:
        return default
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdecimal() and len(digits) <= 16):
        raise Problem(400, f"{name} must be a whole number")
    return whole_number(int(text), name, low=low, high=high)
