"""The table of faults and losses in docs/reliability.md."""

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
    """Return the page with the row `name` of its table replaced; other rows and the text stay.

    Raises:
        ValueError: the page has no markers of the table.
    """
    before, begin, rest = page.partition(BEGIN)
    table, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"the page has no table between {BEGIN} and {END}; add both lines")
    rows = {known: line for line, known in LINE.findall(table)}
    rows[name] = format_row(name, result)
    lines = [*HEADER, *(rows[known] for known in ROWS if known in rows)]
    return f"{before}{BEGIN}\n" + "\n".join(lines) + f"\n{END}{after}"


def format_row(name: str, result: dict[str, Any]) -> str:
    """One line of the table; its comment has the date, duration and machine of the measurement."""
    row = ROWS[name]
    notes = [f"{count:,} {words}" for words, count in result["notes"].items()] + list(result["remarks"])
    details = f"<br>*{'; '.join(notes)}*" if notes else ""
    measured = f"<!-- {name} {datetime.date.today():%Y-%m-%d}, {result['seconds']:.0f} s, {machine()} -->"
    return f"| {measured}{row.provoked} | {row.holds}{details} | {result['tried']:,} | {len(result['lost']):,} |"


def machine() -> str:
    """Cores, operating system and versions."""
    import torch

    here = f"{os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"
    return f"{here}, PyTorch {torch.__version__}"
