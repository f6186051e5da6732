"""The short form of every row of the campaign, and the table in docs/reliability.md."""

from __future__ import annotations

import re
from typing import Any

import pytest
from tests.campaign import table
from tests.campaign.rows import ROWS

QUICK = {"versions", "mirrors", "nonfinite"}
"""Rows that take less than five seconds."""
CASES = [pytest.param(name, marks=[] if name in QUICK else [pytest.mark.slow]) for name in ROWS]


@pytest.mark.parametrize("name", CASES)
def test_row_loses_nothing(campaign: Any, name: str) -> None:
    result = campaign.run(name)
    assert result["lost"] == []
    assert result["tried"] > 0


def test_page_lists_every_row_with_its_counts() -> None:
    rows = {name: line for line, name in table.LINE.findall(table.PAGE.read_text(encoding="utf-8"))}
    assert list(rows) == list(ROWS), "run `make faults`"
    for name, line in rows.items():
        tried, lost = re.fullmatch(r".*\| ([\d,]+) \| ([\d,]+) \|", line).groups()  # type: ignore[union-attr]
        assert int(tried.replace(",", "")) > 0, name
        assert lost == "0", f"{name}: fix the loss instead of publishing it"


def test_page_has_the_texts_of_every_row() -> None:
    lines = {name: line for line, name in table.LINE.findall(table.PAGE.read_text(encoding="utf-8"))}
    for name, row in ROWS.items():
        assert f"-->{row.provoked} | {row.holds}" in lines[name]


def test_renew_replaces_one_row_and_keeps_the_text() -> None:
    page = f"# Title\n\nBefore.\n\n{table.BEGIN}\n{table.END}\n\nAfter.\n"
    result = {"tried": 1234, "lost": [], "notes": {"during a save": 5}, "remarks": ["12 MB"], "seconds": 61.0}
    once = table.renew(page, "signals", result)
    twice = table.renew(table.renew(once, "kills", {**result, "tried": 7}), "kills", {**result, "tried": 8})
    assert once.startswith("# Title\n\nBefore.\n\n")
    assert once.endswith("\n\nAfter.\n")
    assert "| 1,234 | 0 |" in once
    assert "5 during a save; 12 MB" in once
    assert [name for _, name in table.LINE.findall(twice)] == ["kills", "signals"], "in the order of ROWS"
    assert "| 8 | 0 |" in twice
    assert "| 7 | 0 |" not in twice
