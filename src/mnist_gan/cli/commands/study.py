"""`mnist-gan study`: runs a study of many trainings, shows its progress, writes its report."""

from __future__ import annotations

import difflib
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal, TypeAlias

import tyro

from mnist_gan.cli import options
from mnist_gan.cli.terminal import PROGRAM
from mnist_gan.cli.values import Switch
from mnist_gan.errors import EXIT_OK, ConfigError

ACTIONS: Final = ("run", "status", "report")
BackendChoice: TypeAlias = Literal["local", "ray"]


@dataclass(frozen=True, kw_only=True)
class StudyOptions:
    """Compare recipes over many seeds: `study run STUDY.toml`, `study status STUDY`, `study report STUDY`.

    A study trains every arm with the same seeds and the same budget, and writes a folder with one run per trial, a
    report and a JSON file. Ctrl-C saves all running trials; `study run` continues. `study run losses` is a study that
    comes with the package: six losses with their regularizers.
    """

    words: Annotated[
        tuple[str, ...], tyro.conf.Positional, tyro.conf.arg(metavar="ACTION STUDY", help_behavior_hint="")
    ] = ()
    """Action: run, status or report. Study: a TOML file, the folder or name of a study, or a study of the package."""
    name: str | None = None
    """Name of the study's folder. None: that of the file."""
    studies_dir: Path = Path("studies")
    """Folder of studies."""
    backend: BackendChoice = "local"
    """Where trials run: processes of this machine, or a Ray cluster whose machines share the study's folder."""
    jobs: int | None = None
    """Trials at once on this machine. None: as many as memory and cores carry."""
    ray_address: str | None = None
    """Address of the Ray cluster. None: RAY_ADDRESS, a running one, or a new one on this machine."""
    dry_run: Switch = False
    """With run: measure the speed of every arm for some seconds and predict the time; write nothing."""
    json: Switch = False
    """Print JSON instead of tables."""


@options.command("study", StudyOptions)
def main(chosen: StudyOptions) -> int:
    """Run the command and return its exit code."""
    action, name = parse_words(chosen.words)
    check_jobs(chosen.jobs)

    from mnist_gan.cli import studying  # imports torch
    from mnist_gan.studies import facade

    if action == "run":
        study, own_name = facade.open_study(name, studies_dir=chosen.studies_dir)
        directory = facade.place_study(name, chosen.name or own_name, studies_dir=chosen.studies_dir)
        backend = studying.choose_backend(
            chosen.backend, study, directory, jobs=chosen.jobs, address=chosen.ray_address
        )
        if chosen.dry_run:
            return studying.predict(study, directory, backend)
        return studying.run(study, directory, backend, json=chosen.json)
    directory = facade.find_study(chosen.name or name, studies_dir=chosen.studies_dir)
    study = directory.read()
    if action == "status":
        return studying.print_status(study, directory, json=chosen.json)
    results = facade.write_results(study, directory)
    if results is None:
        raise ConfigError(
            f"no trial of the comparison in {directory.root} has ended yet; "
            f"`{PROGRAM} study status {shlex.quote(str(directory.root))}` shows its progress"
        )
    studying.print_results(results, directory, json=chosen.json)
    return EXIT_OK


def parse_words(words: tuple[str, ...]) -> tuple[str, str]:
    """Return the action and the study.

    Raises:
        ConfigError: unknown action, or no study, or more than one.
    """
    usage = f"write `{PROGRAM} study run STUDY.toml`, `study status STUDY` or `study report STUDY`"
    if not words:
        raise ConfigError(f"study needs an action and a study; {usage}")
    if words[0] not in ACTIONS:
        near = difflib.get_close_matches(words[0], ACTIONS, n=1)
        guess = f"did you mean {near[0]}?" if near else usage
        raise ConfigError(f"study has no action {words[0]!r}; {guess}")
    if len(words) < 2:
        raise ConfigError(f"study {words[0]} needs a study; name its TOML file or its folder")
    if len(words) > 2:
        raise ConfigError(f"unexpected argument {words[2]!r}; study {words[0]} takes one study")
    return words[0], words[1]


def check_jobs(jobs: int | None) -> None:
    """Raise a ConfigError unless `--jobs` is positive."""
    if jobs is not None and jobs < 1:
        raise ConfigError(f"--jobs is {jobs}; it must be a whole number, at least 1")
