"""Power failure: every prefix of the operations of a save, with unsynced data lost or reordered."""

from __future__ import annotations

import hashlib
import json
import random
import shutil
from functools import partial
from pathlib import Path
from typing import Any, Final

from tests.campaign.tally import Row, Scale, Tally
from tests.campaign.victims import fork
from tests.campaign.volume import Operation, RecordingDisk, Tree, Volume, replay, write_tree
from tests.campaign.workspace import make_data, temporary_files, tiny_config

from mnist_gan import storage
from mnist_gan.artifacts.checkpoints import list_checkpoints, roll_back, save_checkpoint
from mnist_gan.artifacts.gan import model_directory
from mnist_gan.errors import ArtifactError
from mnist_gan.runs.directory import GENERATOR_NAME

MEMORY: Final = Path("/dev/shm")
"""File system in memory, the fastest place to write thousands of small trees."""


def inject(tally: Tally, scale: Scale, folder: Path) -> None:
    """Record some saves, then write and read every state that a crash can leave after a prefix of them."""
    every = scale.count("FAULTS_CRASHES_EVERY", full=1, short=47)
    tally.remark_every(every, "states of the model")
    for exchanges in (True, False):
        tally.add(fork(partial(_try_crashes, folder, exchanges, every), timeout=1800).returned())


def _try_crashes(folder: Path, exchanges: bool, every: int) -> dict[str, Any]:
    tally = Tally()
    root = folder / f"run-{exchanges}"
    operations = _record_saves(root, folder, exchanges=exchanges)
    volume = Volume(root=root)
    committed = {"checkpoint": 0, "model": 0}
    written = {
        storage.sha256_bytes(arguments[1])
        for name, arguments in operations
        if name == "write" and isinstance(arguments[1], bytes)
    }
    digest = hashlib.sha256(str(root).encode()).hexdigest()[:12]
    place = (MEMORY if MEMORY.is_dir() else folder) / f"faults-crash-{digest}"
    choice, seen = random.Random(0), set[str]()
    for name, arguments in operations:
        if name == "mark":
            kind, number = str(arguments[0]).split()
            committed[kind] = int(number)
            continue
        replay(volume, (name, arguments))
        for index, tree in enumerate(volume.crashes(choice)):
            key = _digest(tree, committed)
            if index % every or key in seen:
                continue
            seen.add(key)
            try:
                write_tree(tree, place)
                _check(tally, place, committed, written, after=f"{name} {arguments[0]}", tree=tree)
            finally:
                shutil.rmtree(place, ignore_errors=True)
    tally.note("writes, syncs and renames recorded", sum(name != "mark" for name, _ in operations))
    return tally.as_dict()


def _record_saves(root: Path, folder: Path, *, exchanges: bool) -> list[Operation]:
    """Save checkpoints and models as a training does, roll back, and save again."""
    import torch

    from mnist_gan.experiment.model import averaged_generator, make_model
    from mnist_gan.experiment.setup import set_up

    config = tiny_config(make_data(folder / f"data-{exchanges}"), checkpoints=2)
    with set_up(config) as setup:
        state, dataset = setup.state, setup.dataset
    root.mkdir()
    recorder = RecordingDisk(exchanges=exchanges)
    plain, storage._disk = storage._disk, recorder
    try:
        for number in range(1, 5):
            state.cur_nimg, state.step = 16 * number, number
            with torch.no_grad():
                next(state.G.parameters()).add_(0.01)
            G = averaged_generator(state, config)
            gan = make_model(G, state, config, dataset, facts={"number": number})
            gan.save(root / "model", card="a card")
            recorder.mark(f"model {number}")
            save_checkpoint(root / "checkpoints", state, keep=2, distance=1.0 / number)
            recorder.mark(f"checkpoint {number}")
        storage.write_json(root / "environment.json", {"number": 1})
        recorder.mark("checkpoint 3")  # a rollback may remove the newest before the best is written again
        roll_back(root / "checkpoints", state)
    finally:
        storage._disk = plain
    return recorder.operations


def _check(tally: Tally, place: Path, committed: dict[str, int], written: set[str], *, after: str, tree: Tree) -> None:
    """Read the newest committed checkpoint and model, before and after the cleanup of a resume."""
    for cleanup in ("", " and a cleanup"):
        for kind, found in (("checkpoint", _newest_checkpoint(place, written)), ("model", _model(place, written))):
            tally.check(
                found >= committed[kind],
                f"after {after}{cleanup}: {kind} {found}, where {committed[kind]} was committed: {[*tree]}",
            )
        storage.remove_temporary(place)
    if temporary_files(place):
        tally.lost.append(f"after {after}: temporary files remain after a cleanup")


def _newest_checkpoint(place: Path, written: set[str]) -> int:
    """Step of the newest valid checkpoint; 0 without one. Valid files have the sha256 of a file that was written."""
    for checkpoint in list_checkpoints(place / "checkpoints"):
        try:
            files = storage.read_committed_directory(checkpoint)
        except ArtifactError:
            continue
        if all(storage.sha256_bytes(content) in written for content in files.values()):
            return int(json.loads(files["state.json"])["step"])
    return 0


def _model(place: Path, written: set[str]) -> int:
    """Number of the model; 0 without one, -1 if it loads and has other content than was written."""
    try:
        files = storage.read_committed_directory(model_directory(place))
    except ArtifactError:
        return 0
    valid = all(storage.sha256_bytes(content) in written for content in files.values()) and GENERATOR_NAME in files
    return int(json.loads(files["config.json"])["facts"]["number"]) if valid else -1


def _digest(tree: Tree, committed: dict[str, int]) -> str:
    digest = hashlib.sha256(json.dumps(committed).encode())
    for name in sorted(tree):
        content = tree[name]
        digest.update(name.encode() + b"\0" + (b"/" if content is None else hashlib.sha256(content).digest()))
    return digest.hexdigest()


ROW = Row(
    name="crashes",
    provoked="power failure after any write, sync or rename of a save: unsynced data is lost, truncated, zeroed or "
    "reordered (a model of a file system, with and without a system call that exchanges two names)",
    holds="the newest committed checkpoint and the last committed model load, before and after the cleanup of a resume",
    inject=inject,
)
