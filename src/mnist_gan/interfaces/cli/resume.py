"""`mnist-gan resume`: a run that was stopped goes on."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final

import tyro

from mnist_gan.errors import EXIT_OK, ConfigError
from mnist_gan.interfaces.cli import options
from mnist_gan.interfaces.cli.arguments import options_of

VERB: Final = "resume"


@dataclass(frozen=True, kw_only=True)
class ResumeOptions:
    """Continue a run from its newest whole checkpoint, as if it had never stopped."""

    run: Annotated[str | None, tyro.conf.Positional, tyro.conf.arg(metavar="[RUN]")] = None
    """A run's folder, or its name. None: the newest run."""
    runs_dir: Path = Path("runs")
    """Folder in which runs are looked for by name."""


def main(arguments: list[str]) -> int:
    """Run the verb and return the exit code."""
    if options.wants_help(arguments):
        options.print_help(ResumeOptions, verb=VERB)
        return EXIT_OK
    table = options_of(ResumeOptions)
    del table["--run"]
    words = options.read(arguments, table, verb=VERB)
    if len(words.positionals) > 1:
        raise ConfigError(f"{words.positionals[1]!r} is one word too many; resume takes one run")
    chosen = options.build(ResumeOptions, words.tokens(), verb=VERB)

    from mnist_gan.interfaces.cli import running  # only from here on is torch needed

    run = running.find_run(next(iter(words.positionals), None), runs_dir=chosen.runs_dir)
    return running.resume(run.root)
