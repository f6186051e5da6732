"""kill -9 at random moments, also during a save."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import Victim, fork
from tests.campaign.workspace import BATCH, Workspace, run_digest, temporary_files

from mnist_gan.artifacts.checkpoints import list_checkpoints
from mnist_gan.storage import TEMPORARY_PREFIX

MAX_KILLS_PER_RUN = 4
STEPS = 30
TYPICAL_STEP_S = 0.02
"""With its save."""
TYPICAL_WRITE_S = 0.0005
TIMEOUT_S = 60.0


def inject(tally: Tally, scale: Scale, folder: Path) -> None:
    """Kill runs and resumed runs repeatedly; each must end like an uninterrupted one."""
    kills = scale.count("FAULTS_KILLS", full=100, short=6)
    workspace = Workspace(folder, steps=STEPS)
    reference = workspace.reference()
    choice = random.Random(0)
    number = 0
    while tally.tried < kills:
        number += 1
        name = f"run-{number}"
        root = workspace.root(name)
        for attempt in range(min(MAX_KILLS_PER_RUN, kills - tally.tried)):
            victim = Victim(workspace.resume(name) if attempt else workspace.train(name))
            _wait_for_step(root, choice.randrange(STEPS))
            if choice.random() < 0.5:
                _wait_for_save(root)
                time.sleep(choice.expovariate(1 / TYPICAL_WRITE_S))
            else:
                time.sleep(choice.expovariate(1 / TYPICAL_STEP_S))
            victim.send(signal.SIGKILL)
            if victim.wait().code != -signal.SIGKILL:
                break  # it had ended before
            tally.tried += 1
            if temporary_files(root):
                tally.note("during a save")
        result = fork(workspace.resume(name))
        if result.code != 0 or run_digest(root) != reference:
            tally.lost.append(f"{name}: after resuming, {result.last_line or 'the final weights differ'}")
        elif temporary_files(root):
            tally.lost.append(f"{name}: the temporary file {temporary_files(root)[0]} remains")
        shutil.rmtree(root)


def _wait_for_step(root: Path, step: int) -> None:
    """Wait until a run has saved this step or a later one, or for `TIMEOUT_S`."""
    deadline = time.monotonic() + TIMEOUT_S
    while time.monotonic() < deadline:
        checkpoints = list_checkpoints(root / "checkpoints")
        if checkpoints and checkpoints[0].name >= f"nimg-{BATCH * step:010d}":
            return
        time.sleep(0.0005)


def _wait_for_save(root: Path) -> None:
    """Wait until there is a temporary file, or for a second, since the run may have ended."""
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline and not any(map(_has_temporary, (root, root / "checkpoints", root / "samples"))):
        pass  # a save is shorter than any sleep


def _has_temporary(folder: Path) -> bool:
    try:
        return any(name.startswith(TEMPORARY_PREFIX) for name in os.listdir(folder))  # noqa: PTH208 - names are enough
    except OSError:  # it is being made or removed
        return False


ROW = Row(
    name="kills",
    provoked="`kill -9` at random moments of a training that saves at every step, half of them during a save",
    holds="after resuming, the sha256 of the final weights, rows and samples is the uninterrupted run's",
    inject=inject,
)
