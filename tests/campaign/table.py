"""The table of what was tried and what was lost, in docs/reliability.md."""

from __future__ import annotations

import datetime
import os
import platform
import re
from pathlib import Path
from typing import Any, Final

from tests.campaign.rows import ROWS

PAGE: Final = Path(__file__).resolve().parents[2] / "docs" / "reliability.md"
BEGIN: Final = "<!-- faults -->"
END: Final = "<!-- end of faults -->"
HEADER: Final = ("| provoked | must hold | tried | lost |", "|---|---|---:|---:|")
LINE: Final = re.compile(r"^(\| <!-- ([\w-]+) .*-->.*)$", re.MULTILINE)


def renew(page: str, name: str, result: dict[str, Any]) -> str:
    """The page with the row `name` of its table as `result` says; the other rows and the text stay.

    Raises:
        ValueError: the page has no place for the table.
    """
    before, begin, rest = page.partition(BEGIN)
    table, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no {BEGIN} and {END} to put the table between")
    rows = {known: line for line, known in LINE.findall(table)}
    rows[name] = row_of(name, result)
    lines = [*HEADER, *(rows[known] for known in ROWS if known in rows)]
    return f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}"


def row_of(name: str, result: dict[str, Any]) -> str:
    """The line of one row; in its comment stands when and where it was measured, and how long it took."""
    row = ROWS[name]
    notes = [f"{count:,} {what}" for what, count in result["notes"].items()] + list(result["remarks"])
    details = f"<br>*{'; '.join(notes)}*" if notes else ""
    measured = f"<!-- {name} {datetime.date.today():%Y-%m-%d}, {result['seconds']:.0f} s, {machine()} -->"
    return f"| {measured}{row.provoked} | {row.holds}{details} | {result['tried']:,} | {len(result['lost']):,} |"


def machine() -> str:
    """Where the campaign runs."""
    import torch

    here = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    return f"{here}, PyTorch {torch.__version__}"
