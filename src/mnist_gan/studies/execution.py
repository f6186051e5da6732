"""Execution of one trial, on this machine or on a worker: a child process that trains or resumes an ordinary run.

An order is TOML text and its result JSON text, so a worker needs this package and the shared folder of the study.
"""

from __future__ import annotations

import contextlib
import platform
import signal
import subprocess
import time
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Final

import tomli_w

from mnist_gan import config as config_module
from mnist_gan import storage
from mnist_gan.errors import EXIT_INTERRUPTED, EXIT_OK, EXIT_RESUMABLE, DivergenceError, StorageError
from mnist_gan.experiment.process import last_line, start_program
from mnist_gan.studies.folder import Attempt, StudyDirectory, TrialState
from mnist_gan.studies.plan import Trial

POLL_SECONDS: Final = 0.2
BUSY_SECONDS: Final = 60.0
"""Longest wait for the process of a lost worker, which saves its checkpoint and lets go of the run."""
SHELL_SIGNALS: Final = 128
"""Exit codes above are signals, by the convention of shells."""


def write_order(directory: StudyDirectory, trial: Trial) -> str:
    """Return a trial as TOML text, all that a worker needs beside the shared folder."""
    order = {
        "study": str(directory.root.absolute()),
        "trial": trial.name,
        "config": config_module.to_dict(trial.config),
    }
    return tomli_w.dumps(order | ({"plugin": trial.plugin} if trial.plugin else {}))


def execute(order: str, stop: Callable[[], bool] | None = None) -> str:
    """Train or resume the trial of an order to its end and return its `Attempt` as JSON text.

    Args:
        order: from `write_order`.
        stop: polled; if it returns True, the trial saves a checkpoint and ends. By default,
            the file `stop` in the study's folder does.
    """
    content = tomllib.loads(order)
    directory, name = StudyDirectory(Path(content["study"])), content["trial"]
    should_stop = stop or directory.stop.exists
    started = time.monotonic()
    if should_stop():
        return Attempt(trial=name, state="stopped", host=platform.node()).to_json()
    log = directory.logs / f"{name}.log"
    code, stopped = StorageError.exit_code, False
    while code == StorageError.exit_code and not stopped:
        code, stopped = _run(_arguments(directory, content), log, should_stop)
        if not _is_busy(log) or time.monotonic() - started > BUSY_SECONDS:
            break
        time.sleep(1.0)
    state = _state(code, stopped=stopped)
    message = "" if state in {"finished", "stopped"} else _message(code, log)
    seconds = time.monotonic() - started
    attempt = Attempt(trial=name, state=state, message=message, code=code, seconds=seconds, host=platform.node())
    return attempt.to_json()


def _arguments(directory: StudyDirectory, content: dict[str, object]) -> list[str]:
    """Command line: train a new run, or resume the one that an earlier process left."""
    name = str(content["trial"])
    run = directory.run(name)
    plugin = ["--plugin", str(content["plugin"])] if "plugin" in content else []
    if run.config.exists():
        return ["resume", str(run.root), *plugin]
    config = directory.logs / f"{name}.toml"
    storage.write_text(config, tomli_w.dumps(content["config"]))  # type: ignore[arg-type]
    return ["train", "--config", str(config), "--name", name, "--runs-dir", str(directory.trials), *plugin]


def _run(arguments: list[str], log: Path, should_stop: Callable[[], bool]) -> tuple[int, bool]:
    """Run the command to its end; return its exit code, and True if it was told to stop."""
    process = start_program("mnist_gan.studies.lifeline", arguments, log=log, stdin=subprocess.PIPE)
    assert process.stdin is not None
    stopped = False
    try:
        while process.poll() is None:
            if should_stop() and not stopped:
                stopped = True
                process.stdin.close()
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(POLL_SECONDS)
    finally:
        with contextlib.suppress(OSError):
            process.stdin.close()
        process.wait()
    return process.returncode, stopped


def _state(code: int, *, stopped: bool) -> TrialState:
    if code == EXIT_OK:
        return "finished"
    if stopped:  # also a process that was too young for a checkpoint
        return "stopped"
    if code in {EXIT_RESUMABLE, EXIT_INTERRUPTED}:
        return "killed"
    if code == DivergenceError.exit_code:
        return "diverged"
    return "killed" if code < 0 or code > SHELL_SIGNALS else "failed"


def _message(code: int, log: Path) -> str:
    if code < 0 or code > SHELL_SIGNALS:
        number = -code if code < 0 else code - SHELL_SIGNALS
        with contextlib.suppress(ValueError):
            return f"the process was killed by {signal.Signals(number).name}"
        return f"the process was killed by signal {number}"
    if code in {EXIT_RESUMABLE, EXIT_INTERRUPTED}:
        return "the process was terminated by a signal"
    return last_line(log)


def _is_busy(log: Path) -> bool:
    return "another process is training" in last_line(log)
