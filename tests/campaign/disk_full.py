"""A disk that is full after a number of bytes, and any single system call of a save that fails."""

from __future__ import annotations

import errno
import os
import re
import resource
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import fork
from tests.campaign.volume import RecordingDisk
from tests.campaign.workspace import Workspace, run_digest, temporary_files

from mnist_gan import experiment, storage
from mnist_gan.artifacts.checkpoints import list_checkpoints
from mnist_gan.errors import StorageError

NEEDED = re.compile(r"\([\d,]+ bytes are needed\)")
INJECTED = "injected failure of one call"


def inject(tally: Tally, scale: Scale, folder: Path) -> None:
    """Limit the size of files, then fail each system call in turn."""
    thresholds = scale.count("FAULTS_THRESHOLDS", full=200, short=5)
    workspace = Workspace(folder)
    reference = workspace.reference()
    workspace.train_and_stop("stopped", steps=4)
    largest = max(path.stat().st_size for path in workspace.root("whole").rglob("*") if path.is_file())
    for index in range(thresholds):
        limit = round((largest + 200) * index / max(1, thresholds - 1))
        _resume_twice(tally, workspace, reference, partial(_limit_files, limit), case=f"{limit:,} bytes")
    calls = fork(partial(_count_calls, workspace)).returned()
    every = scale.count("FAULTS_CALLS_EVERY", full=1, short=70)
    tally.remark_every(every, f"calls of the saves ({calls} in total)")
    for number in range(0, calls, every):
        _resume_twice(tally, workspace, reference, partial(_fail_call, number), case=f"call {number} fails")
        tally.note("with a single failing call")


def _resume_twice(tally: Tally, workspace: Workspace, reference: str, limit: Callable[[], None], *, case: str) -> None:
    """Resume a stopped run with the limit, then without."""

    def resume_limited() -> None:
        limit()
        workspace.resume("victim")()

    with workspace.copy("stopped") as root:
        kept = {path.name: _content(path) for path in list_checkpoints(root / "checkpoints")}
        result = fork(resume_limited)
        problems = list[str]()
        if result.code not in {0, StorageError.exit_code}:
            problems.append(str(result))
        if result.code == StorageError.exit_code and not (NEEDED.search(result.output) or INJECTED in result.output):
            problems.append(f"the error does not state the bytes needed: {result.last_line}")
        if temporary_files(root):
            problems.append(f"{temporary_files(root)[0]} remains")
        newest = list_checkpoints(root / "checkpoints")
        if not newest or not _verifies(newest[0]):
            problems.append("the newest checkpoint does not verify")
        if any(path.name in kept and _content(path) != kept[path.name] for path in newest):
            problems.append("an old checkpoint was changed")
        again = fork(workspace.resume("victim"))
        if again.code != 0 or run_digest(root) != reference:
            problems.append(f"without the limit, the resumed run differs: {again.last_line}")
        tally.check_problems(case, problems)
        tally.note("completed" if result.code == 0 else "refused with exit code 74")


def _verifies(checkpoint: Path) -> bool:
    try:
        storage.read_committed_directory(checkpoint)
    except Exception:
        return False
    return True


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _limit_files(limit: int) -> None:
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # standard output may be a file, too
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))


class FailingDisk(RecordingDisk):
    """A disk whose call number `number` fails."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number, self.calls = number, 0

    def __getattribute__(self, name: str) -> Any:
        if name in {"make_directory", "write", "sync_file", "sync_directory", "rename", "exchange"}:
            self.calls += 1
            if self.calls - 1 == self.number:
                raise OSError(errno.ENOSPC, f"No space left on device ({INJECTED})")
        return super().__getattribute__(name)


def _fail_call(number: int) -> None:
    storage._disk = FailingDisk(number)


def _count_calls(workspace: Workspace) -> int:
    storage._disk = counting = FailingDisk(-1)
    with workspace.copy("stopped", "counted") as root:
        experiment.resume(root)
    return counting.calls


ROW = Row(
    name="disk-full",
    provoked="a limit on the size of any file (`RLIMIT_FSIZE`), and a single system call of a save that fails",
    holds="exit code 74; the error states the bytes needed; older checkpoints are unchanged; no temporary file "
    "remains; with space again, the run ends like an uninterrupted one",
    inject=inject,
)
