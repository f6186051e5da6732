"""`mnist-gan resume`: a run that was stopped goes on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import tyro

from mnist_gan.cli import options
from mnist_gan.cli.values import Switch
from mnist_gan.errors import EXIT_OK

VERB: Final = "resume"


@dataclass(frozen=True, kw_only=True)
class ResumeOptions:
    """Continue a run from its newest whole checkpoint, as if it had never stopped."""

    run: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[RUN]")] = None
    """A run's folder, or its name. None: the newest run with a checkpoint."""
    runs_dir: Path = Path("runs")
    """Folder in which runs are looked for by name."""
    beyond_plateau: Switch = False
    """Continue a run that ended on a plateau, to its full length."""


def main(arguments: list[str]) -> int:
    """Run the verb and return the exit code."""
    chosen = options.parse(ResumeOptions, arguments, verb=VERB, positional="run")
    if chosen is None:
        return EXIT_OK

    from mnist_gan.cli import running  # only from here on is torch needed
    from mnist_gan.cli.finding import find_run, has_checkpoints

    run = find_run(chosen.run, runs_dir=chosen.runs_dir, usable=has_checkpoints)
    return running.resume(run.root, beyond_plateau=chosen.beyond_plateau)
