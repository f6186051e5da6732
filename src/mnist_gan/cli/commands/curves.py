"""`mnist-gan curves`: plots the learning curves of one run, or of several in the same axes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import tyro

from mnist_gan.cli import options
from mnist_gan.cli.values import Switch, check_png
from mnist_gan.errors import EXIT_OK
from mnist_gan.figures import DISTANCE_PREFIXES

if TYPE_CHECKING:
    from mnist_gan.runs.directory import RunDirectory

COMPARISON: Final = Path("curves.png")
"""Default picture of several runs."""


@dataclass(frozen=True, kw_only=True)
class CurvesOptions:
    """Plot learning curves: losses, scores of the discriminator, and metrics if the run has any.

    The curves of one run are plotted by epoch; those of several runs share axes, by images seen.
    """

    runs: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="[RUN ...]", help_behavior_hint="(default: the newest)"),
    ] = ()
    """Run folders or names. None: the newest run with metrics."""
    runs_dir: Path = Path("runs")
    """Folder of runs."""
    out: Path | None = None
    """Picture (.png). None: curves.png, for one run in its folder, for several in the working directory."""
    show: Switch = False
    """Open the picture in a window, if there is a display."""


@options.command("curves", CurvesOptions)
def main(chosen: CurvesOptions) -> int:
    """Run the command and return its exit code."""
    check_png(chosen.out)

    from mnist_gan.cli.lookup import find_run, has_rows
    from mnist_gan.cli.window import show

    names = chosen.runs or (None,)
    runs = [find_run(name, runs_dir=chosen.runs_dir, usable=has_rows, kind="run with metrics") for name in names]
    out = chosen.out or (runs[0].curves if len(runs) == 1 else COMPARISON)
    plot(out, runs)
    print(f"{out}: the curves of {', '.join(str(run.root) for run in runs)}")
    if chosen.show:
        show(out)
    return EXIT_OK


def plot(out: Path, runs: Sequence[RunDirectory]) -> None:
    """Plot the curves into a picture.

    Raises:
        ArtifactError: a run has no metrics yet, or they are damaged.
        StorageError: the picture cannot be written.
    """
    from mnist_gan.artifacts.curves import save_comparison, save_curves
    from mnist_gan.runs.channel import read_live_status
    from mnist_gan.runs.metrics import read_rows

    rows = {str(run.root): read_rows(run.metrics) for run in runs}
    if len(runs) == 1:
        own = rows[str(runs[0].root)]
        floor = read_live_status(runs[0]).get("floor")  # published with every evaluation
        names = {name for row in own for name in row if name.startswith(DISTANCE_PREFIXES)}
        save_curves(out, own, title=runs[0].name, floors={} if floor is None else dict.fromkeys(names, floor))
    else:
        save_comparison(out, rows)
