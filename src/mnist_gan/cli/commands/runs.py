"""`mnist-gan runs`: lists the runs."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mnist_gan.cli import options
from mnist_gan.cli.terminal import PROGRAM
from mnist_gan.cli.values import Switch, check_runs_dir
from mnist_gan.errors import EXIT_OK
from mnist_gan.figures import DISTANCE_PREFIXES, METRIC_PREFIX

if TYPE_CHECKING:
    from mnist_gan.runs import Status

HEADERS: Final = ("run", "state", "preset", "data", "images seen", "discriminator", "metric", "updated", "note")


@dataclass(frozen=True, kw_only=True)
class RunsOptions:
    """List the runs, newest first."""

    runs_dir: Path = Path("runs")
    """Folder of runs."""
    json: Switch = False
    """Print JSON instead of a table."""


@options.command("runs", RunsOptions)
def main(chosen: RunsOptions) -> int:
    """Run the command and return its exit code."""
    check_runs_dir(chosen.runs_dir)

    from mnist_gan.cli import tables
    from mnist_gan.runs import list_runs

    statuses = list_runs(chosen.runs_dir)
    if chosen.json:
        tables.print_json([dataclasses.asdict(status) for status in statuses])
    elif statuses:
        tables.print_table(HEADERS, [row(status) for status in statuses])
    else:
        print(f"there is no run in {chosen.runs_dir}; make one with `{PROGRAM} train quick`", file=sys.stderr)
    for status in statuses:
        if status.problem:
            print(f"{status.name}: {status.problem}", file=sys.stderr)
    return EXIT_OK


def row(status: Status) -> list[str]:
    """Return a row under `HEADERS`."""
    total = status.total_nimg
    seen = f"{status.cur_nimg:,} ({min(1.0, status.cur_nimg / total):.0%})" if total else ""
    updated = status.updated.rpartition(":")[0]  # to the minute
    state = f"{status.state} (plateau)" if status.end_reason == "plateau" else status.state
    figures = (accuracy(status.latest), metric(status.latest))
    return [status.name, state, status.preset, status.data, seen, *figures, updated, " ".join(status.note.split())]


def accuracy(latest: dict[str, float]) -> str:
    """Return how well the discriminator tells real from generated images, by the score that its objective defines."""
    if "Score/real_above_fake" in latest:
        return f"real above generated {latest['Score/real_above_fake']:.0%}"
    if "Score/real_accuracy" in latest:
        return f"right {(latest['Score/real_accuracy'] + latest['Score/fake_accuracy']) / 2:.0%}"
    return ""


def metric(latest: dict[str, float]) -> str:
    """Return the newest Frechet distance with the name of its protocol."""
    name = next((name for name in latest if name.startswith(DISTANCE_PREFIXES)), None)
    return f"{name.removeprefix(METRIC_PREFIX)} {latest[name]:.3g}" if name else ""
