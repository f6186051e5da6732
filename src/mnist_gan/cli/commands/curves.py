"""`mnist-gan curves`: the learning curves of one run, or of several over one another."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import tyro

from mnist_gan.cli import options
from mnist_gan.cli.values import Switch
from mnist_gan.errors import EXIT_OK, ConfigError

if TYPE_CHECKING:
    from mnist_gan.runs.directory import RunDirectory

VERB: Final = "curves"
COMPARISON: Final = Path("curves.png")
RUNS_HELP: Final = "Runs' folders or names. None: the newest run that has metrics."
OUT_HELP: Final = "The picture (.png) to write. None: curves.png in the run's folder; of several runs, here."


@dataclass(frozen=True, kw_only=True)
class CurvesOptions:
    """Draw learning curves: losses, what the discriminator says, and metrics where there are any.

    One RUN has its curves by epochs; several are laid over one another by images seen.
    """

    runs: Annotated[
        tuple[str, ...],
        tyro.conf.Positional,
        tyro.conf.arg(metavar="[RUN ...]", help=RUNS_HELP, help_behavior_hint="(default: the newest)"),
    ] = ()
    runs_dir: Path = Path("runs")
    """Folder in which runs are looked for."""
    out: Annotated[Path | None, tyro.conf.arg(help=OUT_HELP)] = None
    show: Switch = False
    """Open the picture in a window, where there is a screen."""


def main(arguments: list[str]) -> int:
    """Run the verb and return the exit code."""
    chosen = options.parse(CurvesOptions, arguments, verb=VERB, positional="runs", most=None)
    if chosen is None:
        return EXIT_OK
    if chosen.out is not None and chosen.out.suffix.lower() != ".png":
        raise ConfigError(f"--out {chosen.out} must end in .png")

    from mnist_gan.cli.finding import find_run, has_rows
    from mnist_gan.cli.window import show

    wanted = chosen.runs or (None,)
    runs = [find_run(name, runs_dir=chosen.runs_dir, usable=has_rows, lacking="run with metrics") for name in wanted]
    out = chosen.out or (runs[0].curves if len(runs) == 1 else COMPARISON)
    write(out, runs)
    print(f"{out}: the curves of {', '.join(str(run.root) for run in runs)}")
    if chosen.show:
        show(out)
    return EXIT_OK


def write(out: Path, runs: Sequence[RunDirectory]) -> None:
    """Draw the curves.

    Raises:
        ArtifactError: a run has no metrics yet, or they are damaged.
        StorageError: the system refused to write.
    """
    from mnist_gan.artifacts.curves import save_comparison, save_curves
    from mnist_gan.runs.metrics import read_rows

    rows = {str(run.root): read_rows(run.metrics) for run in runs}
    if len(runs) == 1:
        save_curves(out, rows[str(runs[0].root)], title=runs[0].root.resolve().name)
    else:
        save_comparison(out, rows)
