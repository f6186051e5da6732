"""Texts of the package's sources, with the command lines and options that they name."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import mnist_gan
from mnist_gan.cli import commands
from mnist_gan.cli.terminal import PROGRAM

PACKAGE: Final = Path(mnist_gan.__file__).resolve().parent
QUOTED, UNQUOTED = "7", "my folder"
"""Stand for the placeholders of an f-string: a number, a name and a path at once, and a path that needs quotes."""
CODE: Final = re.compile(r"`+([^`]+)`+|<code>([^<]+)</code>")
OPTION: Final = re.compile(r"(?<![\w-])(--[a-z][\w.-]*\w)(?:[ =]([\w.]+))?")


class Text(NamedTuple):
    """A string of the sources."""

    place: str
    """`FILE:LINE`."""
    text: str
    """Its value in one line, with `QUOTED` or `UNQUOTED` for placeholders."""


def texts() -> list[Text]:
    """Return all strings in the sources, docstrings included, and the pages of the studio."""
    trees = {path: ast.parse(path.read_text("utf-8")) for path in sorted(PACKAGE.rglob("*.py"))}
    shared = {name: value for tree in trees.values() for name, value in _constants(tree).items()}
    found = [
        Text(f"{path.relative_to(PACKAGE)}:{line}", " ".join(text.split()))
        for path, tree in trees.items()
        for line, text in _strings(tree, shared | _constants(tree) | _quoted_names(tree))
    ]
    pages = [path for path in PACKAGE.glob("studio/pages/**/*") if path.suffix in {".html", ".js"}]
    own = [path for path in pages if "vendor" not in path.parts and path.name != "theory.html"]  # a page of docs
    return found + [Text(str(path.relative_to(PACKAGE)), " ".join(path.read_text("utf-8").split())) for path in own]


def command_lines(text: str) -> Iterator[list[str]]:
    """Yield the arguments of every call of the program: code, or a text that is a command line."""
    for code in (*(match[1] or match[2] for match in CODE.finditer(text)), text):
        try:
            words = shlex.split(code)
        except ValueError:  # prose with an apostrophe
            continue
        if words[:1] == [PROGRAM] or words[:3] == ["python", "-m", "mnist_gan"]:
            yield words[words.index("mnist_gan") + 1 if words[0] == "python" else 1 :]
        elif len(words) > 1 and commands.find(words[0]) and (code is not text or words[1].startswith("--")):
            yield words


def bare_commands(text: str) -> list[str]:
    """Return the calls of the program in prose, where their end cannot be recognized."""
    prose = CODE.sub("", text)
    return [name for name in re.findall(rf"(?<!^)\b{PROGRAM} ([a-z-]+)", prose) if commands.find(name)]


def options(text: str) -> Iterator[tuple[str, str]]:
    """Yield the options in a text, each with the word after it."""
    for match in OPTION.finditer(text):
        yield match[1], match[2] or ""


def _constants(tree: ast.Module) -> dict[str, str]:
    """Return the strings assigned to names at the top of a module."""
    return {
        name: node.value.value
        for node in tree.body
        for name in _targets(node)
        if isinstance(node, ast.Assign | ast.AnnAssign)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }


def _quoted_names(tree: ast.Module) -> dict[str, str]:
    """Return `QUOTED` for every name to which a quoted value is assigned."""
    assigned = (node for node in ast.walk(tree) if isinstance(node, ast.Assign) and _is_quoted(node.value))
    return {name: QUOTED for node in assigned for name in _targets(node) if isinstance(node.value, ast.Call)}


def _targets(node: ast.stmt) -> list[str]:
    """Return the names that a statement assigns to."""
    targets = node.targets if isinstance(node, ast.Assign) else [node.target] if isinstance(node, ast.AnnAssign) else []
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _strings(node: ast.AST, names: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Yield the strings below a node with their lines; one of several parts is one string."""
    if isinstance(node, ast.JoinedStr):
        yield node.lineno, "".join(_fill(part, names) for part in node.values)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.lineno, node.value
    for child in ast.iter_child_nodes(node):
        if not (isinstance(node, ast.JoinedStr) and isinstance(child, ast.Constant)):
            yield from _strings(child, names)


def _fill(part: ast.expr, names: dict[str, str]) -> str:
    if isinstance(part, ast.Constant):
        return str(part.value)
    value = part.value if isinstance(part, ast.FormattedValue) else part
    if isinstance(value, ast.Name) and value.id in names:
        return names[value.id]
    return QUOTED if _is_quoted(value) else UNQUOTED


def _is_quoted(value: ast.expr) -> bool:
    return "quote(" in ast.unparse(value)
