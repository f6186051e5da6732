"""A campaign in one process for all tests: it imports torch once and forks every victim."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

collect_ignore = [] if sys.platform == "linux" else ["test_campaign.py"]
"""The campaign reads /proc and forks processes that have loaded torch."""
ROOT = Path(__file__).resolve().parents[2]


class Campaign:
    """Runs the short form of rows."""

    def __init__(self) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FAULTS_")}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.campaign", "--short", "--serve"],
            cwd=ROOT,
            env=environment | {"OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._line() == "ready"

    def run(self, row: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{row}\n")
        self.process.stdin.flush()
        return dict(json.loads(self._line()))

    def close(self) -> None:
        self.process.communicate(timeout=60)  # closes its standard input, which ends it

    def _line(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline().strip()


@pytest.fixture(scope="session")
def campaign() -> Iterator[Campaign]:
    if os.name != "posix":
        pytest.skip("forks, signals and limits are POSIX")
    started = Campaign()
    yield started
    started.close()
