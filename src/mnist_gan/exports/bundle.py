"""Bundler of the exported page: ES modules become one script, since a page on disk cannot import files.

Each module becomes a function that returns its exports. It handles the forms that the pages use: `import { a, b } from
"./name.js"` and `export` before a declaration.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

IMPORT: Final = re.compile(r'^import\s*(\{[^}]*\})\s*from\s*"\./([\w-]+)\.js";\n', re.MULTILINE)
EXPORT: Final = re.compile(r"^export\s+(?=(?:async\s+)?(?:const|let|function|class)\s+(\w+))", re.MULTILINE)


def bundle_modules(modules: Mapping[str, str], *, entry: str) -> str:
    """One classic script of the module `entry` and all that it imports.

    Args:
        modules: name without `.js` -> source.
        entry: name of the module to run.

    Raises:
        KeyError: an imported module is missing.
        ValueError: a module has another form of import or export.
    """
    return (
        '(() => {\n"use strict";\n' + "".join(_wrap(name, modules[name]) for name in _order(modules, entry)) + "})();\n"
    )


def _order(modules: Mapping[str, str], entry: str) -> list[str]:
    """Names of the modules, each after those that it imports."""
    ordered: dict[str, None] = {}

    def visit(name: str) -> None:
        for _, imported in IMPORT.findall(modules[name]):
            visit(imported)
        ordered.setdefault(name)

    visit(entry)
    return list(ordered)


def _wrap(name: str, source: str) -> str:
    exports = EXPORT.findall(source)
    body = EXPORT.sub("", IMPORT.sub(lambda found: f"const {found[1]} = {_variable(found[2])};\n", source))
    if re.search(r"^(?:import|export)\b", body, re.MULTILINE):
        raise ValueError(f"{name}.js has an import or export that the bundler does not know")
    return f"const {_variable(name)} = (() => {{\n{body}return {{ {', '.join(exports)} }};\n}})();\n"


def _variable(name: str) -> str:
    return f"module_{name.replace('-', '_')}"
