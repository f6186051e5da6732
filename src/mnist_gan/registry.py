"""Names of the parts that a plug-in adds, such as `ideas.margin`; the part behind a name, and where it is defined.

A name with a dot is a part of a plug-in, a name without one is built in. A config can therefore be read, checked and
stored without the code of the plug-in.
"""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeVar

from mnist_gan.errors import PluginError

T = TypeVar("T")

PYTHON: Final = "python"
"""Plug-in name of objects that a Python program passes."""
MAX_NAME: Final = 200
"""Characters of a full name."""
PART: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")
"""Name of a plug-in, or of a part within it."""
FULL_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]*(\.[A-Za-z_][A-Za-z0-9_-]*)+")


def is_plugin_name(name: object) -> bool:
    """True for the full name of a part of a plug-in."""
    return isinstance(name, str) and len(name) <= MAX_NAME and FULL_NAME.fullmatch(name) is not None


def plugin_of(name: str) -> str:
    """Return the name of the plug-in in the full name of a part."""
    return name.partition(".")[0]


def look_up(parts: Mapping[str, T], name: str, *, field: str) -> T:
    """Return the part with a full name.

    Args:
        parts: parts of the field's kind by full name.
        name: value of the field.
        field: dotted name of a config field, for the error.

    Raises:
        PluginError: there is none; the message says what to pass.
    """
    if name in parts:
        return parts[name]
    plugin = plugin_of(name)
    if plugin == PYTHON:
        keyword = KEYWORDS.get(field, "plugin")
        raise PluginError(
            f"{field} is {name}, an object that a Python program passed; pass it again from Python, with {keyword}=..."
        )
    if any(plugin_of(other) == plugin for other in parts):
        raise PluginError(f"{field} is {name}, which the plug-in {plugin} does not have; {suggest(name, parts)}")
    raise PluginError(f"{field} is {name}, of the plug-in {plugin}; name the plug-in's file with --plugin FILE")


KEYWORDS: Final = {
    "objective.loss": "objective",
    "objective.regularizer": "regularizer",
    "generator.family": "generator",
    "discriminator.family": "discriminator",
    "data.name": "dataset",
}
"""Argument of `train`, `run` and `resume` for each config field that may name a part of a plug-in."""


def suggest(name: str, names: Iterable[str]) -> str:
    """Return advice for an unknown name: the nearest one, or all."""
    near = difflib.get_close_matches(name, list(names), n=1)
    return f"did you mean {near[0]}?" if near else f"choose one of {', '.join(sorted(names))}"


def place_of(part: Any) -> str:
    """Return file and line of a function, or of the `forward` of a torch module or its class; its name if unknown."""
    function = inspect.unwrap(part) if callable(part) else part
    function = getattr(function, "func", function)  # functools.partial
    function = getattr(function, "forward", function)  # a torch module, or its class
    code = getattr(function, "__code__", None)
    return name_of(part) if code is None else f"{code.co_filename}, line {code.co_firstlineno}"


def name_of(part: Any) -> str:
    """Return module and qualified name of a function, a class, or the class of an object."""
    named = getattr(part, "func", part)
    named = named if hasattr(named, "__qualname__") else type(named)
    return f"{named.__module__}.{named.__qualname__}"
