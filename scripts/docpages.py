"""Parse the documentation's pages for the tests: code blocks, links, headings and command lines."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import mnist_gan
from mnist_gan.text import heading_anchor

ROOT: Final = Path(__file__).resolve().parents[1]
PACKAGE: Final = Path(mnist_gan.__file__).resolve().parent
STUDIO: Final = "http://127.0.0.1:8765/"
"""Address of a studio on the machine of a reader."""
FENCE: Final = re.compile(r"^(`{3,})([\w-]*)\s*$")
LINK: Final = re.compile(r"!?\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
INLINE: Final = re.compile(r"`([^`\n]+)`")
PROGRAM: Final = re.compile(r"(\S*/)?(mnist-gan|python -m mnist_gan)(\s|$)")


class Block(NamedTuple):
    """A fenced block of code."""

    page: Path
    line: int
    """Line number of the first line of code."""
    language: str
    text: str

    @property
    def name(self) -> str:
        """`PAGE:LINE`, used as a test's name."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


class Link(NamedTuple):
    """A link or a picture."""

    page: Path
    text: str
    target: str


def pages() -> list[Path]:
    """Return the README, CONTRIBUTING, and every page in docs/."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page; an indented call of the program is an `sh` block, too."""
    fence, language, start, inside = "", "", 0, list[str]()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        opening = FENCE.match(line)
        if fence and line.startswith(fence):
            yield Block(page, start, language, "\n".join(inside))
            fence = ""
        elif fence:
            inside.append(line)
        elif opening:
            fence, language, start, inside = opening[1], opening[2], number + 1, []
        elif line.startswith("    ") and PROGRAM.match(line.strip()):
            yield Block(page, number, "sh", line.strip())


def prose(page: Path) -> str:
    """Return a page without its fenced blocks."""
    kept, fence = list[str](), ""
    for line in page.read_text(encoding="utf-8").splitlines():
        opening = FENCE.match(line)
        if fence:
            fence = "" if line.startswith(fence) else fence
        elif opening:
            fence = opening[1]
        else:
            kept.append(line)
    return "\n".join(kept)


def links(page: Path) -> Iterator[Link]:
    """Yield the links of a page outside of code."""
    text = INLINE.sub(lambda code: code[0] if "](" not in code[1] else "", prose(page))
    for match in LINK.finditer(text):
        yield Link(page, match["text"], match["target"])


def target(page: Path, file: str) -> Path:
    """Return the file that a page links to; a source file is that of the installed package."""
    path = (page.parent / file).resolve()
    sources = ROOT / "src"
    return PACKAGE.parent / path.relative_to(sources) if path.is_relative_to(sources) else path


def anchors(page: Path) -> set[str]:
    """Return the anchors that GitHub gives to a page's headings."""
    return {anchor(heading) for heading in re.findall(r"^#{1,6}\s+(.+?)\s*$", prose(page), re.MULTILINE)}


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives to a heading."""
    return heading_anchor(LINK.sub(r"\g<text>", heading))


def commands(block: Block) -> Iterator[list[str]]:
    """Yield the command lines of a shell block as words, without comments."""
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words


def inline_commands(page: Path) -> Iterator[list[str]]:
    """Yield the calls of the program in running text, as words."""
    for code in INLINE.findall(prose(page)):
        if PROGRAM.match(code):
            yield shlex.split(code)


def arguments(words: list[str]) -> list[str] | None:
    """Return the arguments of the program in a command line; None for another program."""
    if Path(words[0]).name == "mnist-gan":
        return words[1:]
    if Path(words[0]).name == "python" and words[1:3] == ["-m", "mnist_gan"]:
        return words[3:]
    return None
