"""Recorder: best model, checkpoints, rollbacks, the end on a plateau."""

from __future__ import annotations

import dataclasses
import functools
import json

import pytest
import safetensors.torch
import torch
from tests.support.resuming import read_footprint, resumable_config, stop_after, stop_and_resume
from tests.support.tiny import small_arrays, tiny_config

from mnist_gan import assessment, experiment, runs, storage
from mnist_gan.artifacts.checkpoints import list_checkpoints
from mnist_gan.artifacts.gan import GAN
from mnist_gan.artifacts.snapshots import list_snapshots
from mnist_gan.config import Config
from mnist_gan.data.idx_set import write_idx_set
from mnist_gan.data.mnist import HELD_OUT_LABELS, TRAIN_IMAGES, TRAIN_LABELS
from mnist_gan.data.preprocess import ImageForm
from mnist_gan.errors import DivergenceError
from mnist_gan.evaluation import PROTOCOLS, THRESHOLDS, SampleProtocol, diagnosis, monitoring
from mnist_gan.experiment import recorder
from mnist_gan.training import Tick


def test_recorder_numbers_the_last_grid_by_the_last_epoch_though_the_last_batch_exceeds_it(idx_dir, tmp_path):
    config = resumable_config(idx_dir, total_nimg=None, epochs=2.0, batch_size=24)
    root = experiment.run(config, name="whole", runs_dir=tmp_path).directory.root
    assert sorted(p.name for p in (root / "samples").iterdir()) == [f"epoch-000{i}.png" for i in range(3)]


def test_recorder_of_many_epochs_draws_some_grids_from_the_first_to_the_last(idx_dir, tmp_path, monkeypatch):
    monkeypatch.setattr(recorder, "MAX_GRIDS", 4)
    config = resumable_config(idx_dir, total_nimg=None, epochs=9.0, batch_size=64)
    config = dataclasses.replace(config, run=dataclasses.replace(config.run, snapshots=2))
    directory = experiment.run(config, name="long", runs_dir=tmp_path).directory
    grids = sorted(path.name for path in (directory.root / "samples").iterdir())
    assert grids == [f"epoch-000{epoch}.png" for epoch in (0, 3, 6, 9)]
    assert [snapshot.cur_nimg for snapshot in list_snapshots(directory.snapshots)] == [0, 576]


def test_recorder_saves_a_checkpoint_before_the_first_step(idx_dir, tmp_path):
    outcome = experiment.run(resumable_config(idx_dir), name="none", runs_dir=tmp_path, stop=lambda: True)
    assert [p.name for p in list_checkpoints(outcome.directory.checkpoints)] == ["nimg-0000000000"]
    assert outcome.directory.sample(0).exists()


class Poison:
    """Sets a weight to NaN at each of the first `times` ticks from `nimg` images on."""

    def __init__(self, nimg: int, *, times: int) -> None:
        self.nimg, self.times = nimg, times

    def __call__(self, tick: Tick) -> None:
        if tick.cur_nimg >= self.nimg and self.times:
            self.times -= 1
            next(tick.state.G.parameters()).data[0] = float("nan")


def with_rollbacks(config: Config, n: int) -> Config:
    return dataclasses.replace(config, run=dataclasses.replace(config.run, rollbacks=n))


def test_recorder_rolls_back_with_half_the_learning_rates(idx_dir, tmp_path, caplog):
    observer = experiment.Observer(tick=Poison(96, times=1))
    outcome = experiment.run(
        with_rollbacks(resumable_config(idx_dir), 3), name="run", runs_dir=tmp_path, observer=observer
    )
    assert outcome.finished
    assert any("rollback 1 of 3" in sentence for sentence in caplog.messages)
    rows = [json.loads(line) for line in outcome.directory.metrics.read_text().splitlines()]
    assert [row["cur_nimg"] for row in rows] == [32, 64, 96, 128, 160]
    undisturbed = experiment.run(resumable_config(idx_dir), name="calm", runs_dir=tmp_path).directory
    calm = [json.loads(line) for line in undisturbed.metrics.read_text().splitlines()]
    ratios = [row["Progress/g_lr"] / other["Progress/g_lr"] for row, other in zip(rows[:-1], calm[:-1], strict=True)]
    assert ratios[0] == 1.0
    assert ratios[-1] == 0.5


def test_recorder_gives_up_after_the_configured_rollbacks(idx_dir, tmp_path):
    observer = experiment.Observer(tick=Poison(96, times=10))
    with pytest.raises(DivergenceError, match="step"):
        experiment.run(with_rollbacks(resumable_config(idx_dir), 3), name="run", runs_dir=tmp_path, observer=observer)
    for checkpoint in list_checkpoints(tmp_path / "run" / "checkpoints"):
        tensors = safetensors.torch.load(storage.read_committed_directory(checkpoint)["state.safetensors"])
        assert all(bool(torch.isfinite(t).all()) for t in tensors.values())


FEW = SampleProtocol(num_images=300)


@pytest.fixture
def few_images(monkeypatch):
    """Judge fewer images during the training; the recorder compares distances, whatever their protocol."""
    monkeypatch.setattr(monitoring, "MONITOR_PROTOCOL", FEW)


def judged(config: Config, **run) -> Config:
    return dataclasses.replace(config, run=dataclasses.replace(config.run, evaluate=True, evaluate_nimg=32, **run))


@pytest.mark.usefixtures("few_images")
def test_recorder_keeps_the_best_model_also_across_a_resume(idx_dir, tmp_path):
    config = judged(resumable_config(idx_dir))
    states: list[str] = []
    observer = experiment.Observer(judged=lambda diagnosis: states.append(diagnosis.state))
    whole = experiment.run(config, name="whole", runs_dir=tmp_path, observer=observer).directory
    rows = [json.loads(line) for line in whole.metrics.read_text().splitlines()]
    distances = {row["cur_nimg"]: row[f"Metric/{FEW.figure('fd', 'mnistnet')}"] for row in rows}
    assert len(distances) == len(states) == 5
    assert GAN.load(whole.root).facts["cur_nimg"] == min(distances, key=lambda nimg: distances[nimg])
    assert read_footprint(stop_and_resume(config, tmp_path, polls=[3, 4])) == read_footprint(whole.root)


@pytest.mark.usefixtures("few_images")
def test_recorder_keeps_the_best_checkpoint_beside_the_newest(idx_dir, tmp_path):
    run = experiment.run(
        judged(resumable_config(idx_dir), checkpoints=1, checkpoint_nimg=32), name="run", runs_dir=tmp_path
    )
    kept = list_checkpoints(run.directory.checkpoints)
    assert len(kept) <= 2
    recorded = [json.loads((path / "state.json").read_text())["distance"] for path in kept]
    rows = [json.loads(line) for line in run.directory.metrics.read_text().splitlines()]
    assert min(recorded) == min(row[f"Metric/{FEW.figure('fd', 'mnistnet')}"] for row in rows)


@pytest.mark.usefixtures("few_images")
def test_recorder_ends_a_run_on_a_plateau_and_resume_continues_it_only_beyond(idx_dir, tmp_path, monkeypatch, caplog):
    impatient = dataclasses.replace(THRESHOLDS, evaluations_needed=1, patience=1, improvement=0.999, runaway_score=1e9)
    monkeypatch.setattr(diagnosis, "SYMPTOMS", (("plateau", diagnosis.plateau),))
    monkeypatch.setattr(recorder, "diagnose", functools.partial(diagnosis.diagnose, thresholds=impatient))
    config = judged(resumable_config(idx_dir), stop_on_plateau=True)
    outcome = experiment.run(config, name="flat", runs_dir=tmp_path)
    root = outcome.directory.root
    assert (outcome.finished, outcome.end_reason, outcome.cur_nimg) == (True, "plateau", 64)
    assert (runs.status(root).state, runs.status(root).end_reason) == ("finished", "plateau")

    before = read_footprint(root)
    again = experiment.resume(root)
    assert (again.finished, again.end_reason, again.cur_nimg) == (True, "plateau", 64)
    assert "--beyond-plateau" in caplog.messages[-1]
    assert read_footprint(root) == before

    stopped = experiment.resume(root, stop=stop_after(4), beyond_plateau=True)
    assert (stopped.finished, runs.status(root).state) == (False, "stopped")
    rest = experiment.resume(root)  # the decision stands
    assert (rest.finished, rest.end_reason, rest.cur_nimg) == (True, "length", 160)
    assert (runs.status(root).state, runs.status(root).end_reason) == ("finished", "length")

    whole = experiment.run(judged(resumable_config(idx_dir)), name="whole", runs_dir=tmp_path).directory.root
    assert read_footprint(root)["rows"] == read_footprint(whole)["rows"]


def test_run_on_blank_images_of_one_class_ends_at_100_percent_without_a_warning(tmp_path, caplog, monkeypatch):
    monkeypatch.setitem(PROTOCOLS, "fd10k", SampleProtocol(num_images=200, draws=2))
    write_idx_set(tmp_path / "data", small_arrays(6, 6, level=0))
    config = tiny_config(
        tmp_path / "data",
        data={"limit": None},
        training={"total_nimg": 50},
        run={"evaluate": True, "pictures": True, "tensorboard": True},
    )
    outcome = experiment.run(config, name="blank", runs_dir=tmp_path)
    assert outcome.finished
    assert outcome.cur_nimg == outcome.directory.read_config().training.total_nimg == 60
    assert (outcome.directory.root / "curves.png").is_file()
    assert not caplog.messages
    assert assessment.evaluate(outcome.directory.root).discriminator is not None


def test_run_on_labels_with_gaps_makes_a_model_that_draws_the_trained_classes(tmp_path):
    arrays = small_arrays(40, 10)
    for name in (TRAIN_LABELS, HELD_OUT_LABELS):
        arrays[name] = arrays[name] % 2 * 3
    digests = write_idx_set(tmp_path / "data", arrays)
    storage.write_json(tmp_path / "data" / "provenance.json", {"class_names": [*"abcd"], "sha256": digests})
    config = tiny_config(tmp_path / "data", data={"limit": None})
    gan = GAN.load(experiment.run(config, name="gaps", runs_dir=tmp_path).directory.root)
    assert (gan.shape.num_classes, gan.classes, gan.class_names) == (4, (0, 3), ("a", "b", "c", "d"))
    labels = gan.labels(8)
    assert labels is not None
    assert set(labels.tolist()) == {0, 3}
    assert gan.form == ImageForm.of(torch.from_numpy(arrays[TRAIN_IMAGES])[:, None])
