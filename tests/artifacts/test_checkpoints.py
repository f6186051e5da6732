from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from mnist_gan import storage
from mnist_gan.artifacts.checkpoints import (
    best_checkpoint,
    check_finite,
    list_checkpoints,
    restore_checkpoint,
    restore_newest,
    roll_back,
    save_checkpoint,
)
from mnist_gan.artifacts.formats import NewerFormatError
from mnist_gan.config import Config, DiscriminatorConfig, GeneratorConfig, TrainingConfig
from mnist_gan.errors import ArtifactError, DivergenceError
from mnist_gan.models import ImageShape
from mnist_gan.training import TrainState, create_state


def make_state(*, seed: int = 0, width: int = 4) -> TrainState:
    config = Config(
        generator=GeneratorConfig(family="mlp", z_dim=2, channels=(width,), norm="batch"),
        discriminator=DiscriminatorConfig(family="mlp", channels=(4,)),
        training=TrainingConfig(conditional=True, seed=seed),
    )
    shape = ImageShape(channels=1, resolution=8, num_classes=10)
    return create_state(config, shape, device=torch.device("cpu"))


@pytest.fixture
def state() -> TrainState:
    return make_state()


def save_at(state: TrainState, folder: Path, step: int, *, keep: int = 9, distance: float | None = None) -> Path:
    state.cur_nimg, state.step = 16 * step, step
    return save_checkpoint(folder, state, keep=keep, distance=distance)


def steps_of(folder: Path) -> list[int]:
    return [int(checkpoint.name.removeprefix("nimg-")) // 16 for checkpoint in list_checkpoints(folder)]


def rewrite_counters(checkpoint: Path, **changes: Any) -> None:
    files = storage.read_committed_directory(checkpoint)
    counters = {**json.loads(files["state.json"]), **changes}
    storage.write_committed_directory(checkpoint, {**files, "state.json": json.dumps(counters).encode()})


def test_restore_checkpoint_restores_every_tensor_and_counter(state: TrainState, tmp_path: Path) -> None:
    with torch.no_grad():
        for number, tensor in enumerate(state.tensors().values()):
            tensor.fill_(number)
    state.last_tick_nimg, state.lr_scale, state.rollbacks = 32, 0.25, 2
    saved = save_at(state, tmp_path, 3)
    other = make_state(seed=1)
    restore_checkpoint(saved, other)
    assert other.counters() == state.counters()
    assert all(torch.equal(tensor, other.tensors()[name]) for name, tensor in state.tensors().items())


def test_save_checkpoint_keeps_the_newest(state: TrainState, tmp_path: Path) -> None:
    for step in range(1, 5):
        save_at(state, tmp_path, step, keep=2)
    assert steps_of(tmp_path) == [4, 3]


def test_save_checkpoint_keeps_the_best_beside_the_newest(state: TrainState, tmp_path: Path) -> None:
    for step, distance in enumerate([3.0, 1.0, 2.0, None], start=1):
        save_at(state, tmp_path, step, keep=1, distance=distance)
    assert steps_of(tmp_path) == [4, 2]


@pytest.mark.parametrize("keep", [1, 2])
def test_save_checkpoint_does_not_count_damaged_later_checkpoints(state: TrainState, tmp_path: Path, keep: int) -> None:
    for step in range(1, keep + 1):
        save_at(state, tmp_path, step)
    for step in range(keep + 2, 2 * keep + 2):
        (save_at(state, tmp_path, step) / "state.json").write_bytes(b"")
    saved = save_at(state, tmp_path, keep + 1, keep=keep)
    checkpoint, failures = restore_newest(tmp_path, state)
    assert checkpoint == saved
    assert len(failures) == keep


def test_save_checkpoint_refuses_a_non_finite_tensor_and_writes_nothing(state: TrainState, tmp_path: Path) -> None:
    with torch.no_grad():
        next(state.D.parameters()).view(-1)[0] = float("inf")
    with pytest.raises(DivergenceError, match=r"D/\S+ is not finite at step 5 \(80 images\)"):
        save_at(state, tmp_path, 5)
    assert steps_of(tmp_path) == []


def test_check_finite_accepts_a_finite_state(state: TrainState) -> None:
    check_finite(state)


def test_best_checkpoint_has_the_smallest_distance_and_is_the_newest_of_equals(
    state: TrainState, tmp_path: Path
) -> None:
    for step, distance in enumerate([1.0, 1.0, 2.0, None], start=1):
        save_at(state, tmp_path, step, distance=distance)
    best = best_checkpoint(list_checkpoints(tmp_path))
    assert best is not None
    assert best.name == "nimg-0000000032"


def test_best_checkpoint_ignores_unreadable_distances(state: TrainState, tmp_path: Path) -> None:
    (save_at(state, tmp_path, 1, distance=1.0) / "state.json").write_bytes(b"{")
    assert best_checkpoint(list_checkpoints(tmp_path)) is None


def test_roll_back_restores_the_best_and_halves_the_learning_rates(state: TrainState, tmp_path: Path) -> None:
    for step, distance in enumerate([3.0, 1.0, 2.0, 4.0], start=1):
        with torch.no_grad():
            next(state.G.parameters()).fill_(step)
        save_at(state, tmp_path, step, distance=distance)
    saved = roll_back(tmp_path, state)
    assert (state.step, state.lr_scale, state.rollbacks) == (2, 0.5, 1)
    assert next(state.G.parameters()).unique().tolist() == [2.0]
    assert steps_of(tmp_path) == [2, 1]
    resumed = make_state(seed=1)
    restore_checkpoint(saved, resumed)
    assert resumed.counters() == state.counters()


def test_roll_back_without_distances_restores_the_newest_valid_checkpoint(state: TrainState, tmp_path: Path) -> None:
    for step in range(1, 4):
        save_at(state, tmp_path, step)
    (list_checkpoints(tmp_path)[0] / "state.safetensors").write_bytes(b"")
    roll_back(tmp_path, state)
    assert state.step == 2


def test_roll_back_without_a_valid_checkpoint_is_refused(state: TrainState, tmp_path: Path) -> None:
    (save_at(state, tmp_path, 1) / "manifest.json").unlink()
    with pytest.raises(ArtifactError, match="no usable checkpoint for a rollback"):
        roll_back(tmp_path, state)


def test_restore_newest_skips_damaged_checkpoints_and_names_them(state: TrainState, tmp_path: Path) -> None:
    for step in range(1, 4):
        save_at(state, tmp_path, step)
    newest, second, oldest = list_checkpoints(tmp_path)
    (newest / "state.safetensors").write_bytes(b"")
    (second / "manifest.json").unlink()
    checkpoint, failures = restore_newest(tmp_path, state)
    assert (checkpoint, state.step) == (oldest, 1)
    assert [str(path) in failure for path, failure in zip((newest, second), failures, strict=True)] == [True, True]


def test_restore_newest_refuses_a_newer_format_instead_of_skipping_it(state: TrainState, tmp_path: Path) -> None:
    save_at(state, tmp_path, 1)
    rewrite_counters(save_at(state, tmp_path, 2), format_version=2)
    with pytest.raises(NewerFormatError, match="checkpoint format 2; this release reads formats up to 1"):
        restore_newest(tmp_path, state)


def test_restore_newest_without_checkpoints_is_refused(state: TrainState, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"no usable checkpoint \(there is none\)"):
        restore_newest(tmp_path, state)


def test_restore_checkpoint_refuses_the_state_of_other_networks(state: TrainState, tmp_path: Path) -> None:
    saved = save_at(make_state(width=5), tmp_path, 1)
    with pytest.raises(ArtifactError, match=r"does not fit this run|is larger"):
        restore_checkpoint(saved, state)


@pytest.mark.parametrize(
    "changes",
    [
        {"step": "1"},
        {"cur_nimg": -5},
        {"step": None},
        {"lr_scale": 0.0},
        {"lr_scale": float("nan")},
        {"rollbacks": 1.0},
    ],
)
def test_restore_checkpoint_refuses_invalid_counters(state: TrainState, tmp_path: Path, changes: Any) -> None:
    saved = save_at(state, tmp_path, 1)
    rewrite_counters(saved, **changes)
    with pytest.raises(ArtifactError, match=r"state\.json is damaged"):
        restore_checkpoint(saved, state)
