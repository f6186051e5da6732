"""Finds the run or model that an option names: a path, a name in the folder of runs, or by default the newest."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from mnist_gan.artifacts.gan import SHIPPED, fetch_model
from mnist_gan.artifacts.hub import is_address
from mnist_gan.cli.terminal import PROGRAM
from mnist_gan.errors import ArtifactError
from mnist_gan.runs.directory import RunDirectory, find_runs

RUNS_DIR: Final = Path("runs")
"""Default folder of runs."""

logger = logging.getLogger(__name__)


def find_run(
    name: str | None, *, runs_dir: Path, usable: Callable[[RunDirectory], bool], kind: str = "run"
) -> RunDirectory:
    """Find a run by path or by name; None takes the newest usable run.

    Args:
        name: path, or name in `runs_dir`. A named run need not be usable: the caller reports what it lacks.
        runs_dir: folder of runs.
        usable: filter for the newest run.
        kind: description of a usable run, for the error message.

    Raises:
        ArtifactError: there is no such run.
    """
    if name is None:
        run = next(filter(usable, find_runs(runs_dir)), None)
        if run is None:
            raise ArtifactError(f"there is no {kind} in {runs_dir}; make one with `{PROGRAM} train quick`")
        return run
    for candidate in (Path(name), runs_dir / name):
        if candidate.is_dir():
            return RunDirectory(candidate)
    raise ArtifactError(f"there is no run {name}, neither as a path nor in {runs_dir}; `{PROGRAM} runs` lists the runs")


def find_model(name: str | None, *, runs_dir: Path) -> Path:
    """Find the folder of a run or model by path or by name; an address of the hub (`hf://user/name`) is downloaded.

    None takes the newest run with a model, or the shipped model if the default folder of runs is empty.

    Raises:
        ArtifactError: there is no such run, or no run has a model yet.
    """
    if name is None and runs_dir == RUNS_DIR and not find_runs(runs_dir):
        logger.info("there is no run in %s; using the model that ships with %s", runs_dir, PROGRAM)
        name = SHIPPED
    if name == SHIPPED:
        return Path(SHIPPED)
    if name is not None and is_address(name):
        return fetch_model(name)
    return find_run(name, runs_dir=runs_dir, usable=has_model, kind="trained run").root


def has_model(run: RunDirectory) -> bool:
    """True if the run has a finished model."""
    return run.has_model


def has_checkpoints(run: RunDirectory) -> bool:
    """True if the run has a checkpoint, damaged or not."""
    return any(run.checkpoints.glob("nimg-*"))


def has_rows(run: RunDirectory) -> bool:
    """True if the run has metrics."""
    return run.has_rows()


def has_samples(run: RunDirectory) -> bool:
    """True if the run has sample grids."""
    return any(run.samples.glob("epoch-*.png"))
