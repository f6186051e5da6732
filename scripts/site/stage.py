"""Pages of the site: the Markdown of docs/ with links that fit the site, and a page for each linked file of code.

The index, docs/README.md, is the table of contents: its sections and their links make the navigation.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from scripts import docpages
from scripts.docpages import PACKAGE, ROOT

DOCS: Final = ROOT / "docs"
INDEX: Final = DOCS / "README.md"
PROJECT_PAGES: Final = ("CHANGELOG.md", "CONTRIBUTING.md", "RELEASING.md", "SECURITY.md")
TARGET: Final = re.compile(r"(?<=\]\()[^)\s]+(?=\))")
EMBED: Final = "<!-- shipped model -->"
"""Place of the shipped model's page."""
FRAME: Final = '<iframe class="model" src="shipped.html" title="The shipped model" loading="lazy"></iframe>'
ENTRY: Final = re.compile(r"(?:\| |\d+\. )\[(?P<text>[^\]]+)\]\((?P<target>[^)\s]+)\)")
"""Row of a table or item of a numbered list that begins with a link."""
COMMAND: Final = ("!", "%")
"""Beginnings of the lines of a notebook that are no Python."""
LANGUAGES: Final = {
    ".py": "python",
    ".toml": "toml",
    ".jsonl": "text",
    ".js": "javascript",
    ".md": "markdown",
    "": "text",
}


def stage(folder: Path) -> None:
    """Write all pages and pictures of the site's source into a new folder."""
    shutil.copytree(DOCS / "images", folder / "images")
    for page in markdown_pages():
        _write(folder, page, markdown(page))
    for file in linked_files():
        _write(folder, file, notebook(file) if file.suffix == ".ipynb" else listing(file))


def markdown_pages() -> list[Path]:
    """The pages of docs/, and those of the project that belong to the documentation."""
    return [*sorted(DOCS.rglob("*.md")), *(ROOT / name for name in PROJECT_PAGES)]


def linked_files() -> list[Path]:
    """Files other than these pages and their pictures that they link to."""
    pages = set(markdown_pages())
    targets = {local_target(page, link.target) for page in pages for link in docpages.links(page)}
    return sorted(file for file in targets - pages - {None} if file and DOCS / "images" not in file.parents)


def local_target(page: Path, target: str) -> Path | None:
    """File that a link leads to; None for an external link."""
    if re.match(r"[a-z]+:", target):
        return None
    file = target.partition("#")[0]
    return docpages.target(page, file) if file else page


def place(file: Path) -> Path:
    """Place of a file on the site; pages of code are Markdown, too."""
    if file.suffix == ".md" and file.name in PROJECT_PAGES:
        return Path(file.name.lower())
    if DOCS not in file.parents:
        return Path("source", f"{name(file)}.md")
    within = file.relative_to(DOCS)
    return within.with_name("index.md") if within.name == "README.md" else within


def name(file: Path) -> str:
    """Path of a file in the repository; the package may be installed elsewhere."""
    return str("src" / file.relative_to(PACKAGE.parent) if PACKAGE in file.parents else file.relative_to(ROOT))


def markdown(page: Path) -> str:
    """A page of the documentation with links for the site."""
    text = relinked(page, page.read_text(encoding="utf-8")).replace(EMBED, FRAME)
    return "\n".join([text, *(navigation(page) if page.name == "README.md" else ())]) + "\n"


def relinked(page: Path, text: str) -> str:
    """The text of a page with links for the site; code stays as it is."""
    lines, fence = list[str](), ""
    for line in text.splitlines():
        opening = docpages.FENCE.match(line)
        if fence:
            fence = "" if line.startswith(fence) else fence
        elif opening:
            fence = opening[1]
        else:
            line = TARGET.sub(lambda found: site_target(page, found[0]), line)
        lines.append(line)
    return "\n".join(lines)


def site_target(page: Path, target: str) -> str:
    """Target of a link, for the site."""
    file = local_target(page, target)
    if file is None or target.startswith("#"):
        return target
    _, mark, anchor = target.partition("#")
    return Path(os.path.relpath(place(file), place(page).parent)).as_posix() + mark + anchor


def navigation(index: Path) -> Iterator[str]:
    """Yield a hidden toctree for each section of an index, with the pages of its table or numbered list."""
    caption, entries = "", list[str]()
    for line in [*index.read_text(encoding="utf-8").splitlines(), "## "]:
        if line.startswith("## "):
            if entries:
                title = [f":caption: {caption}"] if caption else []
                yield from ("", "```{toctree}", ":hidden:", ":titlesonly:", *title, "", *entries, "```")
            caption, entries = line.removeprefix("## "), []
        entry = ENTRY.match(line)
        if entry:
            at = site_target(index, entry["target"]).removesuffix(".md")
            entries.append(f"{entry['text']} <{at}>")


def listing(file: Path) -> str:
    """A page with the text of a file."""
    text = file.read_text(encoding="utf-8").rstrip()
    fence = "`" * max([3, *(1 + len(run) for run in re.findall("`+", text))])
    return f"# {file.name}\n\n`{name(file)}`\n\n{fence}{LANGUAGES[file.suffix]}\n{text}\n{fence}\n"


def notebook(file: Path) -> str:
    """A page with the cells of a notebook, without their output."""
    cells = json.loads(file.read_text(encoding="utf-8"))["cells"]
    parts = list[str]()
    for cell in cells:
        text = "".join(cell["source"]).strip()
        language = "text" if any(line.startswith(COMMAND) for line in text.splitlines()) else "python"
        parts.append(relinked(file, text) if cell["cell_type"] == "markdown" else f"```{language}\n{text}\n```")
    return "\n\n".join([*parts, f"The notebook is the file `{name(file)}`."]) + "\n"


def _write(folder: Path, file: Path, text: str) -> None:
    at = folder / place(file)
    at.parent.mkdir(parents=True, exist_ok=True)
    is_code = place(file).parts[0] == "source"
    head = "---\norphan: true\nnosearch: true\n---\n\n" if is_code else ""
    at.write_text(head + text, encoding="utf-8")
