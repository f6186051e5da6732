"""Print the notes of a release, after a check that its tag, version and date agree: `release_notes.py v0.1.0`."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]


def main(tag: str) -> None:
    """Print the CHANGELOG's section of the version that a tag names; exit with a message if the files disagree."""
    print(release_notes(tag, ROOT))


def release_notes(tag: str, root: Path) -> str:
    """Return the CHANGELOG's section of a tag.

    Raises:
        SystemExit: the version in the sources, in CITATION.cff or in the CHANGELOG is another one, or the section has
            no date.
    """
    version = tag.removeprefix("v")
    sources = (root / "src" / "mnist_gan" / "__init__.py").read_text(encoding="utf-8")
    _require(f'__version__ = "{version}"' in sources, f"src/mnist_gan/__init__.py has another version than {tag}")
    changelog = (root / "CHANGELOG.md").read_text(encoding="utf-8")
    section = re.search(rf"^## \[{re.escape(version)}\] - (\d{{4}}-\d\d-\d\d)$(.*?)(?=^## |\Z)", changelog, re.M | re.S)
    _require(section is not None, f"CHANGELOG.md has no section `## [{version}] - DATE`")
    assert section is not None
    citation = (root / "CITATION.cff").read_text(encoding="utf-8")
    lines = {f"version: {version}", f"date-released: {section[1]}"}
    _require(lines <= {*citation.splitlines()}, f"CITATION.cff needs the lines {' and '.join(sorted(lines))}")
    return section[2].strip()


def _require(condition: bool, problem: str) -> None:
    if not condition:
        sys.exit(problem)


if __name__ == "__main__":
    main(*sys.argv[1:])
