from __future__ import annotations

import json

import pytest
from tests.support.studies import TOML, WrittenBackend, small_study, write_trial

from mnist_gan.errors import ConfigError
from mnist_gan.studies.coordinator import Coordinator, plan_final, plan_tuning, read_progress
from mnist_gan.studies.folder import Attempt, StudyDirectory

SEARCH = """
[tuning]
trials = 3
share = 0.5
[arms.hinge.search]
optimizer.g_lr = { low = 1e-4, high = 1e-2, scale = "log" }
"""


@pytest.fixture
def directory(tmp_path):
    found = StudyDirectory(tmp_path / "study")
    found.root.mkdir()
    return found


def test_coordinator_trains_each_trial_once(directory):
    study = small_study()
    backend = WrittenBackend(directory, study)
    shown: list[str] = []
    assert Coordinator(study, directory, backend, show=lambda text, *_: shown.append(text)).run()
    assert backend.trained == [trial.name for trial in plan_final(study, directory)]
    assert Coordinator(study, directory, again := WrittenBackend(directory, study)).run()
    assert again.trained == []
    assert shown[0].startswith("1 of 6 trials")


def test_coordinator_goes_on_after_failures_and_tries_killed_trials_again(directory):
    study = small_study()
    end = {
        "ns-seed0": Attempt(trial="ns-seed0", state="diverged", code=5),
        "ns-seed1": Attempt(trial="ns-seed1", state="killed", code=-9),
    }
    assert Coordinator(study, directory, WrittenBackend(directory, study, end=end)).run()
    assert read_progress(study, directory).describe().startswith("6 of 6 trials, 2 failed")
    assert Coordinator(study, directory, again := WrittenBackend(directory, study)).run()
    assert again.trained == ["ns-seed1"]


@pytest.mark.parametrize("code", [2, 3])
def test_coordinator_ends_at_an_error_that_every_trial_would_repeat(directory, code):
    study = small_study()
    end = {"ns-seed0": Attempt(trial="ns-seed0", state="failed", code=code, message="no such folder")}
    backend = WrittenBackend(directory, study, end=end)
    with pytest.raises(ConfigError, match="ns-seed0 cannot be trained: no such folder"):
        Coordinator(study, directory, backend).run()
    assert backend.trained == ["ns-seed0"]


def test_coordinator_refuses_a_figure_that_is_not_measured(directory):
    study = small_study('figure = "fd9k_other"\n')
    with pytest.raises(
        ConfigError, match=r"figure is fd9k_other, which .* does not measure; choose one of fd2k_mnistnet"
    ):
        Coordinator(study, directory, WrittenBackend(directory, study)).run()


def test_coordinator_compares_the_best_tuned_recipe_with_fresh_seeds(directory):
    study = small_study(text=TOML + SEARCH)
    backend = WrittenBackend(directory, study)
    assert Coordinator(study, directory, backend).run()
    tuning = plan_tuning(study, directory)
    assert [trial.name for trial in tuning] == backend.trained[:3] == ["hinge-tune0", "hinge-tune1", "hinge-tune2"]
    assert {trial.nimg for trial in tuning} == {20}
    best = min(trial.config.optimizer.g_lr for trial in tuning)
    assert json.loads(directory.chosen.read_text()) == {"hinge": {"optimizer.g_lr": best}}
    assert {trial.config.optimizer.g_lr for trial in plan_final(study, directory) if trial.arm == "hinge"} == {best}


def test_coordinator_keeps_the_chosen_values_of_an_earlier_run(directory):
    study = small_study(text=TOML + SEARCH)
    killed = {"hinge-tune0": Attempt(trial="hinge-tune0", state="killed", code=-9)}
    Coordinator(study, directory, WrittenBackend(directory, study, end=killed)).run()
    chosen = directory.read_chosen()
    Coordinator(study, directory, again := WrittenBackend(directory, study)).run()
    assert (again.trained, directory.read_chosen()) == ([], chosen)


def test_budget_in_seconds_gives_each_arm_the_images_of_its_speed(directory, monkeypatch):
    study = small_study(text=TOML.replace("images = 40", "seconds = 2"))
    monkeypatch.setattr(
        "mnist_gan.studies.coordinator.measure_speeds",
        lambda trials, **_: {key: 100.0 if trial.arm == "ns" else 50.0 for key, trial in trials.items()},
    )
    assert Coordinator(study, directory, WrittenBackend(directory, study)).run()
    assert {(trial.arm, trial.nimg) for trial in plan_final(study, directory)} == {("ns", 200), ("hinge", 100)}


def test_progress_predicts_the_time_left_from_the_speed_of_each_arm(directory, monkeypatch):
    study = small_study()
    trials = plan_final(study, directory)
    assert read_progress(study, directory).seconds_left is None
    write_trial(directory, trials[0], [1.0], seconds=5.0)  # 10 s of its process
    write_trial(directory, trials[1], [1.0], seconds=10.0)
    progress = read_progress(study, directory, slots=2)
    assert progress.share == pytest.approx(2 / 6)
    assert progress.seconds_left == pytest.approx((2 * 10 + 2 * 20) / 2)
    monkeypatch.setattr("mnist_gan.studies.coordinator.capacity", lambda threads: 4 // threads)
    assert read_progress(study, directory).seconds_left == pytest.approx((2 * 10 + 2 * 20) / 4)
    assert progress.processor_seconds == 30.0
    assert progress.describe() == "2 of 6 trials, 30 s left, cost 30 s of processor time"
