"""SIGTERM and SIGINT while a run trains, evaluates and saves."""

from __future__ import annotations

import mmap
import random
import shutil
import signal
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import Victim, fork
from tests.campaign.workspace import BATCH, Workspace, run_digest, temporary_files

from mnist_gan.artifacts.checkpoints import list_checkpoints
from mnist_gan.errors import EXIT_INTERRUPTED, EXIT_RESUMABLE

CODES: Final = {signal.SIGTERM: EXIT_RESUMABLE, signal.SIGINT: EXIT_INTERRUPTED}
PHASES: Final = ("training", "evaluating", "saving")
MAX_DELAYS_S: Final = (0.004, 0.2, 0.01)
"""Longest delay of the signal after the start of each phase."""
STEPS: Final = 20


class SharedCounters:
    """Number of starts of each phase, in memory that a victim writes and its parent reads."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8 * len(PHASES))

    def __getitem__(self, phase: int) -> int:
        return int(struct.unpack_from("q", self._memory, 8 * phase)[0])

    def increment(self, phase: int) -> None:
        """Count a start of the phase."""
        struct.pack_into("q", self._memory, 8 * phase, self[phase] + 1)


def inject(tally: Tally, scale: Scale, folder: Path) -> None:
    """Send each signal in each phase, at a random moment after the start of the phase."""
    each = scale.count("FAULTS_SIGNALS", full=50, short=2)
    every = {"evaluate_nimg": 10 * BATCH, "tick_nimg": 5 * BATCH, "checkpoint_nimg": 5 * BATCH}
    workspace = Workspace(folder, steps=STEPS, evaluate=True, **every)
    reference = workspace.reference()
    choice, number = random.Random(1), 0
    for signal_number in CODES:
        for _ in range(each):
            phase, number = number % len(PHASES), number + 1
            _interrupt(tally, workspace, reference, signal_number, phase, choice, name=f"run-{number}")


def _interrupt(
    tally: Tally,
    workspace: Workspace,
    reference: str,
    number: signal.Signals,
    phase: int,
    choice: random.Random,
    *,
    name: str,
) -> None:
    starts, root = SharedCounters(), workspace.root(name)
    wanted = choice.randint(2, 15) if phase == 0 else choice.randint(1, 2)
    victim = Victim(_count_phases(workspace.train(name), starts))
    began = time.monotonic()
    while starts[phase] < wanted and time.monotonic() - began < 120:
        time.sleep(0.0005)
    time.sleep(choice.uniform(0, MAX_DELAYS_S[phase]))
    victim.send(number)
    steps = starts[0]  # read after sending; one more step may begin in between
    result = victim.wait()
    if result.code == 0:
        tally.note("after the run's end")
        shutil.rmtree(root)
        return
    tally.note(f"while {PHASES[phase]}")
    checkpoints = list_checkpoints(root / "checkpoints")  # none before the first step
    saved = int(checkpoints[0].name.removeprefix("nimg-")) // BATCH if checkpoints else 0
    resumed = fork(workspace.resume(name))
    equal = resumed.code == 0 and run_digest(root) == reference
    problems = [
        *([str(result)] if result.code != CODES[number] else []),
        *([f"{starts[0] - steps} steps begun after the signal"] if starts[0] > steps + 1 else []),
        *([f"step {starts[0]} was taken, {saved} saved"] if saved != starts[0] else []),
        *([f"the resumed run differs: {resumed.last_line}"] if not equal else []),
        *(["temporary files remain"] if temporary_files(root) else []),
    ]
    tally.check_problems(f"{number.name} while {PHASES[phase]}", problems)
    shutil.rmtree(root)


def _count_phases(action: Callable[[], Any], starts: SharedCounters) -> Callable[[], Any]:
    """Wrap the action so that every start of a phase is counted."""

    def call() -> Any:
        from mnist_gan.experiment import recorder
        from mnist_gan.training import loop

        functions: tuple[tuple[Any, str], ...] = (
            (loop, "train_step"),
            (recorder, "evaluate_generator"),
            (recorder, "save_checkpoint"),
        )
        for phase, (module, name) in enumerate(functions):
            setattr(module, name, _counted(getattr(module, name), starts, phase))
        return action()

    return call


def _counted(function: Callable[..., Any], starts: SharedCounters, phase: int) -> Callable[..., Any]:
    def call(*arguments: Any, **named: Any) -> Any:
        starts.increment(phase)
        return function(*arguments, **named)

    return call


ROW = Row(
    name="signals",
    provoked="SIGTERM and SIGINT at random moments while a run trains, evaluates and saves",
    holds="the current step is finished and saved, and no other begins; exit code 75 or 130; the resumed run has the "
    "same sha256",
    inject=inject,
)
