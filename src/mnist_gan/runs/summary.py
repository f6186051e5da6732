"""A run in a few facts, read from its files; a run that is being trained, or damaged, has some too."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from mnist_gan.errors import MnistGanError
from mnist_gan.runs.directory import RunDirectory, find_runs
from mnist_gan.runs.metrics import read_rows
from mnist_gan.storage import is_locked

CLOCKS: Final = frozenset({"cur_nimg", "step", "epoch"})


@dataclass(frozen=True, kw_only=True, slots=True)
class RunSummary:
    """What a list of runs shows of one."""

    name: str
    path: str
    state: Literal["training", "finished", "stopped", "damaged"]
    """training: a process holds it; stopped: it can be resumed."""
    updated: str
    """When its last row was written: local time, ISO 8601, to the second."""
    preset: str = ""
    data: str = ""
    conditional: bool = False
    cur_nimg: int = 0
    """Images seen at the last row."""
    total_nimg: int = 0
    """Length of the whole training, in images."""
    has_model: bool = False
    latest: dict[str, float] = field(default_factory=dict)
    """The newest value of every statistic of metrics.jsonl."""
    problem: str = ""
    """Why it counts as damaged."""


def summarize_all(runs_dir: Path) -> list[RunSummary]:
    """Every run in a folder, the newest first."""
    return [summarize(run) for run in find_runs(runs_dir)]


def summarize(run: RunDirectory) -> RunSummary:
    """One run."""
    name, path, updated = run.root.resolve().name, str(run.root), _updated(run)
    try:
        config = run.read_config()
        rows = read_rows(run.metrics) if run.metrics.exists() else []
    except MnistGanError as error:
        return RunSummary(name=name, path=path, state="damaged", updated=updated, problem=str(error))
    cur_nimg, total_nimg = rows[-1]["cur_nimg"] if rows else 0, config.training.total_nimg or 0
    finished = bool(rows) and cur_nimg >= total_nimg
    return RunSummary(
        name=name,
        path=path,
        state="training" if is_locked(run.lock) else "finished" if finished else "stopped",
        updated=updated,
        preset=config.preset,
        data=config.data.name,
        conditional=config.training.conditional,
        cur_nimg=cur_nimg,
        total_nimg=total_nimg,
        has_model=run.has_model,
        latest={name: value for row in rows for name, value in row.items() if name not in CLOCKS},
    )


def _updated(run: RunDirectory) -> str:
    newest = run.metrics if run.metrics.exists() else run.config
    return datetime.datetime.fromtimestamp(newest.stat().st_mtime).isoformat(sep=" ", timespec="seconds")
