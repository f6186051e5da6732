"""Loggers follow a run, twice nowhere, and never end one; the pictures and the card come at the end."""

from __future__ import annotations

import dataclasses
import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from mnist_gan import experiment
from mnist_gan.artifacts.checkpoints import list_checkpoints
from mnist_gan.artifacts.gan import GAN
from mnist_gan.config import Config, DataConfig, DiscriminatorConfig, GeneratorConfig, RunConfig, TrainingConfig
from mnist_gan.errors import ConfigError
from mnist_gan.experiment.logger_set import LoggerSet
from mnist_gan.experiment.pictures import draw_pictures
from mnist_gan.runs.directory import RunDirectory

QUIET = RunConfig(tick_nimg=20, checkpoint_nimg=40, evaluate=False, pictures=False)


def tiny(idx_dir: Path, *, run: RunConfig = QUIET) -> Config:
    return Config(
        data=DataConfig(dir=str(idx_dir), limit=60),
        generator=GeneratorConfig(family="mlp", z_dim=4, channels=(8,), norm="none"),
        discriminator=DiscriminatorConfig(family="mlp", channels=(8,)),
        training=TrainingConfig(total_nimg=120, batch_size=10, conditional=True, device="cpu", threads=1),
        run=run,
    )


def after_polls(n: int):
    polls = iter(range(10**9))
    return lambda: next(polls) >= n


def points(directory: Path) -> Counter[tuple[str, int]]:
    """Every point that TensorBoard shows, by tag and step."""
    everything = {"scalars": 0, "images": 0, "histograms": 0}
    shown = EventAccumulator(str(directory), size_guidance=everything).Reload()
    read = {"scalars": shown.Scalars, "images": shown.Images, "histograms": shown.Histograms}
    return Counter((tag, event.step) for kind in everything for tag in shown.Tags()[kind] for event in read[kind](tag))


def test_tensorboard_has_losses_scores_accuracies_speed_samples_and_histograms(idx_dir, tmp_path):
    directory = experiment.run(tiny(idx_dir), name="run", runs_dir=tmp_path).directory
    found = points(directory.tensorboard)
    scalars = {"Loss/G/loss", "Loss/D/loss", "Loss/scores/real", "Score/real_accuracy", "Timing/img_per_sec"}
    assert {(tag, step) for tag in scalars for step in range(20, 121, 20)} <= found.keys()
    pictures = {"Samples", "Logits/real", "Logits/generated"}
    assert {(tag, step) for tag in pictures for step in (0, 60, 120)} <= found.keys()
    assert any(tag.startswith("Weights/G/") for tag, _ in found)
    assert any(tag.startswith("Weights/D/") for tag, _ in found)


def test_a_resumed_run_leaves_each_point_once(idx_dir, tmp_path):
    config = tiny(idx_dir)
    whole = experiment.run(config, name="whole", runs_dir=tmp_path).directory
    stopped = experiment.run(config, name="stopped", runs_dir=tmp_path, stop=after_polls(7)).directory
    assert max(step for _, step in points(stopped.tensorboard)) == 60
    shutil.rmtree(list_checkpoints(stopped.checkpoints)[0])  # as if it had been killed, and goes on from 40 images
    assert experiment.resume(stopped.root).finished
    found = points(stopped.tensorboard)
    assert set(found.values()) == {1}
    assert found == points(whole.tensorboard)


@pytest.mark.parametrize(("tensorboard", "there"), [(True, True), (False, False)])
def test_tensorboard_can_be_left_out(idx_dir, tmp_path, tensorboard, there):
    config = tiny(idx_dir, run=dataclasses.replace(QUIET, tensorboard=tensorboard))
    directory = experiment.run(config, name="run", runs_dir=tmp_path, stop=lambda: True).directory
    assert directory.tensorboard.exists() == there


def test_a_logger_that_fails_is_left_behind_and_said_once(idx_dir, tmp_path, monkeypatch, caplog):
    def fail(self, row):
        raise RuntimeError("the page is gone")

    monkeypatch.setattr("mnist_gan.loggers.tensorboard.TensorBoardLogger.log_row", fail)
    assert experiment.run(tiny(idx_dir), name="run", runs_dir=tmp_path).finished
    assert [message for message in caplog.messages if "TensorBoard" in message] == [
        "TensorBoard failed and is disabled; the run continues without it: the page is gone"
    ]


def test_wandb_that_is_not_there_is_refused_before_there_is_a_run(idx_dir, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    config = tiny(idx_dir, run=dataclasses.replace(QUIET, wandb=True))
    with pytest.raises(ConfigError, match="pip install"):
        experiment.run(config, name="run", runs_dir=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_resumed_run_goes_on_without_wandb(idx_dir, tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "wandb", None)
    config = tiny(idx_dir, run=dataclasses.replace(QUIET, wandb=True))
    loggers = LoggerSet(config, RunDirectory(tmp_path))
    loggers.begin(40)
    loggers.close()
    assert len(caplog.messages) == 1
    assert "W&B failed and is disabled; the run continues without it" in caplog.messages[0]


def test_the_model_directory_has_a_card_and_loads(idx_dir, tmp_path):
    directory = experiment.run(tiny(idx_dir), name="a-run", runs_dir=tmp_path).directory
    card = (directory.model / "README.md").read_text()
    assert "# a-run" in card
    assert "60 training images of made-up, 10 classes" in card
    assert "120 images, 12 steps of 10 images" in card
    assert str(tmp_path) not in card
    gan = GAN.load(directory.model)
    assert gan.best_label_calibration is not None
    assert "train_sec" not in gan.facts  # times would make equal models unequal


def test_pictures_that_cannot_be_drawn_are_said(tmp_path, caplog):
    draw_pictures(RunDirectory(tmp_path), [], floors={})
    assert len(caplog.messages) == 1
    assert "no sample grids" in caplog.messages[0]
