"""What the documentation's pages hold, for the tests that check them: code blocks, links, headings and options."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).resolve().parents[1]
FENCE: Final = re.compile(r"^(`{3,})([\w-]*)\s*$")
LINK: Final = re.compile(r"!?\[(?P<text>[^\]]*)\]\((?P<target>[^)\s]+)\)")
INLINE: Final = re.compile(r"`([^`\n]+)`")
PROGRAM: Final = re.compile(r"(\S*/)?(mnist-gan|python -m mnist_gan)(\s|$)")


class Block(NamedTuple):
    """A fenced block of code."""

    page: Path
    line: int
    """Number of its first line of code."""
    language: str
    text: str

    @property
    def name(self) -> str:
        """Where it stands, for the name of a test."""
        return f"{self.page.relative_to(ROOT)}:{self.line}"


class Link(NamedTuple):
    """A link or a picture."""

    page: Path
    text: str
    target: str


def pages() -> list[Path]:
    """The README, CONTRIBUTING, and every page in docs/."""
    return [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]


def blocks(page: Path) -> Iterator[Block]:
    """The fenced blocks of a page; what is indented by four blanks and calls the program counts as `sh`."""
    fence, language, start, inside = "", "", 0, list[str]()
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), start=1):
        found = FENCE.match(line)
        if fence and line.startswith(fence):
            yield Block(page, start, language, "\n".join(inside))
            fence = ""
        elif fence:
            inside.append(line)
        elif found:
            fence, language, start, inside = found[1], found[2], number + 1, []
        elif line.startswith("    ") and PROGRAM.match(line.strip()):
            yield Block(page, number, "sh", line.strip())


def prose(page: Path) -> str:
    """A page without its fenced blocks."""
    kept, fence = list[str](), ""
    for line in page.read_text(encoding="utf-8").splitlines():
        found = FENCE.match(line)
        if fence:
            fence = "" if line.startswith(fence) else fence
        elif found:
            fence = found[1]
        else:
            kept.append(line)
    return "\n".join(kept)


def links(page: Path) -> Iterator[Link]:
    """The links of a page, those in code left out."""
    text = INLINE.sub(lambda code: code[0] if "](" not in code[1] else "", prose(page))
    for found in LINK.finditer(text):
        yield Link(page, found["text"], found["target"])


def anchors(page: Path) -> set[str]:
    """What GitHub names a page's headings."""
    headings = re.findall(r"^#{1,6}\s+(.+?)\s*$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", LINK.sub(r"\g<text>", heading).lower()).replace(" ", "-") for heading in headings}


def commands(block: Block) -> Iterator[list[str]]:
    """The command lines of a shell block as words, comments left out."""
    for line in block.text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words


def inline_commands(page: Path) -> Iterator[list[str]]:
    """The calls of the program in running text, as words."""
    for code in INLINE.findall(prose(page)):
        if PROGRAM.match(code):
            yield shlex.split(code)


def arguments(words: list[str]) -> list[str] | None:
    """What follows the program's name in a command line; None if it calls another program."""
    if Path(words[0]).name == "mnist-gan":
        return words[1:]
    if Path(words[0]).name == "python" and words[1:3] == ["-m", "mnist_gan"]:
        return words[3:]
    return None
