"""The newest checkpoints are corrupt."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import fork
from tests.campaign.world import Place, footprint, tiny, with_run

from mnist_gan import experiment
from mnist_gan.artifacts.checkpoints import list_checkpoints
from mnist_gan.errors import ArtifactError


def _flip(checkpoint: Path) -> None:
    file = checkpoint / "state.safetensors"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(bytes(content))


def _cut(checkpoint: Path) -> None:
    file = checkpoint / "state.safetensors"
    file.write_bytes(file.read_bytes()[:-100])


def _empty(checkpoint: Path) -> None:
    (checkpoint / "state.json").write_bytes(b"")


def _no_manifest(checkpoint: Path) -> None:
    (checkpoint / "manifest.json").unlink()


def _no_tensors(checkpoint: Path) -> None:
    (checkpoint / "state.safetensors").unlink()


CORRUPTIONS: Final[dict[str, Callable[[Path], None]]] = {
    "a byte flipped": _flip,
    "cut short": _cut,
    "emptied": _empty,
    "without its manifest": _no_manifest,
    "without its tensors": _no_tensors,
}


def play(tally: Tally, scale: Scale, folder: Path) -> None:
    """Corrupt the newest one or two of three, and all; with one, two and three checkpoints kept."""
    pairs = list(itertools.permutations(CORRUPTIONS, 2))
    random.Random(0).shuffle(pairs)
    pairs = pairs[: scale.count("FAULTS_PAIRS", full=len(pairs), short=1)]
    for keep in (1, 2, 3) if not scale.short else (2,):
        place = Place(folder / f"keep-{keep}", with_run(tiny(folder / f"keep-{keep}" / "data"), checkpoints=keep))
        whole = place.whole()
        fork(lambda place=place: _stop(place))  # type: ignore[misc]
        for count, names in itertools.product(range(1, keep + 1), pairs):
            _one(tally, place, whole, count, keep, [CORRUPTIONS[name] for name in names], what=" and ".join(names))


def _stop(place: Place) -> None:
    polls = iter(range(100))
    experiment.run(place.config, name="stopped", runs_dir=place.runs, stop=lambda: next(polls) >= 6)


def _one(
    tally: Tally, place: Place, whole: str, count: int, keep: int, how: list[Callable[[Path], None]], *, what: str
) -> None:
    root = place.root("victim")
    shutil.copytree(place.root("stopped"), root)
    checkpoints = list_checkpoints(root / "checkpoints")
    for checkpoint, corrupt in zip(checkpoints[:count], itertools.cycle(how), strict=False):
        corrupt(checkpoint)
    ended = fork(place.resuming("victim"))
    if count < len(checkpoints):
        named = all(f"skipped a damaged checkpoint: {checkpoint}" in ended.output for checkpoint in checkpoints[:count])
        held = ended.code == 0 and named and footprint(root) == whole
        tally.note("fell back and ended the same")
        # killed right after its first save, it must still have what to go on from
        held = held and _survives_a_second_stop(place, count, how)
    else:
        held = ended.code == ArtifactError.exit_code and "no usable checkpoint" in ended.output
        tally.note("had nothing whole left: exit code 4")
    tally.check(held, f"{count} of {keep} checkpoints {what}: exit code {ended.code}: {ended.said}")
    shutil.rmtree(root)


def _survives_a_second_stop(place: Place, count: int, how: list[Callable[[Path], None]]) -> bool:
    root = place.root("second")
    shutil.copytree(place.root("stopped"), root)
    for checkpoint, corrupt in zip(list_checkpoints(root / "checkpoints")[:count], itertools.cycle(how), strict=False):
        corrupt(checkpoint)

    def once() -> None:
        polls = iter(range(100))
        experiment.resume(root, stop=lambda: next(polls) >= 1)

    stopped, resumed = fork(once), fork(place.resuming("second"))
    shutil.rmtree(root)
    return stopped.code == 0 and resumed.code == 0


ROW = Row(
    name="fallback",
    provoked="the newest one, two or all checkpoints corrupt, in five ways, with one to three kept",
    holds="the run goes on from the newest that verifies, says which it skipped, and ends the same; exit "
    "code 4 where "
    "none verifies",
    play=play,
)
