"""Which run or model is meant: a path, a name among the runs, or the newest that can be used."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mnist_gan.artifacts.gan import SHIPPED
from mnist_gan.cli.terminal import PROGRAM
from mnist_gan.errors import ArtifactError
from mnist_gan.runs.directory import RunDirectory, find_runs

RUNS_DIR: Final = Path("runs")
"""Where runs are kept if nothing else is said."""


def find_run(
    named: str | None, *, runs_dir: Path, usable: Callable[[RunDirectory], bool], lacking: str = "run"
) -> RunDirectory:
    """The run that a path, or a name in `runs_dir`, means; None means the newest usable one.

    Args:
        named: a path or a name; what it lacks, whoever uses it says.
        runs_dir: where runs are kept.
        usable: whether a run has what is needed of it.
        lacking: what is not there when no run is usable, in words.

    Raises:
        ArtifactError: there is none.
    """
    if named is None:
        run = next(filter(usable, find_runs(runs_dir)), None)
        if run is None:
            raise ArtifactError(f"there is no {lacking} in {runs_dir}; make one with `{PROGRAM} train quick`")
        return run
    for candidate in (Path(named), runs_dir / named):
        if candidate.is_dir():
            return RunDirectory(candidate)
    raise ArtifactError(
        f"there is no run {named}, neither as a path nor in {runs_dir}; `{PROGRAM} runs` lists the runs"
    )


def find_model(named: str | None, *, runs_dir: Path) -> Path:
    """The folder, a run's or a model's, that a path or a name means.

    None means the newest run that has a model; where there is no run in the usual folder, the model that comes with the
    package, whose name is `shipped`. A folder that was named and holds no run is a mistake.

    Raises:
        ArtifactError: there is none of that name; or there are runs, and none has a model yet.
    """
    if named is None and runs_dir == RUNS_DIR and not find_runs(runs_dir):
        print(f"there is no run in {runs_dir}: this is the model that comes with {PROGRAM}", file=sys.stderr)
        named = SHIPPED
    if named == SHIPPED:
        return Path(SHIPPED)
    return find_run(named, runs_dir=runs_dir, usable=has_model, lacking="trained run").root


def has_model(run: RunDirectory) -> bool:
    """Whether a run has a finished model."""
    return run.has_model


def has_checkpoints(run: RunDirectory) -> bool:
    """Whether a run has anything to go on from."""
    return any(run.checkpoints.glob("nimg-*"))


def has_rows(run: RunDirectory) -> bool:
    """Whether a run has rows of metrics."""
    return run.metrics.is_file() and run.metrics.stat().st_size > 0


def has_samples(run: RunDirectory) -> bool:
    """Whether a run has grids of samples."""
    return any(run.samples.glob("epoch-*.png"))
