"""The state of a run, read from its files: one vocabulary for the command line, the studio and Python."""

from __future__ import annotations

import datetime
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from mnist_gan.config import Config
from mnist_gan.errors import ArtifactError, MnistGanError
from mnist_gan.paths import user_path
from mnist_gan.runs.channel import read_live_status
from mnist_gan.runs.directory import RunDirectory, find_runs, last_change
from mnist_gan.runs.metrics import read_rows
from mnist_gan.runs.notes import read_note
from mnist_gan.storage import is_locked, read_regular, write_json
from mnist_gan.text import parse_json

State: TypeAlias = Literal["starting", "training", "paused", "stopping", "finished", "stopped", "failed", "damaged"]
"""
- starting, training, paused, stopping: a process holds the run;
- finished: the whole length was trained, or the run ended on a plateau;
- stopped: interrupted or killed;
- failed: ended by an error;
- damaged: config.toml or metrics.jsonl cannot be read.
"""
EndReason: TypeAlias = Literal["length", "plateau"]
ACTIVE: Final[frozenset[State]] = frozenset({"starting", "training", "paused", "stopping"})
"""States of a run that a process holds."""
ENDED: Final[frozenset[State]] = frozenset({"finished", "stopped", "failed"})
"""States that a training leaves behind."""
CLOCKS: Final = frozenset({"cur_nimg", "step", "epoch"})
MAX_PLATEAU_BYTES: Final = 1000


@dataclass(frozen=True, kw_only=True, slots=True)
class Status:
    """State and progress of one run."""

    name: str
    path: str
    state: State
    end_reason: EndReason | None = None
    """Why a finished run ended: its length was reached, or the distance had stopped falling (`run.stop_on_plateau`)."""
    problem: str = ""
    """Error message of a failed or damaged run."""
    resumable: bool = False
    """True if `mnist-gan resume` continues it."""
    updated: str
    """Time of the last row of metrics: local time, ISO 8601, to the second."""
    preset: str = ""
    data: str = ""
    conditional: bool = False
    cur_nimg: int = 0
    """Images seen."""
    total_nimg: int = 0
    """Length of the whole training, in images."""
    has_model: bool = False
    latest: dict[str, float] = field(default_factory=dict)
    """Newest value of every statistic in metrics.jsonl."""
    note: str = ""
    """The user's text about the run."""
    live: dict[str, Any] = field(default_factory=dict)
    """live/status.json, as last published by the training; empty if there is none."""

    @property
    def active(self) -> bool:
        """True if a process holds the run."""
        return self.state in ACTIVE


@dataclass(frozen=True, kw_only=True, slots=True)
class Plateau:
    """Content of plateau.json: `run.stop_on_plateau` ended the run."""

    cur_nimg: int
    """Images seen at that point."""
    passed: bool = False
    """True once the run was resumed beyond the plateau; then it trains to its full length."""


def status(path: str | os.PathLike[str]) -> Status:
    """Read the status of the run at `path`.

    Raises:
        ArtifactError: there is no run.
    """
    run = RunDirectory(user_path(path))
    if not run.config.exists():
        raise ArtifactError(f"{run.root} is not a run: it has no {run.config.name}; `mnist-gan runs` lists the runs")
    return read_status(run)


def list_runs(runs_dir: str | os.PathLike[str] = "runs") -> list[Status]:
    """Read the status of every run in a folder, the last changed first."""
    return [read_status(run) for run in find_runs(user_path(runs_dir))]


def read_rows_if_any(run: RunDirectory) -> Sequence[Mapping[str, Any]]:
    """Read the rows of metrics; empty before the first.

    Raises:
        ArtifactError: the file is damaged.
    """
    return read_rows(run.metrics) if os.path.lexists(run.metrics) else ()


def read_status(
    run: RunDirectory,
    *,
    read_config: Callable[[RunDirectory], Config] = RunDirectory.read_config,
    read_rows: Callable[[RunDirectory], Sequence[Mapping[str, Any]]] = read_rows_if_any,
) -> Status:
    """Read the status of a run; never raises, a run that cannot be read is "damaged".

    Args:
        run: the run.
        read_config: returns its config, possibly from a cache.
        read_rows: returns its rows of metrics, possibly from a cache.
    """
    name, path, updated = run.name, str(run.root), _format_time(last_change(run))
    note = read_note(run)
    try:
        config, rows = read_config(run), read_rows(run)
    except MnistGanError as error:
        return Status(name=name, path=path, state="damaged", updated=updated, problem=str(error), note=note)
    live, cur_nimg, total_nimg = read_live_status(run), _last_count(rows), config.training.total_nimg or 0
    end_reason = _end_reason(run, reached=bool(rows) and cur_nimg >= total_nimg)
    state = _state(live.get("state"), locked=is_locked(run.lock), finished=end_reason is not None)
    return Status(
        name=name,
        path=path,
        state=state,
        end_reason=end_reason if state == "finished" else None,
        problem=live.get("message", "") if state == "failed" else "",
        resumable=state in {"stopped", "failed"} and run.environment.exists(),
        updated=updated,
        preset=config.preset,
        data=config.data.name,
        conditional=config.training.conditional,
        # a killed training leaves a state that is not its own, and has lost what followed its last row
        cur_nimg=max(cur_nimg, live.get("cur_nimg", 0)) if state in ACTIVE or live.get("state") == state else cur_nimg,
        total_nimg=total_nimg,
        has_model=run.has_model,
        latest=_latest(rows),
        note=note,
        live=live,
    )


def read_plateau(run: RunDirectory) -> Plateau | None:
    """Read plateau.json; None without the file, or if it is damaged."""
    try:
        content = parse_json(read_regular(run.plateau, most=MAX_PLATEAU_BYTES))
        return Plateau(cur_nimg=int(content["cur_nimg"]), passed=content["passed"] is True)
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None


def write_plateau(run: RunDirectory, plateau: Plateau) -> None:
    """Write plateau.json, atomically and durably.

    Raises:
        StorageError: the file cannot be written.
    """
    write_json(run.plateau, {"cur_nimg": plateau.cur_nimg, "passed": plateau.passed})


def _end_reason(run: RunDirectory, *, reached: bool) -> EndReason | None:
    if reached:
        return "length"
    plateau = read_plateau(run)
    return "plateau" if plateau is not None and not plateau.passed else None


def _state(published: Any, *, locked: bool, finished: bool) -> State:
    """Combine the published state with the lock: a killed process leaves its last published state behind."""
    if locked:
        if published is None:
            return "training"
        return published if published in ACTIVE else "stopping"  # the final status is out, the process is exiting
    if finished:
        return "finished"
    return "failed" if published == "failed" else "stopped"


def _last_count(rows: Sequence[Mapping[str, Any]]) -> int:
    return int(rows[-1]["cur_nimg"]) if rows else 0


def _latest(rows: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    return {name: value for row in rows for name, value in row.items() if name not in CLOCKS}


def _format_time(seconds: float) -> str:
    return datetime.datetime.fromtimestamp(seconds).isoformat(sep=" ", timespec="seconds")
