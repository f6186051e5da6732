from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from pathlib import Path

import pytest
from tests.support.program import metric_rows, newest_weights
from tests.support.studies import small_study, trainable_study

from mnist_gan import config as config_module
from mnist_gan import experiment
from mnist_gan.studies.coordinator import plan_final
from mnist_gan.studies.execution import execute, write_order
from mnist_gan.studies.folder import Attempt, StudyDirectory


@pytest.fixture
def directory(tmp_path):
    return StudyDirectory(tmp_path / "study")


def run_trial(order: str, stop=None) -> Attempt:
    return Attempt.from_json(execute(order, stop))


def kill_when_it_trains(directory: StudyDirectory, name: str) -> threading.Thread:
    """Kill the process of a trial once it has a checkpoint."""

    def wait_and_kill() -> None:
        run = directory.run(name)
        while not any(run.checkpoints.glob("nimg-*")):
            time.sleep(0.05)
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = path.read_bytes().decode().split("\0")
                if "mnist_gan.studies.lifeline" in words and str(directory.trials) in words:
                    os.kill(int(path.parent.name), signal.SIGKILL)

    thread = threading.Thread(target=wait_and_kill)
    thread.start()
    return thread


def test_execute_without_a_start_reports_a_stopped_trial(directory):
    (trial, *_) = plan_final(small_study(), directory)
    assert run_trial(write_order(directory, trial), lambda: True).state == "stopped"
    assert not directory.root.exists()


def test_execute_polls_the_stop_file_of_the_study(directory):
    (trial, *_) = plan_final(small_study(), directory)
    directory.root.mkdir()
    directory.stop.touch()
    assert run_trial(write_order(directory, trial)).state == "stopped"


@pytest.mark.slow
def test_execute_trains_an_ordinary_run_and_reports_data_errors(directory, idx_dir, tmp_path):
    trial = plan_final(trainable_study(idx_dir), directory)[0]
    attempt = run_trial(write_order(directory, trial))
    assert (attempt.state, attempt.trial, attempt.code, attempt.message) == ("finished", "ns-seed0", 0, "")
    run = experiment.run(trial.config, name="same", runs_dir=tmp_path).directory
    assert metric_rows(directory.run(trial).root) == metric_rows(run.root)
    lost = plan_final(trainable_study(tmp_path / "nowhere"), directory)[1]
    failed = run_trial(write_order(directory, lost))
    assert (failed.state, failed.code) == ("failed", 3)
    assert "nowhere" in failed.message


@pytest.mark.slow
def test_execute_trains_an_arm_with_a_plugin_whose_file_the_run_keeps(directory, idx_dir):
    file = Path(__file__).parents[2] / "examples" / "new_loss.py"
    arm = f'[arms.own]\nplugin = "{file}"\npreset = "classic-mlp"\nchanges.objective.loss = "ralsgan.average"'
    trial = next(each for each in plan_final(trainable_study(idx_dir, arms=arm), directory) if each.arm == "own")
    assert run_trial(write_order(directory, trial)).state == "finished"
    run = directory.run(trial)
    assert (run.root / "plugin.py").read_text() == file.read_text()
    assert config_module.from_toml(run.config.read_text()).objective.loss == "ralsgan.average"


@pytest.mark.slow
def test_execute_resumes_a_killed_trial_to_the_same_bits(directory, idx_dir, tmp_path):
    trial = plan_final(trainable_study(idx_dir, images=8_000), directory)[0]
    order = write_order(directory, trial)
    thread = kill_when_it_trains(directory, trial.name)
    killed = run_trial(order)
    thread.join()
    assert (killed.state, killed.message) == ("killed", "the process was killed by SIGKILL")
    assert run_trial(order).state == "finished"
    whole = experiment.run(trial.config, name="whole", runs_dir=tmp_path).directory
    assert newest_weights(directory.run(trial).root) == newest_weights(whole.root)
