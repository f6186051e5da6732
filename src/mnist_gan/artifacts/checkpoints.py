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


def save_checkpoint(directory: Path, state: TrainState, *, keep: int) -> Path:
    """Write the state as `directory/nimg-NNNNNNNNN` and remove all but the `keep` newest checkpoints.

    The old ones go only when the new one is committed.

    Raises:
        DivergenceError: a tensor of the state is not finite; nothing is written.
        StorageError: the system refused; the older checkpoints are untouched.
    """
    check_finite(state)
    counters = {"format_version": FORMAT_VERSION, **state.counters()}
    target = directory / f"nimg-{state.cur_nimg:010d}"
    storage.write_committed_directory(
        target,
        {
            TENSORS_NAME: safetensors.torch.save(state.tensors()),
            COUNTERS_NAME: json.dumps(counters, indent=2).encode(),
        },
    )
    for old in list_checkpoints(directory)[keep:]:
        shutil.rmtree(old, ignore_errors=True)
    return target


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
