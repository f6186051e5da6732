"""Inject faults, count violated guarantees, and update the table in docs/reliability.md.

    python -m tests.campaign                    # all rows: about half an hour on two idle cores
    python -m tests.campaign kills signals      # selected rows; the others stay in the table
    python -m tests.campaign --short            # a few cases of each row; does not change the table

docs/reliability.md lists the environment variables FAULTS_* that set the number of cases.
"""

from __future__ import annotations

import argparse
import fcntl
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.campaign.rows import ROWS, preload
from tests.campaign.table import PAGE, renew
from tests.campaign.tally import Row, Scale, Tally


def main() -> int:
    """Run the selected rows; returns 1 if a guarantee was violated."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"rows to run, of {', '.join(ROWS)}; default: all")
    parser.add_argument("--short", action="store_true", help="a few cases of each row; does not change the table")
    parser.add_argument("--serve", action="store_true", help="read names of rows from standard input, answer in JSON")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.rows if name not in ROWS]
    if unknown:
        parser.error(f"unknown row {unknown[0]!r}; the rows are {', '.join(ROWS)}")
    scale = Scale(short=chosen.short)
    preload()
    if chosen.serve:
        return serve(scale)
    lost = False
    for name in chosen.rows or list(ROWS):
        result = run(ROWS[name], scale)
        lost |= bool(result["lost"])
        print(summarize(name, result), flush=True)
        if not chosen.short:
            update_page(name, result)
    return int(lost)


def run(row: Row, scale: Scale) -> dict[str, Any]:
    """Inject the faults of one row in a temporary folder."""
    tally, began = Tally(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
        try:
            row.inject(tally, scale, Path(folder))
        except Exception as error:  # a row that cannot run must not count as one that held
            tally.lost.append(f"the campaign itself failed: {type(error).__name__}: {error}")
            print(tally.lost[-1], file=sys.stderr)
    return {**tally.as_dict(), "seconds": round(time.monotonic() - began, 1)}


def update_page(name: str, result: dict[str, Any]) -> None:
    """Update a row of the page, under a lock against campaigns that run at the same time."""
    with PAGE.open("r+", encoding="utf-8") as page:
        fcntl.flock(page, fcntl.LOCK_EX)
        content = renew(page.read(), name, result)
        page.seek(0)
        page.write(content)
        page.truncate()


def summarize(name: str, result: dict[str, Any]) -> str:
    """One line for the terminal, and one for each of the first 20 losses."""
    details = "; ".join(["", *(f"{count:,} {words}" for words, count in result["notes"].items()), *result["remarks"]])
    head = f"{name:<12} {result['tried']:>8,} tried {len(result['lost']):>4,} lost {result['seconds']:>7.1f} s"
    return "\n".join([head + details, *(f"    LOST: {loss}" for loss in result["lost"][:20])])


def serve(scale: Scale) -> int:
    """Run the rows named on standard input, so that the tests import torch once; print a line of JSON for each."""
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(run(ROWS[line.strip()], scale)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
