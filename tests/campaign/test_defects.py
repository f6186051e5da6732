"""What the campaign has found wrong, each mended at its root: one test for each, as small as it can be."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from mnist_gan import experiment, storage
from mnist_gan.artifacts.checkpoints import list_checkpoints, restore_newest, save_checkpoint
from mnist_gan.artifacts.gan import GAN, model_directory
from mnist_gan.config import (
    Config,
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    TrainingConfig,
)
from mnist_gan.data.image_sets import read_image_set
from mnist_gan.data.preprocess import prepare_image
from mnist_gan.errors import ArtifactError, ConfigError, DataError, StorageError
from mnist_gan.experiment.setup import Setup, set_up


class PowerFailureError(Exception):
    """The machine stops here."""


class Failing(storage.Disk):
    """A disk that cannot exchange two names, and stops at its rename number `last`."""

    def __init__(self, last: int) -> None:
        self.left = last

    def exchange(self, one: Path, other: Path) -> bool:
        return False

    def rename(self, source: Path, target: Path) -> None:
        if self.left == 0:
            raise PowerFailureError
        self.left -= 1
        super().rename(source, target)

    def remove_tree(self, path: Path) -> None:
        if self.left:  # after the power has failed, nothing is tidied up
            super().remove_tree(path)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> Callable[[storage.Disk], None]:
    def use(one: storage.Disk) -> None:
        monkeypatch.setattr(storage, "_disk", one)

    return use


@pytest.fixture
def setup(idx_dir: Path) -> Setup:
    config = Config(
        data=DataConfig(dir=str(idx_dir), limit=32),
        generator=GeneratorConfig(family="mlp", z_dim=2, channels=(4,), norm="batch"),
        discriminator=DiscriminatorConfig(family="mlp", channels=(4,)),
        training=TrainingConfig(total_nimg=64, batch_size=16, device="cpu", threads=1, precision="float32"),
    )
    return set_up(config)


def save_at(setup: Setup, folder: Path, step: int, *, keep: int) -> Path:
    setup.state.cur_nimg, setup.state.step = 16 * step, step
    return save_checkpoint(folder, setup.state, keep=keep)


@pytest.mark.parametrize("renames", [0, 1])
def test_a_folder_that_is_being_replaced_is_there_at_any_moment(tmp_path: Path, disk: Any, renames: int) -> None:
    """It was moved aside first: a crash in between left none under its name."""
    folder = tmp_path / "model"
    storage.write_committed_directory(folder, {"a": b"old"})
    disk(Failing(renames))
    with pytest.raises(PowerFailureError):
        storage.write_committed_directory(folder, {"a": b"new"})
    assert storage.find_committed(folder) is not None
    assert storage.read_committed_directory(folder) == {"a": b"old"}
    disk(storage.Disk())
    storage.remove_temporary(tmp_path)
    assert storage.read_committed_directory(folder) == {"a": b"old"}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


@pytest.mark.skipif(os.name != "posix", reason="elsewhere no two names can be exchanged")
def test_a_folder_changes_places_with_its_successor_in_one_step(tmp_path: Path, disk: Any) -> None:
    renamed: list[Path] = []

    class Watched(storage.Disk):
        def rename(self, source: Path, target: Path) -> None:
            renamed.append(target)
            super().rename(source, target)

    storage.write_committed_directory(tmp_path / "model", {"a": b"old"})
    disk(Watched())
    storage.write_committed_directory(tmp_path / "model", {"a": b"new"})
    assert renamed == []
    assert storage.read_committed_directory(tmp_path / "model") == {"a": b"new"}
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_the_old_folder_stays_until_the_new_one_is_durable(tmp_path: Path, disk: Any) -> None:
    """It was removed before the folder above was synced."""
    steps: list[str] = []

    class Watched(storage.Disk):
        def sync_directory(self, path: Path) -> None:
            steps.append(f"sync {path.name}")
            super().sync_directory(path)

        def remove_tree(self, path: Path) -> None:
            steps.append("remove")
            super().remove_tree(path)

    folder = tmp_path / "above" / "model"
    storage.write_committed_directory(folder, {"a": b"old"})
    disk(Watched())
    storage.write_committed_directory(folder, {"a": b"new"})
    assert steps.index("sync above") < steps.index("remove")


def test_a_new_folder_is_durable_before_something_is_put_into_it(tmp_path: Path, disk: Any) -> None:
    """`checkpoints/` itself could be lost after its first checkpoint was committed."""
    synced: list[str] = []

    class Watched(storage.Disk):
        def sync_directory(self, path: Path) -> None:
            synced.append(path.name)
            super().sync_directory(path)

    disk(Watched())
    storage.write_bytes(tmp_path / "run" / "checkpoints" / "file", b"")
    assert synced == [tmp_path.name, "run", "checkpoints"]


@pytest.mark.parametrize("keep", [1, 2])
def test_a_damaged_later_checkpoint_does_not_push_out_the_good_ones(setup: Setup, tmp_path: Path, keep: int) -> None:
    """Those passed over on resuming were counted as the newest, and the one just saved was removed as too old."""
    for step in range(1, keep + 1):
        save_at(setup, tmp_path, step, keep=9)
    for step in range(keep + 2, 2 * keep + 2):
        (save_at(setup, tmp_path, step, keep=9) / "state.json").write_bytes(b"")
    saved = save_at(setup, tmp_path, keep + 1, keep=keep)
    checkpoint, passed_over = restore_newest(tmp_path, setup.state)
    assert checkpoint == saved
    assert len(passed_over) == keep


def test_a_run_that_has_trained_and_lost_its_checkpoints_is_not_begun_anew(idx_dir: Path, tmp_path: Path) -> None:
    """It was: its rows were dropped, and its model was overwritten."""
    config = Config(
        data=DataConfig(dir=str(idx_dir), limit=32),
        generator=GeneratorConfig(family="mlp", z_dim=2, channels=(4,), norm="batch"),
        discriminator=DiscriminatorConfig(family="mlp", channels=(4,)),
        training=TrainingConfig(total_nimg=64, batch_size=16, device="cpu", threads=1, precision="float32"),
    )
    run = dataclasses.replace(config.run, tick_nimg=16, evaluate=False, pictures=False, tensorboard=False)
    outcome = experiment.run(dataclasses.replace(config, run=run), name="run", runs_dir=tmp_path)
    for checkpoint in list_checkpoints(outcome.directory.checkpoints):
        storage.remove_tree(checkpoint)
    rows = outcome.directory.metrics.read_bytes()
    with pytest.raises(ArtifactError, match="has no checkpoint, and the run has been training; nothing is overwritten"):
        experiment.resume(outcome.directory.root)
    assert outcome.directory.metrics.read_bytes() == rows


def test_saving_a_model_does_not_throw_other_things_away(tmp_path: Path) -> None:
    """A folder of that name was replaced, whatever was in it."""
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "holiday.png").write_bytes(b"precious")
    gan = GAN.load("shipped")
    with pytest.raises(ConfigError, match="is there already and is no model"):
        gan.save(pictures)
    assert (pictures / "holiday.png").read_bytes() == b"precious"
    gan.save(tmp_path / "model")
    gan.save(tmp_path / "model")
    assert model_directory(tmp_path / "model") == tmp_path / "model"


def test_what_a_killed_process_left_is_cleared_in_every_folder_of_a_run(tmp_path: Path) -> None:
    for name in ("", "samples", "checkpoints"):
        (tmp_path / name / ".tmp-123-4-half").mkdir(parents=True)
        (tmp_path / name / ".tmp-123-5-file.png").write_bytes(b"half")
    storage.remove_temporary(tmp_path)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["checkpoints", "samples"]


def test_two_writers_of_one_process_do_not_share_a_temporary_name(tmp_path: Path) -> None:
    with storage.atomic_path(tmp_path / "a") as one, storage.atomic_path(tmp_path / "a") as other:
        assert one != other
        one.write_bytes(b"one")
        other.write_bytes(b"other")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_manifest_that_lost_its_last_byte_is_damaged(tmp_path: Path) -> None:
    storage.write_committed_directory(tmp_path / "folder", {"a": b"content"})
    manifest = tmp_path / "folder" / storage.MANIFEST_NAME
    manifest.write_bytes(manifest.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match="damaged"):
        storage.read_committed_directory(tmp_path / "folder")


def test_a_lock_that_is_a_link_empties_nothing(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.write_bytes(b"precious")
    (tmp_path / ".lock").symlink_to(precious)
    with pytest.raises(StorageError, match="link"), storage.exclusive_lock(tmp_path / ".lock", busy="busy"):
        pass
    assert not storage.is_locked(tmp_path / ".lock")
    assert precious.read_bytes() == b"precious"


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="no regular file"):
        storage.read_regular(tmp_path / "pipe")
    (tmp_path / "set").mkdir()
    os.mkfifo(tmp_path / "set" / "0.png")
    with pytest.raises(DataError, match="is not a file"):
        read_image_set(tmp_path / "set")


def test_a_picture_that_unpacks_to_half_a_gigabyte_is_refused_before_it_does(tmp_path: Path) -> None:
    Image.fromarray(np.zeros((7100, 7100), np.uint8)).save(tmp_path / "bomb.png")
    with pytest.raises(DataError, match="decompresses to more than 50,000,000 pixels"):
        prepare_image(tmp_path / "bomb.png", resolution=28)


def test_a_checkpoint_of_a_newer_format_is_not_passed_over(setup: Setup, tmp_path: Path) -> None:
    save_at(setup, tmp_path, 1, keep=3)
    newest = save_at(setup, tmp_path, 2, keep=3)
    files = storage.read_committed_directory(newest)
    counters = {**json.loads(files["state.json"]), "format_version": 2}
    storage.write_committed_directory(newest, {**files, "state.json": json.dumps(counters).encode()})
    with pytest.raises(ArtifactError, match="checkpoint format 2; this release reads formats up to 1"):
        restore_newest(tmp_path, setup.state)


def test_a_model_with_a_weight_that_is_not_finite_is_not_saved(tmp_path: Path) -> None:
    from mnist_gan.errors import DivergenceError

    gan = GAN.load("shipped")
    with torch.no_grad():
        next(gan.G.parameters()).view(-1)[0] = float("nan")
    with pytest.raises(DivergenceError, match="not finite"):
        gan.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()
