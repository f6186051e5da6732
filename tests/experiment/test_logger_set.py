"""The loggers of a run."""

from __future__ import annotations

import shutil
import sys
from collections import Counter
from pathlib import Path

import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tests.support.resuming import stop_after
from tests.support.tiny import tiny_config

from mnist_gan import experiment
from mnist_gan.artifacts.checkpoints import list_checkpoints
from mnist_gan.config import Config
from mnist_gan.errors import ConfigError
from mnist_gan.experiment.logger_set import LoggerSet
from mnist_gan.runs import RunDirectory


def logged_config(idx_dir: Path, *, tensorboard: bool = True, wandb: bool = False) -> Config:
    """Twelve steps of ten images, two epochs; a row every second step, a checkpoint every fourth."""
    return tiny_config(
        idx_dir,
        data={"limit": 60},
        training={"total_nimg": 120, "batch_size": 10},
        run={"tick_nimg": 20, "checkpoint_nimg": 40, "tensorboard": tensorboard, "wandb": wandb},
    )


def points(directory: Path) -> Counter[tuple[str, int]]:
    """Every point that TensorBoard shows, by tag and step."""
    everything = {"scalars": 0, "images": 0, "histograms": 0}
    shown = EventAccumulator(str(directory), size_guidance=everything).Reload()
    read = {"scalars": shown.Scalars, "images": shown.Images, "histograms": shown.Histograms}
    return Counter((tag, event.step) for kind in everything for tag in shown.Tags()[kind] for event in read[kind](tag))


def test_logger_set_writes_scalars_samples_and_histograms_to_tensorboard(idx_dir, tmp_path):
    directory = experiment.run(logged_config(idx_dir), name="run", runs_dir=tmp_path).directory
    found = points(directory.tensorboard)
    scalars = {"Loss/G/loss", "Loss/D/loss", "Loss/scores/real", "Score/real_accuracy", "Timing/img_per_sec"}
    assert {(tag, step) for tag in scalars for step in range(20, 121, 20)} <= found.keys()
    pictures = {"Samples", "Logits/real", "Logits/generated"}
    assert {(tag, step) for tag in pictures for step in (0, 60, 120)} <= found.keys()
    assert any(tag.startswith("Weights/G/") for tag, _ in found)
    assert any(tag.startswith("Weights/D/") for tag, _ in found)


def test_logger_set_of_a_resumed_run_writes_each_point_once(idx_dir, tmp_path):
    config = logged_config(idx_dir)
    whole = experiment.run(config, name="whole", runs_dir=tmp_path).directory
    stopped = experiment.run(config, name="stopped", runs_dir=tmp_path, stop=stop_after(7)).directory
    assert max(step for _, step in points(stopped.tensorboard)) == 60
    shutil.rmtree(list_checkpoints(stopped.checkpoints)[0])  # as if it had been killed, and goes on from 40 images
    assert experiment.resume(stopped.root).finished
    found = points(stopped.tensorboard)
    assert set(found.values()) == {1}
    assert found == points(whole.tensorboard)


@pytest.mark.parametrize(("tensorboard", "there"), [(True, True), (False, False)])
def test_logger_set_without_tensorboard_writes_no_events(idx_dir, tmp_path, tensorboard, there):
    config = logged_config(idx_dir, tensorboard=tensorboard)
    directory = experiment.run(config, name="run", runs_dir=tmp_path, stop=lambda: True).directory
    assert directory.tensorboard.exists() == there


def test_logger_set_disables_a_failing_logger_with_one_warning(idx_dir, tmp_path, monkeypatch, caplog):
    def fail(self, row):
        raise RuntimeError("the page is gone")

    monkeypatch.setattr("mnist_gan.loggers.tensorboard.TensorBoardLogger.log_row", fail)
    assert experiment.run(logged_config(idx_dir), name="run", runs_dir=tmp_path).finished
    assert [message for message in caplog.messages if "TensorBoard" in message] == [
        "TensorBoard failed and is disabled; the run continues without it: the page is gone"
    ]


def test_check_loggers_refuses_missing_wandb_before_there_is_a_run(idx_dir, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "wandb", None)
    config = logged_config(idx_dir, wandb=True)
    with pytest.raises(ConfigError, match="pip install"):
        experiment.run(config, name="run", runs_dir=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_logger_set_of_a_resumed_run_continues_without_wandb(idx_dir, tmp_path, monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "wandb", None)
    config = logged_config(idx_dir, wandb=True)
    loggers = LoggerSet(config, RunDirectory(tmp_path))
    loggers.begin(40)
    loggers.close()
    assert len(caplog.messages) == 1
    assert "W&B failed and is disabled; the run continues without it" in caplog.messages[0]


def test_logger_set_names_a_linked_run_at_wandb_by_its_link(idx_dir, tmp_path, monkeypatch):
    (tmp_path / "target").mkdir()
    (tmp_path / "link").symlink_to("target")
    started = []

    def start(directory, *, name, config):
        started.append((directory, name))
        raise ConfigError("not logged in")

    monkeypatch.setattr("mnist_gan.loggers.wandb.WandbLogger", start)
    loggers = LoggerSet(logged_config(idx_dir, tensorboard=False, wandb=True), RunDirectory(tmp_path / "link"))
    with pytest.raises(ConfigError, match="not logged in"):
        loggers.begin(0)
    assert started == [(tmp_path / "target", "link")]
