"""Live trainings: runs in a thread, commands at an exact step, waiting for a status."""

from __future__ import annotations

import contextlib
import dataclasses
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from mnist_gan import experiment
from mnist_gan.artifacts.checkpoints import list_checkpoints
from mnist_gan.config import Config
from mnist_gan.runs import RunDirectory, channel
from mnist_gan.runs.channel import read_live_status
from mnist_gan.storage import sha256_bytes

Command = dict[str, Any]


class CommandScript:
    """A stop callable that sends commands at given polls; it is polled once before every step.

    Args:
        directory: run that receives the commands.
        commands: poll -> command.
        stop_at: poll that returns True; -1 for none.
    """

    def __init__(self, directory: RunDirectory, commands: Mapping[int, Command], *, stop_at: int = -1) -> None:
        self.directory, self.commands, self.stop_at = directory, dict(commands), stop_at
        self.polls = 0

    def __call__(self) -> bool:
        command = self.commands.pop(self.polls, None)
        if command is not None:
            channel.send_command(self.directory, command)
        self.polls += 1
        return self.polls - 1 == self.stop_at


def learning_rates(g_lr: float | None = None, d_lr: float | None = None) -> Command:
    return {"command": "learning_rates", "g_lr": g_lr, "d_lr": d_lr}


def run_with_commands(
    config: Config, name: str, runs_dir: Path, commands: Mapping[int, Command] | None = None
) -> RunDirectory:
    """Train a run to its end, with commands at given steps."""
    script = CommandScript(RunDirectory(runs_dir / name), commands or {})
    return experiment.run(config, name=name, runs_dir=runs_dir, stop=script).directory


def newest_state(directory: RunDirectory) -> tuple[str, str]:
    """Name of the newest checkpoint and digest of its tensors."""
    newest = list_checkpoints(directory.checkpoints)[0]
    return newest.name, sha256_bytes((newest / "state.safetensors").read_bytes())


@contextlib.contextmanager
def training_in_thread(config: Config, runs_dir: Path) -> Iterator[RunDirectory]:
    """A run "run" with a client that trains without end, until the block ends."""
    directory, ending = RunDirectory(runs_dir / "run"), threading.Event()
    endless = dataclasses.replace(config, training=dataclasses.replace(config.training, total_nimg=10**9))
    options = {"name": "run", "runs_dir": runs_dir, "stop": ending.is_set}
    thread = threading.Thread(target=experiment.run, args=(endless,), kwargs=options)
    thread.start()
    try:
        wait_for(directory.live_status.exists)
        channel.send_heartbeat(directory)
        wait_for(lambda: read_live_status(directory)["state"] == "training")
        yield directory
    finally:
        ending.set()
        thread.join(60)
        assert not thread.is_alive()


def send_and_wait(directory: RunDirectory, command: Command, state: str) -> dict[str, Any]:
    """Send a command; return the status once the command is taken and the training has that state."""
    channel.send_command(directory, command)
    wait_for(lambda: read_live_status(directory)["state"] == state and not pending_commands(directory))
    return read_live_status(directory)


def pending_commands(directory: RunDirectory) -> list[Path]:
    return list(directory.commands.glob("*.json"))


def wait_for(condition: Callable[[], Any], *, seconds: float = 180.0) -> Any:
    """Return the value of `condition` once it is true; fail after `seconds`."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "waited for nothing"
        time.sleep(0.005)
    return value
