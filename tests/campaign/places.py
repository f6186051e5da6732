"""Two processes on one run; places that cannot be written; runs that were moved."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import Ended, Victim, command, fork
from tests.campaign.world import Place, footprint, tiny

from mnist_gan import experiment
from mnist_gan.errors import StorageError

NOBODY: Final = 65_534
AT_ONCE: Final = 4


def play(tally: Tally, scale: Scale, folder: Path) -> None:
    """Each some times, since who comes first is chance."""
    folder.chmod(0o755)  # for those who may not write into it
    place = Place(folder, tiny(folder / "data", steps=30))  # long enough for all to meet
    whole = place.whole()
    for number in range(scale.count("FAULTS_RACES", full=20, short=1)):
        _race(tally, place, whole, f"race-{number}")
        _same_name(tally, place, f"name-{number}")
    _moved(tally, place, whole)
    small = Place(folder / "small")
    _read_only(tally, small)
    _no_home(tally, small)


def _stopped(place: Place, name: str) -> None:
    def stop() -> None:
        polls = iter(range(100))
        experiment.run(place.config, name=name, runs_dir=place.runs, stop=lambda: next(polls) >= 3)

    fork(stop)


def _race(tally: Tally, place: Place, whole: str, name: str) -> None:
    """Several resume one run at once: one proceeds, or they do one after the other; nobody breaks anything."""
    _stopped(place, name)
    victims = [Victim(place.resuming(name)) for _ in range(AT_ONCE)]
    ended = [victim.wait() for victim in victims]
    busy = [one for one in ended if one.code == StorageError.exit_code and "another process is training" in one.output]
    done = [one for one in ended if one.code == 0]
    held = len(done) >= 1 and len(busy) + len(done) == AT_ONCE and footprint(place.root(name)) == whole
    tally.check(held, f"{AT_ONCE} at once: exit codes {[one.code for one in ended]}: {ended[0].said}")
    tally.note("processes turned away by a lock", len(busy))
    shutil.rmtree(place.root(name))


def _same_name(tally: Tally, place: Place, name: str) -> None:
    """Several begin a run of one name at once: one proceeds."""
    victims = [Victim(place.training(name)) for _ in range(AT_ONCE)]
    ended = [victim.wait() for victim in victims]
    taken = [one for one in ended if one.code == 2 and "exists and is not overwritten" in one.output]
    done = [one for one in ended if one.code == 0]
    tally.check(len(done) == 1 and len(taken) == AT_ONCE - 1, f"one name: exit codes {[one.code for one in ended]}")
    shutil.rmtree(place.root(name))


def _moved(tally: Tally, place: Place, whole: str) -> None:
    """A stopped run elsewhere, under another name, works like before."""
    _stopped(place, "before")
    elsewhere = place.folder / "an other place" / "renamed"
    elsewhere.parent.mkdir()
    place.root("before").rename(elsewhere)
    ended = fork(command("sample", "--run", elsewhere, "--n", 10, "--out", place.folder / "moved.png"))
    tally.check(ended.code == 0, f"sampling a moved run: {ended.code}: {ended.said}")
    ended = fork(command("resume", elsewhere))
    tally.check(ended.code == 0 and footprint(elsewhere) == whole, f"resuming a moved run: {ended.code}: {ended.said}")
    model = place.folder / "a model alone"
    shutil.copytree(elsewhere / "model", model)
    ended = fork(command("sample", "--run", model, "--n", 10, "--out", place.folder / "copied.png"))
    tally.check(ended.code == 0, f"a copied model: {ended.code}: {ended.said}")


def _read_only(tally: Tally, place: Place) -> None:
    """A run that may only be read can be used, and not resumed."""
    _stopped(place, "read-only")
    root = place.root("read-only")
    _chmod(root, folders=0o555, files=0o444)
    used = place.folder / "used"
    used.mkdir(mode=0o777)
    used.chmod(0o777)
    try:
        ended = _as_nobody(command("sample", "--run", root, "--n", 10, "--out", used / "x.png"))
        tally.check(ended.code == 0, f"sampling a read-only run: {ended.code}: {ended.said}")
        ended = _as_nobody(command("runs", "--runs-dir", place.runs))
        tally.check(
            ended.code == 0 and "read-only" in ended.output, f"listing a read-only run: {ended.code}: {ended.said}"
        )
        ended = _as_nobody(command("resume", root))
        _expect_refused(tally, ended, str(root), "resuming a read-only run")
        ended = _as_nobody(command("train", "--config", place.recipe, "--name", "x", "--runs-dir", root))
        _expect_refused(tally, ended, str(root), "training into a read-only folder")
    finally:
        _chmod(root, folders=0o755, files=0o644)


def _no_home(tally: Tally, place: Place) -> None:
    """A home that cannot be written, or is none: what needs no cache works, and what does says so."""
    locked = place.folder / "locked-home"
    locked.mkdir(mode=0o555)
    for what, home in (
        ("cannot be written", locked),
        ("is a file", place.recipe),
        ("is not there", Path("/nonexistent")),
    ):
        used = place.folder / f"home {what}"
        used.mkdir()
        used.chmod(0o777)
        ended = _as_nobody(
            _at_home(home, command("train", "--config", place.recipe, "--runs-dir", used, "--name", "run"))
        )
        tally.check(ended.code == 0, f"training where the home {what}: {ended.code}: {ended.said}")
        ended = _as_nobody(_at_home(home, command("sample", "--run", used / "run", "--n", 10, "--out", used / "x.png")))
        tally.check(ended.code == 0, f"sampling where the home {what}: {ended.code}: {ended.said}")
        ended = _as_nobody(_at_home(home, command("doctor", "--runs-dir", used)))
        tally.check(
            "Traceback" not in ended.output and ended.code in {0, 1, 3, 74}, f"doctor, home {what}: {ended.said}"
        )
        ended = _as_nobody(_at_home(home, command("data", "--download")))
        _expect_refused(tally, ended, str(home), f"downloading where the home {what}")


def _expect_refused(tally: Tally, ended: Ended, place: str, what: str) -> None:
    held = ended.code == StorageError.exit_code and place in ended.output and "Traceback" not in ended.output
    tally.check(held, f"{what}: exit code {ended.code}: {ended.said}")


def _as_nobody(action: Callable[[], Any]) -> Ended:
    """Run it as a user whom permissions bind; whoever is not root is one."""

    def call() -> Any:
        if os.geteuid() == 0:
            os.setegid(NOBODY)
            os.seteuid(NOBODY)
        return action()

    return fork(call)


def _at_home(home: Path, action: Callable[[], Any]) -> Callable[[], Any]:
    def call() -> Any:
        for name in ("XDG_CACHE_HOME", "MNIST_GAN_DATA", "TMPDIR"):
            os.environ.pop(name, None)
        os.environ["HOME"] = str(home)
        return action()

    return call


def _chmod(root: Path, *, folders: int, files: int) -> None:
    for path in (root, *root.rglob("*")):
        path.chmod(folders if path.is_dir() else files)


ROW = Row(
    name="places",
    provoked="four processes on one run or one name at once; a read-only run; a run moved and renamed; a home "
    "that cannot "
    "be written, is a file, or is not there",
    holds="one proceeds and the others are told; what only reads works; what must write says where it cannot, "
    "with exit "
    "code 74; moved runs work",
    play=play,
)
