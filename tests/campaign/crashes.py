"""The power fails: every prefix of what a run writes, with what was not synced lost or reordered."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from pathlib import Path
from typing import Any, Final

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import fork
from tests.campaign.volume import Recorder, Tree, Volume, replay, write_tree
from tests.campaign.world import make_data, tiny, with_run

from mnist_gan import storage
from mnist_gan.artifacts.checkpoints import list_checkpoints, roll_back, save_checkpoint
from mnist_gan.artifacts.gan import model_directory
from mnist_gan.errors import ArtifactError
from mnist_gan.runs.directory import GENERATOR_NAME

MEMORY: Final = Path("/dev/shm")
"""Where thousands of small trees are laid out soonest."""


def play(tally: Tally, scale: Scale, folder: Path) -> None:
    """Record a few saves, then lay out what a crash could leave of each prefix of them, and read it."""
    every = scale.count("FAULTS_CRASHES_EVERY", full=1, short=47)
    tally.remark_every(every, "states that the model gives")
    for exchanges in (True, False):
        ended = fork(lambda exchanges=exchanges, every=every: _victim(folder, exchanges, every), timeout=1800)  # type: ignore[misc]
        if ended.value is None:
            raise RuntimeError(ended.output)
        tally.add(ended.value)


def _victim(folder: Path, exchanges: bool, every: int) -> dict[str, Any]:
    tally = Tally()
    root = folder / f"run-{exchanges}"
    steps = _record(root, folder, exchanges=exchanges)
    volume = Volume(root=root)
    committed: dict[str, int] = {"checkpoint": 0, "model": 0}
    place = (
        MEMORY if MEMORY.is_dir() else folder
    ) / f"faults-crash-{hashlib.sha256(str(root).encode()).hexdigest()[:12]}"
    written = _written(steps)
    choice, seen = random.Random(0), set[str]()
    for step in steps:
        if step[0] == "mark":
            kind, number = str(step[1][0]).split()
            committed[kind] = int(number)
            continue
        replay(volume, step)
        for index, tree in enumerate(volume.crashes(choice)):
            key = _key(tree, committed)
            if index % every or key in seen:
                continue
            seen.add(key)
            try:
                write_tree(tree, place)
                _check(tally, place, committed, written, after=f"{step[0]} {step[1][0]}", tree=tree)
            finally:
                shutil.rmtree(place, ignore_errors=True)
    tally.note("writes, syncs and renames recorded", sum(name != "mark" for name, _ in steps))
    return tally.as_dict()


def _record(root: Path, folder: Path, *, exchanges: bool) -> list[tuple[str, tuple[object, ...]]]:
    """Save checkpoints and models as a training does, go back, and save again."""
    import torch

    from mnist_gan.experiment.model import averaged_generator, make_model
    from mnist_gan.experiment.setup import set_up

    config = with_run(tiny(make_data(folder / f"data-{exchanges}")), checkpoints=2)
    with set_up(config) as setup:
        root.mkdir()
        recorder = Recorder(exchanges=exchanges)
        plain, storage._disk = storage._disk, recorder
        try:
            for number in range(1, 5):
                setup.state.cur_nimg, setup.state.step = 16 * number, number
                with torch.no_grad():
                    next(setup.state.G.parameters()).add_(0.01)
                G, facts = averaged_generator(setup.state, config), {"number": number}
                gan = make_model(G, setup.state, config, setup.dataset, facts=facts)
                gan.save(root / "model", card="a card")
                recorder.mark(f"model {number}")
                save_checkpoint(root / "checkpoints", setup.state, keep=2, distance=1.0 / number)
                recorder.mark(f"checkpoint {number}")
            storage.write_json(root / "environment.json", {"number": 1})
            recorder.mark("checkpoint 3")  # going back may take the newest away before the best is written again
            roll_back(root / "checkpoints", setup.state)
        finally:
            storage._disk = plain
        return recorder.steps


def _written(steps: list[tuple[str, tuple[object, ...]]]) -> set[str]:
    """The sha256 of every file that was written: nothing else may ever be read as whole."""
    return {storage.sha256_bytes(args[1]) for name, args in steps if name == "write" and isinstance(args[1], bytes)}


def _check(tally: Tally, place: Path, committed: dict[str, int], written: set[str], *, after: str, tree: Tree) -> None:
    """What a crash left must give the newest that was committed, before and after a resume tidies up."""
    for moment in ("", " and a resume"):
        for kind, found in (("checkpoint", _newest_checkpoint(place, written)), ("model", _model(place, written))):
            held = found >= committed[kind]
            tally.check(held, f"after {after}{moment}: {kind} {found} where {committed[kind]} was committed: {[*tree]}")
        storage.remove_temporary(place)
    if list(place.rglob(".tmp-*")):
        tally.lost.append(f"after {after}: temporary files stay after a resume")


def _newest_checkpoint(place: Path, written: set[str]) -> int:
    for checkpoint in list_checkpoints(place / "checkpoints"):
        try:
            files = storage.read_committed_directory(checkpoint)
        except ArtifactError:
            continue
        if all(storage.sha256_bytes(content) in written for content in files.values()):
            return int(json.loads(files["state.json"])["step"])
    return 0


def _model(place: Path, written: set[str]) -> int:
    try:
        files = storage.read_committed_directory(model_directory(place))
    except ArtifactError:
        return 0
    whole = all(storage.sha256_bytes(content) in written for content in files.values()) and GENERATOR_NAME in files
    return int(json.loads(files["config.json"])["facts"]["number"]) if whole else -1


def _key(tree: Tree, committed: dict[str, int]) -> str:
    digest = hashlib.sha256(json.dumps(committed).encode())
    for name in sorted(tree):
        content = tree[name]
        digest.update(name.encode() + b"\0" + (b"/" if content is None else hashlib.sha256(content).digest()))
    return digest.hexdigest()


ROW = Row(
    name="crashes",
    provoked="the power fails after any write, sync or rename of a save: what was not synced is lost, cut, zeroed or "
    "reordered (a model of the file system; with and without a system call that exchanges two names)",
    holds="the newest committed checkpoint and the last committed model load, before and after a resume tidies up",
    play=play,
)
