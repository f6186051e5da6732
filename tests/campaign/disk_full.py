"""A disk that is full after so many bytes, and a system that refuses any one of the calls of a save."""

from __future__ import annotations

import errno
import os
import re
import resource
import shutil
from pathlib import Path
from typing import Any

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import command, fork
from tests.campaign.volume import Recorder
from tests.campaign.world import Place, footprint, leftovers

from mnist_gan import storage
from mnist_gan.artifacts.checkpoints import list_checkpoints
from mnist_gan.errors import StorageError

NEEDED = re.compile(r"\([\d,]+ bytes are needed\)")


def play(tally: Tally, scale: Scale, folder: Path) -> None:
    """No file may grow beyond a threshold; each call fails in turn."""
    thresholds = scale.count("FAULTS_THRESHOLDS", full=200, short=5)
    place = Place(folder)
    whole = place.whole()
    _stop_in_the_middle(place)
    largest = max(path.stat().st_size for path in place.root("whole").rglob("*") if path.is_file())
    for index in range(thresholds):
        limit = round((largest + 200) * index / max(1, thresholds - 1))
        _refused(tally, place, whole, lambda limit=limit: _limit_files(limit), what=f"{limit:,} bytes")
    calls = fork(lambda: _count_calls(place)).value
    every = scale.count("FAULTS_CALLS_EVERY", full=1, short=70)
    tally.remark_every(every, f"calls of the saves, {calls} in all")
    for number in range(0, calls, every):
        _refused(tally, place, whole, lambda number=number: _fail_at(number), what=f"call {number} fails")
        tally.note("of them a call of a save that fails by itself")


def _stop_in_the_middle(place: Place) -> None:
    def stopped() -> None:
        from mnist_gan import experiment

        polls = iter(range(100))
        experiment.run(place.config, name="stopped", runs_dir=place.runs, stop=lambda: next(polls) >= 4)

    fork(stopped)


def _refused(tally: Tally, place: Place, whole: str, refuse: Any, *, what: str) -> None:
    """Resume a run where something is refused; then again, where nothing is."""
    root = place.root("victim")
    shutil.copytree(place.root("stopped"), root)
    kept = {path.name: _content(path) for path in list_checkpoints(root / "checkpoints")}

    def victim() -> None:
        refuse()
        command("resume", root)()

    ended = fork(victim)
    problems = list[str]()
    if ended.code not in {0, StorageError.exit_code}:
        problems.append(f"exit code {ended.code}: {ended.said}")
    if ended.code == StorageError.exit_code and not (NEEDED.search(ended.output) or "fails by itself" in ended.output):
        problems.append(f"the bytes needed are not named: {ended.said}")
    if leftovers(root):
        problems.append(f"{leftovers(root)[0]} is left")
    newest = list_checkpoints(root / "checkpoints")
    if not newest or not _verifies(newest[0]):
        problems.append("the newest checkpoint does not verify")
    if any(name in kept and _content(root / "checkpoints" / name) != kept[name] for name in (p.name for p in newest)):
        problems.append("an old checkpoint was changed")
    again = fork(place.resuming("victim"))
    if again.code != 0 or footprint(root) != whole:
        problems.append(f"with room again, it resumed to something else: {again.said}")
    tally.check(not problems, f"{what}: {'; '.join(problems)}")
    tally.note("went through" if ended.code == 0 else "refused with exit code 74")
    shutil.rmtree(root)


def _verifies(checkpoint: Path) -> bool:
    try:
        storage.read_committed_directory(checkpoint)
    except Exception:
        return False
    return True


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _limit_files(limit: int) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # what a victim says is a file, too
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


class Failing(Recorder):
    """A disk whose call number `number` fails."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number, self.calls = number, 0

    def __getattribute__(self, name: str) -> Any:
        if name in {"make_directory", "write", "sync_file", "sync_directory", "rename", "exchange"}:
            self.calls += 1
            if self.calls - 1 == self.number:
                raise OSError(errno.ENOSPC, "No space left on device (this call fails by itself)")
        return super().__getattribute__(name)


def _fail_at(number: int) -> None:
    storage._disk = Failing(number)


def _count_calls(place: Place) -> int:
    shutil.copytree(place.root("stopped"), place.root("counted"))
    storage._disk = counting = Failing(-1)
    from mnist_gan import experiment

    experiment.resume(place.root("counted"))
    shutil.rmtree(place.root("counted"))
    return counting.calls


ROW = Row(
    name="disk-full",
    provoked="no file can grow beyond a threshold (`RLIMIT_FSIZE`), and a call of a save refused by itself",
    holds="exit code 74, the bytes needed are named, the older checkpoints are untouched, no temporary file is left; "
    "with room again the run ends as if nothing had been",
    play=play,
)
