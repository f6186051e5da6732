from __future__ import annotations

import dataclasses
import json
import shutil
from pathlib import Path

import pytest

from mnist_gan.data import data_status
from mnist_gan.data.download import cache_dir
from mnist_gan.data.mnist import FILE_NAMES, TRAIN_IMAGES, TRAIN_LABELS
from mnist_gan.data.sources import DataLocation


def place(role: str, folder: Path | None = None) -> DataLocation:
    return next(location for location in data_status(folder=folder) if location.role == role)


def states(location: DataLocation) -> list[str]:
    return [file.state for file in location.files]


def test_data_status_of_an_empty_machine_gives_remedies_and_writes_nothing() -> None:
    locations = data_status()
    assert [location.role for location in locations] == ["MNIST_GAN_DATA", "cache", "digits"]
    variable, cache, digits = locations
    assert variable.path is None
    assert "set MNIST_GAN_DATA" in variable.remedy
    assert states(cache) == ["missing"] * 4
    assert not cache.verifies
    assert cache.remedy == "run `mnist-gan data --download`"
    assert digits.verifies
    assert not cache_dir().exists()
    json.dumps([dataclasses.asdict(location) for location in locations])


@pytest.mark.usefixtures("pretend_mnist")
def test_data_status_of_verified_files_has_no_remedy(idx_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(idx_dir, cache_dir())
    monkeypatch.setenv("MNIST_GAN_DATA", str(idx_dir))
    for location in (place("MNIST_GAN_DATA"), place("cache"), place("--data.dir", idx_dir)):
        assert location.verifies
        assert location.remedy == ""
        assert states(location) == ["verified"] * 4
        assert [file.name for file in location.files] == list(FILE_NAMES)
        assert all(file.path is not None and file.detail == "" for file in location.files)


@pytest.mark.usefixtures("pretend_mnist")
def test_data_status_tells_damaged_from_missing_files(idx_dir: Path) -> None:
    shutil.copytree(idx_dir, cache_dir())
    (cache_dir() / f"{TRAIN_LABELS}.gz").write_bytes(b"rubbish")
    (cache_dir() / f"{TRAIN_IMAGES}.gz").unlink()
    cache = place("cache")
    assert states(cache) == ["missing", "damaged", "verified", "verified"]
    assert "two zero bytes" in cache.remedy
    assert "delete it from" in cache.remedy


def test_data_status_accepts_another_set_only_in_data_dir(idx_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MNIST_GAN_DATA", str(idx_dir))
    variable, folder = place("MNIST_GAN_DATA"), place("--data.dir", idx_dir)
    assert states(variable) == states(folder) == ["other"] * 4
    assert not variable.verifies
    assert f"use --data.dir {idx_dir}" in variable.remedy
    assert folder.remedy == ""
    (idx_dir / f"{TRAIN_LABELS}.gz").unlink()
    (idx_dir / f"{TRAIN_IMAGES}.gz").unlink()
    assert not place("--data.dir", idx_dir / "nowhere").verifies
    assert place("--data.dir", idx_dir / "nowhere").remedy == (
        f"add {TRAIN_IMAGES}, or choose the folder that has all four"
    )


def test_data_status_without_scikit_learn_gives_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    digits = place("digits")
    assert not digits.verifies
    assert digits.remedy == 'pip install "mnist-gan[digits]"'
