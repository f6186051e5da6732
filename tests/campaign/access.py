"""Concurrent processes on one run, moved runs, and folders without write permission."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import Result, Victim, command, fork
from tests.campaign.workspace import Workspace, run_digest

from mnist_gan.errors import StorageError

NOBODY: Final = 65_534
AT_ONCE: Final = 4


def inject(tally: Tally, scale: Scale, folder: Path) -> None:
    """Repeat the races, whose order is random; try each of the other cases once."""
    folder.chmod(0o755)  # readable by another user
    workspace = Workspace(folder, steps=30)  # long enough for all processes to overlap
    reference = workspace.reference()
    for number in range(scale.count("FAULTS_RACES", full=20, short=1)):
        _race_to_resume(tally, workspace, reference, f"race-{number}")
        _race_for_a_name(tally, workspace, f"name-{number}")
    _move_run(tally, workspace, reference)
    small = Workspace(folder / "small")
    _use_read_only_run(tally, small)
    _use_unusable_home(tally, small)


def _race_to_resume(tally: Tally, workspace: Workspace, reference: str, name: str) -> None:
    """Resume one run in several processes: each proceeds or is rejected by the lock."""
    workspace.train_and_stop(name, steps=3)
    results = _run_at_once(workspace.resume(name))
    busy = [
        result
        for result in results
        if result.code == StorageError.exit_code and "another process is training" in result.output
    ]
    done = [result for result in results if result.code == 0]
    held = len(done) >= 1 and len(busy) + len(done) == AT_ONCE and run_digest(workspace.root(name)) == reference
    tally.check(held, f"{AT_ONCE} at once: {'; '.join(map(str, results))}")
    tally.note("processes rejected by a lock", len(busy))
    shutil.rmtree(workspace.root(name))


def _race_for_a_name(tally: Tally, workspace: Workspace, name: str) -> None:
    """Start runs of one name in several processes: exactly one proceeds.

    The others find the folder, or, between its making and their look at it, its lock.
    """
    results = _run_at_once(workspace.train(name))
    refusals = {(2, "exists and is not overwritten"), (StorageError.exit_code, "another process is training")}
    taken = [
        result for result in results if any(result.code == code and said in result.output for code, said in refusals)
    ]
    done = [result for result in results if result.code == 0]
    tally.check(len(done) == 1 and len(taken) == AT_ONCE - 1, f"one name: {'; '.join(map(str, results))}")
    shutil.rmtree(workspace.root(name))


def _run_at_once(action: Callable[[], Any]) -> list[Result]:
    victims = [Victim(action) for _ in range(AT_ONCE)]
    return [victim.wait() for victim in victims]


def _move_run(tally: Tally, workspace: Workspace, reference: str) -> None:
    """Move and rename a stopped run, then sample, resume, and copy its model."""
    workspace.train_and_stop("before", steps=3)
    moved = workspace.folder / "another place" / "renamed"
    moved.parent.mkdir()
    workspace.root("before").rename(moved)
    result = fork(_sample(moved, workspace.folder / "moved.png"))
    tally.check(result.code == 0, f"sampling a moved run: {result}")
    result = fork(command("resume", moved))
    tally.check(result.code == 0 and run_digest(moved) == reference, f"resuming a moved run: {result}")
    model = workspace.folder / "a model alone"
    shutil.copytree(moved / "model", model)
    result = fork(_sample(model, workspace.folder / "copied.png"))
    tally.check(result.code == 0, f"sampling a copied model: {result}")


def _use_read_only_run(tally: Tally, workspace: Workspace) -> None:
    """Sample and list a read-only run, which works; resume it and train into it, which is refused."""
    workspace.train_and_stop("read-only", steps=3)
    root = workspace.root("read-only")
    _chmod(root, folders=0o555, files=0o444)
    out = _writable(workspace.folder / "used")
    try:
        result = _fork_unprivileged(_sample(root, out / "x.png"))
        tally.check(result.code == 0, f"sampling a read-only run: {result}")
        result = _fork_unprivileged(command("runs", "--runs-dir", workspace.runs))
        tally.check(result.code == 0 and "read-only" in result.output, f"listing a read-only run: {result}")
        result = _fork_unprivileged(command("resume", root))
        _check_refused(tally, result, root, "resuming a read-only run")
        result = _fork_unprivileged(command("train", "--config", workspace.recipe, "--name", "x", "--runs-dir", root))
        _check_refused(tally, result, root, "training into a read-only folder")
    finally:
        _chmod(root, folders=0o755, files=0o644)


def _use_unusable_home(tally: Tally, workspace: Workspace) -> None:
    """Run commands without a usable home: only the one that needs the cache is refused."""
    locked = workspace.folder / "locked-home"
    locked.mkdir(mode=0o555)
    for problem, home in (
        ("is read-only", locked),
        ("is a file", workspace.recipe),
        ("does not exist", Path("/nonexistent")),
    ):
        out = _writable(workspace.folder / f"home {problem}")
        train = command("train", "--config", workspace.recipe, "--runs-dir", out, "--name", "run")
        result = _fork_unprivileged(train, home=home)
        tally.check(result.code == 0, f"training with a home that {problem}: {result}")
        result = _fork_unprivileged(_sample(out / "run", out / "x.png"), home=home)
        tally.check(result.code == 0, f"sampling with a home that {problem}: {result}")
        result = _fork_unprivileged(command("doctor", "--runs-dir", out), home=home)
        held = "Traceback" not in result.output and result.code in {0, 1, 3, 74}
        tally.check(held, f"doctor with a home that {problem}: {result}")
        result = _fork_unprivileged(command("data", "--download"), home=home)
        _check_refused(tally, result, home, f"downloading with a home that {problem}")


def _check_refused(tally: Tally, result: Result, place: Path, case: str) -> None:
    held = result.code == StorageError.exit_code and str(place) in result.output and "Traceback" not in result.output
    tally.check(held, f"{case}: {result}")


def _sample(model: Path, out: Path) -> Callable[[], int]:
    return command("sample", "--run", model, "--n", 10, "--out", out)


def _writable(folder: Path) -> Path:
    """Make a folder that every user can write."""
    folder.mkdir()
    folder.chmod(0o777)
    return folder


def _fork_unprivileged(action: Callable[[], Any], *, home: Path | None = None) -> Result:
    """Run the action as a user other than root, to whom permissions apply, with another home directory if given."""

    def call() -> Any:
        if os.geteuid() == 0:
            os.setegid(NOBODY)
            os.seteuid(NOBODY)
        if home is not None:
            for name in ("XDG_CACHE_HOME", "MNIST_GAN_DATA", "TMPDIR"):
                os.environ.pop(name, None)
            os.environ["HOME"] = str(home)
        return action()

    return fork(call)


def _chmod(root: Path, *, folders: int, files: int) -> None:
    for path in (root, *root.rglob("*")):
        path.chmod(folders if path.is_dir() else files)


ROW = Row(
    name="access",
    provoked="four processes on one run or one name at once; a read-only run; a run moved and renamed; a home that is "
    "read-only, a file, or missing",
    holds="one process proceeds and the others are told why not; reading works; writing is refused with the path and "
    "exit code 74; moved runs work",
    inject=inject,
)
