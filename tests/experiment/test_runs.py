"""Runs: what they write, and that stopping and resuming changes nothing."""

import dataclasses
import functools
import gzip
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch
import torch

from mnist_gan import experiment, presets, runs, storage
from mnist_gan.artifacts.checkpoints import list_checkpoints
from mnist_gan.artifacts.gan import GAN
from mnist_gan.config import (
    Config,
    DataConfig,
    DiscriminatorConfig,
    GeneratorConfig,
    ObjectiveConfig,
    OptimizerConfig,
    RunConfig,
    TrainingConfig,
    from_toml,
)
from mnist_gan.errors import ArtifactError, ConfigError, DataError, DivergenceError, RunBusyError
from mnist_gan.evaluation import THRESHOLDS, diagnosis
from mnist_gan.experiment import recorder
from mnist_gan.training import Tick

TINY_DCGAN = {
    "generator": GeneratorConfig(family="dcgan", z_dim=8, channels=(8, 4), norm="batch"),
    "discriminator": DiscriminatorConfig(family="dcgan", channels=(4, 8), norm="none"),
}
TINY_MLP = {
    "generator": GeneratorConfig(family="mlp", z_dim=8, channels=(16,), norm="batch"),
    "discriminator": DiscriminatorConfig(family="mlp", channels=(16,), norm="none"),
}
TINY_RESNET = {
    "generator": GeneratorConfig(family="resnet", z_dim=8, channels=(8, 4), norm="none"),
    "discriminator": DiscriminatorConfig(family="resnet", channels=(4, 8), norm="none"),
}


def tiny(idx_dir: Path, *, objective: ObjectiveConfig | None = None, nets=TINY_DCGAN, **training) -> Config:
    defaults: dict[str, Any] = {
        "total_nimg": 160,
        "batch_size": 16,
        "device": "cpu",
        "conditional": True,
        "precision": "float32",
    }
    return Config(
        data=DataConfig(dir=str(idx_dir), limit=64),
        objective=objective or ObjectiveConfig(),
        optimizer=OptimizerConfig(decay="cosine", warmup_nimg=32),
        training=TrainingConfig(**(defaults | training)),
        run=RunConfig(tick_nimg=32, checkpoint_nimg=48, evaluate=False, pictures=False),
        **nets,
    )


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


def after_polls(n: int) -> Callable[[], bool]:
    """A stop callable that says yes when it is asked for the (n+1)th time."""
    polls = iter(range(10**9))
    return lambda: next(polls) >= n


def footprint(root: Path) -> dict[str, object]:
    """All that must be equal between a resumed and an uninterrupted run."""
    rows = [json.loads(line) for line in (root / "metrics.jsonl").read_text().splitlines()]
    untimed = [{k: v for k, v in row.items() if not k.startswith("Timing/")} for row in rows]
    samples = {path.name: path.read_bytes() for path in sorted((root / "samples").iterdir())}
    newest = list_checkpoints(root / "checkpoints")[0]
    model = {p.name: p.read_bytes() for p in (root / "model").glob("*.safetensors")}
    return {"rows": untimed, "samples": samples, "state": storage.read_committed_directory(newest), "model": model}


def stop_and_resume(config: Config, runs_dir: Path, *, polls: list[int]) -> Path:
    outcome = experiment.run(config, name="stopped", runs_dir=runs_dir, stop=after_polls(polls[0]))
    for n in polls[1:]:
        assert not outcome.finished
        outcome = experiment.resume(outcome.directory.root, stop=after_polls(n))
    if not outcome.finished:
        outcome = experiment.resume(outcome.directory.root)
    assert outcome.finished
    return outcome.directory.root


@pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES.keys())
def test_a_stopped_and_resumed_run_equals_the_uninterrupted_one(idx_dir, tmp_path, objective):
    config = tiny(idx_dir, objective=objective)
    whole = experiment.run(config, name="whole", runs_dir=tmp_path).directory.root
    assert footprint(stop_and_resume(config, tmp_path, polls=[1, 3, 2])) == footprint(whole)


@pytest.mark.parametrize(
    ("nets", "training"),
    [
        (TINY_MLP, {"conditional": False}),
        (TINY_RESNET, {"d_steps": 2}),
        (TINY_DCGAN, {"ema_halflife_nimg": 0.0}),
        ({**TINY_DCGAN, "discriminator": DiscriminatorConfig(family="dcgan", channels=(4, 8), norm="spectral")}, {}),
        ({**TINY_DCGAN, "discriminator": DiscriminatorConfig(family="dcgan", channels=(4, 8), norm="batch")}, {}),
    ],
    ids=["mlp", "resnet, two D steps", "no averaging", "spectral norm", "batch norm in D"],
)
def test_exact_resuming_holds_for_every_kind_of_network(idx_dir, tmp_path, nets, training):
    config = tiny(idx_dir, nets=nets, **training)
    whole = experiment.run(config, name="whole", runs_dir=tmp_path).directory.root
    assert footprint(stop_and_resume(config, tmp_path, polls=[3])) == footprint(whole)


def test_the_resolved_config_of_a_run_gives_the_same_run(idx_dir, tmp_path):
    first = experiment.run(tiny(idx_dir), name="first", runs_dir=tmp_path).directory
    again = from_toml(first.config.read_text())
    second = experiment.run(again, name="second", runs_dir=tmp_path).directory
    assert second.config.read_text() == first.config.read_text()
    assert footprint(second.root) == footprint(first.root)


def test_training_in_memory_takes_the_same_steps_as_a_run(idx_dir, tmp_path):
    config = tiny(idx_dir)
    *_, last = experiment.train(config)
    root = experiment.run(config, name="whole", runs_dir=tmp_path).directory.root
    saved = storage.read_committed_directory(list_checkpoints(root / "checkpoints")[0])["state.safetensors"]
    tensors = safetensors.torch.load(saved)
    assert all(torch.equal(tensor, tensors[name]) for name, tensor in last.state.tensors().items())


def test_another_seed_gives_another_run(idx_dir, tmp_path):
    one = experiment.run(tiny(idx_dir, seed=1), name="one", runs_dir=tmp_path).directory
    two = experiment.run(tiny(idx_dir, seed=2), name="two", runs_dir=tmp_path).directory
    assert footprint(one.root)["samples"] != footprint(two.root)["samples"]


def test_a_run_leaves_what_it_promises(idx_dir, tmp_path):
    config = tiny(idx_dir)
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


def test_the_last_grid_has_the_number_of_the_last_epoch_though_the_last_batch_goes_beyond_it(idx_dir, tmp_path):
    config = tiny(idx_dir, total_nimg=None, epochs=2.0, batch_size=24)
    root = experiment.run(config, name="whole", runs_dir=tmp_path).directory.root
    assert sorted(p.name for p in (root / "samples").iterdir()) == [f"epoch-000{i}.png" for i in range(3)]


def test_a_checkpoint_exists_from_step_0(idx_dir, tmp_path):
    outcome = experiment.run(tiny(idx_dir), name="none", runs_dir=tmp_path, stop=lambda: True)
    assert [p.name for p in list_checkpoints(outcome.directory.checkpoints)] == ["nimg-0000000000"]
    assert outcome.directory.sample(0).exists()


def test_a_run_never_overwrites_another(idx_dir, tmp_path):
    experiment.run(tiny(idx_dir), name="taken", runs_dir=tmp_path, stop=lambda: True)
    with pytest.raises(ConfigError, match="taken"):
        experiment.run(tiny(idx_dir), name="taken", runs_dir=tmp_path)


def test_a_second_process_on_the_same_run_is_refused(idx_dir, tmp_path):
    outcome = experiment.run(tiny(idx_dir), name="busy", runs_dir=tmp_path, stop=lambda: True)
    with outcome.directory.locked(), pytest.raises(RunBusyError, match="another process"):
        experiment.resume(outcome.directory.root)


def test_other_data_than_the_run_began_with_are_refused(idx_dir, tmp_path):
    copy = tmp_path / "data"
    copy.mkdir()
    for path in idx_dir.iterdir():
        (copy / path.name).write_bytes(path.read_bytes())
    outcome = experiment.run(tiny(copy), name="run", runs_dir=tmp_path, stop=after_polls(2))
    labels = copy / "train-labels-idx1-ubyte.gz"
    content = bytearray(gzip.decompress(labels.read_bytes()))
    content[-1] = (content[-1] + 1) % 10
    labels.write_bytes(gzip.compress(bytes(content)))
    with pytest.raises(DataError, match="sha256"):
        experiment.resume(outcome.directory.root)


def test_a_diverging_run_names_the_step_and_keeps_the_last_good_checkpoint(idx_dir, tmp_path):
    config = tiny(idx_dir, objective=ObjectiveConfig(loss="least_squares"), total_nimg=16 * 200)
    config = dataclasses.replace(config, optimizer=OptimizerConfig(g_lr=1e30, d_lr=1e30))
    with pytest.raises(DivergenceError, match=r"step [0-9]+"):
        experiment.run(config, name="nan", runs_dir=tmp_path)
    newest = list_checkpoints(tmp_path / "nan" / "checkpoints")[0]
    tensors = safetensors.torch.load(storage.read_committed_directory(newest)["state.safetensors"])
    assert all(bool(torch.isfinite(t).all()) for t in tensors.values())


def test_a_damaged_newest_checkpoint_is_passed_over_and_said(idx_dir, tmp_path, caplog):
    config = tiny(idx_dir)
    whole = experiment.run(config, name="whole", runs_dir=tmp_path).directory.root
    stopped = experiment.run(config, name="stopped", runs_dir=tmp_path, stop=after_polls(7)).directory
    tensors = list_checkpoints(stopped.checkpoints)[0] / "state.safetensors"
    content = bytearray(tensors.read_bytes())
    content[len(content) // 2] ^= 1
    tensors.write_bytes(bytes(content))
    assert experiment.resume(stopped.root).finished
    assert any("sha256" in message for message in caplog.messages)
    assert footprint(stopped.root) == footprint(whole)


def test_no_usable_checkpoint_is_an_artifact_error(idx_dir, tmp_path):
    stopped = experiment.run(tiny(idx_dir), name="stopped", runs_dir=tmp_path, stop=after_polls(7)).directory
    for checkpoint in list_checkpoints(stopped.checkpoints):
        (checkpoint / "state.safetensors").write_bytes(b"")
    with pytest.raises(ArtifactError, match="no usable checkpoint"):
        experiment.resume(stopped.root)


def test_resume_refuses_a_trained_run_without_checkpoints_and_overwrites_nothing(idx_dir, tmp_path):
    directory = experiment.run(tiny(idx_dir), name="run", runs_dir=tmp_path).directory
    for checkpoint in list_checkpoints(directory.checkpoints):
        storage.remove_tree(checkpoint)
    rows = directory.metrics.read_bytes()
    with pytest.raises(
        ArtifactError, match="has no checkpoint, but the run has rows of metrics; nothing is overwritten"
    ):
        experiment.resume(directory.root)
    assert directory.metrics.read_bytes() == rows


def test_a_finished_run_resumes_to_itself(idx_dir, tmp_path):
    root = experiment.run(tiny(idx_dir), name="whole", runs_dir=tmp_path).directory.root
    before = footprint(root)
    assert experiment.resume(root).finished
    assert footprint(root) == before


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
@pytest.mark.parametrize("delay", [0.2, 0.7])
def test_kill_9_loses_nothing(idx_dir, tmp_path, delay):
    config = dataclasses.replace(
        tiny(idx_dir, total_nimg=16 * 40),
        run=RunConfig(tick_nimg=32, checkpoint_nimg=16, evaluate=False, pictures=False),
    )
    whole = experiment.run(config, name="whole", runs_dir=tmp_path).directory
    arguments = [sys.executable, "-c", KILLED, str(whole.config), str(tmp_path)]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        while not list_checkpoints(tmp_path / "killed" / "checkpoints"):
            time.sleep(0.01)
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
    assert experiment.resume(tmp_path / "killed").finished
    assert footprint(tmp_path / "killed") == footprint(whole.root)


def test_a_dry_run_predicts_and_writes_nothing(idx_dir, tmp_path, monkeypatch):
    empty = tmp_path / "empty"
    empty.mkdir()
    monkeypatch.chdir(empty)
    estimate = experiment.dry_run(tiny(idx_dir, total_nimg=10**6), seconds=0.5)
    assert estimate.img_per_sec > 0
    assert estimate.seconds == pytest.approx(10**6 / estimate.img_per_sec)
    assert not list(empty.iterdir())


def test_a_dry_run_of_a_training_of_one_step_predicts_too(idx_dir):
    lazy = ObjectiveConfig(r1_gamma=1.0, penalty_interval=8)
    estimate = experiment.dry_run(tiny(idx_dir, objective=lazy, total_nimg=16), seconds=0.1)
    assert estimate.config.training.total_nimg == 16
    assert estimate.seconds == pytest.approx(16 / estimate.img_per_sec)


def test_resolving_a_resolved_config_changes_nothing(idx_dir):
    from mnist_gan.data import load_dataset

    config = dataclasses.replace(presets.quick(), data=DataConfig(dir=str(idx_dir)))
    dataset = load_dataset(config.data)
    resolved = experiment.resolve(config, dataset)
    assert experiment.resolve(resolved, dataset) == resolved


class Poison:
    """An observer's callable that makes a weight NaN when the clock first reaches `nimg`, `times` times over."""

    def __init__(self, nimg: int, *, times: int) -> None:
        self.nimg, self.times = nimg, times

    def __call__(self, tick: Tick) -> None:
        if tick.cur_nimg >= self.nimg and self.times:
            self.times -= 1
            next(tick.state.G.parameters()).data[0] = float("nan")


def with_rollbacks(config: Config, n: int) -> Config:
    return dataclasses.replace(config, run=dataclasses.replace(config.run, rollbacks=n))


def test_a_rollback_goes_back_with_half_the_learning_rates(idx_dir, tmp_path, caplog):
    observer = experiment.Observer(tick=Poison(96, times=1))
    outcome = experiment.run(with_rollbacks(tiny(idx_dir), 3), name="run", runs_dir=tmp_path, observer=observer)
    assert outcome.finished
    assert any("rollback 1 of 3" in sentence for sentence in caplog.messages)
    rows = [json.loads(line) for line in outcome.directory.metrics.read_text().splitlines()]
    assert [row["cur_nimg"] for row in rows] == [32, 64, 96, 128, 160]
    undisturbed = experiment.run(tiny(idx_dir), name="calm", runs_dir=tmp_path).directory
    calm = [json.loads(line) for line in undisturbed.metrics.read_text().splitlines()]
    ratios = [row["Progress/g_lr"] / other["Progress/g_lr"] for row, other in zip(rows[:-1], calm[:-1], strict=True)]
    assert ratios[0] == 1.0
    assert ratios[-1] == 0.5


def test_a_training_that_diverges_again_and_again_ends_after_the_rollbacks_allowed(idx_dir, tmp_path):
    observer = experiment.Observer(tick=Poison(96, times=10))
    with pytest.raises(DivergenceError, match="step"):
        experiment.run(with_rollbacks(tiny(idx_dir), 3), name="run", runs_dir=tmp_path, observer=observer)
    for checkpoint in list_checkpoints(tmp_path / "run" / "checkpoints"):
        tensors = safetensors.torch.load(storage.read_committed_directory(checkpoint)["state.safetensors"])
        assert all(bool(torch.isfinite(t).all()) for t in tensors.values())


def judged(config: Config, **run) -> Config:
    return dataclasses.replace(config, run=dataclasses.replace(config.run, evaluate=True, evaluate_nimg=32, **run))


@pytest.mark.slow
def test_the_model_is_the_best_snapshot_and_resuming_keeps_it_so(idx_dir, tmp_path):
    config = judged(tiny(idx_dir))
    states: list[str] = []
    observer = experiment.Observer(judged=lambda diagnosis: states.append(diagnosis.state))
    whole = experiment.run(config, name="whole", runs_dir=tmp_path, observer=observer).directory
    rows = [json.loads(line) for line in whole.metrics.read_text().splitlines()]
    distances = {row["cur_nimg"]: row["Metric/fd2k_mnistnet"] for row in rows}
    assert len(distances) == len(states) == 5
    assert GAN.load(whole.root).facts["cur_nimg"] == min(distances, key=lambda nimg: distances[nimg])
    assert footprint(stop_and_resume(config, tmp_path, polls=[3, 4])) == footprint(whole.root)


@pytest.mark.slow
def test_the_best_checkpoint_is_kept_beside_the_newest(idx_dir, tmp_path):
    run = experiment.run(judged(tiny(idx_dir), checkpoints=1, checkpoint_nimg=32), name="run", runs_dir=tmp_path)
    kept = list_checkpoints(run.directory.checkpoints)
    assert len(kept) <= 2
    recorded = [json.loads((path / "state.json").read_text())["distance"] for path in kept]
    rows = [json.loads(line) for line in run.directory.metrics.read_text().splitlines()]
    assert min(recorded) == min(row["Metric/fd2k_mnistnet"] for row in rows)


@pytest.mark.slow
def test_a_run_that_ended_on_a_plateau_is_finished_and_trains_on_only_beyond_it(idx_dir, tmp_path, monkeypatch, caplog):
    impatient = dataclasses.replace(THRESHOLDS, evaluations_needed=1, patience=1, improvement=0.999, runaway_score=1e9)
    monkeypatch.setattr(diagnosis, "SYMPTOMS", (("plateau", diagnosis.plateau),))
    monkeypatch.setattr(recorder, "diagnose", functools.partial(diagnosis.diagnose, thresholds=impatient))
    config = judged(tiny(idx_dir), stop_on_plateau=True)
    outcome = experiment.run(config, name="flat", runs_dir=tmp_path)
    root = outcome.directory.root
    assert (outcome.finished, outcome.end_reason, outcome.cur_nimg) == (True, "plateau", 64)
    assert (runs.status(root).state, runs.status(root).end_reason) == ("finished", "plateau")

    before = footprint(root)
    again = experiment.resume(root)
    assert (again.finished, again.end_reason, again.cur_nimg) == (True, "plateau", 64)
    assert "--beyond-plateau" in caplog.messages[-1]
    assert footprint(root) == before

    stopped = experiment.resume(root, stop=after_polls(4), beyond_plateau=True)
    assert (stopped.finished, runs.status(root).state) == (False, "stopped")
    rest = experiment.resume(root)  # the decision stands
    assert (rest.finished, rest.end_reason, rest.cur_nimg) == (True, "length", 160)
    assert (runs.status(root).state, runs.status(root).end_reason) == ("finished", "length")

    whole = experiment.run(judged(tiny(idx_dir)), name="whole", runs_dir=tmp_path).directory.root
    assert footprint(root)["rows"] == footprint(whole)["rows"]
