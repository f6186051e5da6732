"""Rows of the campaign: their faults, number of cases and results."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias


@dataclass(kw_only=True)
class Tally:
    """Counts of one row."""

    tried: int = 0
    lost: list[str] = field(default_factory=list)
    """One sentence for each case that violated the guarantee."""
    notes: dict[str, int] = field(default_factory=dict)
    """Further counts, by the words that follow the number in the table."""
    remarks: list[str] = field(default_factory=list)
    """Other measurements, in words."""

    def check(self, held: bool, case: str) -> None:
        """Count a case; `case` describes it if the guarantee was violated."""
        self.tried += 1
        if not held:
            self.lost.append(case)

    def check_problems(self, case: str, problems: Sequence[str]) -> None:
        """Count a case that holds if there are no problems."""
        self.check(not problems, f"{case}: {'; '.join(problems)}")

    def note(self, words: str, count: int = 1) -> None:
        """Add to a further count."""
        self.notes[words] = self.notes.get(words, 0) + count

    def remark_every(self, every: int, cases: str) -> None:
        """Record that every n-th of the possible cases is tried."""
        self.remarks.append(f"all {cases}" if every == 1 else f"one in {every} {cases}")

    def add(self, other: dict[str, Any]) -> None:
        """Add the counts of a victim, as `as_dict` returned them."""
        self.tried += other["tried"]
        self.lost += other["lost"]
        self.remarks += other["remarks"]
        for words, count in other["notes"].items():
            self.note(words, count)

    def as_dict(self) -> dict[str, Any]:
        """JSON values."""
        return asdict(self)


@dataclass(frozen=True, kw_only=True)
class Scale:
    """Number of cases: as in the campaign, or a few for the tests."""

    short: bool = False

    def count(self, variable: str, *, full: int, short: int) -> int:
        """Number of cases; the environment variable `variable` overrides it."""
        return int(os.environ.get(variable) or (short if self.short else full))


Inject: TypeAlias = Callable[[Tally, Scale, Path], None]
"""Injects the faults of a row in an empty folder, and counts."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table."""

    name: str
    provoked: str
    """The fault, for a reader."""
    holds: str
    """The guarantee."""
    inject: Inject
