"""Provoke the faults, count what was lost, and renew the table in docs/reliability.md.

    python -m tests.campaign                    # all of it: about half an hour on two idle cores
    python -m tests.campaign kills signals      # some rows; the others stay in the table as they were
    python -m tests.campaign --short            # few cases of each, and no table is written

Environment variables set how often a fault is provoked: FAULTS_KILLS, FAULTS_SIGNALS, FAULTS_THRESHOLDS, FAULTS_PLACES,
FAULTS_FUZZ, FAULTS_STEPS.
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

from tests.campaign.rows import ROWS, load_what_victims_need
from tests.campaign.table import PAGE, renew
from tests.campaign.tally import Row, Scale, Tally


def main() -> int:
    """Run the rows asked for; returns 1 if anything was lost."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"rows to run, of {', '.join(ROWS)}; none: all")
    parser.add_argument("--short", action="store_true", help="few cases of each; the page is left alone")
    parser.add_argument("--serve", action="store_true", help="run the rows whose names come on standard input")
    chosen = parser.parse_args()
    unknown = [name for name in chosen.rows if name not in ROWS]
    if unknown:
        parser.error(f"there is no row {unknown[0]}; the rows are {', '.join(ROWS)}")
    scale = Scale(short=chosen.short)
    load_what_victims_need()
    if chosen.serve:
        return serve(scale)
    lost = False
    for name in chosen.rows or list(ROWS):
        result = run(ROWS[name], scale)
        lost |= bool(result["lost"])
        print(describe(name, result), flush=True)
        if not chosen.short:
            write_down(name, result)
    return int(lost)


def run(row: Row, scale: Scale) -> dict[str, Any]:
    """Provoke the faults of one row in a folder of their own."""
    tally, began = Tally(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix="faults-", ignore_cleanup_errors=True) as folder:
        try:
            row.play(tally, scale, Path(folder))
        except Exception as error:  # a row that cannot be played must not pass for one that held
            tally.lost.append(f"the campaign itself failed: {type(error).__name__}: {error}")
            print(tally.lost[-1], file=sys.stderr)
    return {**tally.as_dict(), "seconds": round(time.monotonic() - began, 1)}


def write_down(name: str, result: dict[str, Any]) -> None:
    """Renew a row of the page, in turn with other campaigns that run beside this one."""
    with PAGE.open("r+", encoding="utf-8") as page:
        fcntl.flock(page, fcntl.LOCK_EX)
        content = renew(page.read(), name, result)
        page.seek(0)
        page.write(content)
        page.truncate()


def describe(name: str, result: dict[str, Any]) -> str:
    """One line for whoever waits, and one for each loss."""
    notes = "".join(f"; {count:,} {what}" for what, count in result["notes"].items())
    remarks = "".join(f"; {remark}" for remark in result["remarks"])
    head = f"{name:<12} {result['tried']:>8,} tried {len(result['lost']):>4,} lost {result['seconds']:>7.1f} s"
    return "\n".join([f"{head}{notes}{remarks}", *(f"    LOST: {loss}" for loss in result["lost"][:20])])


def serve(scale: Scale) -> int:
    """Answer each line, the name of a row, with a line of JSON: the tests ask so, and load torch once for all."""
    print("ready", flush=True)
    for line in sys.stdin:
        print(json.dumps(run(ROWS[line.strip()], scale)), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
