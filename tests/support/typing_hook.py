"""Checks of the package's annotations at run time, installed before its first import."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable
from typing import Any, Final

import jaxtyping

TYPECHECKER: Final = "beartype.beartype(conf=beartype.BeartypeConf(is_pep484_tower=True))"
"""An int passes for a float, as in mypy."""


def install() -> None:
    """Check arguments and results of every function of mnist_gan that is imported from now on.

    jaxtyping binds the arguments of each call twice, to name the dimensions of arrays. Functions without arrays, most
    of them, are checked by beartype alone, and those inside of others not at all.
    """
    with_shapes = jaxtyping.jaxtyped

    def jaxtyped(*, typechecker: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def decorate(decorated: Any) -> Any:
            hints = _resolve(decorated) if inspect.isfunction(decorated) else None
            if hints is None or "jaxtyping" in repr(hints):
                return with_shapes(decorated, typechecker=typechecker)
            if "<locals>" in decorated.__qualname__:
                return decorated
            decorated.__annotations__ = hints
            return typechecker(decorated)

        return decorate

    jaxtyping.jaxtyped = jaxtyped  # type: ignore[assignment]
    jaxtyping.install_import_hook("mnist_gan", TYPECHECKER)


def _resolve(function: Callable[..., Any]) -> dict[str, Any]:
    """Return the annotations of a function; Any for names that are defined later, or for mypy only."""
    return {name: _resolve_one(function, name, hint) for name, hint in function.__annotations__.items()}


def _resolve_one(function: Callable[..., Any], name: str, hint: Any) -> Any:
    holder = type("Holder", (), {"__annotations__": {name: hint}})
    try:
        return typing.get_type_hints(holder, function.__globals__, include_extras=True)[name]
    except NameError:
        return Any
