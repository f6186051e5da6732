"""Write the types that the scripts of the pages use in JSDoc comments, into scripts/types.

    python -m scripts.write_types          # update the files
    python -m scripts.write_types --check  # exit 1 if a file is out of date

`api.d.ts` has the JSON of mnist_gan.studio.api, such as `Api.RunRow`; `elements.d.ts` has the elements with an id.
"""

from __future__ import annotations

import sys
import textwrap
import types
import typing
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, Final

from scripts.docpages import PACKAGE

from mnist_gan.studio import api

FOLDER: Final = Path(__file__).parent / "types"
PAGES: Final = ("studio/pages", "exports/pages")
PRIMITIVES: Final = {str: "string", int: "number", float: "number", bool: "boolean", type(None): "null"}
API_HEADER: Final = (
    "// JSON between the server and its pages. Written by scripts.write_types from mnist_gan.studio.api."
)
ELEMENTS_HEADER: Final = "// Elements of the pages by id. Written by scripts.write_types from the pages."


def main() -> int:
    """Update the files, or check them."""
    changed = {name: text for name, text in render().items() if not _equals(FOLDER / name, text)}
    for name, text in changed.items():
        if "--check" in sys.argv:
            print(f"{name} is out of date; run `python -m scripts.write_types`")
        else:
            (FOLDER / name).write_text(text, encoding="utf-8")
    return int("--check" in sys.argv and bool(changed))


def render() -> dict[str, str]:
    """The files by name."""
    return {"api.d.ts": api_types(), "elements.d.ts": element_types()}


def api_types() -> str:
    """An interface for each type of the API, and the functions that request each address."""
    lines = [line for kind in typed_dicts() for line in _interface(kind)]
    for method in ("GET", "POST", "DELETE"):
        lines += _requests(method)
    lines += _listen()
    body = textwrap.indent("\n".join(lines).strip("\n"), "  ", lambda line: line.strip() != "")
    return f"{API_HEADER}\n\ndeclare namespace Api {{\n{body}\n}}\n"


def element_types() -> str:
    """The type of the element of each id; a union for an id of several pages."""
    tags: dict[str, set[str]] = {}
    for folder in PAGES:
        for page in sorted((PACKAGE / folder).glob("*.html")):
            Ids(tags).feed(page.read_text(encoding="utf-8"))
    names = {name: " | ".join(f'HTMLElementTagNameMap["{tag}"]' for tag in sorted(tags[name])) for name in sorted(tags)}
    lines = "\n".join(f'    "{name}": {kind};' for name, kind in names.items())
    return f"{ELEMENTS_HEADER}\n\ndeclare namespace Pages {{\n  interface Elements {{\n{lines}\n  }}\n}}\n"


class Ids(HTMLParser):
    """Collects the tags of the elements with an id."""

    def __init__(self, tags: dict[str, set[str]]) -> None:
        """Collect into `tags`."""
        super().__init__()
        self._tags = tags

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note the tag of an id."""
        name = dict(attrs).get("id")
        if name:
            self._tags.setdefault(name, set()).add(tag)


def _equals(file: Path, text: str) -> bool:
    return file.is_file() and file.read_text(encoding="utf-8") == text


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
