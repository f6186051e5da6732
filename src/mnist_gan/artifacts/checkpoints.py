"""Checkpoints: the whole training state, complete and verified, or not there at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Final

import safetensors
import safetensors.torch
import torch

from mnist_gan import storage
from mnist_gan.errors import ArtifactError, DivergenceError
from mnist_gan.training import TrainState

FORMAT_VERSION: Final = 1
TENSORS_NAME: Final = "state.safetensors"
COUNTERS_NAME: Final = "state.json"


def save_checkpoint(directory: Path, state: TrainState, *, keep: int, distance: float | None = None) -> Path:
    """Write the state as `directory/nimg-NNNNNNNNNN`; remove all others but the `keep` newest and the best.

    The old ones go only when the new one is committed. `distance` is how far the state was last measured to be from
    the real images; the best checkpoint has the least.

    Raises:
        DivergenceError: a tensor of the state is not finite; nothing is written.
        StorageError: the system refused; the older checkpoints are untouched.
    """
    check_finite(state)
    counters = {"format_version": FORMAT_VERSION, **state.counters(), "distance": distance}
    target = directory / f"nimg-{state.cur_nimg:010d}"
    storage.write_committed_directory(
        target,
        {
            TENSORS_NAME: safetensors.torch.save(state.tensors()),
            COUNTERS_NAME: json.dumps(counters, indent=2).encode(),
        },
    )
    checkpoints = list_checkpoints(directory)
    best = best_checkpoint(checkpoints)
    for old in checkpoints[keep:]:
        if old != best:
            shutil.rmtree(old, ignore_errors=True)
    return target


def best_checkpoint(checkpoints: list[Path]) -> Path | None:
    """The checkpoint with the least recorded distance, the newest of equals; None if none was measured."""
    measured = [(distance, path) for path in checkpoints if (distance := _recorded_distance(path)) is not None]
    return min(measured, key=lambda entry: entry[0])[1] if measured else None


def roll_back(directory: Path, state: TrainState) -> Path:
    """Restore the best checkpoint that verifies (the newest, if none was measured), and halve the learning rates.

    Later checkpoints are removed, and the restored one is written again with the halved rates, so that a run killed at
    any moment from here on does the same.

    Raises:
        ArtifactError: no checkpoint verifies.
    """
    checkpoints = list_checkpoints(directory)
    best = best_checkpoint(checkpoints)
    for checkpoint in sorted(checkpoints, key=lambda path: path != best):  # the best first, then from the newest on
        try:
            restore_checkpoint(checkpoint, state)
        except ArtifactError:
            continue
        break
    else:
        raise ArtifactError(f"{directory} has no usable checkpoint to go back to; start the run anew")
    distance = _recorded_distance(checkpoint)
    for later in checkpoints:
        if later > checkpoint:
            shutil.rmtree(later, ignore_errors=True)
    state.lr_scale /= 2
    state.rollbacks += 1
    return save_checkpoint(directory, state, keep=len(checkpoints), distance=distance)


def check_finite(state: TrainState) -> None:
    """Refuse a state that must not be saved.

    Raises:
        DivergenceError: a tensor of the state is not finite; the message names it and the step.
    """
    for name, tensor in state.tensors().items():
        if not bool(torch.isfinite(tensor).all()):
            raise DivergenceError(
                f"the training diverged: {name} is not finite at step {state.step} ({state.cur_nimg:,} images); "
                "nothing of it is saved and the last good checkpoint stands; lower the learning rates, "
                "or turn on a penalty such as --objective.r1-gamma 1"
            )


def list_checkpoints(directory: Path) -> list[Path]:
    """The checkpoints of a run, the newest first."""
    return sorted(directory.glob("nimg-*"), reverse=True)


def restore_checkpoint(checkpoint: Path, state: TrainState) -> None:
    """Restore `state`, bit for bit, from a checkpoint.

    Raises:
        ArtifactError: it is damaged, of another format version, or of other networks.
    """
    files = storage.read_committed_directory(checkpoint)
    counters = _read_counters(checkpoint, files)
    try:
        state.restore(safetensors.torch.load(files[TENSORS_NAME]), counters)
    except (KeyError, ValueError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
        raise ArtifactError(f"{checkpoint} does not fit this run: {error}") from error


def restore_newest(directory: Path, state: TrainState) -> tuple[Path, list[str]]:
    """Restore the newest checkpoint that verifies; returns it, and a sentence for each newer one that did not.

    Raises:
        ArtifactError: no checkpoint verifies.
    """
    failures: list[str] = []
    for checkpoint in list_checkpoints(directory):
        try:
            restore_checkpoint(checkpoint, state)
        except ArtifactError as error:
            failures.append(str(error))
        else:
            return checkpoint, failures
    reasons = "; ".join(failures) or "there is none"
    raise ArtifactError(f"{directory} has no usable checkpoint ({reasons}); start the run anew")


def _recorded_distance(checkpoint: Path) -> float | None:
    """What a checkpoint says of its distance; None if it says nothing that can be read."""
    try:
        distance = json.loads((checkpoint / COUNTERS_NAME).read_bytes())["distance"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return float(distance) if isinstance(distance, int | float) else None


def _read_counters(checkpoint: Path, files: dict[str, bytes]) -> dict[str, Any]:
    try:
        counters = dict(json.loads(files[COUNTERS_NAME]))
        version = counters["format_version"]
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise ArtifactError(
            f"{checkpoint / COUNTERS_NAME} is damaged: it is not the state that a checkpoint has"
        ) from error
    if version != FORMAT_VERSION:
        raise ArtifactError(
            f"{checkpoint} has checkpoint format {version!r}; this release reads format {FORMAT_VERSION}: "
            "use the release of mnist-gan that wrote it"
        )
    return counters
