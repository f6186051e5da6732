"""Write the types of the studio's JSON, scripts/types/api.d.ts, from mnist_gan.studio.api.

    python scripts/write_types.py          # update the file
    python scripts/write_types.py --check  # exit 1 if the file is out of date

The scripts of the pages use them in JSDoc comments: `Api.RunRow`.
"""

from __future__ import annotations

import sys
import textwrap
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from mnist_gan.studio import api

FILE: Final = Path(__file__).parent / "types" / "api.d.ts"
PRIMITIVES: Final = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}
HEADER: Final = "// JSON between the server and its pages. Written by scripts/write_types.py from mnist_gan.studio.api."


def main() -> int:
    """Update the file, or check it."""
    new = render()
    if "--check" not in sys.argv:
        FILE.write_text(new, encoding="utf-8")
        return 0
    if new != FILE.read_text(encoding="utf-8"):
        print(f"{FILE.name} is out of date; run `python scripts/write_types.py`")
        return 1
    return 0


def render() -> str:
    """The file: an interface for each type, and the functions that request each address."""
    lines = [line for kind in typed_dicts() for line in _interface(kind)]
    for method in ("GET", "POST", "DELETE"):
        lines += _requests(method)
    lines += _listen()
    body = textwrap.indent("\n".join(lines).strip("\n"), "  ", lambda line: line.strip() != "")
    return f"{HEADER}\n\ndeclare namespace Api {{\n{body}\n}}\n"


def typed_dicts() -> list[type]:
    """The types that `mnist_gan.studio.api` defines, in its order."""
    return [value for value in vars(api).values() if typing.is_typeddict(value)]


def expression(hint: Any) -> str:
    """A type of Python in TypeScript."""
    if hint in PRIMITIVES:
        return PRIMITIVES[hint]
    if typing.is_typeddict(hint):
        return str(hint.__name__)
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return " | ".join(str(value).lower() if isinstance(value, bool) else f'"{value}"' for value in arguments)
    if origin in {types.UnionType, typing.Union}:
        return " | ".join(dict.fromkeys(expression(argument) for argument in arguments))
    if origin is list:
        inner = expression(arguments[0])
        return f"({inner})[]" if " | " in inner else f"{inner}[]"
    if origin is tuple:
        return f"[{', '.join(expression(argument) for argument in arguments)}]"
    if origin is dict:
        return f"Record<{expression(arguments[0])}, {expression(arguments[1])}>"
    raise TypeError(f"{hint} has no form in TypeScript")


def _interface(kind: type) -> Iterator[str]:
    yield from (f"/** {kind.__doc__} */", f"interface {kind.__name__} {{")
    for name, hint in typing.get_type_hints(kind, include_extras=True).items():
        optional = typing.get_origin(hint) is typing.NotRequired
        yield f"  {name}{'?' if optional else ''}: {expression(typing.get_args(hint)[0] if optional else hint)};"
    yield from ("}", "")


def _requests(method: str) -> Iterator[str]:
    """Yield an interface of overloads: the response of each address, the more specific addresses first."""
    yield from (f"/** A {method} request of JSON. */", f"interface {method.capitalize()} {{")
    addresses = {
        key.removeprefix(f"{method} "): kinds for key, kinds in api.ENDPOINTS.items() if key.startswith(method)
    }
    for address in sorted(addresses, key=_generality):
        kinds = addresses[address]
        queries = f" | {_template(address)[:-1]}?${{string}}`" if method == "GET" else ""
        body = f", body: {expression(kinds.body)}" if kinds.body else ""
        response = f"Promise<{expression(kinds.response)}>"
        yield f"  (address: {_template(address)}{queries}{body}, options?: Options): {response};"
    yield from ("}", "")


def _listen() -> Iterator[str]:
    yield from ("/** Listen to an event stream; returns a function that closes it. */", "interface Listen {")
    for address, events in api.EVENTS.items():
        name = events.__name__
        yield f"  (address: {_template(address)}, handlers: Handlers<{name}>, options?: StreamOptions): () => void;"
    yield "}"


def _generality(address: str) -> tuple[int, int]:
    return -address.count("/"), address.count("{")


def _template(address: str) -> str:
    parts = ["${string}" if part.startswith("{") else part for part in address.split("/")]
    return f"`{'/'.join(parts)}`"


if __name__ == "__main__":
    sys.exit(main())
