"""kill -9 at random moments, in the middle of a save too."""

from __future__ import annotations

import os
import random
import shutil
import signal
import time
from pathlib import Path

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import Victim, fork
from tests.campaign.world import BATCH, Place, footprint, leftovers, tiny

from mnist_gan.artifacts.checkpoints import list_checkpoints
from mnist_gan.storage import TEMPORARY_PREFIX

KILLS_A_RUN = 4
"""A run is killed this often at the most before it may go on to its end."""
STEPS = 30
TYPICAL_STEP_S = 0.02
"""With its save."""
TYPICAL_WRITE_S = 0.0005
PATIENCE_S = 60.0


def play(tally: Tally, scale: Scale, folder: Path) -> None:
    """Kill runs, and resumed runs, again and again; each must end as if it had not been touched."""
    kills = scale.count("FAULTS_KILLS", full=100, short=6)
    place = Place(folder, tiny(folder / "data", steps=STEPS))
    whole = place.whole()
    moments = random.Random(0)
    number = 0
    while tally.tried < kills:
        number += 1
        name = f"run-{number}"
        for attempt in range(min(KILLS_A_RUN, kills - tally.tried)):
            victim = Victim(place.resuming(name) if attempt else place.training(name))
            _wait_for(place.root(name), moments.randrange(STEPS))
            if moments.random() < 0.5:
                _wait_for_a_save(place.root(name))
                time.sleep(moments.expovariate(1 / TYPICAL_WRITE_S))
            else:
                time.sleep(moments.expovariate(1 / TYPICAL_STEP_S))
            victim.send(signal.SIGKILL)
            ended = victim.wait()
            if ended.code != -signal.SIGKILL:
                break  # it was done before
            tally.check(True, "")
            if leftovers(place.root(name)):
                tally.note("in the middle of a save")
        ended = fork(place.resuming(name))
        equal = ended.code == 0 and footprint(place.root(name)) == whole
        if not equal:
            tally.lost.append(f"{name}: after resuming, {ended.said or 'the final weights differ'}")
        elif leftovers(place.root(name)):
            tally.lost.append(f"{name}: temporary files stay: {leftovers(place.root(name))[0]}")
        shutil.rmtree(place.root(name))


def _wait_for(root: Path, step: int) -> None:
    """Wait until a run has saved this step or a later one; not for ever."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        checkpoints = list_checkpoints(root / "checkpoints")
        if checkpoints and checkpoints[0].name >= f"nimg-{BATCH * step:010d}":
            return
        time.sleep(0.0005)


def _wait_for_a_save(root: Path) -> None:
    """Wait until something half written is there; not for ever, since the run may have ended."""
    deadline = time.monotonic() + 1.0
    while time.monotonic() < deadline and not any(map(_holds_a_half, (root, root / "checkpoints", root / "samples"))):
        pass  # a save takes less than any sleep


def _holds_a_half(folder: Path) -> bool:
    try:
        return any(name.startswith(TEMPORARY_PREFIX) for name in os.listdir(folder))  # noqa: PTH208 - names are enough
    except OSError:  # it is just being made, or removed
        return False


ROW = Row(
    name="kills",
    provoked="`kill -9` at random moments of a training that saves at every step, half of them aimed at a save",
    holds="after resuming, the sha256 of the final weights, rows and samples is the uninterrupted run's",
    play=play,
)
