"""What the campaign has found wrong, each mended at its root: one test for each, as small as it can be."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Iterator
from pathlib import Path

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
from mnist_gan.errors import ArtifactError, ConfigError, DataError
from mnist_gan.experiment.setup import Setup, set_up


@pytest.fixture
def setup(idx_dir: Path) -> Iterator[Setup]:
    config = Config(
        data=DataConfig(dir=str(idx_dir), limit=32),
        generator=GeneratorConfig(family="mlp", z_dim=2, channels=(4,), norm="batch"),
        discriminator=DiscriminatorConfig(family="mlp", channels=(4,)),
        training=TrainingConfig(total_nimg=64, batch_size=16, device="cpu", threads=1, precision="float32"),
    )
    with set_up(config) as setup:
        yield setup


def save_at(setup: Setup, folder: Path, step: int, *, keep: int) -> Path:
    setup.state.cur_nimg, setup.state.step = 16 * step, step
    return save_checkpoint(folder, setup.state, keep=keep)


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
    with pytest.raises(
        ArtifactError, match="has no checkpoint, but the run has rows of metrics; nothing is overwritten"
    ):
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


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes with names here")
def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "0.png")
    with pytest.raises(DataError, match="is not a file"):
        read_image_set(tmp_path)


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
