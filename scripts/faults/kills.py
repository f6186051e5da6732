"""kill -9 at random moments, in the middle of a save too."""

from __future__ import annotations

import random
import shutil
import signal
import time
from pathlib import Path

from scripts.faults.tally import Row, Scale, Tally
from scripts.faults.victims import Victim, fork
from scripts.faults.world import Place, footprint, leftovers, tiny

KILLS_A_RUN = 4
"""A run is killed this often at the most before it may go on to its end."""


def play(tally: Tally, scale: Scale, folder: Path) -> None:
    """Kill runs, and resumed runs, again and again; each must end as if it had not been touched."""
    kills = scale.count("FAULTS_KILLS", full=100, short=6)
    place = Place(folder, tiny(folder / "data", steps=30))
    whole = place.whole()
    seconds = place.train("timed").seconds
    moments = random.Random(0)
    number = 0
    while tally.tried < kills:
        number += 1
        name = f"run-{number}"
        for attempt in range(min(KILLS_A_RUN, kills - tally.tried)):
            victim = Victim(place.resuming(name) if attempt else place.training(name))
            while attempt == 0 and not (place.root(name) / "config.toml").exists():
                time.sleep(0.001)  # before that there is no run yet
            time.sleep(moments.uniform(0, 0.6 * seconds))
            victim.send(signal.SIGKILL)
            ended = victim.wait()
            tally.check(ended.code in {-signal.SIGKILL, 0}, f"{name}: ended with {ended.code}: {ended.said}")
            if leftovers(place.root(name)):
                tally.note("in the middle of a save")
            if ended.code == 0:
                tally.note("after the run's end")
                break
        ended = fork(place.resuming(name))
        equal = ended.code == 0 and footprint(place.root(name)) == whole
        if not equal:
            tally.lost.append(f"{name}: after resuming, {ended.said or 'the final weights differ'}")
        elif leftovers(place.root(name)):
            tally.lost.append(f"{name}: temporary files stay: {leftovers(place.root(name))[0]}")
        shutil.rmtree(place.root(name))


ROW = Row(
    name="kills",
    provoked="`kill -9` at random moments of a training that saves at every step",
    holds="after resuming, the sha256 of the final weights, rows and samples is the uninterrupted run's",
    play=play,
)
