"""Run of Sphinx with the configuration beside this file."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sphinx.cmd.build import build_main

CONFIG: Final = Path(__file__).parent
OPTIONS: Final = ("--quiet", "--fail-on-warning", "--nitpicky", "--fresh-env")


def build(pages: Path, out: Path, *, builder: str = "html") -> int:
    """Build `out` from a folder of Markdown. Returns Sphinx's exit code, 1 after any warning."""
    cache = out.with_name(f"{out.name}-cache")
    return build_main([*OPTIONS, "-b", builder, "-c", str(CONFIG), "-d", str(cache), str(pages), str(out)])
