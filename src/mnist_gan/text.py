"""Words for messages, and text from files."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

MAX_LISTED: Final = 12
"""Names that a message lists."""
SECONDS_OF: Final = {"s": 1.0, "min": 60.0, "h": 3600.0}
MAX_SECONDS: Final = 3.2e7
"""A year."""
DURATION: Final = re.compile(r"(\d+(?:\.\d+)?|\.\d+)\s*(s|min|h)")
MAX_NUMBER: Final = 1e100
"""Largest number in a file of a run; float32, in which a training computes, ends at 3.4e38."""


def pluralize(count: int, noun: str, plural: str | None = None) -> str:
    """Return a count with its noun, such as "1 image" or "1,200 images"; `plural` defaults to the noun with an s."""
    return f"{count:,} {noun if count == 1 else plural or f'{noun}s'}"


def format_numbers(numbers: Iterable[int]) -> str:
    """Return rising whole numbers with their runs joined, such as "0, 3 to 5, 255"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    texts = (f"{run[0]} to {run[-1]}" if len(run) > 2 else ", ".join(map(str, run)) for run in runs)
    return ", ".join(texts)


def shorten(names: Sequence[str]) -> str:
    """List names, of more than `MAX_LISTED` only the first and the last."""
    return ", ".join(names) if len(names) <= MAX_LISTED else f"{', '.join(names[: MAX_LISTED - 1])}, ..., {names[-1]}"


def heading_anchor(heading: str) -> str:
    """Return the anchor that GitHub gives to a heading without links, such as "mini-batches" to "Mini-batches"."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def format_duration(seconds: float) -> str:
    """Return a duration in two units, such as "59 s", "4 min 50 s" or "2 h 14 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as "90s", "5min" or "1.5h".

    Raises:
        ValueError: it is not a positive number with one of these units.
    """
    found = DURATION.fullmatch(text.strip())
    seconds = float(found[1]) * SECONDS_OF[found[2]] if found else 0.0
    if not 0 < seconds <= MAX_SECONDS:
        raise ValueError(f"{text!r:.40} is not a duration")
    return seconds


def decode_text(content: bytes) -> str:
    """Decode UTF-8, or UTF-16 with a byte order mark, which Windows PowerShell writes.

    Raises:
        UnicodeDecodeError: neither.
    """
    is_utf16 = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if is_utf16 else "utf-8-sig")


def parse_json(content: str | bytes) -> Any:
    """Parse JSON of an untrusted file. Its numbers are finite, and squares of them are, too.

    Raises:
        ValueError: the content is not JSON, or a number is not finite or above `MAX_NUMBER`.
        RecursionError: it is nested too deeply.
    """
    return json.loads(content, parse_int=_parse_int, parse_float=_parse_float, parse_constant=_parse_float)


def is_moderate(value: float) -> bool:
    """True if a number is finite and at most `MAX_NUMBER` in size."""
    return abs(value) <= MAX_NUMBER


def _parse_int(text: str) -> int:
    value = int(text)
    if not is_moderate(value):
        raise ValueError(f"{text[:20]}... is too large")
    return value


def _parse_float(text: str) -> float:
    value = float(text)
    if not is_moderate(value):
        raise ValueError(f"{text[:20]} is not finite, or too large")
    return value


def printable(text: str) -> str:
    r"""Return the text with bytes of a file name that are not UTF-8 written as escapes, such as `\udcff`."""
    return text.encode(errors="backslashreplace").decode()
