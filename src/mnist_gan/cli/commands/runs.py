"""`mnist-gan runs`: a table of the runs."""

from __future__ import annotations

import dataclasses
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mnist_gan.cli import options
from mnist_gan.cli.terminal import PROGRAM
from mnist_gan.cli.values import Switch
from mnist_gan.errors import EXIT_OK, ConfigError
from mnist_gan.figures import DISTANCE_PREFIX, METRIC_PREFIX

if TYPE_CHECKING:
    from mnist_gan.runs import Status

VERB: Final = "runs"
HEADERS: Final = ("run", "state", "preset", "data", "images seen", "D says", "metric", "updated")


@dataclass(frozen=True, kw_only=True)
class RunsOptions:
    """List the runs, the newest first."""

    runs_dir: Path = Path("runs")
    """Folder in which the runs are."""
    json: Switch = False
    """Print JSON in place of a table."""


def main(arguments: list[str]) -> int:
    """Run the verb and return the exit code."""
    chosen = options.parse(RunsOptions, arguments, verb=VERB)
    if chosen is None:
        return EXIT_OK
    if chosen.runs_dir.exists() and not chosen.runs_dir.is_dir():
        raise ConfigError(f"--runs-dir {chosen.runs_dir} is no folder")

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
    """A run's row under `HEADERS`."""
    total = status.total_nimg
    seen = f"{status.cur_nimg:,} ({status.cur_nimg / total:.0%})" if total else ""
    updated = status.updated.rpartition(":")[0]  # to the minute
    state = f"{status.state} (plateau)" if status.end_reason == "plateau" else status.state
    parts = (opinion(status.latest), metric(status.latest))
    return [status.name, state, status.preset, status.data, seen, *parts, updated]


def opinion(latest: dict[str, float]) -> str:
    """How well the discriminator tells real from generated."""
    if "Score/real_above_fake" in latest:
        return f"real above generated {latest['Score/real_above_fake']:.0%}"
    if "Score/real_accuracy" in latest:
        return f"right {(latest['Score/real_accuracy'] + latest['Score/fake_accuracy']) / 2:.0%}"
    return ""


def metric(latest: dict[str, float]) -> str:
    """The newest distance, under the name of its protocol."""
    found = next((name for name in latest if name.startswith(DISTANCE_PREFIX)), None)
    return f"{found.removeprefix(METRIC_PREFIX)} {latest[found]:.3g}" if found else ""
