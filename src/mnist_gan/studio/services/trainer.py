"""Trainings: separate processes that outlive the server, and the commands sent to them."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import itertools
import os
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mnist_gan import config as config_module
from mnist_gan.config import Config
from mnist_gan.errors import ConfigError
from mnist_gan.experiment.process import last_line, start_program
from mnist_gan.runs import RunDirectory, Status
from mnist_gan.runs.channel import read_live_status, send_command
from mnist_gan.runs.directory import NAME_PATTERN
from mnist_gan.runs.state import ENDED, State
from mnist_gan.storage import ABANDONED_SECONDS, is_locked, write_text
from mnist_gan.studio.errors import ConflictError
from mnist_gan.studio.services.form import run_stem
from mnist_gan.studio.services.library import Library
from mnist_gan.text import pluralize

NICENESS: Final = 10
PREVIEWS: Final = 20
"""Previews that a training started here keeps, so that it can be compared at equal numbers of images seen."""
SCRATCH: Final = ".studio"
"""Folder in the runs folder for the config and the log of a training that has no folder of its own yet."""


@dataclass(kw_only=True)
class TrainingProcess:
    """A training started by this server."""

    process: subprocess.Popen[bytes]
    preset: str
    log: Path
    """Output of the process."""
    started_at: float = dataclasses.field(default_factory=time.time)
    """Seconds since the epoch."""
    created: float = dataclasses.field(default_factory=time.monotonic)
    problem: str | None = None
    """Error message, if the process ended before it created a run."""

    @property
    def running(self) -> bool:
        """True until the process has exited."""
        return self.process.poll() is None


class Trainer:
    """Starts trainings and sends commands to them.

    Args:
        library: the runs.
        at_once: maximum number of simultaneous trainings.
    """

    def __init__(self, library: Library, *, at_once: int = 1, plugin: Path | None = None) -> None:
        self.library, self.at_once, self.plugin = library, at_once, plugin
        self._processes: dict[str, TrainingProcess] = {}
        self._replaced: list[TrainingProcess] = []
        self._lock = threading.Lock()
        self._remove_abandoned()

    def start(self, config: Config, *, name: str | None, stem: str | None = None) -> str:
        """Start a new run and return its id: `name`, or `stem` with the time.

        Raises:
            ConfigError: the name is invalid.
            ConflictError: it is taken, or the maximum number of trainings is running.
            StorageError: the files or the process cannot be created.
        """
        with self._lock:
            self._check_capacity()
            return self._start(config, self._free_name(name, stem or run_stem(config)))

    def start_pair(self, first: Config, second: Config, *, second_stem: str) -> tuple[str, str]:
        """Start two new runs at the same time and return their ids. The maximum number of trainings counts them as one.

        Raises:
            ConflictError: the maximum number of trainings is running.
            StorageError: the files or a process cannot be created.
        """
        with self._lock:
            self._check_capacity()
            one = self._start(first, self._free_name(None, run_stem(first)))
            try:
                return one, self._start(second, self._free_name(None, second_stem))
            except BaseException:
                self._processes[one].process.terminate()
                raise

    def command(self, run_id: str, command: Mapping[str, Any]) -> None:
        """Send a command to the process of a run. `resume` starts a process for a stopped run.

        A process without a run folder, not made yet or deleted, cannot receive commands. `stop` terminates it.

        Raises:
            NotFoundError: unknown run.
            ConflictError: its state does not allow the command.
            StorageError: the command or the process cannot be created.
        """
        self.library.refresh()
        run = self.library.runs().get(run_id)
        if run is None and command["command"] == "stop" and self._terminate(run_id):
            return
        run, status = self.library.find(run_id), self.status(run_id)
        match status.state:
            case "stopping" if command["command"] != "stop":
                raise ConflictError("This run is stopping. Try again in a moment.")
            case "starting" if not is_locked(run.lock):
                raise ConflictError("This run is starting. Try again in a moment.")
            case state if status.active and command["command"] == "trial" and state != "paused":
                raise ConflictError("Pause the training to try a step of one network.")
            case _ if status.active:
                send_command(run, command)
            case state if command["command"] != "resume":
                raise ConflictError(f"This run is not training; it is {state}.")
            case state if not status.resumable:
                raise ConflictError(f"This run cannot be resumed; it is {state}.")
            case _:
                self._resume(run_id, run)

    def status(self, run_id: str) -> Status:
        """Status of a run, also of one whose process has not published anything yet.

        Raises:
            NotFoundError: unknown run.
        """
        run = self.library.runs().get(run_id)
        if run is None and (pending := self.pending().get(run_id)) is not None:
            return pending
        status = self.library.status(run or self.library.find(run_id))
        with self._lock:
            process = self._processes.get(run_id)
        published = status.live.get("time", 0.0)
        if status.active or process is None or not process.running or published >= process.started_at:
            return status
        return dataclasses.replace(status, state="starting", resumable=False)

    def pending(self) -> dict[str, Status]:
        """Status by id of started trainings without a run folder: starting, failed or deleted ones."""
        self._reap()
        with self._lock:
            known = self.library.runs()
            return {
                run_id: Status(
                    name=run_id,
                    path=str(self.library.runs_dir / run_id),
                    state=self._state_without_folder(run_id, process),
                    problem=process.problem or "",
                    preset=process.preset,
                    updated=datetime.datetime.fromtimestamp(process.started_at).isoformat(sep=" ", timespec="seconds"),
                )
                for run_id, process in reversed(self._processes.items())
                if run_id not in known
            }

    def processes(self) -> dict[str, TrainingProcess]:
        """Processes by run id."""
        with self._lock:
            return dict(self._processes)

    def training(self) -> list[str]:
        """Ids of the runs that are training or starting."""
        with self._lock:
            return self._training()

    def _terminate(self, run_id: str) -> bool:
        """Send SIGTERM to a process of this server. Returns False if none is running."""
        with self._lock:
            process = self._processes.get(run_id)
            if process is None or not process.running:
                return False
            process.process.terminate()
            return True

    def _state_without_folder(self, run_id: str, process: TrainingProcess) -> State:
        if not process.running:
            return "failed"
        return "stopping" if self._has_had_folder(run_id, process) else "starting"

    def _has_had_folder(self, run_id: str, process: TrainingProcess) -> bool:
        return self.library.has_listed(run_id, since=process.created)

    def _training(self) -> list[str]:
        starting = [run_id for run_id, process in self._processes.items() if self._is_busy(run_id, process)]
        held = [run_id for run_id, run in self.library.runs().items() if is_locked(run.lock)]
        return list(dict.fromkeys([*starting, *held]))

    def _is_busy(self, run_id: str, process: TrainingProcess) -> bool:
        """True until the process has published its final status or has exited."""
        run = self.library.runs().get(run_id)
        if run is None and self._has_had_folder(run_id, process):  # deleted: the process is ending, or is stuck
            return False
        status = read_live_status(run) if run is not None else {}
        ended = status.get("state") in ENDED and status.get("time", 0.0) >= process.started_at
        return process.running and not ended

    def _check_capacity(self) -> None:
        busy = self._training()
        if len(busy) >= self.at_once:
            count = "Another training is" if self.at_once == 1 else f"{pluralize(len(busy), 'training')} are"
            raise ConflictError(f"{count} running ({', '.join(busy)}). Stop it or wait until it ends.")

    def _free_name(self, name: str | None, stem: str) -> str:
        if name is not None and not NAME_PATTERN.fullmatch(name):
            rule = "letters, digits, '.', '_' and '-', and begins with a letter or a digit"
            raise ConfigError(f"The name of a run consists of {rule}.")
        self.library.refresh()
        running = {run_id for run_id, process in self._processes.items() if process.running}
        taken, folder = {*self.library.runs(), *running}, self.library.runs_dir
        if name is not None and (name in taken or (folder / name).exists()):
            raise ConflictError(f"There is already a run called {name}. Choose another name.")
        wanted = name or f"{stem}-{datetime.datetime.now():%Y%m%d-%H%M%S}"
        names = itertools.chain([wanted], (f"{wanted}-{number}" for number in itertools.count(1)))
        return next(each for each in names if each not in taken and not (folder / each).exists())

    def _start(self, config: Config, run_id: str) -> str:
        """Start a new run, which keeps previews."""
        kept = dataclasses.replace(config.run, previews=config.run.previews or PREVIEWS)
        file = self.library.runs_dir / SCRATCH / f"{run_id}.toml"
        write_text(file, config_module.to_toml(dataclasses.replace(config, run=kept)))
        arguments = ["train", "--config", str(file), "--name", run_id, "--runs-dir", str(self.library.runs_dir)]
        self._processes[run_id] = self._spawn(run_id, [*arguments, *self._plugin_option], preset=config.preset)
        return run_id

    def _resume(self, run_id: str, run: RunDirectory) -> None:
        with self._lock:
            self._check_capacity()
            if run_id in self._processes:
                self._replaced.append(self._processes[run_id])
            self._processes[run_id] = self._spawn(run_id, ["resume", str(run.root), *self._plugin_option], preset="")

    @property
    def _plugin_option(self) -> list[str]:
        return [] if self.plugin is None else ["--plugin", str(self.plugin)]

    def _spawn(self, run_id: str, arguments: list[str], *, preset: str) -> TrainingProcess:
        log = self.library.runs_dir / SCRATCH / f"{run_id}.log"
        process = start_program("mnist_gan", arguments, log=log)
        _lower_priority(process.pid)
        return TrainingProcess(process=process, preset=preset, log=log)

    def _reap(self) -> None:
        """Forget processes that have exited; keep the error of one that ended before it created a run."""
        with self._lock:
            self._replaced = [process for process in self._replaced if process.running]
            for run_id, process in list(self._processes.items()):
                if process.running or process.problem:
                    continue
                self.library.refresh()
                if process.process.returncode == 0 or run_id in self.library.runs():
                    del self._processes[run_id]
                else:
                    process.problem = last_line(process.log)
                self._clean_up(run_id, keep_log=run_id in self._processes)

    def _remove_abandoned(self) -> None:
        """Remove the configs and logs that a killed studio left more than a day ago."""
        held = {run_id for run_id, run in self.library.runs().items() if is_locked(run.lock)}
        for leftover in (self.library.runs_dir / SCRATCH).glob("*.*"):
            with contextlib.suppress(OSError):
                if leftover.stem not in held and time.time() - leftover.stat().st_mtime > ABANDONED_SECONDS:
                    leftover.unlink()

    def _clean_up(self, run_id: str, *, keep_log: bool) -> None:
        scratch = self.library.runs_dir / SCRATCH
        for suffix in (".toml", *(() if keep_log else (".log",))):
            with contextlib.suppress(OSError):
                (scratch / f"{run_id}{suffix}").unlink()
        with contextlib.suppress(OSError):
            scratch.rmdir()  # fails unless it is empty


def _lower_priority(process_id: int) -> None:
    """Give the pages and other programs priority over a training."""
    with contextlib.suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, process_id, NICENESS)
    with contextlib.suppress(OSError):  # Linux divides the processor among sessions first
        Path(f"/proc/{process_id}/autogroup").write_text(str(NICENESS))
