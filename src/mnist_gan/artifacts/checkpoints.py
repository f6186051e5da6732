"""Checkpoints: the whole training state, verified on load and committed atomically.

A checkpoint of an older format version is migrated on reading. One of a newer version is refused, and no older
checkpoint is used in its place: that would discard the work of the newer release.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any, Final, TypeAlias

import safetensors
import safetensors.torch
import torch

from mnist_gan import storage
from mnist_gan.artifacts.formats import Migration, NewerFormatError, migrate
from mnist_gan.errors import ArtifactError, DivergenceError
from mnist_gan.training import TrainState

FORMAT_VERSION: Final = 1
MIGRATIONS: Final[dict[int, Migration]] = {}
"""Each older version of state.json -> its migration to the next."""
TENSORS_NAME: Final = "state.safetensors"
COUNTERS_NAME: Final = "state.json"
MAX_COUNTERS_BYTES: Final = 1 << 16
MAX_HEADER_BYTES: Final = 1 << 20
"""Bound on the header of a safetensors file."""

Counters: TypeAlias = dict[str, Any]


def save_checkpoint(directory: Path, state: TrainState, *, keep: int, distance: float | None = None) -> Path:
    """Write the state as `directory/nimg-NNNNNNNNNN`, keeping the `keep - 1` newest older checkpoints and the best.

    Old checkpoints are deleted after the new one is committed. Checkpoints beyond `state.cur_nimg` were skipped as
    damaged when the run was resumed. They are not counted, and are replaced when the training reaches them again.

    Args:
        directory: the run's checkpoints.
        state: the training state.
        keep: number of checkpoints, without the best.
        distance: latest distance to the real images; the best checkpoint has the smallest.

    Raises:
        DivergenceError: a tensor of the state is not finite; nothing is written.
        StorageError: the checkpoint cannot be written; older ones are untouched.
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
    checkpoints = [checkpoint for checkpoint in list_checkpoints(directory) if checkpoint <= target]
    best = best_checkpoint(checkpoints)
    for old in checkpoints[keep:]:
        if old != best:
            storage.remove_tree(old)
    return target


def best_checkpoint(checkpoints: list[Path]) -> Path | None:
    """Checkpoint with the smallest recorded distance, the newest of equals; None without one."""
    measured = [(distance, path) for path in checkpoints if (distance := _recorded_distance(path)) is not None]
    return min(measured, key=lambda entry: entry[0])[1] if measured else None


def roll_back(directory: Path, state: TrainState) -> Path:
    """Restore the best verified checkpoint (the newest without a recorded distance) and halve the learning rates.

    Later checkpoints are removed, and the restored one is saved again with the halved rates, so that a run killed
    afterwards resumes with them.

    Raises:
        ArtifactError: no checkpoint verifies.
    """
    checkpoints = list_checkpoints(directory)
    best = best_checkpoint(checkpoints)
    for checkpoint in sorted(checkpoints, key=lambda path: path != best):  # the best, then newest first
        try:
            restore_checkpoint(checkpoint, state)
        except NewerFormatError:
            raise
        except ArtifactError:
            continue
        break
    else:
        raise ArtifactError(f"{directory} has no usable checkpoint for a rollback; start a new run")
    distance = _recorded_distance(checkpoint)
    for later in checkpoints:
        if later > checkpoint:
            storage.remove_tree(later)
    state.lr_scale /= 2
    state.rollbacks += 1
    return save_checkpoint(directory, state, keep=len(checkpoints), distance=distance)


def check_finite(state: TrainState) -> None:
    """Check that the state can be saved.

    Raises:
        DivergenceError: a tensor is not finite; the message names it and the step.
    """
    for name, tensor in state.tensors().items():
        if not bool(torch.isfinite(tensor).all()):
            raise DivergenceError(
                f"the training diverged: {name} is not finite at step {state.step} ({state.cur_nimg:,} images); "
                "this state is not saved and the last checkpoint is kept; lower the learning rates, "
                "or turn on a penalty such as --objective.r1-gamma 1"
            )


def list_checkpoints(directory: Path) -> list[Path]:
    """Checkpoints of a run, newest first."""
    return sorted(directory.glob("nimg-*"), reverse=True)


def restore_checkpoint(checkpoint: Path, state: TrainState) -> None:
    """Restore `state`, bit for bit, from a checkpoint.

    Raises:
        ArtifactError: the checkpoint is damaged, of an unknown format version, or of other networks.
        NewerFormatError: a newer release wrote it.
    """
    limits = {COUNTERS_NAME: MAX_COUNTERS_BYTES, TENSORS_NAME: _most_bytes(state)}
    files = storage.read_committed_directory(checkpoint, most=limits)
    counters = _read_counters(checkpoint, files[COUNTERS_NAME])
    try:
        tensors = safetensors.torch.load(files[TENSORS_NAME])
        _check_all_finite(tensors)
        state.restore(tensors, counters)
    except (KeyError, ValueError, TypeError, RuntimeError, safetensors.SafetensorError) as error:
        raise ArtifactError(f"{checkpoint} does not fit this run: {error}; use a checkpoint of this run") from error


def restore_newest(directory: Path, state: TrainState) -> tuple[Path, list[str]]:
    """Restore the newest verified checkpoint; return it, and one message for each newer one that failed.

    Raises:
        ArtifactError: no checkpoint verifies.
        NewerFormatError: a newer release wrote the newest intact one; no older one is used in its place.
    """
    failures: list[str] = []
    for checkpoint in list_checkpoints(directory):
        try:
            restore_checkpoint(checkpoint, state)
        except NewerFormatError:
            raise
        except ArtifactError as error:
            failures.append(str(error))
        else:
            return checkpoint, failures
    reasons = "; ".join(failures) or "there is none"
    raise ArtifactError(f"{directory} has no usable checkpoint ({reasons}); start a new run")


def _recorded_distance(checkpoint: Path) -> float | None:
    """Distance recorded in a checkpoint; None if there is none or it cannot be read."""
    try:
        content = storage.read_regular(checkpoint / COUNTERS_NAME, most=MAX_COUNTERS_BYTES)
        distance = json.loads(content)["distance"]
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None
    return float(distance) if _is_finite_number(distance) else None


def _read_counters(checkpoint: Path, content: bytes) -> Counters:
    """The counters of a checkpoint, migrated to the current format version."""
    path = checkpoint / COUNTERS_NAME
    damaged = f"{path} is damaged: it is not the state of a training; {storage.USE_ANOTHER}"
    try:
        counters = migrate(
            dict(json.loads(content)),
            path=checkpoint,
            kind="checkpoint",
            version=FORMAT_VERSION,
            migrations=MIGRATIONS,
        )
    except (KeyError, ValueError, TypeError, RecursionError) as error:
        raise ArtifactError(damaged) from error
    if not _are_counters(counters):
        raise ArtifactError(damaged)
    return counters


def _are_counters(counters: Counters) -> bool:
    """True if every counter is present and within the range of a training."""
    whole = [counters.get(name) for name in ("cur_nimg", "step", "last_tick_nimg", "rollbacks")]
    if not all(type(value) is int and 0 <= value < 1 << 62 for value in whole):
        return False
    scale = counters.get("lr_scale")
    return type(scale) is float and _is_finite_number(scale) and scale > 0


def _is_finite_number(value: object) -> bool:
    try:
        return type(value) in {int, float} and math.isfinite(value)  # type: ignore[arg-type]
    except OverflowError:  # an integer of hundreds of digits
        return False


def _most_bytes(state: TrainState) -> int:
    return MAX_HEADER_BYTES + sum(tensor.numel() * tensor.element_size() for tensor in state.tensors().values())


def _check_all_finite(tensors: dict[str, torch.Tensor]) -> None:
    """Check loaded tensors: a release never writes non-finite ones.

    Raises:
        ValueError: a tensor is not finite.
    """
    odd = next((name for name, tensor in tensors.items() if not bool(torch.isfinite(tensor).all())), None)
    if odd is not None:
        raise ValueError(f"tensor {odd} is not finite")
