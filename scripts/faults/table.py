"""The table of what was tried and what was lost, in docs/reliability.md."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path
from typing import Any, Final

from scripts.faults.rows import ROWS

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
BEGIN: Final = "<!-- faults -->"
END: Final = "<!-- end of faults -->"
HEADER: Final = ("| provoked | must hold | tried | lost |", "|---|---|---:|---:|")


def renew(page: str, name: str, result: dict[str, Any]) -> str:
    """The page with the row `name` of its table as `result` says; the other rows and the text stay.

    Raises:
        ValueError: the page has no place for the table.
    """
    before, begin, rest = page.partition(BEGIN)
    table, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} and {END} to put the table between")
    rows = _rows(table)
    rows[name] = row_of(name, result)
    lines = [*HEADER, *(rows[known] for known in ROWS if known in rows)]
    return f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}"


def row_of(name: str, result: dict[str, Any]) -> str:
    """The line of one row."""
    row = ROWS[name]
    notes = [f"{count:,} {what}" for what, count in result["notes"].items()] + list(result["remarks"])
    provoked = row.provoked + (f" ({'; '.join(notes)})" if notes else "")
    return f"| <!-- {name} -->{provoked} | {row.holds} | {result['tried']:,} | {len(result['lost']):,} |"


def machine() -> str:
    """Where the campaign ran."""
    import torch

    return f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, PyTorch {torch.__version__}"


def _rows(table: str) -> dict[str, str]:
    found = re.findall(r"^(\| <!-- ([\w-]+) -->.*)$", table, re.MULTILINE)
    return {name: line for line, name in found}
