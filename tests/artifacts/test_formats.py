from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mnist_gan import storage
from mnist_gan.artifacts import checkpoints, gan
from mnist_gan.artifacts.checkpoints import restore_checkpoint, save_checkpoint
from mnist_gan.artifacts.formats import NewerFormatError, migrate
from mnist_gan.artifacts.gan import CONFIG_NAME, GAN, shipped_directory
from mnist_gan.config import Config, DataConfig, DiscriminatorConfig, GeneratorConfig, TrainingConfig
from mnist_gan.experiment.setup import set_up


def rename_a(description: dict[str, Any]) -> dict[str, Any]:
    return {"b": description["a"]}


def double_b(description: dict[str, Any]) -> dict[str, Any]:
    return {"b": 2 * description["b"]}


def migrated(description: dict[str, Any], *, version: int) -> dict[str, Any]:
    return migrate(
        description, path=Path("runs/x"), kind="model", version=version, migrations={1: rename_a, 2: double_b}
    )


def test_migrate_applies_each_migration_from_the_stored_version_on() -> None:
    assert migrated({"format_version": 1, "a": 5}, version=3) == {"format_version": 3, "b": 10}
    assert migrated({"format_version": 2, "b": 5}, version=3) == {"format_version": 3, "b": 10}
    assert migrated({"format_version": 3, "b": 5}, version=3) == {"format_version": 3, "b": 5}


def test_migrate_refuses_a_newer_version_by_its_number() -> None:
    with pytest.raises(NewerFormatError, match="runs/x has model format 4; this release reads formats up to 3: use"):
        migrated({"format_version": 4}, version=3)


@pytest.mark.parametrize("version", [None, 0, -1, 1.0, True, "1"])
def test_migrate_refuses_an_invalid_version(version: object) -> None:
    with pytest.raises(ValueError, match="no valid format_version"):
        migrated({"format_version": version}, version=3)


@pytest.mark.parametrize("module", [checkpoints, gan])
def test_migrations_cover_every_older_version(module: Any) -> None:
    assert sorted(module.MIGRATIONS) == list(range(1, module.FORMAT_VERSION))


def rewrite(directory: Path, target: Path, name: str, **changes: object) -> None:
    """Copy a committed directory with changed fields in one of its JSON files; None removes a field."""
    files = storage.read_committed_directory(directory)
    description = {**json.loads(files[name]), **changes}
    content = json.dumps({key: value for key, value in description.items() if value is not None})
    storage.write_committed_directory(target, {**files, name: content.encode()})


def test_restore_checkpoint_migrates_an_older_version(
    idx_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = Config(
        data=DataConfig(dir=str(idx_dir)),
        generator=GeneratorConfig(family="mlp", z_dim=2, channels=(4,), norm="batch"),
        discriminator=DiscriminatorConfig(family="mlp", channels=(4,)),
        training=TrainingConfig(epochs=1, batch_size=20, device="cpu", threads=1),
    )
    with set_up(config) as setup:
        state = setup.state
    saved = save_checkpoint(tmp_path / "new", state, keep=1)
    rewrite(saved, tmp_path / "old", "state.json", rollbacks=None)
    monkeypatch.setattr(checkpoints, "FORMAT_VERSION", 2)
    monkeypatch.setitem(checkpoints.MIGRATIONS, 1, lambda counters: {**counters, "rollbacks": 3})
    restore_checkpoint(tmp_path / "old", state)
    assert state.rollbacks == 3


def test_load_migrates_an_older_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rewrite(shipped_directory(), tmp_path / "old", CONFIG_NAME, calibration=None, scale=2.5)
    monkeypatch.setattr(gan, "FORMAT_VERSION", 2)
    calibration = {"scale": 2.5, "bias": 0.0}
    monkeypatch.setitem(gan.MIGRATIONS, 1, lambda description: {**description, "calibration": calibration})
    assert GAN.load(tmp_path / "old").calibration.scale == 2.5


def test_load_refuses_a_model_of_a_newer_version(tmp_path: Path) -> None:
    rewrite(shipped_directory(), tmp_path / "new", CONFIG_NAME, format_version=2)
    with pytest.raises(NewerFormatError, match="model format 2; this release reads formats up to 1"):
        GAN.load(tmp_path / "new")
