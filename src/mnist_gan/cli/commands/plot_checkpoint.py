"""`mnist-gan plot-checkpoint`: what the newest generator of a run draws."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import tyro

from mnist_gan.cli import options
from mnist_gan.cli.values import Switch
from mnist_gan.errors import EXIT_OK, ConfigError

VERB: Final = "plot-checkpoint"
OUT_HELP: Final = "A copy of the picture (.png) to write. None: the grid that the run has itself."


@dataclass(frozen=True, kw_only=True)
class PlotCheckpointOptions:
    """Show a run's samples after its newest epoch: in a window where there is a screen, and always as a file."""

    run: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[RUN]")] = None
    """A run's folder, or its name. None: the newest run that has sample grids."""
    runs_dir: Path = Path("runs")
    """Folder in which runs are looked for."""
    epoch: int | None = None
    """The grid of another epoch; 0 is before training. None: the newest."""
    out: Annotated[Path | None, tyro.conf.arg(help=OUT_HELP)] = None
    no_window: Switch = False
    """Open no window, wherever this is."""


def main(arguments: list[str]) -> int:
    """Run the verb and return the exit code."""
    chosen = options.parse(PlotCheckpointOptions, arguments, verb=VERB, positional="run")
    if chosen is None:
        return EXIT_OK
    if chosen.out is not None and chosen.out.suffix.lower() != ".png":
        raise ConfigError(f"--out {chosen.out} must end in .png")

    from mnist_gan.artifacts.animation import find_samples
    from mnist_gan.cli.finding import find_run, has_samples
    from mnist_gan.cli.window import show
    from mnist_gan.storage import write_bytes

    run = find_run(chosen.run, runs_dir=chosen.runs_dir, usable=has_samples, lacking="run with sample grids")
    grids = dict(find_samples(run.samples))
    epoch = max(grids) if chosen.epoch is None else chosen.epoch
    if epoch not in grids:
        raise ConfigError(
            f"{run.root} has no grid of epoch {epoch}; it has those of epochs {min(grids)} to {max(grids)}"
        )
    picture = grids[epoch]
    if chosen.out is not None:
        write_bytes(chosen.out, picture.read_bytes())
        picture = chosen.out
    print(f"{picture}: epoch {epoch} of {run.root}")
    if not chosen.no_window and not show(picture):
        print("no window is opened, since there is no screen here; the file is the same picture", file=sys.stderr)
    return EXIT_OK
