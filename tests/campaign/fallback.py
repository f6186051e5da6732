"""Corrupt newest checkpoints."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import fork
from tests.campaign.workspace import Workspace, run_digest, stop_after

from mnist_gan import experiment
from mnist_gan.artifacts.checkpoints import list_checkpoints
from mnist_gan.errors import ArtifactError

Corrupt = Callable[[Path], object]


def _flip(checkpoint: Path) -> None:
    file = checkpoint / "state.safetensors"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


def _truncate(checkpoint: Path) -> None:
    file = checkpoint / "state.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


CORRUPTIONS: Final[dict[str, Corrupt]] = {
    "a byte flipped": _flip,
    "truncated": _truncate,
    "emptied": lambda checkpoint: (checkpoint / "state.json").write_bytes(b""),
    "without its manifest": lambda checkpoint: (checkpoint / "manifest.json").unlink(),
    "without its tensors": lambda checkpoint: (checkpoint / "state.safetensors").unlink(),
}


def inject(tally: Tally, scale: Scale, folder: Path) -> None:
    """Corrupt the newest one, two and all checkpoints, with one, two and three kept."""
    pairs = list(itertools.permutations(CORRUPTIONS, 2))
    random.Random(0).shuffle(pairs)
    pairs = pairs[: scale.count("FAULTS_PAIRS", full=len(pairs), short=1)]
    for keep in (1, 2, 3) if not scale.short else (2,):
        workspace = Workspace(folder / f"keep-{keep}", checkpoints=keep)
        reference = workspace.reference()
        workspace.train_and_stop("stopped", steps=6)
        for count, names in itertools.product(range(1, keep + 1), pairs):
            _resume_corrupt(tally, workspace, reference, names, count=count, keep=keep)


def _resume_corrupt(
    tally: Tally, workspace: Workspace, reference: str, names: Sequence[str], *, count: int, keep: int
) -> None:
    with workspace.copy("stopped") as root:
        corrupt = _corrupt_newest(root, count, names)
        result = fork(workspace.resume("victim"))
        if count < keep:
            named = all(f"skipped a damaged checkpoint: {checkpoint}" in result.output for checkpoint in corrupt)
            held = result.code == 0 and named and run_digest(root) == reference
            held = held and _survives_a_second_stop(workspace, count, names)
            tally.note("fell back, with the same final state")
        else:
            held = result.code == ArtifactError.exit_code and "no usable checkpoint" in result.output
            tally.note("without a valid checkpoint: exit code 4")
    tally.check(held, f"{count} of {keep} checkpoints {' and '.join(names)}: {result}")


def _corrupt_newest(root: Path, count: int, names: Sequence[str]) -> list[Path]:
    newest = list_checkpoints(root / "checkpoints")[:count]
    for checkpoint, name in zip(newest, itertools.cycle(names), strict=False):
        CORRUPTIONS[name](checkpoint)
    return newest


def _survives_a_second_stop(workspace: Workspace, count: int, names: Sequence[str]) -> bool:
    """True if a run that falls back and stops right after its first save can be resumed again."""
    with workspace.copy("stopped", "second") as root:
        _corrupt_newest(root, count, names)

        def resume_one_step() -> None:
            experiment.resume(root, stop=stop_after(1))

        return fork(resume_one_step).code == 0 and fork(workspace.resume("second")).code == 0


ROW = Row(
    name="fallback",
    provoked="the newest one, two or all checkpoints corrupt, in five ways, with one to three kept",
    holds="the run resumes from the newest valid checkpoint, names those that it skipped, and ends with the same "
    "state; exit code 4 without a valid one",
    inject=inject,
)
