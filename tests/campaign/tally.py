"""What a row of the campaign is, how much of it is done, and what came of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias


@dataclass(kw_only=True)
class Tally:
    """Counts of one row."""

    tried: int = 0
    lost: list[str] = field(default_factory=list)
    """One sentence for each case in which what was promised did not hold."""
    notes: dict[str, int] = field(default_factory=dict)
    """What else was counted, under words that fit behind a number."""
    remarks: list[str] = field(default_factory=list)
    """What else was measured, in words."""

    def check(self, held: bool, what: str) -> None:
        """Count a case; `what` says which, should the promise not have held."""
        self.tried += 1
        if not held:
            self.lost.append(what)

    def note(self, what: str, count: int = 1) -> None:
        """Count something that is worth telling."""
        self.notes[what] = self.notes.get(what, 0) + count

    def remark_every(self, every: int, what: str) -> None:
        """Say how many of `what` were taken."""
        self.remarks.append(f"all {what}" if every == 1 else f"one in {every} {what}")

    def add(self, other: dict[str, Any]) -> None:
        """Take over what a victim counted."""
        self.tried += other["tried"]
        self.lost += other["lost"]
        self.remarks += other["remarks"]
        for what, count in other["notes"].items():
            self.note(what, count)

    def as_dict(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """How often each fault is provoked: as in the campaign, or in the short form that the tests run."""

    short: bool = False

    def count(self, variable: str, *, full: int, short: int) -> int:
        """A number of cases, which the environment variable `variable` can set."""
        return int(os.environ.get(variable) or (short if self.short else full))


Play: TypeAlias = Callable[[Tally, Scale, Path], None]
"""Provokes the faults of a row in an empty folder, and counts."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table."""

    name: str
    provoked: str
    """What is done, for a reader."""
    holds: str
    """What must hold."""
    play: Play
