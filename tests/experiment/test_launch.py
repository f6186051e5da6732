"""Runs started, stopped, killed and resumed: stopping and resuming changes nothing."""

from __future__ import annotations

import dataclasses
import errno
import gzip
import json
import os
import subprocess
import sys
import time

import pytest
import safetensors.torch
import torch
from tests.support.resuming import DCGAN, MLP, RESNET, read_footprint, resumable_config, stop_after, stop_and_resume
from tests.support.tiny import tiny_config
from tests.support.toys import toy_config

from mnist_gan import experiment, storage
from mnist_gan.artifacts.checkpoints import list_checkpoints
from mnist_gan.artifacts.gan import GAN
from mnist_gan.config import ObjectiveConfig, OptimizerConfig, RunConfig, from_toml
from mnist_gan.errors import ArtifactError, ConfigError, DataError, DivergenceError, RunBusyError, StorageError
from mnist_gan.experiment import Observer, launch
from mnist_gan.runs.directory import create_run
from mnist_gan.runs.metrics import read_rows
from mnist_gan.schedules import learning_rate_factor

OBJECTIVES = {
    "minimax": ObjectiveConfig(loss="minimax"),
    "non-saturating, lazy R1": ObjectiveConfig(loss="non_saturating", r1_gamma=1.0, penalty_interval=3),
    "least squares, smoothed": ObjectiveConfig(loss="least_squares", label_smoothing=0.1),
    "hinge": ObjectiveConfig(loss="hinge"),
    "wasserstein, penalty": ObjectiveConfig(loss="wasserstein", gp_lambda=10.0),
    "wasserstein, clipping": ObjectiveConfig(loss="wasserstein", weight_clip=0.01),
    "non-saturating, classifier": ObjectiveConfig(loss="non_saturating", classifier_weight=0.1),
    "relativistic, R1 and R2": ObjectiveConfig(loss="relativistic", r1_gamma=1.0, r2_gamma=1.0),
}


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES.keys())
def test_resume_continues_a_stopped_run_bit_for_bit(idx_dir, tmp_path, objective):
    config = resumable_config(idx_dir, objective=objective)
    whole = experiment.run(config, name="whole", runs_dir=tmp_path).directory.root
    assert read_footprint(stop_and_resume(config, tmp_path, polls=[1, 3, 2])) == read_footprint(whole)


def test_resume_is_exact_on_points(tmp_path):
    config = toy_config()
    whole = experiment.run(config, name="whole", runs_dir=tmp_path).directory
    assert read_footprint(stop_and_resume(config, tmp_path, polls=[7])) == read_footprint(whole.root)
    assert GAN.load(whole.root).sample(3).dtype == torch.float32
    assert 0 <= read_rows(whole.metrics)[-1]["Metric/modes2500"] <= 8
    assert whole.animation.exists()


@pytest.mark.parametrize(
    ("networks", "training"),
    [
        (MLP, {"conditional": False}),
        (RESNET, {"d_steps": 2}),
        (DCGAN, {"ema_halflife_nimg": 0.0}),
        ({**DCGAN, "discriminator": {**DCGAN["discriminator"], "norm": "spectral"}}, {}),
        ({**DCGAN, "discriminator": {**DCGAN["discriminator"], "norm": "batch"}}, {}),
    ],
    ids=["mlp", "resnet, two D steps", "no averaging", "spectral norm", "batch norm in D"],
)
def test_resume_is_exact_for_every_kind_of_network(idx_dir, tmp_path, networks, training):
    config = resumable_config(idx_dir, networks=networks, **training)
    whole = experiment.run(config, name="whole", runs_dir=tmp_path).directory.root
    assert read_footprint(stop_and_resume(config, tmp_path, polls=[3])) == read_footprint(whole)


def test_run_of_the_config_of_a_run_gives_the_same_run(idx_dir, tmp_path):
    first = experiment.run(resumable_config(idx_dir), name="first", runs_dir=tmp_path).directory
    again = from_toml(first.config.read_text())
    second = experiment.run(again, name="second", runs_dir=tmp_path).directory
    assert second.config.read_text() == first.config.read_text()
    assert read_footprint(second.root) == read_footprint(first.root)


def test_train_takes_the_same_steps_as_run(idx_dir, tmp_path):
    config = resumable_config(idx_dir)
    *_, last = experiment.train(config)
    root = experiment.run(config, name="whole", runs_dir=tmp_path).directory.root
    saved = storage.read_committed_directory(list_checkpoints(root / "checkpoints")[0])["state.safetensors"]
    tensors = safetensors.torch.load(saved)
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in last.state.tensors().items())


def test_run_depends_on_the_seed(idx_dir, tmp_path):
    one = experiment.run(resumable_config(idx_dir, seed=1), name="one", runs_dir=tmp_path).directory
    two = experiment.run(resumable_config(idx_dir, seed=2), name="two", runs_dir=tmp_path).directory
    assert read_footprint(one.root)["samples"] != read_footprint(two.root)["samples"]


def test_run_writes_samples_rows_checkpoints_environment_and_model(idx_dir, tmp_path):
    config = resumable_config(idx_dir)
    root = experiment.run(config, name="whole", runs_dir=tmp_path).directory.root
    assert sorted(p.name for p in (root / "samples").iterdir()) == [f"epoch-000{i}.png" for i in range(4)]
    rows = [json.loads(line) for line in (root / "metrics.jsonl").read_text().splitlines()]
    assert [row["cur_nimg"] for row in rows] == [32, 64, 96, 128, 160]
    assert {"Loss/G/loss", "Loss/D/loss", "Loss/scores/real", "Loss/scores/fake"} <= rows[0].keys()
    assert len(list_checkpoints(root / "checkpoints")) == config.run.checkpoints
    environment = json.loads((root / "environment.json").read_text())
    assert environment["data"]["images"] == 64
    assert len(environment["data"]["sha256"]) == 4
    assert GAN.load(root).sample(3, digit=7, seed=0).shape == (3, 1, 28, 28)


def test_run_refuses_an_existing_name(idx_dir, tmp_path):
    experiment.run(resumable_config(idx_dir), name="taken", runs_dir=tmp_path, stop=lambda: True)
    with pytest.raises(ConfigError, match="taken"):
        experiment.run(resumable_config(idx_dir), name="taken", runs_dir=tmp_path)


def test_start_overtaken_by_another_of_its_name_is_refused_as_the_name_is(idx_dir, tmp_path, monkeypatch):
    config = resumable_config(idx_dir)

    def overtaken(*args, **kwargs):
        directory = create_run(*args, **kwargs)
        monkeypatch.undo()
        assert experiment.run(config, name="taken", runs_dir=tmp_path).finished
        return directory

    monkeypatch.setattr(launch, "create_run", overtaken)
    with pytest.raises(ConfigError, match=r"taken exists and is not overwritten.*mnist-gan resume"):
        experiment.run(config, name="taken", runs_dir=tmp_path)
    assert experiment.resume(tmp_path / "taken").finished


def test_resume_refuses_a_run_that_another_process_holds(idx_dir, tmp_path):
    outcome = experiment.run(resumable_config(idx_dir), name="busy", runs_dir=tmp_path, stop=lambda: True)
    with outcome.directory.locked(), pytest.raises(RunBusyError, match="another process"):
        experiment.resume(outcome.directory.root)


def test_resume_refuses_other_data(idx_dir, tmp_path):
    copy = tmp_path / "data"
    copy.mkdir()
    for path in idx_dir.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    outcome = experiment.run(resumable_config(copy), name="run", runs_dir=tmp_path, stop=stop_after(2))
    labels = copy / "train-labels-idx1-ubyte.gz"
    content = bytearray(gzip.decompress(labels.read_bytes()))
    content[-1] = (content[-1] + 1) % 10
    labels.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(DataError, match="sha256"):
        experiment.resume(outcome.directory.root)


def test_run_that_diverges_names_the_step_and_keeps_finite_checkpoints(idx_dir, tmp_path):
    config = resumable_config(idx_dir, objective=ObjectiveConfig(loss="least_squares"), total_nimg=16 * 200)
    config = dataclasses.replace(config, optimizer=OptimizerConfig(g_lr=1e30, d_lr=1e30))
    with pytest.raises(DivergenceError, match=r"step [0-9]+"):
        experiment.run(config, name="nan", runs_dir=tmp_path)
    newest = list_checkpoints(tmp_path / "nan" / "checkpoints")[0]
    tensors = safetensors.torch.load(storage.read_committed_directory(newest)["state.safetensors"])
    assert all(bool(torch.isfinite(t).all()) for t in tensors.values())


def test_resume_skips_a_damaged_checkpoint_with_a_warning(idx_dir, tmp_path, caplog):
    config = resumable_config(idx_dir)
    whole = experiment.run(config, name="whole", runs_dir=tmp_path).directory.root
    stopped = experiment.run(config, name="stopped", runs_dir=tmp_path, stop=stop_after(7)).directory
    tensors = list_checkpoints(stopped.checkpoints)[0] / "state.safetensors"
    content = bytearray(tensors.read_bytes())
    content[len(content) // 2] ^= 1
    tensors.write_bytes(bytes(content))
    assert experiment.resume(stopped.root).finished
    assert any("sha256" in message for message in caplog.messages)
    assert read_footprint(stopped.root) == read_footprint(whole)


def test_resume_refuses_a_run_without_an_intact_checkpoint(idx_dir, tmp_path):
    stopped = experiment.run(resumable_config(idx_dir), name="stopped", runs_dir=tmp_path, stop=stop_after(7)).directory
    for checkpoint in list_checkpoints(stopped.checkpoints):
        (checkpoint / "state.safetensors").write_bytes(b"")
    with pytest.raises(ArtifactError, match="no usable checkpoint"):
        experiment.resume(stopped.root)


def test_resume_refuses_a_trained_run_without_checkpoints_and_overwrites_nothing(idx_dir, tmp_path):
    directory = experiment.run(resumable_config(idx_dir), name="run", runs_dir=tmp_path).directory
    for checkpoint in list_checkpoints(directory.checkpoints):
        storage.remove_tree(checkpoint)
    rows = directory.metrics.read_bytes()
    message = "has no checkpoint, but the run has rows of metrics; nothing is overwritten"
    with pytest.raises(ArtifactError, match=message):
        experiment.resume(directory.root)
    assert directory.metrics.read_bytes() == rows


def test_resume_of_a_finished_run_changes_nothing(idx_dir, tmp_path):
    root = experiment.run(resumable_config(idx_dir), name="whole", runs_dir=tmp_path).directory.root
    before = read_footprint(root)
    assert experiment.resume(root).finished
    assert read_footprint(root) == before


KILLED = """
import sys
from pathlib import Path
from typing import Any
from mnist_gan import experiment
from mnist_gan.config import from_toml
config = from_toml(Path(sys.argv[1]).read_text())
print("ready", flush=True)
experiment.run(config, name="killed", runs_dir=sys.argv[2])
"""


@pytest.mark.slow
def test_resume_after_kill_9_loses_nothing(idx_dir, tmp_path):
    """The campaign's row "kills" does so at random moments, of which half are during a save."""
    config = dataclasses.replace(
        resumable_config(idx_dir, total_nimg=16 * 40, networks=MLP),
        run=RunConfig(tick_nimg=32, checkpoint_nimg=16, evaluate=False, pictures=False),
    )
    whole = experiment.run(config, name="whole", runs_dir=tmp_path).directory
    arguments = [sys.executable, "-c", KILLED, str(whole.config), str(tmp_path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while not list_checkpoints(tmp_path / "killed" / "checkpoints"):
            time.sleep(0.01)
        process.kill()
    assert experiment.resume(tmp_path / "killed").finished
    assert read_footprint(tmp_path / "killed") == read_footprint(whole.root)


def test_dry_run_predicts_and_writes_nothing(idx_dir, tmp_path, monkeypatch):
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    estimate = experiment.dry_run(resumable_config(idx_dir, total_nimg=10**6), seconds=0.5)
    assert estimate.img_per_sec > 0
    assert estimate.seconds == pytest.approx(10**6 / estimate.img_per_sec)
    assert not list(empty.iterdir())


def test_dry_run_predicts_a_training_of_one_step(idx_dir):
    lazy = ObjectiveConfig(r1_gamma=1.0, penalty_interval=8)
    estimate = experiment.dry_run(resumable_config(idx_dir, objective=lazy, total_nimg=16), seconds=0.1)
    assert estimate.config.training.total_nimg == 16
    assert estimate.seconds == pytest.approx(16 / estimate.img_per_sec)


class FullDisk(storage.Disk):
    """A disk without room for a checkpoint."""

    def write(self, path, content):
        if path.name == "state.safetensors":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        super().write(path, content)


def test_run_that_fails_before_its_first_checkpoint_leaves_no_folder(idx_dir, tmp_path, monkeypatch):
    config = resumable_config(idx_dir)
    disk = storage._disk
    monkeypatch.setattr(storage, "_disk", FullDisk())
    with pytest.raises(StorageError, match="No space left"):
        experiment.run(config, name="again", runs_dir=tmp_path / "runs")
    monkeypatch.setattr(storage, "_disk", disk)
    assert list((tmp_path / "runs").iterdir()) == []
    assert experiment.run(config, name="again", runs_dir=tmp_path / "runs").finished


def test_run_that_fails_later_keeps_its_folder(idx_dir, tmp_path):
    def fail(tick):
        raise StorageError("the observer failed")

    with pytest.raises(StorageError, match="observer"):
        experiment.run(resumable_config(idx_dir), name="kept", runs_dir=tmp_path, observer=Observer(tick=fail))
    assert experiment.resume(tmp_path / "kept").finished


def test_run_takes_the_folder_of_a_start_that_was_killed_before_its_config_was_written(idx_dir, tmp_path):
    (tmp_path / "killed" / ".tmp-1-0-environment.json").mkdir(parents=True)
    (tmp_path / "killed" / "live").mkdir()
    (tmp_path / "killed" / ".lock").touch()
    (tmp_path / "killed" / "environment.json").write_text("{}")
    assert experiment.run(resumable_config(idx_dir), name="killed", runs_dir=tmp_path).finished


def test_resume_keeps_the_length_of_a_run_of_an_earlier_release(idx_dir, tmp_path):
    config = tiny_config(idx_dir, optimizer={"decay": "linear"}, training={"total_nimg": 180})
    directory = experiment.run(config, name="old", runs_dir=tmp_path, stop=stop_after(2)).directory
    environment = json.loads(directory.environment.read_text())
    del environment["config"]  # earlier releases recorded none, and did not round the length
    storage.write_json(directory.environment, environment)
    directory.config.write_text(directory.config.read_text().replace("total_nimg = 180", "total_nimg = 170"))
    outcome = experiment.resume(directory.root)
    assert (outcome.finished, outcome.cur_nimg) == (True, 180)
    *_, row, _ = map(json.loads, directory.metrics.read_text().splitlines())
    factor = learning_rate_factor(config.optimizer, cur_nimg=160, total_nimg=170)
    assert row["Progress/g_lr"] == config.optimizer.g_lr * factor > 0
    assert directory.read_config().training.total_nimg == 170
