"""`mnist-gan resume`: continues a stopped run."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from mnist_gan.cli import options
from mnist_gan.cli.values import Switch


@dataclass(frozen=True, kw_only=True)
class ResumeOptions:
    """Continue a run from its newest undamaged checkpoint; the result is that of an uninterrupted run."""

    run: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[RUN]")] = None
    """Run folder or name. None: the newest run with a checkpoint."""
    runs_dir: Path = Path("runs")
    """Folder of runs."""
    plugin: Path | None = None
    """File of the plug-in that the run began with, unchanged."""
    beyond_plateau: Switch = False
    """Continue a run that ended on a plateau, to its full length."""
    threads: int | None = None
    """Other number of processor threads, from now on. The last bits of the result may then differ from an uninterrupted
    run. None: as before."""


@options.command("resume", ResumeOptions)
def main(chosen: ResumeOptions) -> int:
    """Run the command and return its exit code."""
    from mnist_gan.cli import running  # imports torch
    from mnist_gan.cli.lookup import find_run, has_checkpoints

    run = find_run(chosen.run, runs_dir=chosen.runs_dir, usable=has_checkpoints)
    return running.resume(run.root, beyond_plateau=chosen.beyond_plateau, threads=chosen.threads, plugin=chosen.plugin)
