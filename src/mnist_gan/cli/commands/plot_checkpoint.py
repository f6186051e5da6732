"""`mnist-gan plot-checkpoint`: shows the newest sample grid of a run."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mnist_gan.cli import options
from mnist_gan.cli.values import Switch, check_png
from mnist_gan.errors import EXIT_OK, ConfigError


@dataclass(frozen=True, kw_only=True)
class PlotCheckpointOptions:
    """Show the sample grid of a run's newest epoch: print its path, and open it in a window if there is a display."""

    run: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[RUN]")] = None
    """Run folder or name. None: the newest run with sample grids."""
    runs_dir: Path = Path("runs")
    """Folder of runs."""
    epoch: int | None = None
    """Epoch of the grid; 0 is before training. None: the newest."""
    out: Path | None = None
    """Copy of the grid (.png) to write. None: no copy."""
    no_window: Switch = False
    """Do not open a window."""


@options.command("plot-checkpoint", PlotCheckpointOptions)
def main(chosen: PlotCheckpointOptions) -> int:
    """Run the command and return its exit code."""
    check_png(chosen.out)

    from mnist_gan.artifacts.animation import find_samples
    from mnist_gan.cli.lookup import find_run, has_samples
    from mnist_gan.cli.window import show
    from mnist_gan.storage import write_bytes

    run = find_run(chosen.run, runs_dir=chosen.runs_dir, usable=has_samples, kind="run with sample grids")
    grids = dict(find_samples(run.samples))
    epoch = max(grids) if chosen.epoch is None else chosen.epoch
    if epoch not in grids:
        raise ConfigError(
            f"{run.root} has no grid of epoch {epoch}; its grids are of epochs {min(grids)} to {max(grids)}"
        )
    picture = grids[epoch]
    if chosen.out is not None:
        write_bytes(chosen.out, picture.read_bytes())
        picture = chosen.out
    print(f"{picture}: epoch {epoch} of {run.root}")
    if not chosen.no_window and not show(picture):
        print("there is no display to open a window on; open the file instead", file=sys.stderr)
    return EXIT_OK
