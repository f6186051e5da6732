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
from tests.campaign.world import BATCH, Place, footprint, leftovers, tiny, with_run

from mnist_gan.artifacts.checkpoints import list_checkpoints
from mnist_gan.errors import EXIT_INTERRUPTED, EXIT_RESUMABLE

CODES: Final = {signal.SIGTERM: EXIT_RESUMABLE, signal.SIGINT: EXIT_INTERRUPTED}
PHASES: Final = ("training", "evaluating", "saving")
STEPS: Final = 20


class Board:
    """Memory that a victim writes and its parent reads: how often it entered each phase, and its last step begun."""

    def __init__(self) -> None:
        self._memory = mmap.mmap(-1, 8 * (len(PHASES) + 1))

    def add(self, place: int) -> None:
        """One more."""
        self._set(place, self[place] + 1)

    def __getitem__(self, place: int) -> int:
        return int(struct.unpack_from("q", self._memory, 8 * place)[0])

    def _set(self, place: int, value: int) -> None:
        struct.pack_into("q", self._memory, 8 * place, value)


def play(tally: Tally, scale: Scale, folder: Path) -> None:
    """Each signal in each phase, some moments after a random entry into it."""
    each = scale.count("FAULTS_SIGNALS", full=50, short=2)
    config = with_run(
        tiny(folder / "data", steps=STEPS),
        evaluate=True,
        evaluate_nimg=16 * 10,
        tick_nimg=16 * 5,
        checkpoint_nimg=16 * 5,
    )
    place = Place(folder, config)
    whole = place.whole()
    moments, number = random.Random(1), 0
    for signal_number in CODES:
        for _ in range(each):
            phase, number = number % len(PHASES), number + 1
            _one(tally, place, whole, signal_number, phase, moments, name=f"run-{number}")


def _one(
    tally: Tally, place: Place, whole: str, number: signal.Signals, phase: int, moments: random.Random, *, name: str
) -> None:
    board, root = Board(), place.root(name)
    wanted = moments.randint(2, 15) if phase == 0 else moments.randint(1, 2)
    victim = Victim(_watched(place.training(name), board))
    began = time.monotonic()
    while board[phase] < wanted and time.monotonic() - began < 120:
        time.sleep(0.0005)
    time.sleep(moments.uniform(0, (0.004, 0.2, 0.01)[phase]))
    victim.send(number)
    steps = board[0]  # read after it was sent: while the two are at odds, the victim may have gone on
    ended = victim.wait()
    what = f"{number.name} while {PHASES[phase]}"
    if ended.code == 0:
        tally.note("after the run's end")
        shutil.rmtree(root)
        return
    tally.note(f"while {PHASES[phase]}")
    checkpoints = list_checkpoints(
        root / "checkpoints"
    )  # none, if it came before the first step, and so nothing is lost
    saved = int(checkpoints[0].name.removeprefix("nimg-")) // BATCH if checkpoints else 0
    resumed = fork(place.resuming(name))
    equal = resumed.code == 0 and footprint(root) == whole
    problems = [
        *([f"exit code {ended.code}: {ended.said}"] if ended.code != CODES[number] else []),
        *([f"{board[0] - steps} steps begun after it"] if board[0] > steps + 1 else []),
        *([f"step {board[0]} was taken, {saved} saved"] if saved != board[0] else []),
        *([f"resumed to something else: {resumed.said}"] if not equal else []),
        *(["temporary files stay"] if leftovers(root) else []),
    ]
    tally.check(not problems, f"{what}: {'; '.join(problems)}")
    shutil.rmtree(root)


def _watched(action: Callable[[], Any], board: Board) -> Callable[[], Any]:
    """The action, with every entry into a phase counted on the board."""

    def call() -> Any:
        from mnist_gan.experiment import recorder
        from mnist_gan.training import loop

        watched: tuple[tuple[Any, str], ...] = (
            (loop, "train_step"),
            (recorder, "evaluate_generator"),
            (recorder, "save_checkpoint"),
        )
        for place, (module, name) in enumerate(watched):
            setattr(module, name, _counting(getattr(module, name), board, place))
        return action()

    return call


def _counting(function: Callable[..., Any], board: Board, place: int) -> Callable[..., Any]:
    def counted(*arguments: Any, **named: Any) -> Any:
        board.add(place)
        return function(*arguments, **named)

    return counted


ROW = Row(
    name="signals",
    provoked="SIGTERM and SIGINT at random moments while a run trains, evaluates and saves",
    holds="the step under way is finished and saved, no other is begun; exit code 75 or 130; resumed to the "
    "same sha256",
    play=play,
)
